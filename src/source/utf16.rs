//! UTF-16 as UTF-8: what `>` of PowerShell makes of a log.
//!
//! Refuses to stop at what is no UTF-16: it becomes the replacement character, and the line shows
//! it.

use std::io::{self, Read};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

pub(super) struct Utf16<R> {
    input: R,
    big: bool,
    raw: Vec<u8>,
    /// Bytes of `raw` that are not decoded: half a unit, or half a pair.
    left: usize,
    text: Vec<u8>,
    given: usize,
    begun: bool,
}

impl<R: Read> Utf16<R> {
    pub fn new(input: R, big: bool) -> Utf16<R> {
        Utf16 {
            input,
            big,
            raw: vec![0; CHUNK],
            left: 0,
            text: Vec::new(),
            given: 0,
            begun: false,
        }
    }

    /// Decodes the next bytes into `text`, which stays empty only at the end.
    fn fill(&mut self) -> io::Result<()> {
        (self.given, self.left) = (0, self.left);
        self.text.clear();
        while self.text.is_empty() {
            let read = self.input.read(&mut self.raw[self.left..])?;
            let len = self.left + read;
            let unit = |pair: &[u8]| match self.big {
                true => u16::from_be_bytes([pair[0], pair[1]]),
                false => u16::from_le_bytes([pair[0], pair[1]]),
            };
            let mut units: Vec<u16> = self.raw[..len].chunks_exact(2).map(unit).collect();
            let half_pair = units
                .last()
                .is_some_and(|last| (0xd800..0xdc00).contains(last))
                && read > 0;
            if half_pair {
                units.pop();
            }
            let decoded = char::decode_utf16(units.iter().copied());
            for c in decoded.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)) {
                let is_mark = !std::mem::replace(&mut self.begun, true) && c == '\u{feff}';
                if !is_mark {
                    self.text
                        .extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            let used = units.len() * 2;
            self.raw.copy_within(used..len, 0);
            self.left = len - used;
            if read == 0 {
                if self.left > 0 {
                    self.left = 0;
                    self.text.extend_from_slice("\u{fffd}".as_bytes());
                }
                break;
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.given == self.text.len() {
            self.fill()?;
        }
        (&self.text[self.given..])
            .read(buf)
            .inspect(|read| self.given += read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let one = self.0.len().min(1);
            (&self.0[..one])
                .read(buf)
                .inspect(|_| self.0 = &self.0[one..])
        }
    }

    #[test]
    fn both_orders_and_any_chunks_give_the_text() {
        let text = "\u{feff}{\"a\":\"\u{e9}\u{1f600}\u{4e2d}\"}\r\n".repeat(3);
        for big in [false, true] {
            let bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(|u| {
                    if big {
                        u.to_be_bytes()
                    } else {
                        u.to_le_bytes()
                    }
                })
                .collect();
            for slow in [false, true] {
                let mut out = String::new();
                let input: Box<dyn Read> = if slow {
                    Box::new(Slow(&bytes))
                } else {
                    Box::new(&bytes[..])
                };
                Utf16::new(input, big).read_to_string(&mut out).unwrap();
                assert_eq!(out, text.strip_prefix('\u{feff}').unwrap());
            }
        }
        let mut out = String::new();
        Utf16::new(&[0x61, 0, 0x3d, 0xd8, 0x62, 0, 0x63][..], false)
            .read_to_string(&mut out)
            .unwrap();
        assert_eq!(out, "a\u{fffd}b\u{fffd}");
    }
}
