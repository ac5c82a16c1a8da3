//! # What it sees
//! One credential at two places that exclude each other: another pod's address, another node's, an
//! address outside, or a second address of a pod that has one for life. The credential of a kubelet or of a
//! component of Kubernetes at two addresses by turns.
//!
//! # Why it matters
//! A pod keeps its address; its token does not leave it. A second place is theft, and it needs no
//! baseline to say so: not even an attacker who copies verbs, resources and user agent escapes it.
//!
//! # How it decides
//! The pod that a token is bound to is known by its uid, its address by its first use, nodes by their
//! kubelets. A token bound to a node alone is judged by nodes alone. A pod and its own node are one place
//! (host network, SNAT), an address that many pods share is none. Another node's address counts where addresses have
//! shown that they tell nodes apart: of the pods that are new at a node's address, or have one of their own, eight at
//! least and four in five are where they belong. `high` at another living pod, another
//! node or outside the cluster; `medium` at a second unknown private address of the same family within an
//! hour of the first. Addresses of pods are handed on within minutes: a token that was never used elsewhere
//! is `high` at another pod's address only when that pod is heard again, where the pods around have
//! addresses of their own. In the first ten minutes of a log nothing is said. A kubelet, or a certificate of a
//! component, has one address of a family: two that are in use within the same hour are `medium`, `high` if one
//! is a pod's, another node's or a public one; an address that is left for good is a move. A node's new address
//! is believed when the old one has been silent for ten minutes.
//!
//! # When it is wrong
//! Unusual networks that translate addresses of single pods, or spread few nodes over several addresses; a log that
//! shows a load balancer instead of clients (then it is blind and says nothing).
//!
//! # Tuning
//! `network.trusted_proxies`, `network.cluster`.
//!
//! # Respond
//! Delete the pod: its tokens die with it. Then look into both places.

use crate::baseline::address::POD_ALIVE;
use crate::baseline::features::credentials::Place;
use crate::baseline::features::origins::Class;
use crate::detect::{Finding, Marks, Meta, Rival, Severity, Tactic, View};
use crate::event::CredentialKind;

pub const META: Meta = Meta {
    id: "credential-in-two-places",
    title: "One credential in two places",
    severities: &[Severity::Medium, Severity::High],
    tactic: Tactic::CredentialAccess,
    techniques: &["T1528", "T1550.001"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["network.trusted_proxies", "network.cluster"],
    wakes_on: Marks::MISPLACED,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let kind = view.event.credential.kind;
    let pod_bound = matches!(kind, CredentialKind::PodBound | CredentialKind::PodBoundWithoutId);
    if view.addresses_blind {
        return;
    }
    if let Some(rival) = view.rival {
        return tell_machine(view, &rival, findings);
    }
    // A token bound to a node is at home wherever pods of it may be, but not on another node.
    let strays = kind == CredentialKind::NodeBound && view.origin.class == Class::OtherNode;
    if !(pod_bound || strays) {
        return;
    }
    let Some(severity) = severity(view) else { return };
    let credential = &view.event.credential;
    let (bound_to, owner) = if pod_bound { ("pod", credential.pod) } else { ("node", credential.node) };
    let home = view.holder.and_then(|h| h.places.first());
    let now_at = match view.address.and_then(|a| a.pod.as_ref()).filter(|_| view.origin.class == Class::OtherPod) {
        Some(other) => format!("{}, the address of pod {} ({})", view.origin, other.name, other.username),
        None if view.origin.class == Class::OwnPod => {
            format!(
                "{}, a second address of a pod that has one",
                view.origin.ip.map(|ip| ip.to_string()).unwrap_or_default()
            )
        }
        None => view.origin.to_string(),
    };
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity,
        tactic: META.tactic,
        techniques: META.techniques,
        expected: match home {
            Some(place) => {
                format!(
                    "the token of {bound_to} {owner} is used from {}, {} times since {}",
                    place.ip, place.count, place.first
                )
            }
            None => format!("the token of {bound_to} {owner} is used from that {bound_to}"),
        },
        observed: format!("it was used from {now_at}"),
        also: None,
        culprit: None,
        novelty: None,
    });
}

/// A kubelet's or component's credential, at two addresses of one family by turns.
fn tell_machine(view: &View<'_>, rival: &Rival, findings: &mut Vec<Finding>) {
    let Place { ip, first, last, count } = rival.place;
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity: if rival.is_foreign { Severity::High } else { Severity::Medium },
        tactic: META.tactic,
        techniques: META.techniques,
        expected: "a machine has one address, and leaves it for good when it moves".to_owned(),
        observed: format!(
            "{} is used from {} and from {ip} ({count} times, {first} to {last})",
            view.event.username, view.origin
        ),
        also: None,
        culprit: None,
        novelty: None,
    });
}

fn severity(view: &View<'_>) -> Option<Severity> {
    let home = view.holder.and_then(|h| h.places.first());
    match view.origin.class {
        Class::OtherPod => match home {
            Some(place) if Some(place.ip) != view.origin.ip => Some(Severity::High),
            _ => is_intruder(view).then_some(Severity::High),
        },
        Class::OtherNode => (view.nodes_tell_apart && is_settled_node(view)).then_some(Severity::High),
        Class::Network => home.map(|_| Severity::High),
        Class::OwnPod => {
            let places = view.holder.map_or(&[][..], |h| &h.places);
            let first_of_family =
                places.iter().find(|p| view.origin.ip.is_some_and(|ip| ip.is_ipv4() == p.ip.is_ipv4()));
            first_of_family.filter(|place| is_elsewhere(place, view)).map(|_| Severity::Medium)
        }
        _ => None,
    }
}

/// A token that was never used anywhere else, at the address of a pod that was heard after it came.
fn is_intruder(view: &View<'_>) -> bool {
    let uid = view.event.credential.pod_uid;
    view.pods_have_own && view.address.is_some_and(|a| a.overlap && a.newcomer.as_ref().is_some_and(|n| n.uid == *uid))
}

/// Another node's, and has been for ten minutes: behind a load balancer nodes take turns.
fn is_settled_node(view: &View<'_>) -> bool {
    view.address.is_some_and(|a| view.now().since(a.node.first).as_seconds() >= 600)
}

/// A second address of the same family, while the first was in use.
fn is_elsewhere(home: &Place, view: &View<'_>) -> bool {
    view.origin.ip.is_some_and(|ip| ip != home.ip && view.now().since(home.last) <= POD_ALIVE)
        && view.address.and_then(|a| a.pod.as_ref()).is_none_or(|pod| pod.uid != *view.event.credential.pod_uid)
}
