//! What a session stands on: clock, disk and delivery of the machine, or a test's model of them.
//!
//! Refuses to decide anything: whatever it stands on, the session does the same.

use crate::sink::{Link, Note, Receiver};
use crate::store::{Store, StoreError};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The methods that are given are the machine's; `tests/simulator` replaces all of them.
pub trait Ground: Send + Sync {
    /// The monotonic clock. It does not go back.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Opens the state in `dir`.
    ///
    /// # Errors
    /// As [`Store::open`].
    fn store(&self, dir: &Path) -> Result<Store, StoreError> {
        Store::open(dir)
    }

    /// Starts to deliver to a receiver, on the runtime that is entered: on from a committed row,
    /// and from what was told then.
    fn link(&self, receiver: Receiver, next_row: u64, told: Vec<Arc<Note>>) -> Link {
        Link::start(receiver, next_row, told)
    }
}

/// The machine itself.
pub struct Machine;

impl Ground for Machine {}
