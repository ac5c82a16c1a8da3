//! Enough of Rust's grammar to see paths and blocks: tokens, `use` trees, `#[cfg(test)]` items.
//!
//! Refuses to understand macros: inside them it sees tokens like everywhere else.

use std::path::{Path, PathBuf};

/// One token and the line (from 1) that it stands on. Text of literals is dropped: a string is `"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// A path such as `crate::base::Time`, with `use` groups spread out.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub path: Vec<String>,
    pub line: usize,
    /// How many inline modules it stands in: each takes one `super`.
    pub nested: usize,
}

pub struct File {
    /// Below the repository's root, with slashes.
    pub path: String,
    pub text: String,
}

impl File {
    /// `src/store/commit.rs` -> `store`; `src/main.rs` -> `main`; `src/lib.rs` -> `lib`.
    pub fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside
            .split('/')
            .next()
            .unwrap_or(inside)
            .trim_end_matches(".rs")
    }

    /// Modules between the root of the crate and what stands in the file.
    pub fn depth(&self) -> usize {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let parts = inside.split('/').count();
        if inside == "lib" || inside == "main" {
            0
        } else if inside.ends_with("/mod") {
            parts - 1
        } else {
            parts
        }
    }

    /// A file that exists for `cargo test` alone: `tests.rs`, `lines_tests.rs`, `tests/...`.
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "tests.rs" || name.ends_with("_tests.rs") || self.path.contains("/tests/")
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` (of the repository), in order of path.
pub fn below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The Rust files of `src`.
pub fn sources() -> Vec<File> {
    let files: Vec<File> = below("src")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| File {
            text: std::fs::read_to_string(&path).expect("UTF-8"),
            path: path
                .strip_prefix(root())
                .expect("below the root")
                .to_string_lossy()
                .replace('\\', "/"),
        })
        .collect();
    assert!(files.len() > 20, "the sources were not found");
    files
}

/// Splits source text. Comments vanish; literals become `"`, `'` or `0`.
pub fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut at, mut line, mut out) = (0, 1, Vec::new());
    while at < bytes.len() {
        let start = at;
        let name = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = text[at..].find('\n').map_or(bytes.len(), |n| at + n);
                ""
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = end_of_comment(bytes, at);
                ""
            }
            b'"' => {
                at = end_of_string(bytes, at);
                "\""
            }
            b'\'' => {
                at = end_of_quote(text, at);
                "'"
            }
            c if c.is_ascii_alphabetic() || c == b'_' || c >= 128 => {
                at += bytes[at..].iter().take_while(|c| is_word(**c)).count();
                match raw_string(bytes, start, at) {
                    Some(end) => {
                        at = end;
                        "\""
                    }
                    None => &text[start..at],
                }
            }
            c if c.is_ascii_digit() => {
                at += bytes[at..].iter().take_while(|c| is_word(**c)).count();
                "0"
            }
            b':' if bytes.get(at + 1) == Some(&b':') => {
                at += 2;
                "::"
            }
            c => {
                at += 1;
                if c.is_ascii_whitespace() {
                    ""
                } else {
                    &text[start..at]
                }
            }
        };
        if !name.is_empty() {
            out.push(Token {
                text: name.to_owned(),
                line,
            });
        }
        line += bytes[start..at].iter().filter(|c| **c == b'\n').count();
    }
    out
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c >= 128
}

fn end_of_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match &bytes[at..(at + 2).min(bytes.len())] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// A character literal, or the apostrophe of a lifetime.
fn end_of_quote(text: &str, at: usize) -> usize {
    let rest = &text[at + 1..];
    if rest.starts_with('\\') {
        return rest
            .char_indices()
            .skip(2)
            .find(|(_, c)| *c == '\'')
            .map_or(text.len(), |(n, _)| at + n + 2);
    }
    let Some(first) = rest.chars().next() else {
        return text.len();
    };
    let close = at + 1 + first.len_utf8();
    if text[close..].starts_with('\'') {
        close + 1
    } else {
        at + 1
    }
}

