//! What is known of each source address: whose pod it is, which node, who failed to log in from it.
//!
//! Refuses to believe an address forever: a pod that was silent for an hour may have handed its
//! address on. Bounded; a flood of addresses displaces addresses that nobody owns.

use super::features::origins::Home;
use crate::base::{Span, Time};
use crate::event::{AuditEvent, CredentialKind, Principal, origin};
use hashbrown::HashMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::net::IpAddr;

/// Most addresses remembered; about 200 bytes each.
pub const LIMIT: usize = 65_536;
/// Most networks of pods learned.
const RANGES_LIMIT: usize = 32;
/// A pod that has been silent for longer may be gone, and its address another's.
pub const POD_ALIVE: Span = Span::seconds(3600);
/// So many pods that were first seen at one address make it a shared one.
const SHARED_BY: u8 = 4;
/// Addresses of pods that must be known before one that does not fit is evidence.
const PROVEN_BY: u32 = 4;
/// The window in which failed logins are counted together.
pub const FAILURE_WINDOW: Span = Span::seconds(300);

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PodAt {
    pub uid: SmolStr,
    pub name: SmolStr,
    pub username: SmolStr,
    /// Where it runs, if its token says so.
    pub node: SmolStr,
    pub last: Time,
}

/// Requests without a user (401) from one address in one window.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Failures {
    pub since: Time,
    pub count: u32,
    /// A bit for each distinct kind of request, by a hash of resource and path: 64 at most.
    pub kinds: u64,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Address {
    /// The pod that was first seen here, while it lives.
    pub pod: Option<PodAt>,
    /// The node whose kubelet calls from here; empty if none does.
    pub node: SmolStr,
    /// A component of the control plane calls from here with a certificate of its own.
    pub control_plane: bool,
    pub last: Time,
    /// Pods whose first address this was, while others lived here: saturating at [`SHARED_BY`].
    sharers: u8,
    pub failures: Failures,
}

impl PodAt {
    /// Whether it runs on this node; false where either is unknown.
    #[must_use]
    pub fn shares_node(&self, node: &str) -> bool {
        !node.is_empty() && self.node == node
    }
}

impl Address {
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.sharers >= SHARED_BY
    }

    #[must_use]
    pub fn has_live_pod(&self, now: Time) -> bool {
        self.pod.as_ref().is_some_and(|pod| now.since(pod.last) <= POD_ALIVE)
    }
}

#[derive(Clone, Default)]
pub struct Addresses {
    known: HashMap<IpAddr, Address>,
    /// Networks in which pods live: /16 of IPv4, /48 of IPv6, with the number of pods seen there.
    ranges: Vec<(IpNet, u32)>,
    /// Ranges that the operator declared.
    declared: Vec<IpNet>,
    dirty: Vec<IpAddr>,
    /// Addresses that became a pod's, saturating: where pods have none of their own, addresses prove nothing.
    pod_addresses: u32,
}

/// An address that a pod, a node or the control plane is known to call from.
#[must_use]
pub fn is_cluster_address(address: &Address) -> bool {
    address.pod.is_some() || !address.node.is_empty() || address.control_plane
}

/// An address of a pod, of a node, or in a range where pods live.
#[must_use]
pub fn is_cluster(addresses: &Addresses, ip: IpAddr) -> bool {
    addresses.get(ip).is_some_and(is_cluster_address)
        || addresses.declared.iter().any(|net| net.contains(&ip))
        || addresses.ranges.iter().any(|(net, pods)| *pods >= 3 && net.contains(&ip))
}

