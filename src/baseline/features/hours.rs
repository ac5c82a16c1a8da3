//! Hours of the UTC day in which an account is active: a weak feature, for people to read.

use crate::base::Time;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Hours(u32);

impl Hours {
    pub fn note(&mut self, at: Time) {
        self.0 |= 1 << at.hour();
    }

    /// Whether the account was ever active in the hour of `at`.
    #[must_use]
    pub fn has(&self, at: Time) -> bool {
        self.0 & (1 << at.hour()) != 0
    }

    /// How many of the 24 hours have been active.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.0.count_ones()
    }
}
