//! A place in a line, and the few moves that the scanner makes.
//!
//! Refuses anything unusual by answering `None`, which means "let serde_json read this line". The line
//! must hold no control character (`has_control`), so that none needs to be looked for in strings.

use crate::event::wire::{Raw, Text};
use std::borrow::Cow;

/// Levels of nesting inside one skipped value. With the few levels above it this stays within
/// [`super::MAX_DEPTH`], which judges what is handed over.
const SKIP_DEPTH: u32 = 120;

pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Cursor { text, at: 0 }
    }

    pub(super) fn at_end(&self) -> bool {
        self.at == self.text.len()
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over `wanted` if it stands here. A constant length lets the comparison be a few words.
    #[inline(always)]
    pub(super) fn eat<const N: usize>(&mut self, wanted: &[u8; N]) -> bool {
        let here = self.text.as_bytes().get(self.at..).and_then(<[u8]>::first_chunk::<N>);
        let met = here == Some(wanted);
        self.at += if met { N } else { 0 };
        met
    }

    /// After a member or an element: whether this was the last one.
    #[inline(always)]
    pub(super) fn closes(&mut self, close: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b',' {
            Some(false)
        } else if byte == close {
            Some(true)
        } else {
            None
        }
    }

    /// A string that is used.
    #[inline(always)]
    pub(super) fn string(&mut self, slot: &mut Text<'a>) -> Option<()> {
        *slot = match self.plain() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.escaped()?),
        };
        Some(())
    }

    /// A string without escapes; otherwise stays where it is.
    #[inline]
    pub(super) fn plain(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        if *bytes.get(self.at)? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let end = quote_or_backslash(bytes, start)?;
        if *bytes.get(end)? != b'"' {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// A key, with its colon. Keys with escapes are left to serde_json.
    #[inline(always)]
    pub(super) fn key(&mut self) -> Option<&'a str> {
        let key = self.plain()?;
        self.eat(b":").then_some(key)
    }

    #[cold]
    fn escaped(&mut self) -> Option<String> {
        if self.peek()? != b'"' {
            return None;
        }
        let (bytes, start) = (self.text.as_bytes(), self.at + 1);
        let mut out = String::new();
        let mut from = start;
        loop {
            let stop = quote_or_backslash(bytes, from)?;
            out.push_str(self.text.get(from..stop)?);
            if bytes.get(stop) == Some(&b'"') {
                self.at = stop + 1;
                return Some(out);
            }
            let (meaning, length) = escape(bytes, stop)?;
            // A surrogate, alone or paired, is no char: serde_json knows the rules.
            out.push(char::from_u32(meaning)?);
            from = stop + length;
        }
    }

    /// A value that nobody looks into, as it stands; `None` inside for `null`.
    pub(super) fn raw(&mut self) -> Option<Option<Raw<'a>>> {
        let start = self.at;
        self.skip()?;
        let text = self.text.get(start..self.at)?;
        Some((text != "null").then_some(Raw(text)))
    }

    /// Steps over any value, checking strings and balance only.
    pub(super) fn skip(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        self.at = match self.peek()? {
            b'"' => end_of_string(bytes, self.at + 1)?,
            b'{' | b'[' => end_of_nested(bytes, self.at)?,
            _ => end_of_scalar(bytes, self.at)?,
        };
        Some(())
    }

    /// A small whole number; fractions, exponents and what does not fit are left to serde_json.
    pub(super) fn number(&mut self) -> Option<i32> {
        let end = end_of_scalar(self.text.as_bytes(), self.at)?;
        let digits = self.text.get(self.at..end)?;
        if !digits.bytes().all(|b| b.is_ascii_digit())
            || digits.len() > 9
            || (digits.starts_with('0') && end - self.at > 1)
        {
            return None;
        }
        self.at = end;
        digits.parse().ok()
    }
}

