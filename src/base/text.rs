//! Text from the log at the exits: control characters, secrets, shells.
//!
//! Refuses to let a byte through that could move a cursor, reorder a line or carry a token. It errs
//! on the side of redaction for arguments and query values, and leaves plain sentences alone.

mod redact;

use redact::{REDACTED, SHAPES, redact};
use std::borrow::Cow;

/// What stands where a text was cut.
const ELLIPSIS: char = '\u{2026}';

/// Safe to show anywhere as plain text: secrets redacted, control, ANSI and bidi characters
/// escaped.
///
/// Ordinary text is returned as it is, without an allocation. Applied twice it gives the same.
/// Where a secret was found, characters that show nothing are left out: they could part a token in
/// two.
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

/// For names that must stay as they are (principals, ids): only what has the shape of a token or
/// key is redacted, not what follows a telling word, and control characters are escaped.
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
    Cow::Owned(format!(
        "{}{ELLIPSIS}",
        cut(text, bytes_max.saturating_sub(ELLIPSIS.len_utf8()))
    ))
}

/// Whether [`name`] has nothing to look for: printable ASCII, and neither the J of a token nor the
/// B of a key.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    // J and B differ in one bit: two comparisons a byte are half of four.
    text.bytes().fold(true, |all, b| {
        all & (b.wrapping_sub(b' ') < 95) & (b & !8 != b'B')
    })
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Nearly all text is printable ASCII, which a look at its bytes tells; one without an early end is
/// vectorised.
fn is_harmless(text: &str) -> bool {
    text.bytes()
        .fold(true, |all, b| all & matches!(b, b' '..=b'~'))
        || !text.contains(is_hostile)
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
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {one}s")
    }
}

/// For Slack's text fields, where these three begin mentions and links.
#[must_use]
pub fn slack(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// One word for a POSIX shell, which the shell reads back as the text with hostile characters
/// escaped.
#[must_use]
pub fn shell_quote(text: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | '@');
    let text = escape_control(text);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests;
