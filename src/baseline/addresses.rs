//! What is known of source addresses: which belong to pods and nodes, and whether they tell at all.
//!
//! Refuses to believe addresses before they have shown that they tell one client from another.
//! Bounded; a flood of addresses displaces addresses that nobody owns.

use super::address::{Address, Change, Failures, PodAt};
use crate::base::{Span, Time};
use crate::event::{AuditEvent, Component, Credential, CredentialKind, Principal, Stage, origin};
use hashbrown::HashMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Most addresses remembered; about 300 bytes each.
pub const LIMIT: usize = 65_536;
/// Most networks of pods learned.
const RANGES_LIMIT: usize = 32;
/// Pods with an address of their own that make a network one of pods.
const PODS_OF_RANGE: u32 = 3;
/// The window in which failed logins are counted together.
pub const FAILURE_WINDOW: Span = Span::seconds(300);
/// Before so much of the log was seen nobody can say whether addresses tell clients apart.
const SETTLED_AFTER: Span = Span::seconds(600);
/// Nodes' addresses tell whose pod calls when so many pods were where they belong, and for each
/// that was not so many.
const TELLING_PODS: u32 = 8;
const TELLING_SHARE: u32 = 4;
/// So many clients that share addresses, and more than have their own, make all addresses
/// worthless.
const HIDDEN_BY: u32 = 4;

/// A network in which pods live: /16 of IPv4, /48 of IPv6.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Range {
    pub net: IpNet,
    /// Pods that had an address of it for their own, and times that another was heard beside one.
    pub own: u32,
    pub crowded: u32,
}

impl Range {
    /// Pods of it that have an address for their own are many more than those that share one.
    fn is_telling(&self) -> bool {
        self.own > self.crowded.saturating_mul(2)
    }
}

/// What is known of all addresses together.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Census {
    ranges: Vec<Range>,
    /// The first client that was seen.
    since: Time,
    /// Pods and nodes with an address of their own, and those heard beside another.
    own: u32,
    crowded: u32,
    /// Pods that were new at their own node's address, and at another node's.
    at_node: u32,
    astray: u32,
    /// That clients are hidden has been told.
    told: bool,
    /// Requests without a user from all public addresses in one window; a bit of `kinds` for each
    /// network.
    outside: Failures,
    /// Pods that were heard with an address of each family.
    both_families: u32,
}

#[derive(Clone, Default)]
pub struct Addresses {
    known: HashMap<IpAddr, Address>,
    census: Census,
    /// Ranges that the operator declared.
    declared: Vec<IpNet>,
    dirty: Vec<IpAddr>,
}

/// An address that a pod, a node or the control plane is known to call from.
#[must_use]
pub fn is_cluster_address(address: &Address) -> bool {
    address.pod.is_some() || !address.node.name.is_empty() || address.control_plane
}

/// A component that runs beside the API server: kube-proxy does not.
fn is_of_control_plane(principal: Principal<'_>) -> bool {
    principal
        .component()
        .is_some_and(|component| component != Component::KubeProxy)
}

