//! Text from the log at the exits: control characters, secrets, shells.
//!
//! Refuses to let a byte through that could move a cursor, reorder a line or carry a token.

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// JSON web tokens and PEM blocks.
static CREDENTIALS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("{JWT}|{PEM}")).unwrap_or_else(|_| unreachable!()));

const JWT: &str = r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?";
const PEM: &str = r"-----BEGIN [A-Z0-9 ]{1,40}-----(?s:.*?-----END [A-Z0-9 ]{1,40}-----|.*)";

/// JSON web tokens, PEM blocks, and values that follow words like token or password.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let named =
        r"(?i)(?:token|password|passwd|secret|apikey|api_key|authorization|bearer)(?:=|:|%3[Dd]|%20|\+| )+[^\s&,;]{6,}";
    Regex::new(&format!("{JWT}|{PEM}|{named}")).unwrap_or_else(|_| unreachable!())
});

/// Safe to show anywhere as plain text: secrets redacted, control, ANSI and bidi characters escaped.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    // Words like `token` stand in our own sentences and in people's names for things: only what is
    // plainly a credential goes here; `redact` takes the rest out of URIs and arguments.
    if !text.contains("eyJ") && !text.contains("-----BEGIN") {
        return escape_control(text);
    }
    match CREDENTIALS.replace_all(text, "[redacted]") {
        Cow::Borrowed(text) => escape_control(text),
        Cow::Owned(text) => Cow::Owned(escape_control(&text).into_owned()),
    }
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

fn escape_control(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
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

/// Replaces what looks like a secret.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    SECRETS.replace_all(text, "[redacted]")
}

/// One word for a POSIX shell.
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
