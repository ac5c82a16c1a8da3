//! What can go wrong with the state, whose fault it is, and what to do.
//!
//! Refuses to carry bytes of rows: an error is logged, and rows are about the cluster's secrets.

use crate::base::Digest;
use crate::history::is_full;
use std::io;
use std::path::{Path, PathBuf};

/// Errors of [`super::Store`]. Those that poison the store say so; all others leave it as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error(
        "{path:?} is not a directory: give --state a directory, or a path where one can be made"
    )]
    NotADirectory { path: PathBuf },
    #[error("another tokentrail runs on this state directory {dir:?} (pid {}): stop it, or use another directory",
        pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    InUse { dir: PathBuf, pid: Option<u32> },
    #[error(
        "{path:?} has state format {found}, this program knows {known}: run a newer tokentrail; nothing was changed"
    )]
    NewerFormat {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    #[error(
        "{path:?} is damaged or not a tokentrail state ({detail}): restore it, or move it away to start from nothing"
    )]
    Corrupt { path: PathBuf, detail: String },
    #[error(
        "{dir:?} is an export, which has events only: ask the state directory that it was made of"
    )]
    EventsOnly { dir: PathBuf },
    /// For a reader alone: the daemon repairs it when it opens it, and a reader changes nothing.
    #[error(
        "{path:?} was not closed by the daemon that wrote it, as after a kill: start the daemon on it once; until then \
         events and operations_daily can be asked, incidents, findings, baselines, credentials and coverage cannot"
    )]
    NotClosed { path: PathBuf },
    /// Poisons; heals by [`super::Store::reopen`] when there is room.
    #[error("no space left for {path:?}: free some; nothing that was committed is lost")]
    DiskFull { path: PathBuf },
    /// Poisons when it came from a commit. The message says the cause: as a source it would be said
    /// twice.
    #[error("cannot {doing} {path:?}: {cause}")]
    Io {
        path: PathBuf,
        doing: &'static str,
        cause: io::Error,
    },
    /// An earlier write failed, so what is on disk is unknown until [`super::Store::reopen`].
    #[error("{path:?} is closed after a failed write: reopen it, as after a crash")]
    Poisoned { path: PathBuf },

    #[error("commit refused: seq goes back from {stored} to {given}")]
    SeqBack { stored: u64, given: u64 },
    #[error("commit refused: file {file} is unknown and its advance from {from} is not its first")]
    UnknownFile { file: Digest, from: u64 },
    #[error(
        "commit refused: file {file} stands at {stored} and the advance begins at {from}, with no gap between"
    )]
    Hole {
        file: Digest,
        stored: u64,
        from: u64,
    },
    #[error(
        "commit refused: file {file} stands at {stored} and the advance begins at {from}: lines would count twice"
    )]
    Overlap {
        file: Digest,
        stored: u64,
        from: u64,
    },
    #[error("commit refused: interval ({from}, {to}] of file {file} goes backwards")]
    Backwards { file: Digest, from: u64, to: u64 },
    #[error("commit refused: {what} of {bytes} bytes, at most {max}")]
    TooLarge {
        what: &'static str,
        bytes: usize,
        max: usize,
    },
    #[error("commit refused: a notice holds a newline, so it is not one line")]
    NoticeNotALine,
    /// The sink has to catch up first; retry after a delivery.
    #[error(
        "commit refused: {rows} outbox rows wait for delivery, at most {max}: is the incidents file writable, do the sinks answer?"
    )]
    OutboxFull { rows: u64, max: u64 },
    #[error("commit refused: sink {sink:?} moves to row {given}, outside of {low}..={high}")]
    SinkCursor {
        sink: String,
        given: u64,
        low: u64,
        high: u64,
    },
    #[error("commit refused: the delivery cursor moves to row {given}, outside of {low}..={high}")]
    Cursor { given: u64, low: u64, high: u64 },
}

/// What the code that works inside a transaction returns: it does not know the path.
#[derive(Debug)]
pub(super) enum Fault {
    Database(redb::Error),
    OtherFormat(u32),
    Refused(StoreError),
}

impl Fault {
    pub(super) fn corrupt(detail: String) -> Fault {
        Fault::Database(redb::Error::Corrupted(detail))
    }

    /// Names the file, and tells apart what heals from what does not.
    pub(super) fn at(self, path: &Path, doing: &'static str) -> StoreError {
        let path = path.to_owned();
        match self {
            Fault::Refused(error) => error,
            Fault::OtherFormat(found) => StoreError::NewerFormat {
                path,
                found,
                known: super::FORMAT,
            },
            Fault::Database(redb::Error::Io(e)) if is_full(&e) => StoreError::DiskFull { path },
            Fault::Database(redb::Error::Io(e)) if e.kind() == io::ErrorKind::InvalidData => {
                StoreError::Corrupt {
                    path,
                    detail: e.to_string(),
                }
            }
            Fault::Database(redb::Error::Io(cause)) => StoreError::Io { path, doing, cause },
            Fault::Database(redb::Error::PreviousIo | redb::Error::DatabaseClosed) => {
                StoreError::Poisoned { path }
            }
            Fault::Database(redb::Error::DatabaseAlreadyOpen) => StoreError::InUse {
                dir: path.parent().unwrap_or(&path).to_owned(),
                pid: None,
            },
            Fault::Database(other) => StoreError::Corrupt {
                path,
                detail: other.to_string(),
            },
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Refused(error)
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Fault {
                Fault::Database(error.into())
            }
        })*
    };
}
from_redb!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError,
    io::Error
);
