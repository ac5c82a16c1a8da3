//! # What it sees
//! One request that is dangerous in itself, whoever makes it: pods with power over their node,
//! roles with power over others, tokens that outlive a day, commands in pods that read keys or call
//! back, Services exposed, identities of the system at public addresses, refusals of what was never
//! asked before.
//!
//! # Why it matters
//! With an empty baseline nothing is unusual yet, and an attacker may be there already. These are
//! the acts that other auditors report from one event.
//!
//! # How it decides
//! An act has a gain in one table (`src/detect/acts.rs`) and weighs by how surprising it is of the
//! account, as with `sensitive-operation`. Some acts are hostile whoever does them (a reverse
//! shell, a miner, a command that reads a token file, a forged identity, an identity of the control
//! plane with a client of people): they keep three quarters of their gain. The gravest act of a
//! request is reported, and all others are named. What a kubelet asks about an account that calls
//! it directly is reported of that account.
//!
//! # When it is wrong
//! It is seldom wrong and often harmless: agents of networks, storage and monitoring need their
//! node, charts bring roles and jobs, people look into pods.
//!
//! # Tuning
//! `learning.sensitive_days`.
//!
//! # Respond
//! Read it as a list of what to know of a cluster on its first day. For one line ask: who planned
//! it, does the workload need it, and what else did this account do in the hour around it?

use crate::base::Bits;
use crate::base::text::counted;
use crate::detect::acts::Act;
use crate::detect::weigh::{self, What};
use crate::detect::{Finding, Marks, Meta, Tactic, View, describe};
use std::fmt::Write;

pub const META: Meta = Meta {
    id: "dangerous-request",
    title: "Request that is dangerous in itself",
    weighs: "what the gravest of its acts would win an intruder, and how surprising it is of this account",
    tactic: Tactic::PrivilegeEscalation,
    techniques: &[
        "T1611",
        "T1610",
        "T1609",
        "T1098.006",
        "T1528",
        "T1053.007",
        "T1136",
        "T1190",
        "T1613",
    ],
    level: "Metadata; Request for what stands in bodies",
    since: "0.1.0",
    tunables: &["gains", "learning.forget_days"],
    wakes_on: Marks::ACT,
};

/// What weighs less is not worth a line.
const LEAST: Bits = Bits(500);

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    if view.acts.has(Act::KubeletReached) {
        second_hand(view, findings);
    }
    let own = |what| matches!(what, What::Act(act) if act != Act::KubeletReached);
    let Some(weighed) = view.weights.gravest(own) else {
        return;
    };
    let What::Act(gravest) = weighed.what else {
        return;
    };
    if weighed.weight < LEAST {
        return;
    }
    findings.push(Finding {
        title: format!("Account {}", gravest.words()).into(),
        tactic: gravest.tactic(),
        techniques: gravest.techniques(),
        key: weighed.key.clone(),
        object: describe::object(view, weighed),
        expected: describe::expected(view, weighed),
        observed: observed(view, gravest),
        causes: weighed.causes.iter().map(ToString::to_string).collect(),
        ..Finding::of(&META, weighed.weight)
    });
}

/// A kubelet that asks about somebody speaks of the one in its question: a sweep over several
/// kubelets is one story.
fn second_hand(view: &View<'_>, findings: &mut Vec<Finding>) {
    let review = view
        .event
        .facts
        .as_ref()
        .and_then(|facts| facts.review.as_ref());
    let Some(subject) = review.map(|review| &review.user) else {
        return;
    };
    let act = Act::KubeletReached;
    let account = view.population.get(subject);
    let days = account
        .and_then(|account| account.practices.get(act.key()))
        .map_or(0, |known| known.seen.days);
    let surprise = match days {
        0 => Bits::whole(6),
        days => weigh::seldom(days.into()),
    };
    let weight = weigh::weight(act.gain(), surprise);
    if weight < LEAST {
        return;
    }
    let asked = view.event.username;
    findings.push(Finding {
        title: "Kubelet reached by an account that may enter its pods".into(),
        tactic: act.tactic(),
        techniques: act.techniques(),
        key: act.key().into(),
        object: asked.into(),
        expected: match days {
            0 => "this account was never seen at a kubelet".to_owned(),
            days => format!("seen at kubelets on {}", counted(days.into(), "day")),
        },
        observed: format!(
            "{asked} asked whether {subject} may use nodes/proxy: it was called by it directly"
        ),
        culprit: Some((subject.clone(), view.event.audit_id.into())),
        ..Finding::of(&META, weight)
    });
}

/// The request, then all that it shows, the gravest first.
fn observed(view: &View<'_>, gravest: Act) -> String {
    let mut out = describe::request(view);
    let mut acts: Vec<Act> = view.acts.each().collect();
    acts.sort_by_key(|act| (*act != gravest, std::cmp::Reverse(act.gain())));
    let _ = write!(
        out,
        " from {}: {} ({})",
        view.origin,
        view.event.outcome.words(),
        view.event.code
    );
    for (n, act) in acts.into_iter().enumerate() {
        let _ = write!(out, "{} {}", if n == 0 { "; it" } else { "," }, act.words());
    }
    out
}
