//! [`Store`]: opening, the one commit, poisoning and reopening.
//!
//! Refuses to go on after a failed write: what is on disk is then unknown, and guessing would lose
//! or double lines.

use super::commit::{self, Commit, CommitReceipt};
use super::dir::StateDir;
use super::disk::{Disk, FileDisk, ModelDisk, begin_write, shared};
use super::error::{Fault, StoreError};
use super::recover::Recovered;
use super::tables::check_format;
use crate::history::MANIFEST;
use redb::{Database, ReadableDatabase, StorageBackend};
use std::path::{Path, PathBuf};

/// The state database of one daemon. There is one writer: commits take `&mut self`.
pub struct Store {
    /// For messages.
    path: PathBuf,
    disk: Box<dyn Disk>,
    /// `None` when poisoned.
    db: Option<Database>,
    /// Held over reopening, so that no other daemon slips in.
    _dir: Option<StateDir>,
}

impl Store {
    /// Opens the state in `dir`, and makes both (0700, 0600) if they do not exist.
    ///
    /// # Errors
    /// `NotADirectory`, `InUse`, `NewerFormat`, `Corrupt`, `DiskFull`, `Io`.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        let dir = StateDir::lock(dir)?;
        let path = dir.path().join("state.redb");
        let disk = Box::new(FileDisk { path: path.clone() });
        Store::on(disk, path, Some(dir))
    }

    /// As [`Store::open`], but the database lies on the bytes of `backend`, whose clones are the
    /// same bytes: a test's disk, which fails, tears and forgets. Empty ones are a new database.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(dir: &Path, backend: impl StorageBackend + Clone) -> Result<Store, StoreError> {
        let dir = StateDir::lock(dir)?;
        let path = dir.path().join("state.redb");
        Store::on(Box::new(ModelDisk(backend)), path, Some(dir))
    }

    pub(super) fn on(
        disk: Box<dyn Disk>,
        path: PathBuf,
        dir: Option<StateDir>,
    ) -> Result<Store, StoreError> {
        let db = disk.open().map_err(|fault| fault.at(&path, "open"))?;
        Ok(Store {
            path,
            disk,
            db: Some(db),
            _dir: dir,
        })
    }

    /// Opens the database again, as after a crash. Whether the commit that failed is in it is
    /// decided by the disk, so the caller must [`Store::load`] and start from there.
    ///
    /// # Errors
    /// As [`Store::open`]; the store stays poisoned then, and may be reopened later.
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        self.db = None;
        self.db = Some(
            self.disk
                .open()
                .map_err(|fault| fault.at(&self.path, "reopen"))?,
        );
        Ok(())
    }

    /// Makes one commit durable: when this returns, a power cut cannot undo it.
    ///
    /// # Errors
    /// A refusal leaves everything as it was. `DiskFull`, `Io` and `Corrupt` poison the store:
    /// every later call returns `Poisoned` until [`Store::reopen`].
    pub fn commit(&mut self, commit: &Commit<'_>) -> Result<CommitReceipt, StoreError> {
        let result = write(self.database()?, commit);
        if !matches!(result, Ok(_) | Err(Fault::Refused(_))) {
            self.db = None;
        }
        result.map_err(|fault| fault.at(&self.path, "commit to"))
    }

    /// A snapshot of everything. Drop it before long: the space of what it sees cannot be used
    /// again meanwhile.
    ///
    /// # Errors
    /// `Poisoned`, `Io`, `Corrupt`.
    pub fn load(&self) -> Result<Recovered<'_>, StoreError> {
        let read = self
            .database()?
            .begin_read()
            .map_err(|e| Fault::from(e).at(&self.path, "read"))?;
        Recovered::of(&read, &self.path)
    }

    /// Whether a failed write has closed the store.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.db.is_none()
    }

    fn database(&self) -> Result<&Database, StoreError> {
        self.db.as_ref().ok_or_else(|| StoreError::Poisoned {
            path: self.path.clone(),
        })
    }
}

/// The state as a process beside the daemon reads it.
pub struct ReadOnly {
    path: PathBuf,
    db: redb::ReadOnlyDatabase,
}

impl ReadOnly {
    /// Opens the state in `dir`, and changes nothing.
    ///
    /// # Errors
    /// `Io` where there is none, `EventsOnly`, `NewerFormat`, `Corrupt`, `NotClosed`.
    pub fn open(dir: &Path) -> Result<ReadOnly, StoreError> {
        ReadOnly::expected(dir)?;
        let path = dir.join("state.redb");
        let open = || {
            let db = shared().open_read_only(&path).map_err(Fault::from)?;
            check_format(&db)?;
            Ok(db)
        };
        match open() {
            Ok(db) => Ok(ReadOnly { path, db }),
            Err(Fault::Database(redb::Error::RepairAborted)) => Err(StoreError::NotClosed { path }),
            Err(fault) => Err(Fault::at(fault, &path, "read")),
        }
    }

    /// Whether `dir` may hold more than events.
    ///
    /// # Errors
    /// `EventsOnly`: it is an export.
    fn expected(dir: &Path) -> Result<(), StoreError> {
        let is_there = |name: &str| dir.join(name).try_exists().unwrap_or(true);
        if is_there(MANIFEST) && !is_there("state.redb") {
            return Err(StoreError::EventsOnly {
                dir: dir.to_owned(),
            });
        }
        Ok(())
    }

    /// A snapshot of everything.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn load(&self) -> Result<Recovered<'_>, StoreError> {
        let read = self
            .db
            .begin_read()
            .map_err(|e| Fault::from(e).at(&self.path, "read"))?;
        Recovered::of(&read, &self.path)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .field("poisoned", &self.is_poisoned())
            .finish()
    }
}

fn write(db: &Database, commit: &Commit<'_>) -> Result<CommitReceipt, Fault> {
    let write = begin_write(db)?;
    match commit::apply(&write, commit) {
        Ok(receipt) => {
            write.commit()?;
            Ok(receipt)
        }
        Err(fault) => match (write.abort(), fault) {
            // A refusal whose rollback fails is a failed write.
            (Err(failed), Fault::Refused(_)) => Err(failed.into()),
            (_, fault) => Err(fault),
        },
    }
}
