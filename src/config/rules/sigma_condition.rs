//! A Sigma condition: selections joined by `and`, `or`, `not`, `1 of ...`, `all of ...`.
//!
//! Refuses aggregations (`| count() ...`): one event is judged at a time.

use super::sigma::Wrong;
use crate::detect::rule::Expr;

/// Deepest nesting.
const DEPTH_MAX: usize = 16;

/// By name.
pub(super) type Selections<'a> = [(&'a str, Expr)];

pub(super) fn parse(text: &str, selections: &Selections<'_>) -> Result<Expr, Wrong> {
    if text.contains('|') {
        return Err(wrong("aggregations are not supported".to_owned()));
    }
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let mut parser = Parser {
        words: spaced.split_whitespace().collect(),
        next: 0,
        depth: 0,
        selections,
    };
    let expr = parser.any()?;
    match parser.words.get(parser.next) {
        None => Ok(expr),
        Some(word) => Err(wrong(format!(
            "the condition has {word:?} where it should end"
        ))),
    }
}

fn wrong(what: String) -> Wrong {
    Wrong::new(
        "condition",
        what,
        "join selections with and, or, not, `1 of NAME*`, `all of them`",
    )
}

struct Parser<'a> {
    words: Vec<&'a str>,
    next: usize,
    depth: usize,
    selections: &'a Selections<'a>,
}

impl<'a> Parser<'a> {
    fn takes(&mut self, word: &str) -> bool {
        let is = self
            .words
            .get(self.next)
            .is_some_and(|w| w.eq_ignore_ascii_case(word));
        self.next += usize::from(is);
        is
    }

    fn any(&mut self) -> Result<Expr, Wrong> {
        let mut parts = vec![self.all()?];
        while self.takes("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn all(&mut self) -> Result<Expr, Wrong> {
        let mut parts = vec![self.one()?];
        while self.takes("and") {
            parts.push(self.one()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn one(&mut self) -> Result<Expr, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(wrong("the condition is nested too deeply".to_owned()));
        }
        let expr = self.inner();
        self.depth -= 1;
        expr
    }

    fn inner(&mut self) -> Result<Expr, Wrong> {
        if self.takes("not") {
            return Ok(Expr::Not(Box::new(self.one()?)));
        }
        if self.takes("(") {
            let expr = self.any()?;
            return if self.takes(")") {
                Ok(expr)
            } else {
                Err(wrong("a bracket is not closed".to_owned()))
            };
        }
        for (count, join) in [
            ("1", Expr::Or as fn(Vec<Expr>) -> Expr),
            ("any", Expr::Or),
            ("all", Expr::And),
        ] {
            let follows = self
                .words
                .get(self.next + 1)
                .is_some_and(|w| w.eq_ignore_ascii_case("of"));
            if follows && self.takes(count) {
                self.next += 1;
                return self.group(join);
            }
        }
        let word = self.word()?;
        let found = self.selections.iter().find(|(name, _)| *name == word);
        found
            .map(|(_, expr)| expr.clone())
            .ok_or_else(|| wrong(format!("there is no selection {word}")))
    }

    fn word(&mut self) -> Result<&'a str, Wrong> {
        let word = self
            .words
            .get(self.next)
            .copied()
            .ok_or_else(|| wrong("something is missing".to_owned()))?;
        self.next += 1;
        Ok(word)
    }

    /// `them` leaves out what begins with an underscore.
    fn group(&mut self, join: fn(Vec<Expr>) -> Expr) -> Result<Expr, Wrong> {
        let pattern = self.word()?;
        let is_in = |name: &str| match pattern.strip_suffix('*') {
            _ if pattern.eq_ignore_ascii_case("them") => !name.starts_with('_'),
            Some(begin) => name.starts_with(begin),
            None => name == pattern,
        };
        let parts: Vec<Expr> = self
            .selections
            .iter()
            .filter(|(name, _)| is_in(name))
            .map(|(_, expr)| expr.clone())
            .collect();
        if parts.is_empty() {
            return Err(wrong(format!("there is no selection {pattern}")));
        }
        Ok(one_or(parts, join))
    }
}

pub(super) fn one_or(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}
