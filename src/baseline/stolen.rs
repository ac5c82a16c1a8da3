//! Addresses at which the stolen token of a pod was used: whoever is there may go on when the pod is gone, and is then
//! refused without a name.
//!
//! Refuses suspicion: only where a finding of theft says so is an address remembered. Bounded; the oldest go first.

use super::departed::make_room;
use crate::base::Time;
use crate::event::AuditEvent;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::net::IpAddr;

/// Most addresses remembered.
const LIMIT: usize = 1024;

/// The last use of a pod's token away from its pod.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Use {
    pub namespace: SmolStr,
    pub pod: SmolStr,
    /// When the pod was first heard, or this use.
    pub first: Time,
    pub at: Time,
}

#[derive(Default)]
pub struct Stolen {
    known: HashMap<IpAddr, Use>,
    dirty: Vec<IpAddr>,
}

impl Stolen {
    #[must_use]
    pub fn at(&self, ip: IpAddr) -> Option<&Use> {
        self.known.get(&ip)
    }

    /// Remembers a use of the token of a pod that was first heard at `first`.
    pub fn note(&mut self, event: &AuditEvent<'_>, ip: IpAddr, first: Time) {
        self.dirty.extend(make_room(&mut self.known, LIMIT, |used| used.at));
        let (namespace, pod) = (event.principal.namespace().into(), event.credential.pod.into());
        self.known.insert(ip, Use { namespace, pod, first, at: event.time });
        self.dirty.push(ip);
    }

    /// Addresses changed since the last call, each once, in order; `None` for a forgotten one.
    pub fn drain_changes(&mut self) -> Vec<(IpAddr, Option<&Use>)> {
        let mut changed = std::mem::take(&mut self.dirty);
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().map(|ip| (ip, self.known.get(&ip))).collect()
    }

    pub fn restore(&mut self, ip: IpAddr, used: Use) {
        self.known.insert(ip, used);
    }
}
