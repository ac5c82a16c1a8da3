//! What can go wrong with the files of history, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Errors of [`super::History`], each with the state directory. All but `Damaged` heal by opening
/// the history again, as after a crash.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A committed file is missing, cut or not ours.
    #[error("{dir:?} is damaged ({detail}): restore it, or move it away to start from nothing")]
    Damaged { dir: PathBuf, detail: String },
    #[error("no space left for {dir:?}: free some; nothing that was committed is lost")]
    DiskFull { dir: PathBuf },
    /// The message says the cause: as a source it would be said twice.
    #[error("cannot {doing} {dir:?}: {cause}")]
    Io {
        dir: PathBuf,
        doing: &'static str,
        cause: io::Error,
    },
}

impl HistoryError {
    pub(super) fn new(dir: &Path, doing: &'static str, cause: io::Error) -> HistoryError {
        let dir = dir.to_owned();
        if is_full(&cause) {
            HistoryError::DiskFull { dir }
        } else if cause.kind() == io::ErrorKind::InvalidData {
            let detail = cause.to_string();
            HistoryError::Damaged { dir, detail }
        } else {
            HistoryError::Io { dir, doing, cause }
        }
    }
}

/// Whether there is no room on the device, or none in the quota.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The error of a committed file, its rows or its manifest that are not what they were.
pub(super) fn damaged(what: &str) -> io::Error {
    let text = format!("history is damaged: {what}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}
