//! # What it sees
//! A service account's token is used by a program that never used it before, told by the product name
//! of its user agent.
//!
//! # Why it matters
//! An attacker brings tools: `kubectl` or `curl` with the token of a workload is the strongest single
//! sign that a person holds it.
//!
//! # How it decides
//! The account is mature, and the product (the text before the slash) is not in its baseline. `info`;
//! with another independent novelty the incident becomes `medium`.
//!
//! # When it is wrong
//! A new sidecar, a rewritten client, a person who debugs with the account's token.
//!
//! # Tuning
//! `learning.min_days`, `learning.forget_days`.
//!
//! # Respond
//! Find out who ran the program: the address and the pod stand in the incident. The client chooses its
//! user agent, so a familiar one proves nothing.

use crate::detect::{Finding, Marks, Meta, Novelty, Severity, Tactic, View};

pub const META: Meta = Meta {
    id: "unexpected-agent",
    title: "Unknown program uses this account's token",
    severities: &[Severity::Info],
    tactic: Tactic::InitialAccess,
    techniques: &["T1078", "T1552.007"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["learning.min_days", "learning.forget_days"],
    wakes_on: Marks::NEW_AGENT,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    if !view.maturity.mature || !view.is_machine() || view.is_own_controller() {
        return;
    }
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity: Severity::Info,
        tactic: META.tactic,
        techniques: META.techniques,
        expected: format!(
            "its token is used by {}{}",
            view.account.agents.most(3).join(", "),
            view.agent_peers.words()
        ),
        observed: format!("it is used by {}", view.agent),
        also: None,
        culprit: None,
        novelty: (!view.agent_peers.share()).then_some(Novelty::Agent),
    });
}
