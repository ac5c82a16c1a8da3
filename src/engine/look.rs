//! Looking: what was known before an event, of its account, its credential, its address and the
//! rest of the cluster.
//!
//! Refuses to judge and to learn: it changes nothing.

use super::Engine;
use crate::base::{Bits, Span};
use crate::baseline::address::{Failures, PodAt};
use crate::baseline::addresses::is_cluster;
use crate::baseline::features::credentials::{Holder, Issued};
use crate::baseline::features::origins::Origin;
use crate::baseline::features::{agents, networks, operations};
use crate::baseline::{Account, Address, Peers};
use crate::detect::acts::Acts;
use crate::detect::detectors::issuer_words;
use crate::detect::sensitive::Sensitive;
use crate::detect::weigh::Weights;
use crate::detect::{Marks, Moved, Rival, View};
use crate::event::{
    AuditEvent, CredentialKind, Geo, Operation, Principal, PrincipalKind, Stage, origin,
};
use std::net::IpAddr;

/// The words that an event is remembered by.
#[derive(Clone, Copy)]
pub(super) struct Remembered<'a> {
    pub operation: &'a str,
    pub origin_words: &'a str,
    pub target: &'a str,
    pub origin: Origin,
    pub sensitive: Option<Sensitive>,
}

impl Engine {
    /// Everything that is known before the event: complete but for what is worked out of it.
    pub(super) fn view<'a>(
        &'a self,
        event: &'a AuditEvent<'a>,
        account: &'a Account,
        words: Remembered<'a>,
    ) -> View<'a> {
        let (operation, origin_words) = (words.operation, words.origin_words);
        let (target, ip) = (words.target, words.origin.ip);
        let (geo, agent) = (
            geo_of(event, words.origin),
            agents::product(event.user_agent),
        );
        let network = geo.and_then(|geo| networks::find(&account.networks, geo));
        let network_seen = network.map(|(_, seen)| seen);
        let named = Some(target).filter(|target| !target.is_empty());
        let target_seen = named.and_then(|target| account.targets.get(target));
        let holder = account.credentials.find(event);
        let issued = match holder {
            Some(_) => None,
            None => issued(account, event),
        };
        View {
            event,
            policy: &self.policy,
            marks: Marks::default(),
            account,
            maturity: account.maturity(event.time, &self.policy.learning),
            origin: words.origin,
            sensitive: words.sensitive,
            acts: Acts::default(),
            weights: Weights::default(),
            population: &self.population,
            prevalence: &self.prevalence,
            causes: &self.causes,
            role_worth: self.role_worth(event),
            run_as_power: self.run_as_power(event),
            operation,
            operation_seen: account.operations.get(operation),
            denial_seen: account.denials.get(operation),
            agent,
            agent_seen: account.agents.get(agent),
            origin_words,
            origin_seen: account.origins.get(origin_words),
            geo,
            network_seen,
            target,
            target_seen,
            holder,
            issued,
            address: ip.and_then(|ip| self.addresses.get(ip)),
            departed: self.departed_since(event, holder),
            refused: self.refused_since(event, ip),
            operation_peers: Peers::default(),
            agent_peers: Peers::default(),
            probe: None,
            secret_maker: None,
            used_before: self.used_before(event),
            addresses_blind: self.addresses.hide_clients(event.time),
            addresses_hidden: self.addresses.are_crowded(),
            pods_have_own: ip.is_some_and(|ip| self.addresses.are_own_around(ip)),
            pods_are_shown: self.addresses.show_pods(),
            nodes_tell_apart: self.addresses.tell_nodes_apart(),
            rival: ip.and_then(|ip| self.rival(account, event, ip)),
            moved: self.moved(account, event, holder, ip),
            failures: Failures::default(),
            failures_outside: None,
            strange: false,
        }
    }

    /// What is known of a credential that appears elsewhere.
    fn moved(
        &self,
        account: &Account,
        event: &AuditEvent<'_>,
        holder: Option<&Holder>,
        ip: Option<IpAddr>,
    ) -> Moved {
        Moved {
            is_fetched_anew: is_fetched_anew(account, event, holder),
            was_received_before: self.was_received_before(event, ip),
            is_forwarded: is_forwarded(event, holder),
            home_is_pods_own: self.home_is_pods_own(holder),
            has_both_families: self.addresses.have_both_families(),
        }
    }

    /// Whether a request without a user is unusual at its address, and the running count of
    /// failures.
    pub(super) fn look_at_failure(&self, view: &mut View<'_>) {
        let event = view.event;
        if event.principal.kind() == PrincipalKind::Nobody {
            view.strange = !self.is_habit_of_tenant(event, view.address);
            view.failures_outside = view
                .origin
                .is_public()
                .then(|| self.addresses.failures_outside(event, view.origin.ip));
            let counted = view
                .origin
                .ip
                .map(|ip| self.addresses.failures(event, ip, view.strange));
            view.failures = counted.unwrap_or_default();
        }
    }

    /// What a binding to the role that the event binds is worth, where the role was seen to be
    /// written.
    fn role_worth(&self, event: &AuditEvent<'_>) -> Option<Bits> {
        let binding = event.facts.as_ref()?.binding.as_ref()?;
        self.causes.role(event.operation.namespace, &binding.role)
    }

    /// The most that the account could do whose token is minted, or as whom a workload is to run.
    fn run_as_power(&self, event: &AuditEvent<'_>) -> Bits {
        let operation = &event.operation;
        let pod = || event.facts.as_ref().and_then(|facts| facts.pod.as_ref());
        let name = match (operation.resource, operation.subresource) {
            ("serviceaccounts", "token") => operation.name,
            _ => pod().map_or("", |pod| pod.service_account.as_str()),
        };
        if name.is_empty() {
            return Bits::ZERO;
        }
        let username = format!("system:serviceaccount:{}:{name}", operation.namespace);
        self.population
            .get(&username)
            .map_or(Bits::ZERO, |account| account.power)
    }

    /// A long request is told of when it ends; the address may have passed to another pod since it
    /// was received.
    fn was_received_before(&self, event: &AuditEvent<'_>, ip: Option<IpAddr>) -> bool {
        let newest = ip
            .and_then(|ip| self.addresses.get(ip))
            .and_then(|address| {
                let first = |pod: &Option<Box<PodAt>>| pod.as_ref().map(|pod| pod.first);
                first(&address.newcomer).max(first(&address.pod))
            });
        event.stage == Stage::ResponseComplete
            && newest.is_some_and(|first| {
                event.received < first && event.time.since(event.received) > Span::seconds(1)
            })
    }

    /// Whether the first place of a credential is an address that is its pod's alone.
    fn home_is_pods_own(&self, holder: Option<&Holder>) -> bool {
        let home = holder.and_then(|holder| holder.places.first());
        home.and_then(|place| self.addresses.get(place.ip))
            .is_some_and(|address| {
                address.node.name.is_empty()
                    && !address.is_shared()
                    && !address.control_plane
                    && address.pod.is_some()
            })
    }

    pub(super) fn origin_of(&self, event: &AuditEvent<'_>) -> Origin {
        let caller = origin::caller(&event.source_ips, &self.policy.network.trusted_proxies);
        Origin::of(event, caller, &self.addresses)
    }

    /// Another address of a machine that is in use meanwhile, unless many share one of the two.
    fn rival(&self, account: &Account, event: &AuditEvent<'_>, ip: IpAddr) -> Option<Rival> {
        if !is_machine(event) {
            return None;
        }
        let is_shared = |ip| self.addresses.get(ip).is_some_and(Address::is_shared);
        let place = *account
            .credentials
            .rivals(event, ip)
            .find(|place| !is_shared(ip) && !is_shared(place.ip))?;
        let name = if let Principal::Node { name } = event.principal {
            name
        } else {
            ""
        };
        let is_foreign = |ip: IpAddr| match self.addresses.get(ip) {
            // Behind a new balancer nodes take turns; an address that has been another's for a day
            // is.
            Some(a) if !a.node.name.is_empty() => {
                let settled = event.time.since(a.node.first).as_seconds() >= 86_400;
                !name.is_empty() && a.node.name != name && settled
            }
            Some(a) if a.has_live_pod(event.time) => true,
            _ => !origin::is_private(ip) && !is_cluster(&self.addresses, ip),
        };
        Some(Rival {
            place,
            is_foreign: is_foreign(ip) || is_foreign(place.ip),
        })
    }

    /// Whether the pod or node at an address is known for what a request without a user asked for:
    /// a client whose token expired goes on with what it always does.
    fn is_habit_of_tenant(&self, event: &AuditEvent<'_>, address: Option<&Address>) -> bool {
        let Some(address) = address else { return false };
        let node = format!("system:node:{}", address.node.name);
        let tenant = address
            .pod
            .as_ref()
            .map_or(node.as_str(), |pod| pod.username.as_str());
        let Some(account) = self.population.get(tenant) else {
            return false;
        };
        let asked = &event.operation;
        let scope = Operation::scope_of(Principal::parse(tenant), asked.resource, asked.namespace);
        let mut words = String::new();
        operations::key(&Operation { scope, ..*asked }, &mut words);
        account.operations.get(&words).is_some() || account.denials.get(&words).is_some()
    }
}

