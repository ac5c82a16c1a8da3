//! # What it sees
//! The credential of a service account, a node or a component of Kubernetes is used from somewhere that it never came
//! from.
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
//! # When it is wrong
//! A new office, runner or VPN range; a load balancer or NAT that appears in front of the API server
//! (declare it in `network.trusted_proxies`). Where one address stands for everybody the detector is
//! blind and says nothing.
//!
//! # Tuning
//! `network.trusted_proxies`, `network.cluster`, `learning.min_days`.
//!
//! # Respond
//! Revoke the token (delete its pod or Secret), then look at everything that came from the address.

use crate::baseline::features::origins::Class;
use crate::detect::{Finding, Marks, Meta, Novelty, Severity, Tactic, View};
use crate::event::{CredentialKind, PrincipalKind};

pub const META: Meta = Meta {
    id: "unknown-origin",
    title: "Credential used from an unknown origin",
    severities: &[Severity::Info, Severity::Medium, Severity::High],
    tactic: Tactic::CredentialAccess,
    techniques: &["T1078.001", "T1528"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["network.trusted_proxies", "network.cluster", "learning.min_days"],
    wakes_on: Marks::NEW_ORIGIN,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let Some(severity) = severity(view) else { return };
    let usual = view.account.origins.most(3).join(", ");
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity,
        tactic: META.tactic,
        techniques: META.techniques,
        expected: if usual.is_empty() {
            format!("a {} is used by its pod", view.event.credential.kind.words())
        } else {
            format!("this account comes from: {usual}")
        },
        observed: format!("a {} came from {}", view.event.credential.kind.words(), view.origin),
        also: None,
        culprit: None,
        novelty: view.maturity.mature.then_some(Novelty::Origin),
    });
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
        Class::Network if view.maturity.mature => Some(Severity::Medium),
        // Misplaced credentials are told by `credential-in-two-places`.
        Class::OtherPod | Class::OtherNode | Class::Unknown | Class::Network => None,
        _ if view.maturity.mature && !view.is_own_controller() => Some(Severity::Info),
        _ => None,
    }
}
