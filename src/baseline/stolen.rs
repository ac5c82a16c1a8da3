//! Addresses at which the stolen token of a pod was used: whoever is there may go on when the pod
//! is gone, and is then refused without a name.
//!
//! Refuses suspicion: only where a finding of theft says so is an address remembered. Bounded; the
//! oldest go first.

use super::departed::make_room;
use crate::base::Time;
use crate::event::AuditEvent;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::net::IpAddr;

/// Most addresses remembered, and most pods of each.
const LIMIT: usize = 1024;
const PODS_LIMIT: usize = 8;

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
    /// The last use of each pod's token, in the order in which these pods came.
    known: HashMap<IpAddr, Vec<Use>>,
    dirty: Vec<IpAddr>,
}

impl Stolen {
    #[must_use]
    pub fn at(&self, ip: IpAddr) -> &[Use] {
        self.known.get(&ip).map_or(&[], Vec::as_slice)
    }

    /// Remembers a use of the token of a pod that was first heard at `first`.
    pub fn note(&mut self, event: &AuditEvent<'_>, ip: IpAddr, first: Time) {
        let last = |uses: &Vec<Use>| uses.iter().map(|used| used.at).max().unwrap_or(Time::ZERO);
        self.dirty
            .extend(make_room(&mut self.known, &ip, LIMIT, last));
        let used = Use {
            namespace: event.principal.namespace().into(),
            pod: event.credential.pod.into(),
            first,
            at: event.time,
        };
        let uses = self.known.entry(ip).or_default();
        match uses
            .iter_mut()
            .find(|known| known.namespace == used.namespace && known.pod == used.pod)
        {
            Some(known) => *known = used,
            None => {
                if uses.len() >= PODS_LIMIT {
                    uses.remove(0);
                }
                uses.push(used);
            }
        }
        self.dirty.push(ip);
    }

    /// Addresses changed since the last call, each once, in order; `None` for a forgotten one.
    pub fn drain_changes(&mut self) -> Vec<(IpAddr, Option<&Vec<Use>>)> {
        let mut changed = std::mem::take(&mut self.dirty);
        changed.sort_unstable();
        changed.dedup();
        changed
            .into_iter()
            .map(|ip| (ip, self.known.get(&ip)))
            .collect()
    }

    pub fn restore(&mut self, ip: IpAddr, uses: Vec<Use>) {
        self.known.insert(ip, uses);
    }
}
