//! A statement as words, texts, numbers and signs.
//!
//! Refuses to understand them, and to guess where a text, a quoted name or a comment ends.

/// What stands in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// A name or a keyword.
    Word(&'s str),
    /// In single quotes.
    Text(String),
    Number(i64),
    /// Everything else; a quoted name too.
    Sign(&'s str),
}

impl Token<'_> {
    /// Whether it is this keyword or name, as SQL compares them.
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(own) if own.eq_ignore_ascii_case(word))
    }
}

/// A token, and where it begins and ends.
pub(super) type Placed<'s> = (Token<'s>, usize, usize);

/// `None`: something does not end.
pub(super) fn tokens(statement: &str) -> Option<Vec<Placed<'_>>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(first) = statement[at..].chars().next() {
        let rest = &statement[at..];
        let (token, length) = match first {
            c if c.is_ascii_whitespace() => (None, 1),
            '-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (None, rest[2..].find("*/")? + 4),
            '\'' => {
                let length = quoted(rest, "'", "''")?;
                (
                    Some(Token::Text(rest[1..length - 1].replace("''", "'"))),
                    length,
                )
            }
            '"' => sign(rest, quoted(rest, "\"", "\"\"")?),
            '`' => sign(rest, quoted(rest, "`", "``")?),
            '[' => sign(rest, rest.find(']')? + 1),
            c if is_of_word(c) => word(rest),
            _ if ["<=", ">=", "<>", "!=", "==", "||"]
                .iter()
                .any(|two| rest.starts_with(two)) =>
            {
                sign(rest, 2)
            }
            c => sign(rest, c.len_utf8()),
        };
        found.extend(token.map(|token| (token, at, at + length)));
        at += length;
    }
    Some(found)
}

fn sign(rest: &str, length: usize) -> (Option<Token<'_>>, usize) {
    (Some(Token::Sign(&rest[..length])), length)
}

/// A name, a keyword or a whole number; what begins like a number and goes on is a sign.
fn word(rest: &str) -> (Option<Token<'_>>, usize) {
    let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
    let text = &rest[..length];
    match text.parse() {
        _ if !text.starts_with(|c: char| c.is_ascii_digit()) => (Some(Token::Word(text)), length),
        Ok(number) if !rest[length..].starts_with('.') => (Some(Token::Number(number)), length),
        _ => sign(rest, length),
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// The length of a quoted text; a doubled quote is one of it.
fn quoted(rest: &str, quote: &str, doubled: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        at += rest[at..].find(quote)?;
        if !rest[at..].starts_with(doubled) {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_falls_into_tokens() {
        let statement =
            "SELECT a1,-- no\n'it''s' /* no */ FROM \"x\"\"y\" [z] WHERE b>=12 AND c<>1.5;";
        let found: Vec<Token<'_>> = tokens(statement)
            .unwrap()
            .into_iter()
            .map(|(token, ..)| token)
            .collect();
        let (word, sign) = (Token::Word, Token::Sign);
        let expected = [
            word("SELECT"),
            word("a1"),
            sign(","),
            Token::Text("it's".to_owned()),
            word("FROM"),
            sign("\"x\"\"y\""),
            sign("[z]"),
            word("WHERE"),
            word("b"),
            sign(">="),
            Token::Number(12),
            word("AND"),
            word("c"),
            sign("<>"),
            sign("1"),
            sign("."),
            Token::Number(5),
            sign(";"),
        ];
        assert_eq!(found, expected);
        for endless in ["'", "'''", "\"a", "[a", "/* a", "`"] {
            assert_eq!(tokens(endless), None, "{endless}");
        }
    }
}