/// The kubelet of its node fetched this token after the pod was last heard elsewhere, and it never
/// was used there: a pod whose sandbox was made anew has another address and other tokens.
fn is_fetched_anew(account: &Account, event: &AuditEvent<'_>, holder: Option<&Holder>) -> bool {
    let (Some(fetched), Some(holder)) = (account.fetched_at(event.credential.id), holder) else {
        return false;
    };
    let last = holder
        .places
        .iter()
        .map(|place| place.last)
        .max()
        .unwrap_or(holder.last);
    let ip = event.source_ips.last().map(IpAddr::to_canonical);
    let here = holder.places.iter().find(|place| Some(place.ip) == ip);
    let elsewhere = holder
        .places
        .iter()
        .filter(|place| Some(place.ip) != ip)
        .map(|place| place.last)
        .max();
    match here {
        None => fetched + Span::seconds(1) >= last,
        // It stays so while nothing is heard at the old place.
        Some(here) => elsewhere.is_none_or(|elsewhere| elsewhere <= here.first),
    }
}

/// The entry before the last one of `sourceIPs` is where the credential is at home.
fn is_forwarded(event: &AuditEvent<'_>, holder: Option<&Holder>) -> bool {
    let before = event
        .source_ips
        .iter()
        .rev()
        .nth(1)
        .map(IpAddr::to_canonical);
    let home = holder
        .and_then(|holder| holder.places.first())
        .map(|place| place.ip);
    before.is_some() && before == home
}

/// Keeps GeoIP data of the judged origin alone: another policy may see another origin.
pub(super) fn geo_of<'a>(event: &AuditEvent<'a>, origin: Origin) -> Option<&'a Geo<'a>> {
    event
        .geo
        .filter(|geo| origin.ip == Some(geo.ip) && origin.is_public())
}

/// A kubelet or a component: what has one address of a family.
pub(super) fn is_machine(event: &AuditEvent<'_>) -> bool {
    matches!(event.principal, Principal::Node { .. }) || event.principal.component().is_some()
}

/// The TokenRequest that a credential came from. Where it is not remembered, one of those is meant
/// who had more tokens issued than are remembered, unless that is their habit.
fn issued<'a>(account: &'a Account, event: &AuditEvent<'_>) -> Option<&'a Issued> {
    account.credentials.issued(event.credential.id).or_else(|| {
        let is_habit = |by: &str| {
            account
                .issuers
                .get(&issuer_words(by))
                .is_some_and(|seen| seen.days > 1)
        };
        let unbound = event.credential.kind == CredentialKind::Unbound;
        account
            .credentials
            .flooders()
            .find(|f| unbound && !is_habit(&f.by))
    })
}
