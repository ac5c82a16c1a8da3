//! When to send senders away, and when that has to end.
//!
//! Refuses to do it for long: what is sent away stays in the memory of an API server.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Senders are sent away for no longer than this without a batch being stored; then they are
/// relieved of what they bring.
pub(super) const SHED_FOR: Duration = Duration::from_secs(20);

/// Since when nothing was stored.
#[derive(Default)]
pub(super) struct Shedding(Mutex<Option<Instant>>);

impl Shedding {
    /// A batch was stored.
    pub fn ends(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// There is no place for a batch: true if its sender may be sent away once more.
    pub fn may(&self, now: Instant) -> bool {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.duration_since(*since.get_or_insert(now)) < SHED_FOR
    }
}
