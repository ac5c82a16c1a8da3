//! What a scan may take, and what it could pass over.

use std::io;
use std::time::Instant;

/// What a scan may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub deadline: Option<Instant>,
    /// Bytes that the scan holds and that `beside` gives, together.
    pub memory_bytes: u64,
    /// What whoever asks holds at this moment, in bytes.
    pub beside: fn() -> u64,
}

impl Default for Bounds {
    /// None.
    fn default() -> Bounds {
        Bounds {
            deadline: None,
            memory_bytes: u64::MAX,
            beside: || 0,
        }
    }
}

impl Bounds {
    /// # Errors
    /// `TimedOut`, `OutOfMemory`.
    pub fn check(&self, held: u64) -> io::Result<()> {
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the time limit is over",
            ));
        }
        if held.saturating_add((self.beside)()) > self.memory_bytes {
            return Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "the memory limit is reached",
            ));
        }
        Ok(())
    }
}

/// What was looked at and what was passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub files: u64,
    pub files_skipped: u64,
    pub row_groups: u64,
    pub row_groups_skipped: u64,
    pub rows_read: u64,
}

impl Pruned {
    pub fn add(&mut self, more: Pruned) {
        self.files += more.files;
        self.files_skipped += more.files_skipped;
        self.row_groups += more.row_groups;
        self.row_groups_skipped += more.row_groups_skipped;
        self.rows_read += more.rows_read;
    }
}
