//! The disk under the state database: it keeps what was synced, and of the rest what it likes.
//!
//! Refuses to fail on its own: the world says at which operation, and how.

use super::chance::Chance;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The process is gone before the operation; everything later fails too.
    Before,
    /// The process is gone right after the operation.
    After,
    /// There is no room for it, nor for anything later.
    Full,
}

/// What is left after the process is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remains {
    /// The process died: the machine still has everything.
    All,
    /// The power was cut: what was synced.
    Synced,
    /// The power was cut: what was synced, and any of the sectors that were not.
    Torn,
}

#[derive(Default, Debug)]
struct Platter {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync, in order.
    unsynced: Vec<(usize, Vec<u8>)>,
    /// How short it has been since the last sync.
    shortest: usize,
    operations: u64,
    fail_at: Option<(u64, Failure)>,
    failing: Option<i32>,
}

/// Clones are the same disk.
#[derive(Clone, Default, Debug)]
pub struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    /// The operation that comes `after` others fails.
    pub fn arm(&self, after: u64, failure: Failure) {
        let mut platter = self.platter();
        platter.fail_at = Some((platter.operations + 1 + after, failure));
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut platter = self.platter();
        (platter.fail_at, platter.failing) = (None, None);
    }

    /// Nothing of what the process still does reaches the disk.
    pub fn cut_off(&self) {
        self.platter().failing = Some(EIO);
    }

    /// Whether a failure has struck.
    pub fn has_failed(&self) -> bool {
        self.platter().failing.is_some()
    }

    /// The process is gone: this remains. The disk is whole again.
    pub fn settle(&self, remains: Remains, chance: &mut Chance) {
        self.heal();
        let mut platter = self.platter();
        let unsynced = std::mem::take(&mut platter.unsynced);
        if remains != Remains::All {
            let live = platter.live.len();
            platter.live = platter.durable.clone();
            if remains == Remains::Torn {
                let len = if chance.percent(50) {
                    live
                } else {
                    platter.durable.len()
                };
                platter.live.resize(len, 0);
                for (at, bytes) in unsynced {
                    for (i, sector) in bytes.chunks(SECTOR).enumerate() {
                        let from = at + i * SECTOR;
                        if chance.percent(50) && from + sector.len() <= len {
                            platter.live[from..from + sector.len()].copy_from_slice(sector);
                        }
                    }
                }
            }
        }
        platter.durable = platter.live.clone();
        platter.shortest = platter.live.len();
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.platter().live.clone()
    }

    /// Another disk with the same bytes.
    pub fn copy(&self) -> Disk {
        let (live, durable) = (self.bytes(), self.bytes());
        let shortest = live.len();
        Disk(Arc::new(Mutex::new(Platter {
            live,
            durable,
            shortest,
            ..Platter::default()
        })))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    /// Does the operation, or fails, or both.
    fn operate(&self, operation: impl FnOnce(&mut Platter)) -> io::Result<()> {
        let mut platter = self.platter();
        if let Some(code) = platter.failing {
            return Err(io::Error::from_raw_os_error(code));
        }
        platter.operations += 1;
        let due = platter
            .fail_at
            .filter(|(at, _)| *at <= platter.operations)
            .map(|(_, failure)| failure);
        if matches!(due, None | Some(Failure::After)) {
            operation(&mut platter);
        }
        let Some(failure) = due else { return Ok(()) };
        let code = if failure == Failure::Full {
            ENOSPC
        } else {
            EIO
        };
        platter.failing = Some(code);
        Err(io::Error::from_raw_os_error(code))
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        let at = offset as usize;
        out.copy_from_slice(
            platter
                .live
                .get(at..at + out.len())
                .ok_or(io::ErrorKind::UnexpectedEof)?,
        );
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate(|platter| {
            platter.live.resize(len as usize, 0);
            platter.shortest = platter.shortest.min(len as usize);
            platter
                .unsynced
                .retain(|(at, bytes)| at + bytes.len() <= len as usize);
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.operate(|platter| {
            platter.durable.truncate(platter.shortest);
            platter.durable.resize(platter.live.len(), 0);
            platter.shortest = platter.live.len();
            for (at, bytes) in std::mem::take(&mut platter.unsynced) {
                platter.durable[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate(|platter| {
            let at = offset as usize;
            platter.live[at..at + data.len()].copy_from_slice(data);
            platter.unsynced.push((at, data.to_vec()));
        })
    }
}
