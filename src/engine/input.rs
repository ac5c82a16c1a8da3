//! Everything that can change the engine: one closed list.

use super::word::Command;
use crate::base::{Digest, Time};
use crate::detect::Policy;
use crate::event::AuditEvent;
use serde::{Deserialize, Serialize};

/// Which of several logs an input came from: the number that its path got when it was first
/// followed.
pub type SourceIndex = u16;

#[derive(Clone)]
pub enum Input<'a> {
    /// An audit event, in the order of ingestion.
    Event {
        source: SourceIndex,
        event: &'a AuditEvent<'a>,
    },
    /// Nothing came for a while: newest stage time plus the monotonic time since, less a minute.
    /// [`Time::ZERO`] where a replay ends without any event.
    Tick(Time),
    /// Something could not be read.
    Gap { source: SourceIndex, gap: Gap<'a> },
    /// A line, or an item of one, could not be read, for a reason of
    /// [`Malformed`](crate::event::decode::Malformed).
    Unread {
        source: SourceIndex,
        reason: &'a str,
        digest: Digest,
    },
    /// These logs are followed from now on, and no others: silence of those is none.
    Logs(&'a [SourceIndex]),
    /// The operator changed the settings.
    Policy(Box<Policy>),
    /// The operator says something about an incident.
    Command(Box<Command>),
}

/// A hole in what was seen, as a fact of the stream.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'a> {
    /// A stable word: `truncated`, `lost`, `unreadable`, ...
    pub kind: &'a str,
    /// One sentence for people.
    pub detail: &'a str,
    /// The digest of whatever identifies the hole, so that the same hole is the same incident.
    pub digest: Digest,
}

/// An input that is no event, as history keeps it: without it the events after it cannot be judged
/// again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredInput {
    Tick(Time),
    Gap {
        source: SourceIndex,
        kind: String,
        detail: String,
        digest: Digest,
    },
    Logs(Vec<SourceIndex>),
    Policy(Box<Policy>),
    Command(Box<Command>),
    Unread {
        source: SourceIndex,
        reason: String,
        digest: Digest,
    },
}

impl StoredInput {
    #[must_use]
    pub fn as_input(&self) -> Input<'_> {
        match self {
            StoredInput::Tick(at) => Input::Tick(*at),
            StoredInput::Gap {
                source,
                kind,
                detail,
                digest,
            } => Input::Gap {
                source: *source,
                gap: Gap {
                    kind,
                    detail,
                    digest: *digest,
                },
            },
            StoredInput::Unread {
                source,
                reason,
                digest,
            } => Input::Unread {
                source: *source,
                reason,
                digest: *digest,
            },
            StoredInput::Logs(followed) => Input::Logs(followed),
            StoredInput::Policy(policy) => Input::Policy(policy.clone()),
            StoredInput::Command(command) => Input::Command(command.clone()),
        }
    }
}
