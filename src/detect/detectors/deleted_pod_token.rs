//! # What it sees
//! A token bound to a pod is accepted after the kubelet has ended this pod.
//!
//! # Why it matters
//! The process that owned the token is gone. Whoever uses it now has a copy.
//!
//! # How it decides
//! Whoever deletes a pod only asks for its end: it may take its time, and uses its token until then. The kubelet's own
//! delete comes last. A token of that pod (by its uid; a StatefulSet's next pod has the same name and another uid) that
//! was in use before, and is accepted more than a minute after it, is `high`, whatever it asked for. Pods
//! deleted by force, without their kubelet, are not judged.
//!
//! # When it is wrong
//! An API server refuses such tokens itself as soon as it has heard of the deletion, apart from some seconds for which it
//! remembers what it accepted. So this is rare: an API server that lags far behind the others, or one that does not look
//! pods up. A refusal names no user; many of them are told by `unauthenticated-burst`.
//!
//! # Tuning
//! None.
//!
//! # Respond
//! Look at the address: it is where the copy is. Delete and re-create the ServiceAccount, and find out why the API server
//! accepts the token.

use crate::detect::{Finding, Marks, Meta, Severity, Tactic, View};

pub const META: Meta = Meta {
    id: "deleted-pod-token",
    title: "Token used after its pod was deleted",
    severities: &[Severity::High],
    tactic: Tactic::CredentialAccess,
    techniques: &["T1528", "T1550.001"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &[],
    wakes_on: Marks::DEPARTED,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let Some(gone) = view.departed else { return };
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity: Severity::High,
        tactic: META.tactic,
        techniques: META.techniques,
        expected: format!(
            "pod {} was ended by its kubelet at {gone}: its token is used no more",
            view.event.credential.pod
        ),
        observed: format!("it was used {} later, from {}", view.now().since(gone), view.origin),
        also: None,
        culprit: None,
        novelty: None,
    });
}
