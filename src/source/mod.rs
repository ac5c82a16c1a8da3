//! The reading side: audit logs on disk, live or archived, become an ordered stream of [`Item`]s.
//!
//! A file is known by its first audit event ([`first`]) and by what was read of it ([`trail`]), and
//! a position counts uncompressed bytes, so that renaming and compressing lose and repeat nothing.
//! Every byte of a file belongs to exactly one item; the caller commits `(file, to)` of the items
//! it has made durable, and nothing else.
//!
//! Refuses to decode a line, to store a position, to start a thread of its own, or to look at the
//! clock.

mod documents;
mod given;
mod input;
mod ledger;
mod name;
mod named;
mod naming;
mod opened;
mod rotated;
mod same;
mod shared;
mod survey;
mod tail;
mod utf16;

pub mod archive;
pub mod first;
pub mod follow;
pub mod lines;
pub mod receive;
pub mod spool;
pub mod trail;
pub mod wake;

pub use archive::{Archive, Notes};
pub use follow::{Absence, Follower, Progress, Start};
pub use rotated::check;
pub use shared::Shared;
pub use trail::Trail;
pub use wake::{WakeHandle, Waker, Woken};

use crate::base::Digest;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What a log yields. Offsets count uncompressed bytes of `file`; an item covers `from..to`, and
/// the next item of that file begins at `to` (only a [`GapKind::Truncated`] gap may step back).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// One line without its line end (`\n` or `\r\n`). May be empty: a blank line is nothing to
    /// judge.
    Line {
        file: Digest,
        from: u64,
        to: u64,
        bytes: &'a [u8],
    },
    /// A line longer than [`Limits::max_line`], skipped without being held in memory.
    TooLong {
        file: Digest,
        from: u64,
        to: u64,
        digest: Digest,
    },
    /// Bytes that were not seen, or may not have been. `file` is `None` where no file has a name
    /// for it.
    Gap {
        file: Option<Digest>,
        from: u64,
        to: u64,
        kind: GapKind,
        detail: &'a str,
    },
    /// [`Start::End`] took effect: what the file held before `to` is left unread on purpose.
    Begin { file: Digest, from: u64, to: u64 },
}

impl Item<'_> {
    /// What to write into the table of positions once this item is durable.
    #[must_use]
    pub fn position(&self) -> Option<(Digest, u64)> {
        match *self {
            Item::Line { file, to, .. }
            | Item::TooLong { file, to, .. }
            | Item::Begin { file, to, .. } => Some((file, to)),
            Item::Gap { file, to, .. } => file.map(|file| (file, to)),
        }
    }
}

/// Why bytes were not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapKind {
    /// A run of NUL bytes, left by a crash of the host or by `copytruncate`.
    Nul,
    /// A line that nobody will complete: the file ended, or NULs follow.
    Torn,
    /// The log was cut in place. What was written since the last read, and not copied away, is
    /// gone.
    Truncated,
    /// A file that cannot be read now; it is tried again. The bytes after `from` are missing.
    Unreadable,
    /// The active file was removed while it is written to. Its lines are read, but no restart would
    /// find them again.
    Removed,
    /// A file vanished before it was read to its end, or may have: what it held after `from` is
    /// unknown.
    Lost,
    /// Events that a sender gave to us, and that we could not keep.
    Dropped,
}

impl GapKind {
    /// The word for metrics, incidents and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            GapKind::Nul => "nul",
            GapKind::Torn => "torn",
            GapKind::Truncated => "truncated",
            GapKind::Unreadable => "unreadable",
            GapKind::Removed => "removed",
            GapKind::Lost => "lost",
            GapKind::Dropped => "dropped",
        }
    }
}

impl fmt::Display for GapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far each file of a log has been consumed, as committed.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    /// Rows of other logs may stand beside those of this one.
    pub offsets: HashMap<Digest, u64>,
    /// What was read of them, by which they are known again.
    pub trails: HashMap<Digest, Trail>,
    /// The file of the last committed item of this log: if it is gone, files were lost. Without it
    /// a vanished file goes unnoticed.
    pub last: Option<Digest>,
}

impl From<HashMap<Digest, u64>> for Positions {
    fn from(offsets: HashMap<Digest, u64>) -> Positions {
        Positions {
            offsets,
            ..Positions::default()
        }
    }
}

impl Positions {
    /// Takes over what an item says; the same rule by which the caller commits.
    pub fn commit(&mut self, item: &Item<'_>) {
        if let Some((file, to)) = item.position() {
            self.offsets.insert(file, to);
            self.last = Some(file);
        }
        if let Item::Line {
            file, from, bytes, ..
        } = *item
        {
            self.trails
                .entry(file)
                .or_default()
                .push(from + bytes.len() as u64, bytes);
        }
    }
}

/// Memory limits of one reader.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the longest line that is handed out whole; a longer one is [`Item::TooLong`].
    pub max_line: usize,
    /// Bytes asked of the file at once, and the size of the buffer until a line needs more.
    pub chunk: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_line: 16 << 20,
            chunk: 256 << 10,
        }
    }
}

/// Why a reading could not begin.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{path}: no such file or directory; check the path, or name the rotated file itself")]
    Missing { path: PathBuf },
    #[error(
        "{path}: cannot be read ({error}); kube-apiserver writes it 0600 for root: run as its owner"
    )]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path}: {why}")]
    Refused { path: PathBuf, why: String },
    #[error("{path}: this directory holds no audit log; name the files themselves")]
    NoLogs { path: PathBuf },
    #[error(
        "{path}: this is a directory; name the log in it that the API server writes to, such as {path}/audit.log"
    )]
    Directory { path: PathBuf },
    #[error(
        "{path}: nobody writes to a {what} file; name {active}, the log that the API server writes to, or `replay` this one"
    )]
    Finished {
        path: PathBuf,
        what: &'static str,
        active: PathBuf,
    },
    #[error("{path}: this log is named twice, also as {other}; name it once")]
    Twice { path: PathBuf, other: PathBuf },
    #[error(
        "{path}: {what}; `run` follows the file that the API server writes to, `replay` reads anything once"
    )]
    Unfollowable { path: PathBuf, what: &'static str },
    #[error(
        "{path}: no file is called this, and `run` expands no patterns; name each log, with an --audit-log for each"
    )]
    Pattern { path: PathBuf },
}
