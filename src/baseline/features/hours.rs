//! Hours of the UTC day in which an account is active, for people to read.
//!
//! Refuses to be judged by: a job that moves by an hour is no attack.

use crate::base::Time;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Hours(u32);

impl Hours {
    pub fn note(&mut self, at: Time) {
        self.0 |= 1 << at.hour();
    }

    /// Those of the 24 hours, from 0, that have ever been active.
    pub fn active(self) -> impl Iterator<Item = u32> {
        (0..24).filter(move |hour| self.0 & (1 << hour) != 0)
    }
}
