//! # What it sees
//! One request that is dangerous in itself, whoever makes it: pods with power over their node, roles with
//! power over others, tokens that outlive a day, commands in pods that read keys or call back, Services
//! exposed, identities of the system at public addresses, refusals of what was never asked before.
//!
//! # Why it matters
//! With an empty baseline nothing is unusual yet, and an attacker may be there already. These are the
//! acts that other auditors report from one event.
//!
//! # How it decides
//! By the event alone: operation, facts of the body, command of an exec, outcome, address. Always `low`: it
//! is kept and shown, and never wakes anybody. An act that the account was seen to do on
//! `learning.sensitive_days` days is its habit; before, it is told once a day, in its
//! first hour every time. The cluster's own
//! controllers, and kubelets at their own work, are left out. What is unusual for a known account is for
//! `sensitive-operation` to say, in the same incident.
//!
//! # When it is wrong
//! It is seldom wrong and often harmless: agents of networks, storage and monitoring need their node,
//! charts bring roles and jobs, people look into pods.
//!
//! # Tuning
//! `learning.sensitive_days`.
//!
//! # Respond
//! Read it as a list of what to know of a cluster on its first day. For one line ask: who planned it, does
//! the workload need it, and what else did this account do in the hour around it?

use crate::base::remembered::Seen;
use crate::detect::acts::Act;
use crate::detect::{Finding, Marks, Meta, Severity, Tactic, View};
use std::fmt::Write;

pub const META: Meta = Meta {
    id: "dangerous-request",
    title: "Request that is dangerous in itself",
    severities: &[Severity::Low],
    tactic: Tactic::PrivilegeEscalation,
    techniques: &["T1611", "T1610", "T1609", "T1098.006", "T1528", "T1053.007", "T1136", "T1190", "T1613"],
    level: "Metadata; Request for what stands in bodies",
    since: "0.1.0",
    tunables: &["learning.sensitive_days"],
    wakes_on: Marks::ACT,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut words = String::new();
    let Some(gravest) = view.acts.each().find(|act| is_news(view, *act, &mut words)) else { return };
    findings.push(Finding {
        detector: META.id.into(),
        title: format!("Account {}", gravest.words()).into(),
        severity: Severity::Low,
        tactic: gravest.tactic(),
        techniques: gravest.techniques(),
        expected: format!("few accounts ever do this; {}", view.usual_operations()),
        observed: observed(view),
        also: None,
        culprit: None,
        novelty: None,
    });
}

/// Not habit, and not told today, unless it began just now.
fn is_news(view: &View<'_>, act: Act, words: &mut String) -> bool {
    let horizon = view.policy.learning.horizon(view.now());
    let today = |seen: &Seen| seen.last().day() == view.now().day();
    // What is refused is not remembered as done, only as refused.
    if view.event.outcome.is_refusal() && view.denial_seen.is_some_and(today) {
        return false;
    }
    let seen = view.account.targets.get(memory(act, words), horizon);
    // All of the first hour is one story, whichever of its events arrives first.
    let begins = |seen: &Seen| seen.days == 1 && view.now().since(seen.first()).as_seconds() < 3600;
    let is_habit = |seen: &Seen| u32::from(seen.days) >= view.policy.learning.sensitive_days;
    seen.is_none_or(|seen| begins(seen) || !(is_habit(seen) || today(seen)))
}

/// The words by which a baseline remembers an act.
pub fn memory(act: Act, out: &mut String) -> &str {
    out.clear();
    out.push_str(ACT);
    out.push_str(act.words());
    out
}

/// How the words of an act begin, among the targets of an account.
pub const ACT: &str = "act: ";

fn observed(view: &View<'_>) -> String {
    let (event, operation) = (view.event, &view.event.operation);
    let mut out = format!("{} {}", operation.verb, operation.kind());
    if !operation.name.is_empty() {
        let _ = write!(out, " {}", operation.name);
    }
    if !operation.namespace.is_empty() {
        let _ = write!(out, " in namespace {}", operation.namespace);
    }
    let _ = write!(out, " from {}: {} ({})", view.origin, event.outcome.words(), event.code);
    for (n, act) in view.acts.each().enumerate() {
        let _ = write!(out, "{} {}", if n == 0 { "; it" } else { "," }, act.words());
    }
    out
}
