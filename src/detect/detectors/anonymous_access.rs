//! # What it sees
//! A request without any credential is allowed to do more than ask for health, version or discovery.
//!
//! # Why it matters
//! Whatever `system:anonymous` may do, the whole network may do.
//!
//! # How it decides
//! The user is `system:anonymous`, the answer a success, and the request neither a health check nor
//! `/version`, discovery, OpenID keys or kubeadm's public `cluster-info`. `medium`; `high` if it changed
//! something or is sensitive.
//!
//! # When it is wrong
//! A cluster that publishes something on purpose.
//!
//! # Tuning
//! None.
//!
//! # Respond
//! Find the binding that names `system:anonymous` or `system:unauthenticated`, and remove it.

use crate::detect::{Finding, Marks, Meta, Severity, Tactic, View};
use crate::event::{Outcome, Principal};

pub const META: Meta = Meta {
    id: "anonymous-access",
    title: "Anonymous request allowed",
    severities: &[Severity::Medium, Severity::High],
    tactic: Tactic::InitialAccess,
    techniques: &["T1078.001", "T1190"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &[],
    wakes_on: Marks::ANONYMOUS,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let operation = &view.event.operation;
    let anonymous = view.event.principal == Principal::Anonymous && view.event.outcome == Outcome::Allowed;
    let public = operation.is_discovery()
        || operation.path.starts_with("/healthz")
        || operation.path.starts_with("/livez")
        || operation.path.starts_with("/readyz")
        || operation.path.starts_with("/.well-known/")
        || operation.path.starts_with("/openid/")
        || (operation.namespace == "kube-public" && operation.name == "cluster-info");
    if !anonymous || public {
        return;
    }
    let grave = view.sensitive.is_some() || !operation.is_read();
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity: if grave { Severity::High } else { Severity::Medium },
        tactic: META.tactic,
        techniques: META.techniques,
        expected: "requests without a credential are refused".to_owned(),
        observed: format!("{} {} by system:anonymous from {}: allowed", operation.verb, operation.kind(), view.origin),
        also: None,
        culprit: None,
        novelty: None,
    });
}
