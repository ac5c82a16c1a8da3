//! What the database lies on: a file, or a test's disk that fails on demand.
//!
//! Refuses to take an empty or foreign file for a fresh start.

use super::dir;
use super::error::Fault;
use super::tables::{CACHE_BYTES, check_format, create_all};
use redb::{Builder, ConcurrencyMode, Database, Durability, StorageBackend, WriteTransaction};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Opens the database, as after a crash; called again by each reopen.
pub(super) trait Disk: Send + Sync {
    fn open(&self) -> Result<Database, Fault>;
}

/// `state.redb` in a state directory that we hold the lock of.
pub(super) struct FileDisk {
    pub(super) path: PathBuf,
}

impl Disk for FileDisk {
    fn open(&self) -> Result<Database, Fault> {
        let new = self.path.with_extension("redb.new");
        if fs::exists(&new)? {
            fs::remove_file(&new)?;
        }
        if !fs::exists(&self.path)? {
            create(&new)?;
            fs::rename(&new, &self.path)?;
            if let Some(parent) = self.path.parent() {
                dir::sync(parent)?;
            }
        }
        // A state of a newer program must not be written to, and a writer's open writes. It fails
        // where redb has to repair first; then the check below comes in time to save the tables.
        if let Ok(reader) = shared().open_read_only(&self.path) {
            check_format(&reader)?;
        }
        let db = shared().open(&self.path)?;
        check_format(&db)?;
        Ok(db)
    }
}

/// Bytes that a test keeps; clones are the same bytes.
pub(super) struct ModelDisk<B>(pub(super) B);

impl<B: StorageBackend + Clone> Disk for ModelDisk<B> {
    fn open(&self) -> Result<Database, Fault> {
        let is_new = self.0.len()? == 0;
        let db = builder().create_with_backend(self.0.clone())?;
        if is_new {
            fill(&db)?;
        }
        check_format(&db)?;
        Ok(db)
    }
}

fn create(path: &Path) -> Result<(), Fault> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let db = shared().create(path)?;
    fill(&db)?;
    db.close()?;
    Ok(())
}

/// Makes the tables of a new database.
pub(super) fn fill(db: &Database) -> Result<(), Fault> {
    let write = begin_write(db)?;
    create_all(&write)?;
    Ok(write.commit()?)
}

pub(super) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// One daemon writes; questions are asked beside it, each in a process of its own.
pub(super) fn shared() -> Builder {
    let mut builder = builder();
    builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

/// Every write transaction of ours. Quick repair implies two-phase commit: opening after a crash
/// costs two pages instead of a walk over the whole file.
pub(super) fn begin_write(db: &Database) -> Result<WriteTransaction, Fault> {
    let mut write = db.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_quick_repair(true);
    Ok(write)
}
