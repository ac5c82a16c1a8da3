//! What in a text is a secret: what has the shape of one, and what follows a telling word.
//!
//! Refuses to hide more than the value: whoever sends a command chooses its words, and a telling
//! one among them would else hide the rest of it.

use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands where a secret stood.
pub(super) const REDACTED: &str = "[redacted]";

/// JSON web tokens, whole or cut off, and PEM blocks, to their end or to the end of the text.
pub(super) static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    let jwt = r"eyJ[A-Za-z0-9_=-]{8,}(?:(?:\.|%2[Ee])[A-Za-z0-9_=-]*)*";
    let pem = r"(?s)-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\z)";
    compiled(&format!("{jwt}|{pem}"))
});

/// Words that a secret follows.
const NAME: &str = r"(?i:token|password|passwd|secret|api[_-]?key|access[_-]?key|private[_-]?key|\bkey|authorization|credentials?)";

/// A name that ends with a word, its separator, and the value.
static NAMED: LazyLock<Regex> = LazyLock::new(|| followed_by(r#"[^\s&,;"'\[\]]+"#));

/// The same within one argument of a command, as a query encodes it: the value ends with its
/// closing quote, or where a shell's word ends.
static IN_ARGUMENT: LazyLock<Regex> = LazyLock::new(|| {
    let quoted = "%27[^&]+?%27|%22[^&]+?%22";
    // Neither a space nor `"`, `&`, `'`, `,`, `;`, `|`.
    let encoded =
        "%[14-689A-Fa-f][0-9A-Fa-f]|%2[134589ABD-Fabd-f]|%3[0-9AC-Fac-f]|%7[0-9ABD-Fabd-f]";
    followed_by(&format!(r#"{quoted}|(?:[^\s&,;"'\[\]+%|]|{encoded})+"#))
});

/// An option whose value is the next argument: `--token`, `-password`.
static OPTION: LazyLock<Regex> = LazyLock::new(|| compiled(&format!(r"^-[-\w.]*{NAME}$")));

/// An argument up to its first space.
static FIRST_WORD: LazyLock<Regex> = LazyLock::new(|| {
    let encoded = "%[13-9A-Fa-f][0-9A-Fa-f]|%2[1-9A-Fa-f]";
    compiled(&format!(
        r"^(?:%27[^&]+?%27|%22[^&]+?%22|(?:[^\s+%\[\]]|{encoded})+)"
    ))
});

/// `:` counts only where no space and no path follows: `Secret: shop/db` is a sentence.
fn followed_by(value: &str) -> Regex {
    let assigned = r#"["']?(?:=|%3[Dd]|:|%3[Aa](?:%20|\+)*)["']?"#;
    let scheme = r"(?i:(?:bearer|basic)(?: |\+|%20)+)?";
    let header = r"(?i:\bauthorization(?::|%3A)(?: |\+|%20)*)";
    let bearer = r"(?i:\bbearer(?:\+|%20)+)";
    compiled(&format!(
        "(?P<head>{NAME}{assigned}{scheme}|{header}{scheme}|{bearer})(?P<value>{value})"
    ))
}

fn compiled(pattern: &str) -> Regex {
    // The patterns are constant, and every test of this file runs them.
    Regex::new(pattern).unwrap_or_else(|_| unreachable!("a constant pattern is wrong"))
}

/// Redacting can bring what stood apart together; a text that needs more rounds is all secret.
const ROUNDS: usize = 8;

/// Borrowed where nothing looks like a secret; else such that redacting again changes nothing.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    if !is_suspect(text) {
        return Cow::Borrowed(text);
    }
    let mut now = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        let shaped = SHAPES.replace_all(&now, REDACTED);
        let named = by_argument(&shaped);
        if *named == *now {
            return now;
        }
        now = Cow::Owned(named.into_owned());
    }
    Cow::Borrowed(REDACTED)
}

/// What follows a telling word, in each parameter of a query for itself.
fn by_argument(text: &str) -> Cow<'_, str> {
    if !text.split(['&', '?']).any(|part| argument(part).is_some()) {
        return after_words(&NAMED, text);
    }
    let mut out = String::with_capacity(text.len());
    let mut option = false;
    for part in text.split_inclusive(['&', '?']) {
        let (bare, end) = part.split_at(part.trim_end_matches(['&', '?']).len());
        match argument(bare) {
            Some((name, value)) if option => {
                out.push_str(name);
                out.push_str(&FIRST_WORD.replace(value, REDACTED));
            }
            Some(_) => out.push_str(&after_words(&IN_ARGUMENT, bare)),
            None => out.push_str(&after_words(&NAMED, bare)),
        }
        option = argument(bare).is_some_and(|(_, value)| OPTION.is_match(value));
        out.push_str(end);
    }
    Cow::Owned(out)
}

fn after_words<'t>(pattern: &Regex, text: &'t str) -> Cow<'t, str> {
    pattern.replace_all(text, |c: &Captures<'_>| format!("{}{REDACTED}", &c["head"]))
}

/// One word of a command as a parameter: `command=` or, for kubelets, `cmd=`, and its value.
/// Letters of the name may be encoded.
fn argument(part: &str) -> Option<(&str, &str)> {
    let at = part.find('=')? + 1;
    let (name, value) = part.split_at(at);
    let is_it =
        matches!(name, "command=" | "cmd=") || (name.contains('%') && is_encoded_command(name));
    is_it.then_some((name, value))
}

fn is_encoded_command(name: &str) -> bool {
    let mut plain = String::new();
    let mut rest = name.trim_end_matches('=').chars();
    while let Some(c) = rest.next() {
        let mut digit = || rest.next().and_then(|c| c.to_digit(16)).unwrap_or(0);
        plain.extend(if c == '%' {
            char::from_u32(digit() << 4 | digit())
        } else {
            Some(c)
        });
    }
    matches!(plain.as_str(), "command" | "cmd")
}

/// Whether a pattern could match: a cheap look at bytes, since most text is innocent.
fn is_suspect(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 4 {
        return false;
    }
    let begins = |i: usize, word: &str| {
        bytes
            .get(i..i + word.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    };
    // Words that a secret follows; as part of a longer name too (`client_secret`, `X-Auth-Token`).
    bytes
        .iter()
        .enumerate()
        .any(|(i, b)| match b.to_ascii_lowercase() {
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
