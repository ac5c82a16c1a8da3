//! Whether people are told of a revision, and the named reason why, or why not.
//!
//! Refuses to repeat itself: a person hears of the opening, of each escalation and of the end.

use super::{Incident, Status};
use crate::detect::Severity;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It reached the severity that people are told of.
    Opened,
    /// It became more severe since they were told.
    Escalated,
    /// It ended, and they knew of it.
    Ended,
    /// Below the severity that people are told of.
    BelowThreshold,
    /// More of the same.
    NothingNew,
    /// A silence of the operator's holds.
    Silenced,
    /// The operator called it normal.
    Acknowledged,
}

impl Reason {
    /// Why people are told of a revision, or why not.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Reason::Opened => "it reached the severity that people are told of",
            Reason::Escalated => "it became more severe",
            Reason::Ended => "it ended, and they knew of it",
            Reason::BelowThreshold => "it is below the severity that people are told of",
            Reason::NothingNew => "it is more of the same",
            Reason::Silenced => "a silence holds",
            Reason::Acknowledged => "it was called normal",
        }
    }
}

/// The decision on one revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notice {
    pub tell: bool,
    pub reason: Reason,
}

impl Notice {
    /// `before` is the severity at the last revision, `None` at the first. Under a silence nobody
    /// hears of anything but the end of what they know of, so that no page stays open.
    #[must_use]
    pub fn of(
        incident: &Incident,
        before: Option<Severity>,
        threshold: Severity,
        silenced: bool,
    ) -> Notice {
        let (tell, reason) = match before {
            _ if incident.severity < threshold => (false, Reason::BelowThreshold),
            _ if silenced && !(incident.told && incident.status == Status::Resolved) => {
                (false, Reason::Silenced)
            }
            _ if incident.status == Status::Resolved => (true, Reason::Ended),
            // It grew under a silence that is over.
            Some(_) if !incident.told => (true, Reason::Opened),
            Some(severity) if severity < threshold => (true, Reason::Opened),
            None => (true, Reason::Opened),
            Some(severity) if severity < incident.severity => (true, Reason::Escalated),
            Some(_) => (false, Reason::NothingNew),
        };
        Notice { tell, reason }
    }
}