/// An address of a pod, of a node, or in a range where pods live.
#[must_use]
pub fn is_cluster(addresses: &Addresses, ip: IpAddr) -> bool {
    addresses.get(ip).is_some_and(is_cluster_address)
        || addresses.declared.iter().any(|net| net.contains(&ip))
        || addresses
            .census
            .ranges
            .iter()
            .any(|r| r.own + r.crowded >= PODS_OF_RANGE && r.net.contains(&ip))
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

    /// Whether addresses prove nothing: one stands for many clients (a load balancer in front of
    /// the API server, SNAT for all), or too little was seen to rule that out.
    #[must_use]
    pub fn hide_clients(&self, now: Time) -> bool {
        let census = &self.census;
        let settled = census.since != Time::ZERO && now.since(census.since) >= SETTLED_AFTER;
        (!settled && self.declared.is_empty()) || self.are_crowded()
    }

    /// More clients share addresses than have their own.
    #[must_use]
    pub fn are_crowded(&self) -> bool {
        self.census.crowded >= HIDDEN_BY && self.census.crowded > self.census.own
    }

    /// True once, when it has become plain that addresses hide clients.
    pub fn take_hidden_news(&mut self) -> bool {
        self.are_crowded() && !std::mem::replace(&mut self.census.told, true)
    }

    /// Whether pods around this address have addresses of their own, so that two at one address are
    /// odd.
    #[must_use]
    pub fn are_own_around(&self, ip: IpAddr) -> bool {
        let own = |r: &Range| r.own >= PODS_OF_RANGE && r.is_telling() && r.net.contains(&ip);
        self.declared.iter().any(|net| net.contains(&ip)) || self.census.ranges.iter().any(own)
    }

    /// Whether a pod at another node's address is odd: behind a load balancer any pod may come from
    /// any of its addresses.
    #[must_use]
    pub fn tell_nodes_apart(&self) -> bool {
        let telling = self.census.ranges.iter().filter(|r| r.is_telling());
        let in_own = telling.fold(0u32, |sum, r| sum.saturating_add(r.own));
        let at_home = self.census.at_node.saturating_add(in_own);
        at_home >= TELLING_PODS && at_home / TELLING_SHARE >= self.census.astray
    }

    /// Whether the log shows pods' own addresses, so that a pod's token from a public one is odd.
    #[must_use]
    pub fn show_pods(&self) -> bool {
        !self.declared.is_empty() || self.census.ranges.iter().any(|r| r.own >= PODS_OF_RANGE)
    }

    pub fn declare(&mut self, ranges: &[IpNet]) {
        self.declared = ranges.to_vec();
    }

    /// Learns from a request that was allowed or refused, after it was judged; never from one whose
    /// origin is the evidence of theft.
    pub fn learn(&mut self, event: &AuditEvent<'_>, ip: IpAddr, home: Home, strange: bool) {
        let now = heard_at(event);
        match (event.principal, event.credential.kind) {
            (Principal::Nobody, _) => self.fail(event, ip, strange),
            (Principal::Node { name }, _) => {
                let change = self.change(ip, now, |a| a.hear_node(name, now));
                self.count(change, now, None);
            }
            (principal, CredentialKind::Certificate) if is_of_control_plane(principal) => {
                if self.get(ip).is_none_or(|a| !a.control_plane) {
                    self.entry(ip, now).control_plane = true;
                }
            }
            (_, CredentialKind::PodBound | CredentialKind::PodBoundWithoutId) => {
                self.learn_pod(event, ip, home);
            }
            _ => {}
        }
    }

    fn learn_pod(&mut self, event: &AuditEvent<'_>, ip: IpAddr, home: Home) {
        let (now, uid) = (heard_at(event), event.credential.pod_uid);
        let change = match self
            .known
            .get_mut(&ip)
            .and_then(|a| a.hear_known_pod(uid, now))
        {
            Some(Change::None) => return,
            Some(change) => {
                self.touch(ip);
                change
            }
            None if home == Home::None => {
                let pod = PodAt {
                    uid: uid.into(),
                    name: event.credential.pod.into(),
                    username: event.username.into(),
                    first: now,
                    last: now,
                };
                self.change(ip, now, |a| a.hear_new_pod(pod))
            }
            None if home == Home::Here => self.change(ip, now, |a| a.hear_displaced(now)),
            None => self.change(ip, now, |a| a.hear_passer(now)),
        };
        self.count(change, now, Some(ip));
    }

    /// A credential that has its home elsewhere was used here for the first time, whatever came of
    /// it.
    pub fn learn_visitor(&mut self, ip: IpAddr, now: Time) {
        let change = self.change(ip, now, |a| a.hear_visitor(now));
        self.count(change, now, Some(ip));
    }

    /// A pod's credential is used here for the first time: at its own node's address, or astray.
    /// Several of other nodes that went astray for a known cause (`is_explained`) show that a
    /// balancer took the node's address.
    pub fn learn_node_of(
        &mut self,
        credential: &Credential<'_>,
        ip: IpAddr,
        now: Time,
        is_explained: bool,
    ) {
        let Some(address) = self.known.get(&ip) else {
            return;
        };
        if address.node.name.is_empty() || credential.node.is_empty() {
            return;
        }
        let Census {
            at_node, astray, ..
        } = &mut self.census;
        if address.node.name == *credential.node {
            *at_node = at_node.saturating_add(1);
            return;
        }
        *astray = astray.saturating_add(1);
        if is_explained {
            let change = self.change(ip, now, Address::hear_stray);
            self.count(change, now, None);
        }
    }

    fn change(
        &mut self,
        ip: IpAddr,
        now: Time,
        change: impl FnOnce(&mut Address) -> Change,
    ) -> Change {
        if let Some(address) = self.known.get_mut(&ip) {
            let change = change(address);
            if change != Change::None {
                address.last = address.last.max(now);
                self.touch(ip);
            }
            change
        } else {
            change(self.entry(ip, now))
        }
    }

    fn count(&mut self, change: Change, now: Time, pod_at: Option<IpAddr>) {
        let (own, crowded) = match change {
            Change::Owned => (1, 0),
            Change::Crowded => (0, 1),
            Change::None | Change::Touched => return,
        };
        let census = &mut self.census;
        if census.since == Time::ZERO {
            census.since = now;
        }
        census.own = census.own.saturating_add(own);
        census.crowded = census.crowded.saturating_add(crowded);
        if let Some(range) = pod_at.and_then(|ip| range_of(&mut census.ranges, ip)) {
            range.own = range.own.saturating_add(own);
            range.crowded = range.crowded.saturating_add(crowded);
        }
    }

    fn fail(&mut self, event: &AuditEvent<'_>, ip: IpAddr, strange: bool) {
        if !origin::is_private(ip) && !is_cluster(self, ip) {
            self.census.outside = self.failures_outside(event, Some(ip));
        }
        let failures = self.failures(event, ip, strange);
        self.entry(self.counted_at(ip), event.time).failures = failures;
    }

    /// Whether several pods are heard with an address of each family: then a second address of the
    /// other one is no other place.
    #[must_use]
    pub fn have_both_families(&self) -> bool {
        self.census.both_families >= PODS_OF_RANGE
    }

    /// A pod was heard with its first address of another family.
    pub fn learn_family(&mut self) {
        self.census.both_families = self.census.both_families.saturating_add(1);
    }

    /// The failures of all public addresses with the one of `event` counted in.
    #[must_use]
    pub fn failures_outside(&self, event: &AuditEvent<'_>, ip: Option<IpAddr>) -> Failures {
        let mut failures = self.census.outside;
        if event.time.since(failures.since) > FAILURE_WINDOW {
            failures = Failures {
                since: event.time,
                count: 0,
                kinds: 0,
            };
        }
        failures.count = failures.count.saturating_add(1);
        let network = ip
            .map(origin::neighbourhood)
            .map(|net| net.to_string())
            .unwrap_or_default();
        failures.kinds |= 1
            << (network
                .bytes()
                .fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)))
                % 61);
        failures
    }

    /// The failures of a caller with the one of `event` counted in. What is not `strange` (the
    /// client that lives there does it by habit) adds to their number, not to their kinds.
    #[must_use]
    pub fn failures(&self, event: &AuditEvent<'_>, ip: IpAddr, strange: bool) -> Failures {
        next_failures(self.get(self.counted_at(ip)), event, strange)
    }

    /// Outside the cluster a caller has a whole network to come from; inside, and near it, an
    /// address is one client.
    fn counted_at(&self, ip: IpAddr) -> IpAddr {
        let one_client = is_cluster(self, ip) || (ip.is_ipv4() && origin::is_private(ip));
        if one_client {
            ip
        } else {
            origin::neighbourhood(ip).addr()
        }
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
        let mut order: Vec<(bool, Time, IpAddr)> = self
            .known
            .iter()
            .map(|(ip, a)| (is_cluster_address(a), a.last, *ip))
            .collect();
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
        changed
            .into_iter()
            .map(|ip| (ip, self.known.get(&ip)))
            .collect()
    }

    #[must_use]
    pub fn census(&self) -> &Census {
        &self.census
    }

    pub fn restore(&mut self, ip: IpAddr, address: Address) {
        self.known.insert(ip, address);
    }

    pub fn restore_census(&mut self, census: Census) {
        self.census = census;
    }
}

