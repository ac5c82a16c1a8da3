//! What was read of a file, in so few bytes that it can be committed: by it a file is known again,
//! and where a restored one leaves what was read.
//!
//! Refuses to withstand forgery: who can write the audit log needs no collision.

use crate::base::Digest;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes at the end of a line that a mark covers.
const COVERED: usize = 1024;
/// Marks kept: all of the last lines, and of those before ever fewer.
const MARKS: usize = 256;
/// Bytes of a stored mark.
const STORED: usize = 14;
/// Files that begin alike which are told apart; one more is taken for the last of them.
pub(super) const ALIKE: u32 = 4096;

/// The end of one line that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// The offset after it, without the line end.
    to: u64,
    len: u16,
    crc: u32,
}

/// Marks of one file, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail(VecDeque<Mark>);

/// What a file says to a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All that was read stands in it, as far as can be seen.
    Same,
    /// It goes on differently after this offset, the end of a line that was read.
    Leaves(u64),
}

impl Trail {
    /// Remembers a line (without its line end) whose last byte stands before `to`.
    pub fn push(&mut self, to: u64, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let covered = &line[line.len().saturating_sub(COVERED)..];
        // What was cut away is not remembered.
        while self.0.back().is_some_and(|last| last.to >= to) {
            self.0.pop_back();
        }
        if self.0.len() >= MARKS {
            let mut index = 0;
            // The first mark stays: files that begin alike often share no more.
            self.0.retain(|_| {
                index += 1;
                index == 1 || index > MARKS / 2 || index % 2 == 0
            });
        }
        self.0.push_back(Mark {
            to,
            len: covered.len() as u16,
            crc: crc32fast::hash(covered),
        });
    }

    /// Forgets the lines that end after `to`.
    pub(super) fn cut(&mut self, to: u64) {
        while self.0.back().is_some_and(|last| last.to > to) {
            self.0.pop_back();
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the last line that was read still stands where it was.
    pub(super) fn last_holds(&self, file: &File) -> bool {
        self.0.back().is_none_or(|mark| mark.stands_in(file))
    }

    /// Judges a plain file that may have gone on.
    pub(super) fn judge(&self, file: &File) -> Verdict {
        if self.last_holds(file) {
            return Verdict::Same;
        }
        let after = |mark: &Mark| after_line_end(file, mark.to);
        Verdict::Leaves(
            self.0
                .iter()
                .rev()
                .find(|mark| mark.stands_in(file))
                .map_or(0, after),
        )
    }

    /// Whether a plain file of `len` bytes, which may be an early copy, holds what was read as far
    /// as it goes.
    pub(super) fn is_in_file(&self, file: &File, len: u64) -> bool {
        self.0
            .iter()
            .rev()
            .find(|mark| mark.to <= len)
            .is_none_or(|mark| mark.stands_in(file))
    }

    /// The same of a stream, from its beginning.
    pub(super) fn is_in(&self, stream: &mut dyn Read) -> bool {
        let (mut at, mut holds) = (0, true);
        let mut covered = Vec::with_capacity(COVERED);
        for mark in &self.0 {
            let begin = mark.to - u64::from(mark.len);
            let skip = begin.saturating_sub(at);
            covered.clear();
            // Where it breaks off it is told when it is read.
            let there = io::copy(&mut stream.take(skip), &mut io::sink())
                .is_ok_and(|skipped| skipped == skip)
                && stream
                    .take(mark.len.into())
                    .read_to_end(&mut covered)
                    .is_ok()
                && covered.len() == usize::from(mark.len);
            if !there {
                return holds;
            }
            holds = crc32fast::hash(&covered) == mark.crc;
            at = mark.to;
        }
        holds
    }

    /// As it is stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * STORED);
        for Mark { to, len, crc } in &self.0 {
            out.extend_from_slice(&to.to_le_bytes());
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&crc.to_le_bytes());
        }
        out
    }

    /// What [`Trail::to_bytes`] made; the rest of anything else is left out.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Trail {
        let mark = |b: &[u8]| {
            let (to, rest) = b.split_first_chunk()?;
            let (len, crc) = rest.split_first_chunk()?;
            let crc = u32::from_le_bytes(crc.try_into().ok()?);
            Some(Mark {
                to: u64::from_le_bytes(*to),
                len: u16::from_le_bytes(*len),
                crc,
            })
        };
        let is_mark =
            |mark: &Mark| usize::from(mark.len) <= COVERED && u64::from(mark.len) <= mark.to;
        Trail(
            bytes
                .chunks_exact(STORED)
                .filter_map(mark)
                .filter(is_mark)
                .collect(),
        )
    }
}

impl Mark {
    fn stands_in(&self, file: &File) -> bool {
        let mut covered = [0; COVERED];
        let Some(covered) = covered.get_mut(..usize::from(self.len)) else {
            return false;
        };
        file.read_exact_at(covered, self.to - u64::from(self.len))
            .is_ok()
            && crc32fast::hash(covered) == self.crc
    }
}

/// The offset behind the line end at `at`; `at` itself if none stands there.
fn after_line_end(file: &File, at: u64) -> u64 {
    let mut end = [0; 2];
    let read = file.read_at(&mut end, at).unwrap_or(0);
    match &end[..read] {
        [b'\n', ..] => at + 1,
        [b'\r', b'\n'] => at + 2,
        _ => at,
    }
}

/// The identity of the `nth` file that begins like another one.
pub(super) fn alike(file: Digest, nth: u32) -> Digest {
    if nth == 0 {
        file
    } else {
        Digest::of_parts(&[b"begins alike", &file.0, &nth.to_le_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn trail(text: &str) -> Trail {
        let (mut trail, mut to) = (Trail::default(), 0);
        for line in text.split_inclusive('\n') {
            to += line.len() as u64;
            trail.push(to - 1, line.trim_end().as_bytes());
        }
        trail
    }

    #[test]
    fn a_file_is_known_again_and_a_restored_one_is_read_on_where_it_leaves() {
        let all: String = (0..20).map(|n| format!("line {n}\n")).collect();
        let read = trail(&all);
        assert_eq!(read.judge(&file(&(all.clone() + "more\n"))), Verdict::Same);
        assert!(read.is_in(&mut all.as_bytes()));
        let kept = "line 0\nline 1\n";
        let restored = format!("{kept}{}", "another\n".repeat(40));
        assert_eq!(
            read.judge(&file(&restored)),
            Verdict::Leaves(kept.len() as u64)
        );
        assert!(!read.is_in(&mut restored.as_bytes()));
        assert!(
            read.is_in(&mut kept.as_bytes()) && read.is_in_file(&file(kept), kept.len() as u64)
        );
        assert!(!read.is_in_file(&file(&restored), restored.len() as u64));
        assert_eq!(read.judge(&file(kept)), Verdict::Leaves(kept.len() as u64));
        assert_eq!(read.judge(&file("nothing of it\n")), Verdict::Leaves(0));
        assert_eq!(Trail::from_bytes(&read.to_bytes()), read);
        assert_eq!(Trail::from_bytes(&[255; STORED]), Trail::default());
    }

    #[test]
    fn a_trail_is_bounded_keeps_the_last_lines_and_the_first() {
        let mut trail = Trail::default();
        for n in 1..=100_000_u64 {
            trail.push(n * 10, b"123456789");
        }
        let marks: Vec<u64> = trail.0.iter().map(|mark| mark.to / 10).collect();
        assert!(marks.len() <= MARKS && marks[0] == 1, "{marks:?}");
        let last: Vec<u64> = (100_000 - 120..=100_000).collect();
        assert!(marks.ends_with(&last), "{marks:?}");
    }
}
