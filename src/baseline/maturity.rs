//! When a baseline is worth believing.

use super::Account;
use crate::base::text::counted;
use crate::base::{Span, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much must be known of an account before its novelties mean something.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Learning {
    /// Hours between the first and the newest event.
    pub min_age_hours: u32,
    /// Distinct UTC days with events.
    pub min_days: u32,
    /// Events.
    pub min_events: u32,
    /// A value not seen for so many days is forgotten. More than a month, for monthly jobs.
    pub forget_days: u32,
    /// Distinct days before a sensitive operation counts as habit; a baseline cannot be taught
    /// faster.
    pub sensitive_days: u32,
}

impl Default for Learning {
    fn default() -> Learning {
        Learning {
            min_age_hours: 120,
            min_days: 5,
            min_events: 30,
            forget_days: 35,
            sensitive_days: 5,
        }
    }
}

impl Learning {
    /// Values last seen before this are forgotten at `now`.
    #[must_use]
    pub fn horizon(&self, now: Time) -> Time {
        now - Span::seconds(i64::from(self.forget_days) * 86_400)
    }
}

/// How well an account is known, as it stands in every incident.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Maturity {
    pub mature: bool,
    pub since: Time,
    pub days: u32,
    pub events: u64,
}

impl Maturity {
    #[must_use]
    pub fn of(account: &Account, now: Time, learning: &Learning) -> Maturity {
        let age = now.since(account.first_seen).as_seconds() / 3600;
        let mature = age >= i64::from(learning.min_age_hours)
            && account.days >= learning.min_days
            && account.events >= u64::from(learning.min_events);
        Maturity {
            mature,
            since: account.first_seen,
            days: account.days,
            events: account.events,
        }
    }

    /// The label of the metric and of the API.
    #[must_use]
    pub fn label(&self) -> &'static str {
        if self.mature { "mature" } else { "learning" }
    }
}

impl fmt::Display for Maturity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.events == 0 {
            return f.write_str("never seen before");
        }
        let (events, days) = (
            counted(self.events, "event"),
            counted(self.days.into(), "day"),
        );
        write!(
            f,
            "{}: known since {}, {events} on {days}",
            self.label(),
            self.since
        )
    }
}