/// Where a credential was first used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// Nowhere yet.
    None,
    /// At the address in question.
    Here,
    /// At another one.
    Elsewhere,
}

/// When the caller was there: a long request that ends says only where it began.
fn heard_at(event: &AuditEvent<'_>) -> Time {
    if event.is_long_running() && event.stage == Stage::ResponseComplete {
        event.received
    } else {
        event.time
    }
}

fn range_of(ranges: &mut Vec<Range>, ip: IpAddr) -> Option<&mut Range> {
    if !origin::is_private(ip) && ip.is_ipv4() {
        return None;
    }
    let net = IpNet::new(ip, if ip.is_ipv4() { 16 } else { 48 })
        .ok()?
        .trunc();
    let at = match ranges.iter().position(|r| r.net == net) {
        Some(at) => at,
        None if ranges.len() < RANGES_LIMIT => {
            ranges.push(Range {
                net,
                own: 0,
                crowded: 0,
            });
            ranges.len() - 1
        }
        None => return None,
    };
    ranges.get_mut(at)
}

fn next_failures(address: Option<&Address>, event: &AuditEvent<'_>, strange: bool) -> Failures {
    let mut failures = address.map(|a| a.failures).unwrap_or_default();
    if event.time.since(failures.since) > FAILURE_WINDOW {
        failures = Failures {
            since: event.time,
            count: 0,
            kinds: 0,
        };
    }
    failures.count = failures.count.saturating_add(1);
    if strange {
        let operation = &event.operation;
        let kind = operation
            .resource
            .bytes()
            .chain(operation.path.bytes())
            .chain(operation.namespace.bytes());
        failures.kinds |=
            1 << (kind.fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b))) % 61);
    }
    failures
}
