//! The state directory and its lock: one daemon a directory.
//!
//! Refuses to change the mode of a directory that it did not make: volumes belong to whoever
//! mounted them.

use super::error::StoreError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A locked state directory. The lock goes with the process, however it ends.
#[derive(Debug)]
pub(super) struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Makes the directory (0700) if there is none, and locks it.
    pub(super) fn lock(dir: &Path) -> Result<StateDir, StoreError> {
        let failed = |doing| {
            move |cause| StoreError::Io {
                path: dir.to_owned(),
                doing,
                cause,
            }
        };
        if dir.exists() && !dir.is_dir() {
            return Err(StoreError::NotADirectory {
                path: dir.to_owned(),
            });
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed("make the state directory"))?;
        let path = dir.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open the lock file in"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    dir: dir.to_owned(),
                    pid: owner(&mut lock),
                });
            }
            Err(TryLockError::Error(e)) => return Err(failed("lock")(e)),
        }
        sign(&mut lock).map_err(failed("write the pid into the lock file in"))?;
        Ok(StateDir {
            path: dir.to_owned(),
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The pid serves the error message alone, so a full disk must not keep the state closed.
fn sign(lock: &mut File) -> io::Result<()> {
    let written = lock
        .set_len(0)
        .and_then(|()| write!(lock, "{}", std::process::id()));
    match written {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

fn owner(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Makes creations, renames and deletions in `dir` durable.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
