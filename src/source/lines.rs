//! Cuts a stream of bytes into lines without copying them: one reusable buffer, ranges into it.
//!
//! What it yields depends on the bytes alone, never on how they arrived in chunks.
//!
//! Refuses to hold more than one over-long line's limit in memory, and to guess the end of a line.

use super::Limits;
use super::first::LineHasher;
use crate::base::Digest;
use crate::event::decode;
use memchr::{memchr2, memrchr};
use serde::de::IgnoredAny;
use std::io::{self, Read};
use std::ops::Range;

/// A stretch of the stream, `from..to` in bytes from its beginning, the line end included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub from: u64,
    pub to: u64,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The line's place in the buffer: good for [`Lines::bytes`] until the next [`Lines::fill`].
    Line(Range<usize>),
    /// Longer than the limit; the digest covers all of it but the newline.
    TooLong(Digest),
    /// A run of NUL bytes.
    Nul,
    /// A line without an end that will not get one.
    Torn(Digest),
}

/// The reader's buffer and where it stands. The input itself is lent to [`Lines::fill`].
pub struct Lines {
    buf: Vec<u8>,
    /// The unread bytes are `buf[start..end]`; those before `scanned` hold neither newline nor NUL.
    start: usize,
    scanned: usize,
    end: usize,
    /// Offset in the stream of `buf[start]`.
    at: u64,
    /// Bytes still to be dropped before `at`: the way to a position in a compressed stream.
    skip: u64,
    state: State,
    limits: Limits,
}

enum State {
    Line,
    Nul { from: u64 },
    Long { from: u64, hasher: LineHasher },
}

impl Lines {
    /// A reader whose input stands at offset `at`.
    #[must_use]
    pub fn new(limits: Limits, at: u64) -> Lines {
        let limits = Limits {
            max_line: limits.max_line,
            chunk: limits.chunk.max(1),
        };
        Lines {
            buf: Vec::new(),
            start: 0,
            scanned: 0,
            end: 0,
            at,
            skip: 0,
            state: State::Line,
            limits,
        }
    }

    /// A reader whose input stands at its beginning and which drops the first `at` bytes.
    #[must_use]
    pub fn skipping_to(limits: Limits, at: u64) -> Lines {
        Lines {
            skip: at,
            ..Lines::new(limits, at)
        }
    }

    /// Everything before this offset has been yielded.
    #[must_use]
    pub fn position(&self) -> u64 {
        match self.state {
            State::Line => self.at,
            State::Nul { from } | State::Long { from, .. } => from,
        }
    }

    /// Where the input stands: the position, and what is read but not yielded.
    #[must_use]
    pub fn read_to(&self) -> u64 {
        self.at + (self.end - self.start) as u64
    }

