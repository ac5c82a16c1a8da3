//! The spool: what senders hand over becomes a log on our own disk, which a
//! [`Follower`](super::Follower) reads like any other. So there is one way into the engine, and one
//! meaning of a position.
//!
//! A batch is accepted once it is synced. It stands behind a mark with its digest, so that what
//! comes twice is stored once, and what a crash cut short goes on where it was cut. What there is
//! no room for is counted, and told as a gap.
//!
//! Refuses to judge what it stores, to delete what is not read, and to grow beyond its limit.

mod batch;
mod files;
mod losses;
mod marks;
mod queue;
mod recent;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use losses::{Losses, Why};
pub use marks::read;
pub use queue::{Full, Queue, Waiting};
pub use recent::DIGESTS_LIMIT;

use files::Files;
use marks::Mark;
use recent::Recent;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const NAME: &str = "audit.log";

/// The log in the directory of a spool.
#[must_use]
pub fn log_in(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// How large a spool becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file after which the next one begins.
    pub file: u64,
    /// Bytes of all files. What is read goes when its place is wanted.
    pub total: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            file: 64 << 20,
            total: 1 << 30,
        }
    }
}

/// What became of a batch. All three are answered alike: nothing is gained by sending it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// It is on the disk.
    Stored,
    /// It was, already.
    Repeated,
    /// There was no room for it, or for a part of it. That is counted, and told as a gap.
    Dropped,
}

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error(
        "the spool {path} cannot be used: {error}; name a directory that only tokentrail can write"
    )]
    Unusable { path: PathBuf, error: io::Error },
    #[error("the spool {path} is used by another tokentrail; give each its own")]
    InUse { path: PathBuf },
    #[error("the spool {path} could not be written: {why}")]
    Failed { path: PathBuf, why: String },
}

/// An open spool. Clones share it.
#[derive(Clone)]
pub struct Spool {
    path: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    files: Files,
    recent: Recent,
    /// A batch that a crash cut short; `from` counts its lines that are there.
    partial: Option<Mark>,
    losses: losses::Ledger,
    /// What failed for good.
    failed: Option<String>,
}

impl Spool {
    /// Opens the spool in `dir`, which is made if it is not there. Open it before it is followed:
    /// what a crash left without an end is cut.
    ///
    /// # Errors
    /// The directory is used by another process, or its files cannot be read or made.
    pub fn open(dir: &Path, limits: Limits) -> Result<Spool, SpoolError> {
        let failed = |error| SpoolError::Unusable {
            path: dir.to_owned(),
            error,
        };
        let files = Files::open(dir, limits).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => SpoolError::InUse {
                path: dir.to_owned(),
            },
            _ => failed(error),
        })?;
        let mut recent = Recent::load(dir).map_err(failed)?;
        let found = marks::scan(&files).map_err(failed)?;
        for digest in found.whole {
            recent.insert(digest);
        }
        let losses = losses::Ledger::open(dir, found.last_gap).map_err(failed)?;
        let inner = Inner {
            files,
            recent,
            partial: found.partial,
            losses,
            failed: None,
        };
        Ok(Spool {
            path: log_in(dir),
            inner: Arc::new(Mutex::new(inner)),
        })
    }

    /// The log that is to be followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores batches with one sync, and says what became of each. When it returns, all that can be
    /// read of the spool is durable.
    ///
    /// # Errors
    /// Writing or syncing failed for another reason than a full disk. Then nothing is accepted any
    /// more.
    pub fn append(&self, batches: &[&Batch]) -> Result<Vec<Kept>, SpoolError> {
        let mut inner = self.lock();
        let stored = match &inner.failed {
            Some(why) => Err(io::Error::other(why.clone())),
            None => inner.append(batches),
        };
        stored.map_err(|error| {
            inner.failed = Some(error.to_string());
            SpoolError::Failed {
                path: self.path.clone(),
                why: error.to_string(),
            }
        })
    }

    /// Counts events that were sent and not stored.
    pub fn lose(&self, losses: Losses) {
        self.lock().losses.add(losses);
    }

    /// Tells of losses, if there are any and there is room to say so.
    ///
    /// # Errors
    /// As [`Spool::append`].
    pub fn settle(&self) -> Result<(), SpoolError> {
        self.append(&[]).map(drop)
    }

    /// Waits until all that can be read of it is durable; to be called before what was read is
    /// committed.
    pub fn barrier(&self) {
        // Whoever writes holds the lock until the sync is done.
        drop(self.lock());
    }

    /// What is in files older than the one with this device and inode is committed: they may go.
    pub fn is_read_before(&self, reading: (u64, u64)) {
        self.lock().files.is_read_before(reading);
    }

    /// Bytes that it takes on the disk, and events lost since it was opened.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.files.bytes(), inner.losses.total())
    }

    /// Why it takes nothing any more, if it does not.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.lock().failed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, batches: &[&Batch]) -> io::Result<Vec<Kept>> {
        self.rotate_when_due()?;
        let mut kept = Vec::with_capacity(batches.len());
        let told = self.tell_losses()?;
        for batch in batches {
            kept.push(self.store(batch)?);
        }
        match self.files.sync() {
            Ok(()) if told => self.losses.told(),
            Ok(()) => {}
            Err(error) if is_full(&error) => self.doubt(batches, &mut kept),
            Err(error) => return Err(error),
        }
        self.losses.keep()?;
        Ok(kept)
    }

    /// The file system found no room after all: what was written may not be there.
    fn doubt(&mut self, batches: &[&Batch], kept: &mut [Kept]) {
        for (batch, kept) in batches
            .iter()
            .zip(kept)
            .filter(|(_, kept)| **kept == Kept::Stored)
        {
            self.losses.add(Losses::of(batch.lines(), Why::Disk));
            *kept = Kept::Dropped;
        }
    }

    fn rotate_when_due(&mut self) -> io::Result<()> {
        if !self.files.is_due() {
            return Ok(());
        }
        let begun = self
            .recent
            .save(self.files.dir())
            .and_then(|()| self.files.rotate());
        match begun {
            Ok(()) => self.partial = None,
            // The file goes on a little longer.
            Err(error) if is_full(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// True if what was lost stands in the log now.
    fn tell_losses(&mut self) -> io::Result<bool> {
        let Some(line) = self.losses.line() else {
            return Ok(false);
        };
        match self.files.write(&line) {
            Ok(()) => Ok(true),
            Err(error) if is_full(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn store(&mut self, batch: &Batch) -> io::Result<Kept> {
        if !self.recent.insert(batch.digest()) {
            return Ok(Kept::Repeated);
        }
        let from = match self
            .partial
            .take_if(|partial| partial.digest == batch.digest())
        {
            Some(partial) => partial.from,
            None => 0,
        };
        let (rest, to) = (batch.lines_from(from), batch.count());
        let mut bytes = Mark {
            digest: batch.digest(),
            from,
            to,
        }
        .line();
        bytes.extend_from_slice(rest);
        match self.files.write(&bytes) {
            Ok(()) => Ok(Kept::Stored),
            Err(error) if is_full(&error) => {
                let why = if self.files.is_at_limit(&error) {
                    Why::Limit
                } else {
                    Why::Disk
                };
                // What was written before the room ended can be read, but for a line that was cut.
                let written = self.files.written_lines().saturating_sub(1);
                let left = batch.lines_from(from.saturating_add(written));
                self.losses.add(Losses::of(left, why));
                Ok(Kept::Dropped)
            }
            Err(error) => Err(error),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
