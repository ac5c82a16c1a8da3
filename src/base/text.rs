//! Text from the log at the exits: control characters, secrets, shells.
//!
//! Refuses to let a byte through that could move a cursor, reorder a line or carry a token. It errs on
//! the side of redaction for arguments and query values, and leaves plain sentences alone.

use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands where a text was cut.
const ELLIPSIS: char = '\u{2026}';

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";

/// JSON web tokens, whole or cut off, and PEM blocks, to their end or to the end of the text.
static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    let jwt = r"eyJ[A-Za-z0-9_=-]{8,}(?:(?:\.|%2[Ee])[A-Za-z0-9_=-]*)*";
    let pem = r"(?s)-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\z)";
    compiled(&format!("{jwt}|{pem}"))
});

/// A name that ends with a word, its separator, and the value.
///
/// `:` counts only where no space and no path follows: `Secret: shop/db` is a sentence.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    let name = r"(?i)(?:token|password|passwd|secret|api[_-]?key|access[_-]?key|private[_-]?key|\bkey|authorization|credentials?)";
    let next_argument = r#"(?:&command=|%26command%3[Dd])"#;
    let assigned = r#"["']?(?:=|%3[Dd]|:|%3[Aa](?:%20|\+)*)["']?"#;
    let scheme = r"(?:(?:bearer|basic)(?: |\+|%20)+)?";
    let header = r"(?i)\bauthorization(?::|%3[Aa])(?: |\+|%20)*";
    let bearer = r"(?i)\bbearer(?:\+|%20)+";
    let value = r#"[^\s&,;"'\[\]]+"#;
    compiled(&format!(
        "(?P<head>{name}(?:{next_argument}|{assigned}){scheme}|{header}{scheme}|{bearer})(?P<value>{value})"
    ))
});

fn compiled(pattern: &str) -> Regex {
    // The patterns are constant, and every test of this file runs them.
    Regex::new(pattern).unwrap_or_else(|_| unreachable!("a constant pattern is wrong"))
}

/// Redacting can bring what stood apart together; a text that needs more rounds is all secret.
const ROUNDS: usize = 8;

/// Safe to show anywhere as plain text: secrets redacted, control, ANSI and bidi characters escaped.
///
/// Ordinary text is returned as it is, without an allocation. Applied twice it gives the same. Where a
/// secret was found, characters that show nothing are left out: they could part a token in two.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if is_harmless(text) {
        return redact(text);
    }
    let whole = redact(text);
    let bare = whole.replace(is_hostile, "");
    let redacted = redact(&bare);
    if matches!(whole, Cow::Owned(_)) || matches!(redacted, Cow::Owned(_)) {
        return Cow::Owned(redacted.into_owned());
    }
    let escaped = escape_control(text);
    Cow::Owned(redact(&escaped).into_owned())
}

/// For names that must stay as they are (principals, ids): only what has the shape of a token or key is
/// redacted, not what follows a telling word, and control characters are escaped.
#[must_use]
pub fn name(text: &str) -> Cow<'_, str> {
    // `eyJ` has a J, `-----BEGIN` a B, and few names have either.
    if memchr::memchr2(b'J', b'B', text.as_bytes()).is_none() {
        return escape_control(text);
    }
    match SHAPES.replace_all(text, REDACTED) {
        Cow::Borrowed(text) => escape_control(text),
        Cow::Owned(text) => Cow::Owned(escape_control(&text).into_owned()),
    }
}

/// At most so many bytes of it, and no half character.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// As [`cut`], and what was cut shows its cut.
#[must_use]
pub fn shortened(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}{ELLIPSIS}", cut(text, bytes_max.saturating_sub(ELLIPSIS.len_utf8()))))
}

/// Whether [`name`] has nothing to look for: printable ASCII, and neither the J of a token nor the B of a key.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    // J and B differ in one bit: two comparisons a byte are half of four.
    text.bytes().fold(true, |all, b| all & (b.wrapping_sub(b' ') < 95) & (b & !8 != b'B'))
}

/// Borrowed where nothing looks like a secret; else such that redacting again changes nothing.
fn redact(text: &str) -> Cow<'_, str> {
    if !is_suspect(text) {
        return Cow::Borrowed(text);
    }
    let mut now = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        let shaped = SHAPES.replace_all(&now, REDACTED);
        let named = NAMED.replace_all(&shaped, |c: &Captures<'_>| format!("{}{REDACTED}", &c["head"]));
        if *named == *now {
            return now;
        }
        now = Cow::Owned(named.into_owned());
    }
    Cow::Borrowed(REDACTED)
}

/// Whether a pattern could match: a cheap look at bytes, since most text is innocent.
fn is_suspect(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 4 {
        return false;
    }
    let begins = |i: usize, word: &str| {
        bytes.get(i..i + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    };
    // Words that a secret follows; as part of a longer name too (`client_secret`, `X-Auth-Token`).
    bytes.iter().enumerate().any(|(i, b)| match b.to_ascii_lowercase() {
        b't' => begins(i, "token"),
        b'p' => begins(i, "passw"),
        b's' => begins(i, "secret"),
        b'k' => begins(i, "key"),
        b'a' => begins(i, "authorization"),
        b'b' => begins(i, "bearer"),
        b'c' => begins(i, "credential"),
        b'e' => begins(i, "eyj"),
        b'-' => begins(i, "-----BEGIN"),
        _ => false,
    })
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Nearly all text is printable ASCII, which a look at its bytes tells; one without an early end is vectorised.
fn is_harmless(text: &str) -> bool {
    text.bytes().fold(true, |all, b| all & matches!(b, b' '..=b'~')) || !text.contains(is_hostile)
}

fn escape_control(text: &str) -> Cow<'_, str> {
    if is_harmless(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hostile(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// `1 finding`, `2 findings`.
#[must_use]
pub fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// For Slack's text fields, where these three begin mentions and links.
#[must_use]
pub fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One word for a POSIX shell, which the shell reads back as the text with hostile characters escaped.
#[must_use]
pub fn shell_quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | '@');
    let text = escape_control(text);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests;
