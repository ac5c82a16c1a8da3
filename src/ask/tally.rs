//! What the scans of one statement did, beside what SQLite knows of them.

use crate::history::read::scan::Pruned;
use rusqlite::Error;
use std::io;
use std::sync::{Arc, Mutex};

/// What all scans of a statement passed over and read, and why one of them stopped: SQLite hands
/// on no more of an error than its text.
#[derive(Clone, Default)]
pub(super) struct Tally {
    pruned: Arc<Mutex<Pruned>>,
    stopped: Arc<Mutex<Option<io::Error>>>,
}

impl Tally {
    pub fn add(&self, more: Pruned) {
        if let Ok(mut sum) = self.pruned.lock() {
            sum.add(more);
        }
    }

    pub fn sum(&self) -> Pruned {
        self.pruned.lock().map(|sum| *sum).unwrap_or_default()
    }

    /// Keeps the error for [`Tally::stopped`], and makes one for SQLite.
    pub fn stop(&self, error: io::Error) -> Error {
        let text = error.to_string();
        if let Ok(mut stopped) = self.stopped.lock() {
            stopped.get_or_insert(error);
        }
        Error::ModuleError(text)
    }

    /// Takes the error that ended the first scan that did not come to its end.
    pub fn stopped(&self) -> Option<io::Error> {
        self.stopped.lock().ok()?.take()
    }
}
