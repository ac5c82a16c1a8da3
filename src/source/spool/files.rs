//! The files of a spool: one that is written to, and older ones until they are read.
//!
//! Refuses to give back bytes that a reader may have seen: a line that was cut short gets its end,
//! and is data.

use super::{Limits, NAME};
use crate::base::Time;
use crate::source::first::last_line_end;
use crate::source::rotated::{self, Member};
use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// One thousandth of a second, by which names of rotated files differ.
const STEP: i64 = 1000;

pub(super) struct Files {
    dir: PathBuf,
    limits: Limits,
    live: File,
    len: u64,
    /// Length after the last write that succeeded.
    written: u64,
    /// Oldest first.
    older: VecDeque<Older>,
    older_bytes: u64,
    /// How many of them may go.
    spent: usize,
    /// The last line has no end.
    torn: bool,
    dirty: bool,
    last_stamp: Time,
    _lock: File,
}

struct Older {
    path: PathBuf,
    len: u64,
    inode: (u64, u64),
}

impl Files {
    /// # Errors
    /// `WouldBlock` if another process has it; else what the file system says.
    pub fn open(dir: &Path, limits: Limits) -> io::Result<Files> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let own = |name: &str| {
            OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o600)
                .open(dir.join(name))
        };
        let lock = own("lock")?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
            TryLockError::Error(error) => error,
        })?;
        let live = own(NAME)?;
        let whole = last_line_end(&live, live.metadata()?.len())?;
        live.set_len(whole)?;
        live.sync_all()?;
        File::open(dir)?.sync_all()?;
        let members = rotated::set_of(&dir.join(NAME), &[])?;
        let older: VecDeque<Older> = members
            .into_iter()
            .filter(|member| !member.is_live())
            .map(Older::of)
            .collect();
        let last_stamp = older
            .iter()
            .filter_map(|older| stamp_of(&older.path))
            .max()
            .unwrap_or(Time::ZERO);
        Ok(Files {
            dir: dir.to_owned(),
            limits,
            live,
            len: whole,
            written: whole,
            older_bytes: older.iter().map(|older| older.len).sum(),
            older,
            spent: 0,
            torn: false,
            dirty: false,
            last_stamp,
            _lock: lock,
        })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn bytes(&self) -> u64 {
        self.len + self.older_bytes
    }

    /// The live file, from its beginning.
    pub fn reader(&self) -> io::Result<File> {
        File::open(self.dir.join(NAME))
    }

    /// Whether the next file should begin.
    pub fn is_due(&self) -> bool {
        self.len >= self.limits.file
    }

    /// Begins the next file.
    pub fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = Time(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        // Names are in order, whatever the clock does.
        let stamp = now.max(Time(self.last_stamp.0 + STEP));
        let text = stamp.to_string().replace(':', "-");
        let (live, rotated) = (
            self.dir.join(NAME),
            self.dir
                .join(format!("audit-{}.log", &text[..text.len() - 4])),
        );
        let next = self.dir.join("next");
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&next)?;
        std::fs::rename(&live, &rotated)?;
        std::fs::rename(&next, &live)?;
        File::open(&self.dir)?.sync_all()?;
        let inode = inode_of(&self.live)?;
        self.older.push_back(Older {
            path: rotated,
            len: self.len,
            inode,
        });
        self.older_bytes += self.len;
        (self.live, self.len, self.written, self.torn) = (file, 0, 0, false);
        self.last_stamp = Time(stamp.0.div_euclid(STEP) * STEP);
        Ok(())
    }

    /// Appends whole lines. What of them stands in the file after an error is still read.
    ///
    /// # Errors
    /// `StorageFull` or `QuotaExceeded` where there is no room; else what the file system says.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.written = self.len;
        self.make_room(lines.len() as u64 + 1)?;
        self.dirty = true;
        if self.torn {
            self.live.write_all(b"\n")?;
            (self.torn, self.written) = (false, self.len + 1);
        }
        let outcome = self.live.write_all(lines);
        match outcome {
            Ok(()) => {
                self.len = self.written + lines.len() as u64;
                self.written = self.len;
                Ok(())
            }
            Err(error) => {
                self.len = self.live.metadata()?.len();
                self.torn = last_line_end(&self.live, self.len)? != self.len;
                Err(error)
            }
        }
    }

    /// How many lines of the last write that failed stand in the file.
    pub fn written_lines(&self) -> u32 {
        let mut bytes = vec![0; usize::try_from(self.len - self.written).unwrap_or(0)];
        if self.live.read_exact_at(&mut bytes, self.written).is_err() {
            return 0;
        }
        u32::try_from(memchr::memchr_iter(b'\n', &bytes).count()).unwrap_or(u32::MAX)
    }

    /// Whether this is an error of our own limit.
    pub fn is_at_limit(&self, error: &io::Error) -> bool {
        error.raw_os_error().is_none()
    }

    /// Makes all of it durable.
    pub fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty) {
            self.live.sync_data()
        } else {
            Ok(())
        }
    }

    /// What is in files older than the one with this inode is read, and committed. It holds bodies
    /// of requests, so it does not stay; but the file before this one does: something of the later
    /// one has to be committed first.
    pub fn is_read_before(&mut self, reading: (u64, u64)) {
        let is_live = inode_of(&self.live).is_ok_and(|inode| inode == reading);
        let place = self.older.iter().position(|older| older.inode == reading);
        let place = if is_live {
            Some(self.older.len())
        } else {
            place
        };
        self.spent = self.spent.max(place.unwrap_or(0).saturating_sub(1));
        while self.delete_oldest_spent() {}
    }

    fn make_room(&self, wanted: u64) -> io::Result<()> {
        if self.bytes() + wanted > self.limits.total {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    /// False if there is nothing that may go.
    fn delete_oldest_spent(&mut self) -> bool {
        if self.spent == 0 {
            return false;
        }
        self.spent -= 1;
        let Some(Older { path, len, .. }) = self.older.pop_front() else {
            return false;
        };
        self.older_bytes -= len;
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(
                "{}: {error}; it was read, and can be removed",
                path.display()
            );
        }
        true
    }
}

impl Older {
    fn of(member: Member) -> Older {
        Older {
            len: member.stamp.len,
            inode: (member.stamp.dev, member.stamp.ino),
            path: member.path,
        }
    }
}

fn inode_of(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

/// When a file was rotated, by its name.
fn stamp_of(path: &Path) -> Option<Time> {
    let name = path.file_name()?.to_str()?;
    let stamp = name.strip_prefix("audit-")?.strip_suffix(".log")?;
    let (day, time) = stamp.split_once('T')?;
    Time::parse(&format!("{day}T{}Z", time.replace('-', ":")))
}
