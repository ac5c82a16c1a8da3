//! # What it sees
//! An account does something (verb, kind, scope) that it is not known to do.
//!
//! # Why it matters
//! A workload's calls are written in its code: they rarely change. Whoever took its token tries others.
//!
//! # How it decides
//! The account is mature and no baseline entry of the operation is younger than `learning.forget_days`.
//! Its peers are asked: the kubelets of other nodes, service accounts of the same name in other namespaces, if they
//! use the same program and are mature. What three and at least half of them do too is told and adds up
//! with nothing; what none of three or more does is `low`. One such novelty is `info`; two that are independent (operation, agent, origin) make the incident
//! `medium`. Sensitive operations are left to `sensitive-operation`, refused ones to `enumeration`.
//!
//! # When it is wrong
//! A new version of the application, a new custom resource, a rare job (yearly, or rarer than the
//! baseline remembers).
//!
//! # Tuning
//! `learning.min_days`, `learning.min_events`, `learning.forget_days`.
//!
//! # Respond
//! Ask the owner whether the application changed; look at what else the account did in the incident.

use crate::detect::{Finding, Marks, Meta, Novelty, Severity, Tactic, View};

pub const META: Meta = Meta {
    id: "unexpected-operation",
    title: "Operation never seen of this account",
    severities: &[Severity::Info, Severity::Low],
    tactic: Tactic::Discovery,
    techniques: &["T1078", "T1613"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["learning.min_days", "learning.min_events", "learning.forget_days"],
    wakes_on: Marks::NEW_OPERATION,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let calm = view.sensitive.is_none() && !view.event.outcome.is_refusal() && !view.is_own_work();
    if !view.maturity.mature || !calm || !view.is_machine() {
        return;
    }
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity: if view.operation_peers.deny() { Severity::Low } else { Severity::Info },
        tactic: META.tactic,
        techniques: META.techniques,
        expected: view.usual_operations() + &view.operation_peers.words(),
        observed: format!("{} for the first time", view.in_words(view.operation)),
        also: None,
        culprit: None,
        novelty: (!view.operation_peers.share()).then_some(Novelty::Operation),
    });
}
