//! Everything that can change the engine: one closed list.

use super::word::Command;
use crate::base::{Digest, Time};
use crate::detect::Policy;
use crate::event::AuditEvent;

/// Which of several logs an input came from: the position of the log in the configuration.
pub type SourceIndex = u16;

pub enum Input<'a> {
    /// An audit event, in the order of ingestion.
    Event { source: SourceIndex, event: &'a AuditEvent<'a> },
    /// Nothing came for a while: newest stage time plus the monotonic time since, less a minute.
    Tick(Time),
    /// Something could not be read.
    Gap { source: SourceIndex, gap: Gap<'a> },
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
    /// Of whatever identifies the hole, so that the same hole is the same incident.
    pub digest: Digest,
}