impl Addresses {
    #[must_use]
    pub fn get(&self, ip: IpAddr) -> Option<&Address> {
        self.known.get(&ip)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether too few pods have shown an address of their own, so that addresses prove nothing: one
    /// load balancer stands for all, or the log has only begun.
    #[must_use]
    pub fn hide_clients(&self) -> bool {
        self.pod_addresses < PROVEN_BY
    }

    pub fn declare(&mut self, ranges: &[IpNet]) {
        self.declared = ranges.to_vec();
    }

    /// Learns from a request that was allowed or refused, after it was judged.
    pub fn learn(&mut self, event: &AuditEvent<'_>, ip: IpAddr, home: Home) {
        match (event.principal, event.credential.kind) {
            (Principal::Nobody, _) => self.fail(event, ip),
            (Principal::Node { name }, _) => self.learn_node(event, ip, name),
            (principal, CredentialKind::Certificate) if principal.is_control_plane() => {
                if self.get(ip).is_none_or(|a| !a.control_plane) {
                    self.entry(ip, event.time).control_plane = true;
                }
            }
            (_, CredentialKind::PodBound | CredentialKind::PodBoundWithoutId) => self.learn_pod(event, ip, home),
            _ => {}
        }
    }

    /// Two kubelets at one address: it is no node's, but something in front of them.
    fn learn_node(&mut self, event: &AuditEvent<'_>, ip: IpAddr, name: &str) {
        match self.get(ip) {
            Some(known) if known.node == name || known.is_shared() => {}
            Some(known) if !known.node.is_empty() => self.entry(ip, event.time).sharers = SHARED_BY,
            _ => self.entry(ip, event.time).node = name.into(),
        }
    }

    fn learn_pod(&mut self, event: &AuditEvent<'_>, ip: IpAddr, home: Home) {
        let (now, uid) = (event.time, event.credential.pod_uid);
        if let Some(pod) = self.known.get_mut(&ip).and_then(|a| a.pod.as_mut())
            && pod.uid == uid
        {
            // Touched once a minute: an address that changes with every event would be stored with every commit.
            if now.since(pod.last) >= Span::seconds(60) {
                pod.last = now;
                self.touch(ip);
            }
            return;
        }
        if home == Home::Elsewhere {
            return;
        }
        self.learn_range(ip);
        let address = self.entry(ip, now);
        if !address.node.is_empty() {
            return;
        }
        let node = event.credential.node;
        if let Some(pod) = address.pod.as_ref().filter(|pod| now.since(pod.last) <= POD_ALIVE) {
            if pod.shares_node(node) {
                // Two pods of one node at one address are on its host network.
                address.node = node.into();
                address.pod = None;
            } else if home == Home::Unknown {
                address.sharers = address.sharers.saturating_add(1).min(SHARED_BY);
            }
            return;
        }
        let newly = address.pod.is_none();
        address.pod = Some(PodAt {
            uid: uid.into(),
            name: event.credential.pod.into(),
            username: event.username.into(),
            node: node.into(),
            last: now,
        });
        self.pod_addresses = self.pod_addresses.saturating_add(u32::from(newly));
    }

    fn learn_range(&mut self, ip: IpAddr) {
        if !origin::is_private(ip) && ip.is_ipv4() {
            return;
        }
        let Ok(net) = IpNet::new(ip, if ip.is_ipv4() { 16 } else { 48 }) else { return };
        let net = net.trunc();
        if let Some((_, pods)) = self.ranges.iter_mut().find(|(known, _)| *known == net) {
            *pods = pods.saturating_add(1);
        } else if self.ranges.len() < RANGES_LIMIT {
            self.ranges.push((net, 1));
        }
    }

    fn fail(&mut self, event: &AuditEvent<'_>, ip: IpAddr) {
        let failures = next_failures(self.get(ip), event);
        self.entry(ip, event.time).failures = failures;
    }

    fn entry(&mut self, ip: IpAddr, now: Time) -> &mut Address {
        if self.known.len() >= LIMIT && !self.known.contains_key(&ip) {
            self.make_room();
        }
        self.touch(ip);
        let address = self.known.entry(ip).or_default();
        address.last = address.last.max(now);
        address
    }

    fn touch(&mut self, ip: IpAddr) {
        if self.dirty.last() != Some(&ip) {
            self.dirty.push(ip);
        }
    }

    /// Forgets the eighth that was silent longest, those that nobody owns first.
    fn make_room(&mut self) {
        let mut order: Vec<(bool, Time, IpAddr)> =
            self.known.iter().map(|(ip, a)| (is_cluster_address(a), a.last, *ip)).collect();
        order.sort_unstable();
        for (_, _, ip) in order.into_iter().take(LIMIT / 8) {
            self.known.remove(&ip);
            self.dirty.push(ip);
        }
    }

    /// Addresses changed since the last call, each once, in order; `None` for a forgotten one.
    pub fn drain_changes(&mut self) -> Vec<(IpAddr, Option<&Address>)> {
        let mut changed = std::mem::take(&mut self.dirty);
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().map(|ip| (ip, self.known.get(&ip))).collect()
    }

    /// What is known of all addresses together: networks of pods, and how many addresses were theirs.
    #[must_use]
    pub fn ranges(&self) -> (&[(IpNet, u32)], u32) {
        (&self.ranges, self.pod_addresses)
    }

    pub fn restore(&mut self, ip: IpAddr, address: Address) {
        self.known.insert(ip, address);
    }

    pub fn restore_ranges(&mut self, ranges: Vec<(IpNet, u32)>, pod_addresses: u32) {
        self.ranges = ranges;
        self.pod_addresses = pod_addresses;
    }
}

/// The failures of an address with the one of `event` counted in.
#[must_use]
pub fn next_failures(address: Option<&Address>, event: &AuditEvent<'_>) -> Failures {
    let mut failures = address.map(|a| a.failures).unwrap_or_default();
    if event.time.since(failures.since) > FAILURE_WINDOW {
        failures = Failures { since: event.time, count: 0, kinds: 0 };
    }
    failures.count = failures.count.saturating_add(1);
    let operation = &event.operation;
    let kind = operation.resource.bytes().chain(operation.path.bytes()).chain(operation.namespace.bytes());
    failures.kinds |= 1 << (kind.fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b))) % 61);
    failures
}