/// The end of `r"..."`, `r#"..."#`, `b"..."` and the like, if the word before is such a prefix.
fn raw_string(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let word = &bytes[start..end];
    if matches!(word, b"b" | b"c") && bytes.get(end) == Some(&b'"') {
        return Some(end_of_string(bytes, end));
    }
    if !matches!(word, b"r" | b"br" | b"cr") {
        return None;
    }
    let hashes = bytes[end..].iter().take_while(|c| **c == b'#').count();
    if bytes.get(end + hashes) != Some(&b'"') {
        return None;
    }
    let mut at = end + hashes + 1;
    while at < bytes.len() {
        let closing = bytes[at] == b'"'
            && bytes[at + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == b'#')
                .count()
                == hashes;
        if closing {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(at)
}

/// What the shipped program consists of: the tokens without `#[cfg(test)]` items.
pub fn shipped(tokens: &[Token]) -> Vec<Token> {
    let marks = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut at, mut out) = (0, Vec::new());
    while at < tokens.len() {
        if tokens[at..]
            .iter()
            .map(|t| t.text.as_str())
            .take(marks.len())
            .eq(marks)
        {
            at = end_of_item(tokens, at + marks.len());
        } else {
            out.push(tokens[at].clone());
            at += 1;
        }
    }
    out
}

/// Just behind the item that begins at `at`: its closing brace, or its semicolon.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < tokens.len() {
        let text = tokens[at].text.as_str();
        at += 1;
        match text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && text == "}" {
                    break;
                }
            }
            ";" if depth == 0 => break,
            _ => {}
        }
    }
    at
}

/// Every path in the tokens: of `use` trees (spread out) and of expressions and types.
pub fn paths(tokens: &[Token]) -> Vec<Named> {
    let (mut out, mut at) = (Vec::new(), 0);
    let (mut braces, mut modules) = (0_usize, Vec::new());
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                modules.retain(|depth| *depth <= braces);
            }
            "mod" if tokens.get(at + 2).is_some_and(|t| t.text == "{") => {
                modules.push(braces + 1);
            }
            _ => {}
        }
        let in_use = tokens[at].text == "use";
        let begins = in_use
            || (is_name(&tokens[at].text) && tokens.get(at + 1).is_some_and(|t| t.text == "::"));
        if begins {
            at = tree(
                tokens,
                at + usize::from(in_use),
                &[],
                modules.len(),
                &mut out,
            );
        } else {
            at += 1;
        }
    }
    out
}

fn is_name(text: &str) -> bool {
    text.bytes()
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == b'_' || c >= 128)
}

/// One path or `use` tree, from its first name on; returns where it ends.
fn tree(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    nested: usize,
    out: &mut Vec<Named>,
) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |t| t.line);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while at < tokens.len() && tokens[at].text != "}" {
                    let before = at;
                    at = tree(tokens, at, &path, nested, out);
                    at +=
                        usize::from(tokens.get(at).is_some_and(|t| t.text == ",") || at == before);
                }
                return at + 1;
            }
            "*" => {
                path.push("*".into());
                at += 1;
                break;
            }
            name if is_name(name) => {
                path.push(name.to_owned());
                at += 1;
                if tokens.get(at).is_none_or(|t| t.text != "::") {
                    break;
                }
            }
            _ => break,
        }
    }
    if tokens.get(at).is_some_and(|t| t.text == "as")
        && tokens.get(at + 1).is_some()
        && !prefix.is_empty()
    {
        at += 2;
    }
    if path.len() > prefix.len() {
        out.push(Named { path, line, nested });
    }
    at
}

#[test]
fn paths_are_seen_in_groups_over_lines_and_in_expressions() {
    let text = "use crate::{base::Time,\n  event::{self, wire as w}, store};\nfn f<'a>(x: &'a str) -> u8 \
                { /* crate::no */ crate::sink::go(\"crate::not\", 'x', r#\"crate::nor\"#) }\nmod t { use super::a; }";
    let seen: Vec<String> = paths(&tokens(text))
        .iter()
        .map(|p| format!("{} {}", p.path.join("::"), p.nested))
        .collect();
    let wanted = [
        "crate::base::Time 0",
        "crate::event::self 0",
        "crate::event::wire 0",
        "crate::store 0",
        "crate::sink::go 0",
        "super::a 1",
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn items_for_tests_are_left_out() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[allow(x)]\nmod more { fn b() {} }\nfn c() {}";
    let rest: Vec<String> = shipped(&tokens(text)).into_iter().map(|t| t.text).collect();
    assert_eq!(rest.join(" "), "fn a ( ) { } fn c ( ) { }");
}