    /// Reads once. `Ok(0)` is the present end of the input; an earlier [`Piece`] is void
    /// afterwards.
    ///
    /// # Errors
    /// Whatever the input says, apart from interruptions.
    pub fn fill(&mut self, input: &mut dyn Read) -> io::Result<usize> {
        self.make_room();
        let read = loop {
            match input.read(&mut self.buf[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let dropped = self.skip.min(read as u64);
        self.skip -= dropped;
        self.end += read;
        if dropped > 0 {
            self.start += dropped as usize;
            self.scanned = self.start;
        }
        Ok(read)
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            if self.buf.len() > self.limits.chunk {
                // One long line must not cost its memory for ever.
                self.buf = Vec::new();
            }
            (self.start, self.scanned, self.end) = (0, 0, 0);
        } else if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.scanned -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buf.len() {
            let len = (self.buf.len() * 2)
                .clamp(self.limits.chunk, self.limits.max_line + self.limits.chunk);
            self.buf.resize(len, 0);
        }
    }

    /// The next complete piece in the buffer, or `None` when more must be read.
    #[inline]
    pub fn next_piece(&mut self) -> Option<Piece> {
        loop {
            if matches!(self.state, State::Nul { .. }) {
                return self.end_of_nuls();
            }
            let Some(found) =
                memchr2(b'\n', 0, &self.buf[self.scanned..self.end]).map(|i| self.scanned + i)
            else {
                self.scanned = self.end;
                self.swallow_if_long();
                return None;
            };
            let newline = self.buf[found] == b'\n';
            if !newline && found == self.start && matches!(self.state, State::Line) {
                self.state = State::Nul { from: self.at };
                continue;
            }
            return Some(self.cut(found, newline));
        }
    }

    /// The bytes of a [`What::Line`].
    #[inline]
    #[must_use]
    pub fn bytes(&self, line: &Range<usize>) -> &[u8] {
        &self.buf[line.clone()]
    }

    /// What is left when the input has ended for good. A last line without its newline is a line if
    /// it is complete JSON: the writer was stopped between the two.
    pub fn finish(&mut self) -> Option<Piece> {
        let tail = self.start..self.end;
        let whole = matches!(self.state, State::Line) && is_whole(&self.buf[tail.clone()]);
        let (from, to) = (self.position(), self.read_to());
        if from == to {
            return None;
        }
        let what = match std::mem::replace(&mut self.state, State::Line) {
            State::Nul { .. } => What::Nul,
            State::Line if whole => What::Line(self.trim(tail.clone())),
            State::Line => What::Torn(LineHasher::digest(&self.buf[tail.clone()])),
            State::Long { mut hasher, .. } => {
                hasher.update(&self.buf[tail.clone()]);
                What::Torn(hasher.finish())
            }
        };
        self.advance(tail.end);
        Some(Piece { from, to, what })
    }

    /// Ends the present line at `found`: after the newline there, or before the NUL.
    #[inline]
    fn cut(&mut self, found: usize, newline: bool) -> Piece {
        let (from, line) = (self.position(), self.start..found);
        self.advance(found + usize::from(newline));
        let what = match &mut self.state {
            State::Line if newline && line.len() <= self.limits.max_line => {
                What::Line(self.trim(line))
            }
            State::Line if newline => What::TooLong(LineHasher::digest(&self.buf[line])),
            State::Long { hasher, .. } => {
                hasher.update(&self.buf[line]);
                let digest = std::mem::take(hasher).finish();
                self.state = State::Line;
                if newline {
                    What::TooLong(digest)
                } else {
                    What::Torn(digest)
                }
            }
            State::Line | State::Nul { .. } => What::Torn(LineHasher::digest(&self.buf[line])),
        };
        Piece {
            from,
            to: self.at,
            what,
        }
    }

    fn end_of_nuls(&mut self) -> Option<Piece> {
        let from = self.position();
        let run = self.buf[self.start..self.end]
            .iter()
            .take_while(|byte| **byte == 0)
            .count();
        self.advance(self.start + run);
        if self.start == self.end {
            return None;
        }
        self.state = State::Line;
        Some(Piece {
            from,
            to: self.at,
            what: What::Nul,
        })
    }

    /// The buffer holds one unfinished line: past the limit only its hash is kept.
    fn swallow_if_long(&mut self) {
        if matches!(self.state, State::Line) && self.end - self.start > self.limits.max_line {
            self.state = State::Long {
                from: self.at,
                hasher: LineHasher::default(),
            };
        }
        if let State::Long { hasher, .. } = &mut self.state {
            hasher.update(&self.buf[self.start..self.end]);
            self.advance(self.end);
        }
    }

    #[inline]
    fn advance(&mut self, to: usize) {
        self.at += (to - self.start) as u64;
        self.start = to;
        self.scanned = to;
    }

    #[inline]
    fn trim(&self, line: Range<usize>) -> Range<usize> {
        let cr = self.buf[line.clone()].last() == Some(&b'\r');
        line.start..line.end - usize::from(cr)
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok() || decode::ends_whole(bytes)
}

/// The offset after the last newline of `bytes`, for finding the end of what is complete.
pub(super) fn after_last_newline(bytes: &[u8]) -> Option<usize> {
    memrchr(b'\n', bytes).map(|i| i + 1)
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
