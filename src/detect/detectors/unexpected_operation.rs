//! # What it sees
//! An account does something (verb, kind, scope) that it is not known to do.
//!
//! # Why it matters
//! A workload's calls are written in its code: they rarely change. Whoever took its token tries
//! others.
//!
//! # How it decides
//! Verb, kind and reach are new to the account and not sensitive: 1.5 bits for a read and 2.5 for a
//! write, and how rare new operations are for this account, its program and its place. Peers that
//! do it make it ordinary, peers that do not a little odder.
//!
//! # When it is wrong
//! A new version of the application, a new custom resource, a rare job (yearly, or rarer than the
//! baseline remembers).
//!
//! # Tuning
//! `learning.min_days`, `learning.min_events`, `learning.forget_days`.
//!
//! # Respond
//! Ask the owner whether the application changed; look at what else the account did in the
//! incident.

use crate::base::Bits;
use crate::detect::{Finding, Marks, Meta, Tactic, View, weigh};

pub const META: Meta = Meta {
    id: "unexpected-operation",
    title: "Operation never seen of this account",
    weighs: "up to 4 bits alone; with another program or from elsewhere up to 11",
    tactic: Tactic::Discovery,
    techniques: &["T1078", "T1613"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &[
        "learning.min_days",
        "learning.min_events",
        "learning.forget_days",
    ],
    wakes_on: Marks::NEW_OPERATION,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let calm = view.sensitive.is_none() && !view.event.outcome.is_refusal() && !view.is_own_work();
    if !calm || !view.is_machine() {
        return;
    }
    let surprise = weigh::operation(view) + view.weights.program + view.weights.origin;
    let gain = if view.event.operation.is_read() {
        READ
    } else {
        WRITE
    };
    let weight = weigh::weight(gain, surprise.min(MOST));
    if weight < LEAST {
        return;
    }
    findings.push(Finding {
        key: view.operation.into(),
        expected: view.usual_operations() + &view.operation_peers.words(),
        observed: format!("{} for the first time", view.in_words(view.operation)),
        ..Finding::of(&META, weight)
    });
}

const READ: Bits = Bits(1500);
const WRITE: Bits = Bits(2500);
/// The most that all surprise counts of an operation that is not sensitive.
const MOST: Bits = Bits::whole(12);
/// What weighs less is not worth a line.
const LEAST: Bits = Bits(1500);
