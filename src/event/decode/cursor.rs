//! A place in a line, and the few moves that the scanner makes.
//!
//! Refuses anything unusual by answering `None`, which means "let serde_json read this line".

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

    /// Steps over `wanted` if it stands here. A constant length lets the comparison be a few words;
    /// and a branch, not a select, lets the processor run ahead of it (which halves the time of a
    /// scan).
    #[inline(always)]
    pub(super) fn eat<const N: usize>(&mut self, wanted: &[u8; N]) -> bool {
        let Some(rest) = self.text.as_bytes().get(self.at..) else {
            return false;
        };
        if rest.starts_with(wanted) {
            self.at += N;
            return true;
        }
        false
    }

    /// A string whose opening quote is behind us.
    #[inline(always)]
    pub(super) fn string(&mut self, slot: &mut Text<'a>) -> Option<()> {
        let start = self.at;
        let end = stop(self.text.as_bytes(), start)?;
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            *slot = Cow::Borrowed(self.text.get(start..end)?);
        } else {
            *slot = Cow::Owned(self.escaped()?);
        }
        Some(())
    }

    /// A key whose opening quote is behind us, with its colon. Keys with escapes are left to
    /// serde_json.
    pub(super) fn key(&mut self) -> Option<&'a str> {
        let start = self.at;
        let end = stop(self.text.as_bytes(), start)?;
        self.at = end;
        if self.eat(b"\":") {
            self.text.get(start..end)
        } else {
            None
        }
    }

    #[cold]
    fn escaped(&mut self) -> Option<String> {
        let bytes = self.text.as_bytes();
        let mut out = String::new();
        let mut from = self.at;
        loop {
            let end = stop(bytes, from)?;
            out.push_str(self.text.get(from..end)?);
            if bytes.get(end) == Some(&b'"') {
                self.at = end + 1;
                return Some(out);
            }
            let (meaning, length) = escape(bytes, end)?;
            // A surrogate, alone or paired, is no char: serde_json knows the rules.
            out.push(char::from_u32(meaning)?);
            from = end + length;
        }
    }

    /// Steps over a string whose opening quote is behind us.
    #[inline(always)]
    pub(super) fn skip_string(&mut self) -> Option<()> {
        self.at = end_of_string(self.text.as_bytes(), self.at)?;
        Some(())
    }

    /// A value that nobody looks into, as it stands; `None` inside for `null`.
    #[allow(clippy::option_option)]
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

    /// A status code of three digits; any other number is left to serde_json.
    pub(super) fn code(&mut self) -> Option<i32> {
        match self.text.as_bytes().get(self.at..)?.first_chunk::<4>()? {
            [
                a @ b'1'..=b'9',
                b @ b'0'..=b'9',
                c @ b'0'..=b'9',
                b'}' | b',',
            ] => {
                self.at += 3;
                let [a, b, c] = [a, b, c].map(|digit| i32::from(digit - b'0'));
                Some(a * 100 + b * 10 + c)
            }
            _ => None,
        }
    }
}

const STEP: usize = 16;

const fn stops(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\')
}

/// Where the next `"`, `\` or control character is. Strings are short, so this beats a vector
/// search that has to be called (memchr takes about as long to start as a name takes to read).
#[inline(always)]
fn stop(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<STEP>) {
        let hits = hits(block);
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize);
        }
        at += STEP;
    }
    bytes
        .get(at..)?
        .iter()
        .position(|&b| stops(b))
        .map(|i| at + i)
}

/// One bit for every byte of a block that `stops`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(
    unsafe_code,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation
)]
fn hits(block: &[u8; STEP]) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8,
    };
    let both = u128::from_le_bytes(*block);
    // SAFETY: these touch registers only, and SSE2 is part of every x86-64. In plain Rust (words of
    // eight bytes) the whole scan takes half as long again.
    unsafe {
        let block = _mm_set_epi64x((both >> 64) as i64, both as i64);
        let quotes = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
        let escapes = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
        let controls = _mm_cmpeq_epi8(block, _mm_min_epu8(block, _mm_set1_epi8(0x1f)));
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, escapes), controls)) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn hits(block: &[u8; STEP]) -> u32 {
    let bit = |(i, &b): (usize, &u8)| u32::from(stops(b)) << i;
    block.iter().enumerate().map(bit).sum()
}

/// The code point of the escape at `at`, if it is one, and how many bytes it takes.
fn escape(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    if *bytes.get(at)? != b'\\' {
        return None;
    }
    let simple = match *bytes.get(at + 1)? {
        b'u' => {
            let digits = bytes.get(at + 2..at + 6)?;
            let value = digits
                .iter()
                .try_fold(0, |n, &b| char::from(b).to_digit(16).map(|d| n * 16 + d))?;
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
        at = stop(bytes, at)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // Nearly all escapes are quotes, in RBAC's sentences.
        let quote = bytes.get(at..)?.starts_with(b"\\\"");
        at += if quote { 2 } else { escape(bytes, at)?.1 };
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
            0..0x20 => return None,
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
    let length = rest
        .iter()
        .position(|b| !matches!(b, b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E'))?;
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
