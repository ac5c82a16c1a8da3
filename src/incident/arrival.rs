//! The event that findings are about, as incidents see it.
//!
//! Refuses to look anything up: whoever makes one has looked.

use super::sequence::Neighbour;
use crate::base::{Digest, Time};
use crate::baseline::Maturity;
use crate::event::AuditEvent;

/// The event that findings are about, as incidents see it.
pub struct Arrival<'a> {
    /// Whose story it is: the username, or the origin of a request without one.
    pub subject: &'a str,
    pub principal: &'a str,
    pub at: Time,
    pub audit_id: &'a str,
    pub credential_id: &'a str,
    pub origin: &'a str,
    /// Network and country of the origin, where they are known.
    pub network: &'a str,
    pub user_agent: &'a str,
    /// What others may have gained, and this event uses: its token, its pod, its Secret, its
    /// address.
    pub clues: &'a [String],
    pub neighbour: Option<Neighbour<'a>>,
    /// Since when this credential is used from this address, if it was before.
    pub here_since: Option<Time>,
    pub baseline: Maturity,
    /// The digest of the event: part of the id of the incident that it opens.
    pub digest: &'a dyn Fn() -> Digest,
    /// `None` where it is what could not be seen.
    pub event: Option<&'a AuditEvent<'a>>,
}
