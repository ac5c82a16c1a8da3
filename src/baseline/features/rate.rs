//! How many requests an account makes in a minute: the current minute and the busiest one known.
//!
//! Refuses leases and relists: leader election and an API server's restart are no behaviour.

use crate::base::{Time, text};
use crate::event::AuditEvent;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Rate {
    minute: u32,
    count: u32,
    /// Requests of the busiest minute.
    pub peak: u32,
}

impl Rate {
    pub fn note(&mut self, at: Time) {
        let minute = at.stored_seconds() / 60;
        if minute > self.minute {
            self.minute = minute;
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.peak = self.peak.max(self.count);
    }

    /// Whether a request says anything about how busy an account is. `discounted` is true where the
    /// operation is one that the account is known for.
    #[must_use]
    pub fn counts(event: &AuditEvent<'_>, known_operation: bool) -> bool {
        let lease = event.operation.resource == "leases";
        let asks_for_all =
            |uri: &str| uri.contains("resourceVersion=0") || uri.contains("sendInitialEvents=true");
        // As history keeps it, so that it counts the same when it is judged again.
        let relist = asks_for_all(event.uri) && asks_for_all(&text::clean(event.uri));
        !lease && !(relist && known_operation)
    }
}
