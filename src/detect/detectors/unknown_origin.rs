//! # What it sees
//! The credential of a service account, a node or a component of Kubernetes is used from somewhere
//! that it never came from. Where the operator has GeoIP files (`geoip`), a person who comes from a
//! network or country for the first time, too.
//!
//! # Why it matters
//! A token that leaves its pod is a stolen token; one that leaves the cluster is in somebody's
//! hands.
//!
//! # How it decides
//! The class of the address, or its network, is new to the account: up to 6 bits, by how often new
//! ones come, and a fifth less on each day on which it returns. The token of a pod from the
//! internet is 18 bits where the log shows pods at their own addresses, and the certificate of a
//! component that was only used from private addresses 14. Where GeoIP files are given, networks
//! and countries count instead of addresses; a country that is new adds up to 2 bits.
//!
//! # When it is wrong
//! A new office, runner or VPN range; a load balancer or NAT that appears in front of the API
//! server (declare it in `network.trusted_proxies`). A person who travels, or whose traffic leaves
//! by another provider or a VPN. Where one address stands for everybody the detector is blind and
//! says nothing.
//!
//! # Tuning
//! `network.trusted_proxies`, `network.cluster`, `geoip.country`, `geoip.asn`, `learning.min_days`,
//! `learning.sensitive_days`.
//!
//! # Respond
//! Revoke the token (delete its pod or Secret), then look at everything that came from the address.
//! Ask a person whether it was them before their access is taken.

use crate::base::Bits;
use crate::base::text::counted;
use crate::baseline::features::origins::Class;
use crate::detect::{Finding, Marks, Meta, Tactic, View, weigh};
use crate::event::{CredentialKind, origin};
use ipnet::IpNet;

pub const META: Meta = Meta {
    id: "unknown-origin",
    title: "Credential used from an unknown origin",
    weighs: "up to 6 bits; 18 for a pod's token, and 14 for a component's certificate, from the internet",
    tactic: Tactic::CredentialAccess,
    techniques: &["T1078.001", "T1528"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &[
        "network.trusted_proxies",
        "network.cluster",
        "geoip.country",
        "geoip.asn",
        "learning.min_days",
        "learning.sensitive_days",
    ],
    wakes_on: Marks::NEW_ORIGIN,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let kind = view.event.credential.kind.words();
    let (weight, is_theft) = match impossible(view) {
        Some(weight) => (weight, true),
        None => (weigh::weight(GAIN, view.weights.origin), false),
    };
    if weight < LEAST {
        return;
    }
    findings.push(Finding {
        expected: expected(view),
        observed: match view.geo {
            Some(geo) => format!("a {kind} came from {} in {geo}", view.origin),
            None => format!("a {kind} came from {}", view.origin),
        },
        is_theft,
        ..Finding::of(&META, weight)
    });
}

/// A place is no act: it only makes others odd.
const GAIN: Bits = Bits::whole(1);
/// What weighs less is not worth a line.
const LEAST: Bits = Bits(1500);
/// The token of a pod, from where no pod can be.
const OUTSIDE: Bits = Bits::whole(18);
/// Control planes move, but not out of their network.
const COMPONENT_OUTSIDE: Bits = Bits::whole(14);

/// Networks where the network is the news, else origins.
fn expected(view: &View<'_>) -> String {
    let (networks, origins) = (&view.account.networks, &view.account.origins);
    let by_network = view.geo.is_some()
        && !networks.is_empty()
        && (view.network_seen.is_none() || view.is_person());
    let usual = if by_network {
        networks.most(3).join("; ")
    } else {
        origins.most(3).join(", ")
    };
    match view.origin_days() {
        _ if usual.is_empty() => format!(
            "a {} is used by its pod",
            view.event.credential.kind.words()
        ),
        days if days > 0 && view.is_person() => {
            format!(
                "this account comes from: {usual}; from there on {} only",
                counted(days.into(), "day")
            )
        }
        _ => format!("this account comes from: {usual}"),
    }
}

/// A credential that cannot be where it was used.
fn impossible(view: &View<'_>) -> Option<Bits> {
    if view.event.principal.component().is_some() {
        component_outside(view)
    } else {
        pod_outside(view)
    }
}

/// A certificate of the control plane from the internet, that was only used from private addresses.
fn component_outside(view: &View<'_>) -> Option<Bits> {
    let is_public = |words: &str| {
        words
            .parse::<IpNet>()
            .is_ok_and(|net| !origin::is_private(net.addr()))
    };
    let was_outside = view
        .account
        .origins
        .iter()
        .any(|(words, _)| is_public(words));
    let outside = view.origin.is_public() && view.is_new_origin();
    (outside && !was_outside && !view.addresses_hidden && view.account.events > 0)
        .then_some(COMPONENT_OUTSIDE)
}

/// A pod's or node's token from the internet, where the log shows pods at their own addresses.
fn pod_outside(view: &View<'_>) -> Option<Bits> {
    let bound = matches!(
        view.event.credential.kind,
        CredentialKind::PodBound | CredentialKind::NodeBound
    );
    let outside = view.origin.class == Class::Network && view.origin.is_public();
    let tells = view.is_service_account() && view.pods_are_shown && !view.addresses_blind;
    // Pods of the host's network move with their node.
    let moved = view
        .holder
        .and_then(|h| h.places.first())
        .is_some_and(|home| !origin::is_private(home.ip));
    (bound && outside && tells && !moved && view.network_seen.is_none()).then_some(OUTSIDE)
}
