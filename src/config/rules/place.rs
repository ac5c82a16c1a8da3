//! From a character of a YAML scalar to its line and column in the file.
//!
//! Refuses to understand YAML: what is no white space stands in the scalar and in the file in the
//! same order, whatever the style of quoting, folding and indenting; the rest is walking.

use serde_saphyr::Spanned;

/// Line and column, from 1, where a value begins.
pub(super) fn of<T>(spanned: &Spanned<T>) -> Option<(usize, usize)> {
    let number = |n: u64| usize::try_from(n).ok().filter(|n| *n > 0);
    Some((
        number(spanned.defined.line())?,
        number(spanned.defined.column())?,
    ))
}

/// Where the character number `at` of the text `value` stands, which begins at `start` in `text`.
pub(super) fn inside(text: &str, start: (usize, usize), value: &str, at: usize) -> (usize, usize) {
    let mut walk = Walk::new(text, start);
    walk.skip_indicator();
    let mut found = walk.here();
    for (number, wanted) in value.chars().enumerate() {
        if !wanted.is_whitespace() {
            if !walk.seek(wanted) {
                return found;
            }
            found = walk.here();
            walk.step();
        }
        if number >= at && !wanted.is_whitespace() {
            return found;
        }
    }
    walk.here()
}

struct Walk {
    chars: Vec<char>,
    next: usize,
    line: usize,
    column: usize,
}

impl Walk {
    fn new(text: &str, (line, column): (usize, usize)) -> Walk {
        let begin: usize = text
            .split_inclusive('\n')
            .take(line - 1)
            .map(|l| l.chars().count())
            .sum();
        Walk {
            chars: text.chars().collect(),
            next: begin + column - 1,
            line,
            column,
        }
    }

    fn here(&self) -> (usize, usize) {
        (self.line, self.column)
    }

    fn step(&mut self) {
        if self.chars.get(self.next) == Some(&'\n') {
            (self.line, self.column) = (self.line + 1, 1);
        } else {
            self.column += 1;
        }
        self.next += 1;
    }

    /// `|` and `>` and what follows them in their line, or a quote.
    fn skip_indicator(&mut self) {
        match self.chars.get(self.next) {
            Some('|' | '>') => {
                while self.chars.get(self.next).is_some_and(|c| *c != '\n') {
                    self.step();
                }
            }
            Some('"' | '\'') => self.step(),
            _ => {}
        }
    }

    /// Goes on to the next such character; white space, backslashes and doubled quotes may stand
    /// between.
    fn seek(&mut self, wanted: char) -> bool {
        while let Some(c) = self.chars.get(self.next) {
            if *c == wanted {
                return true;
            }
            self.step();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_of_scalar_is_walked() {
        let cases = [
            ("c: a == b\n", (1, 4), "a == b", 5, (1, 9)),
            ("c: \"a == \\\"b\\\"\"\n", (1, 4), "a == \"b\"", 6, (1, 12)),
            ("c: 'a == ''b'''\n", (1, 4), "a == 'b'", 6, (1, 12)),
            ("c: |\n  a ==\n    b\n", (1, 4), "a ==\n  b\n", 7, (3, 5)),
            ("c: >-\n  a\n  == b\n", (1, 4), "a == b", 5, (3, 6)),
        ];
        for (text, start, value, at, expected) in cases {
            assert_eq!(inside(text, start, value, at), expected, "{text}");
        }
    }
}