/// Whether any byte is below 0x20. Folded in blocks so that the compiler makes vector code of it.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    bytes.chunks(128).any(|block| block.iter().copied().fold(u8::MAX, u8::min) < 0x20)
}

const STEP: usize = 16;

/// Where the next `"` or `\` is. Strings are short, so this beats a vector search that has to be
/// called (memchr takes about as long to start as a name takes to read).
#[inline(always)]
fn quote_or_backslash(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<STEP>) {
        let hits = hits(block);
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize);
        }
        at += STEP;
    }
    bytes.get(at..)?.iter().position(|b| matches!(b, b'"' | b'\\')).map(|i| at + i)
}

/// One bit for every `"` and `\` of a block.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code, clippy::cast_possible_wrap, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
fn hits(block: &[u8; STEP]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8};
    let both = u128::from_le_bytes(*block);
    // SAFETY: these touch registers only, and SSE2 is part of every x86-64. In plain Rust (words of
    // eight bytes) the whole scan takes half as long again.
    unsafe {
        let block = _mm_set_epi64x((both >> 64) as i64, both as i64);
        let quotes = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
        let escapes = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
        _mm_movemask_epi8(_mm_or_si128(quotes, escapes)) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn hits(block: &[u8; STEP]) -> u32 {
    let bit = |(i, b): (usize, &u8)| u32::from(matches!(b, b'"' | b'\\')) << i;
    block.iter().enumerate().map(bit).sum()
}

/// The code point of the escape at `at`, and how many bytes it takes.
fn escape(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let simple = match *bytes.get(at + 1)? {
        b'u' => {
            let digits = bytes.get(at + 2..at + 6)?;
            let value = digits.iter().try_fold(0, |n, &b| char::from(b).to_digit(16).map(|d| n * 16 + d))?;
            return Some((value, 6));
        }
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => 0x0a,
        b'r' => 0x0d,
        b't' => 0x09,
        plain @ (b'"' | b'\\' | b'/') => plain,
        _ => return None,
    };
    Some((u32::from(simple), 2))
}

/// Behind the closing quote of the string whose first byte is at `from`.
#[inline(always)]
fn end_of_string(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = quote_or_backslash(bytes, at)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += escape(bytes, at)?.1;
    }
}

/// Behind the bracket that closes the one at `at`. One bit a level remembers which kind is open.
fn end_of_nested(bytes: &[u8], mut at: usize) -> Option<usize> {
    let (mut objects, mut depth) = (0_u128, 0_u32);
    loop {
        match *bytes.get(at)? {
            b'"' => {
                at = end_of_string(bytes, at + 1)?;
                continue;
            }
            open @ (b'{' | b'[') => {
                objects = objects << 1 | u128::from(open == b'{');
                depth += 1;
                if depth > SKIP_DEPTH {
                    return None;
                }
            }
            close @ (b'}' | b']') => {
                if (objects & 1 == 1) != (close == b'}') {
                    return None;
                }
                objects >>= 1;
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Behind a number, `true`, `false` or `null`, which must begin like one of them.
fn end_of_scalar(bytes: &[u8], at: usize) -> Option<usize> {
    if !matches!(*bytes.get(at)?, b'-' | b'0'..=b'9' | b't' | b'f' | b'n') {
        return None;
    }
    let rest = bytes.get(at..)?;
    let length = rest.iter().position(|b| !matches!(b, b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E'))?;
    Some(at + length)
}

/// Walks valid JSON and tells where the value that starts at `from` ends, and its greatest depth.
/// Tolerates white space and any depth; on invalid JSON the answer means nothing but is bounded.
pub(super) fn extent(bytes: &[u8], from: usize) -> (usize, u32) {
    let (mut at, mut depth, mut deepest) = (from, 0_u32, 0_u32);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = end_of_string(bytes, at + 1).unwrap_or(bytes.len());
                if depth == 0 {
                    break;
                }
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if depth == 0 => break,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    at += 1;
                    break;
                }
            }
            b',' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    (at, deepest)
}
