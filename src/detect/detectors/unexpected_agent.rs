//! # What it sees
//! A service account's token is used by a program that never used it before, told by the product
//! name of its user agent.
//!
//! # Why it matters
//! An attacker brings tools: `kubectl` or `curl` with the token of a workload is the strongest
//! single sign that a person holds it.
//!
//! # How it decides
//! The product token of the user agent (before the slash) is new to the account: up to 6 bits, by
//! how often new programs come and how many there are; 2 more for a program of people and their
//! scripts where none was used; a third where the program came with a new pod, resembles known
//! ones, or comes to many accounts at once. A program of people loses a fifth on each day on which
//! it returns; another one is at home from the day after. It adds to the weight of everything else
//! in the request.
//!
//! # When it is wrong
//! A new sidecar, a rewritten client, a person who debugs with the account's token.
//!
//! # Tuning
//! `learning.min_days`, `learning.forget_days`.
//!
//! # Respond
//! Find out who ran the program: the address and the pod stand in the incident. The client chooses
//! its user agent, so a familiar one proves nothing.

use crate::base::Bits;
use crate::detect::weigh::{self, Cause};
use crate::detect::{Finding, Marks, Meta, Tactic, View};

pub const META: Meta = Meta {
    id: "unexpected-agent",
    title: "Unknown program uses this account's token",
    weighs: "up to 6 bits, less with a new pod; it adds to what else is odd in the request",
    tactic: Tactic::InitialAccess,
    techniques: &["T1078", "T1552.007"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["learning.min_days", "learning.forget_days"],
    wakes_on: Marks::NEW_AGENT,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let surprise = view.weights.program;
    if surprise < LEAST || !view.is_machine() {
        return;
    }
    let causes = view
        .weights
        .is_rollout
        .then(|| Cause::Rollout.to_string())
        .into_iter()
        .collect();
    findings.push(Finding {
        expected: format!(
            "its token is used by {}{}",
            view.account.agents.most(3).join(", "),
            view.agent_peers.words()
        ),
        observed: format!("it is used by {}", view.agent),
        causes,
        ..Finding::of(&META, weigh::weight(GAIN, surprise))
    });
}

/// A program is no act: it only makes others odd.
const GAIN: Bits = Bits::whole(1);
/// Below so much surprise a program is not worth a line.
const LEAST: Bits = Bits::whole(2);
