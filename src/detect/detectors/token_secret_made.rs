//! # What it sees
//! Somebody makes a Secret, and the API server's token controller fills a long-lived token into it.
//!
//! # Why it matters
//! It is how an attacker stays: a token without expiry for any account of the namespace, by nothing
//! more than the right to create Secrets.
//!
//! # How it decides
//! Secrets' bodies are rarely logged, and need not be: `system:kube-controller-manager` (agent suffix
//! `tokens-controller`) updates the Secret right after its creation. The maker is remembered for a
//! minute. `high` for a mature service account, `low` for a person or an account that is learning.
//!
//! # When it is wrong
//! A Helm chart or an operator that still makes token Secrets.
//!
//! # Tuning
//! None.
//!
//! # Respond
//! Delete the Secret, then ask what the maker's token does in other hands.

use crate::detect::{Finding, Marks, Meta, Severity, Tactic, View};

pub const META: Meta = Meta {
    id: "token-secret-made",
    title: "Long-lived token Secret made",
    severities: &[Severity::Low, Severity::High],
    tactic: Tactic::Persistence,
    techniques: &["T1098", "T1528"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &[],
    wakes_on: Marks::TOKEN_SECRET,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let Some(maker) = &view.secret_maker else { return };
    let grave = maker.mature && maker.by.starts_with("system:serviceaccount:");
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity: if grave { Severity::High } else { Severity::Low },
        tactic: META.tactic,
        techniques: META.techniques,
        expected: "service accounts are used with tokens of their pods, which expire".to_owned(),
        observed: format!(
            "{} made Secret {}/{}, which now holds a token without expiry",
            maker.by, view.event.operation.namespace, view.event.operation.name
        ),
        also: None,
        culprit: Some((maker.by.clone(), maker.audit_id.clone())),
        novelty: None,
    });
}
