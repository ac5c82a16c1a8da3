//! # What it sees
//! The credential of a service account, a node or a component of Kubernetes is used from somewhere that it never came
//! from. Where the operator has GeoIP files (`geoip`), a person who comes from a network or country for the first time,
//! too.
//!
//! # Why it matters
//! A token that leaves its pod is a stolen token; one that leaves the cluster is in somebody's hands.
//!
//! # How it decides
//! Origins are classes (own pod, own node, cluster, a network outside), never raw pod addresses. A
//! token bound to a pod and used from outside the cluster is `high` without any baseline, if pods'
//! own networks are known. Otherwise the account must be mature: `medium` where the new origin is
//! outside the cluster, `info` within it.
//!
//! With GeoIP files an origin outside the cluster is its network (autonomous system) and country: another address in
//! one that the account came from before is none of these, unless it is the `high` one, for a cloud's network is
//! everybody's. A mature person from a network or country never seen of them is `info`; a read of Secrets that was allowed
//! is `medium` on the first day there, and `low` until they came from there on `learning.sensitive_days` days. It takes
//! a network that they came from on `learning.min_days` days: who is always elsewhere is not told of, and nobody is in
//! the first days with the files.
//!
//! # When it is wrong
//! A new office, runner or VPN range; a load balancer or NAT that appears in front of the API server
//! (declare it in `network.trusted_proxies`). A person who travels, or whose traffic leaves by another provider or a
//! VPN. Where one address stands for everybody the detector is blind and says nothing.
//!
//! # Tuning
//! `network.trusted_proxies`, `network.cluster`, `geoip.country`, `geoip.asn`, `learning.min_days`,
//! `learning.sensitive_days`.
//!
//! # Respond
//! Revoke the token (delete its pod or Secret), then look at everything that came from the address. Ask a person whether
//! it was them before their access is taken.

use crate::base::Span;
use crate::base::text::counted;
use crate::baseline::features::networks;
use crate::baseline::features::origins::Class;
use crate::detect::sensitive::Sensitive;
use crate::detect::{Finding, Marks, Meta, Novelty, Severity, Tactic, View};
use crate::event::{CredentialKind, PrincipalKind};

/// How long an origin is news.
const DAY: Span = Span::seconds(86_400);

pub const META: Meta = Meta {
    id: "unknown-origin",
    title: "Credential used from an unknown origin",
    severities: &[Severity::Info, Severity::Low, Severity::Medium, Severity::High],
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
    let judged = if view.is_person() { of_person(view) } else { severity(view).map(|severity| (severity, META.title)) };
    let Some((severity, title)) = judged else { return };
    let kind = view.event.credential.kind.words();
    findings.push(Finding {
        detector: META.id.into(),
        title: title.into(),
        severity,
        tactic: META.tactic,
        techniques: META.techniques,
        expected: expected(view),
        observed: match view.geo {
            Some(geo) => format!("a {kind} came from {} in {geo}", view.origin),
            None => format!("a {kind} came from {}", view.origin),
        },
        also: None,
        culprit: None,
        novelty: view.maturity.mature.then_some(Novelty::Origin),
    });
}

/// Networks where the network is the news, else origins.
fn expected(view: &View<'_>) -> String {
    let (networks, origins) = (&view.account.networks, &view.account.origins);
    let by_network = view.geo.is_some() && !networks.is_empty() && (view.network_seen.is_none() || view.is_person());
    let usual = if by_network { networks.most(3).join("; ") } else { origins.most(3).join(", ") };
    match view.origin_days() {
        _ if usual.is_empty() => format!("a {} is used by its pod", view.event.credential.kind.words()),
        days if days > 0 && view.is_person() => {
            format!("this account comes from: {usual}; from there on {} only", counted(days.into(), "day"))
        }
        _ => format!("this account comes from: {usual}"),
    }
}

fn severity(view: &View<'_>) -> Option<Severity> {
    let kind = view.event.principal.kind();
    if view.addresses_blind || !view.is_machine() {
        return None;
    }
    let kind_of = view.event.credential.kind;
    let bound = match kind {
        // Nodes and the control plane may have public addresses: one that was never seen anywhere is no news.
        PrincipalKind::Node | PrincipalKind::User => !view.account.origins.is_empty(),
        _ => view.pods_are_shown && matches!(kind_of, CredentialKind::PodBound | CredentialKind::NodeBound),
    };
    match view.origin.class {
        Class::Network if bound && view.origin.is_public() => Some(Severity::High),
        Class::Network if view.maturity.mature && view.network_seen.is_none() => Some(Severity::Medium),
        // Misplaced credentials are told by `credential-in-two-places`.
        Class::OtherPod | Class::OtherNode | Class::Unknown | Class::Network => None,
        _ if view.maturity.mature && !view.is_own_controller() => Some(Severity::Info),
        _ => None,
    }
}

/// People move; only where they have one network is another news.
fn of_person(view: &View<'_>) -> Option<(Severity, &'static str)> {
    let learning = &view.policy.learning;
    let settled = || networks::is_settled(&view.account.networks, learning.horizon(view.now()), learning.min_days);
    if view.geo.is_none() || view.addresses_blind || !view.maturity.mature || !settled() {
        return None;
    }
    if view.sensitive != Some(Sensitive::SecretRead) || view.event.outcome.is_refusal() {
        return view.is_new_origin().then_some((Severity::Info, "User comes from an unknown network"));
    }
    let is_news = view.origin_since().is_none_or(|first| view.now().since(first) < DAY);
    let severity = if is_news { Severity::Medium } else { Severity::Low };
    let is_habit = view.origin_days() >= learning.sensitive_days;
    (!is_habit).then_some((severity, "User reads Secrets from an unknown network"))
}
