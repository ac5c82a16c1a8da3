//! # What it sees
//! A request without any credential is allowed to do more than ask for health, version or
//! discovery.
//!
//! # Why it matters
//! Whatever `system:anonymous` may do, the whole network may do.
//!
//! # How it decides
//! A request of `system:anonymous` that was allowed, but for health, version, discovery, OpenID and
//! `cluster-info`: 7 bits, 3 for a read or 5 for a write, and how new the operation is: what is
//! public by design is so every day. A sensitive operation is reported besides.
//!
//! # When it is wrong
//! A cluster that publishes something on purpose.
//!
//! # Tuning
//! None.
//!
//! # Respond
//! Find the binding that names `system:anonymous` or `system:unauthenticated`, and remove it.

use crate::base::Bits;
use crate::base::text::counted;
use crate::detect::{Finding, Marks, Meta, Tactic, View, weigh};
use crate::event::{Outcome, Principal};

pub const META: Meta = Meta {
    id: "anonymous-access",
    title: "Anonymous request allowed",
    weighs: "12 to 14 bits the first time, less on each day that it is allowed again",
    tactic: Tactic::InitialAccess,
    techniques: &["T1078.001", "T1190"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &[],
    wakes_on: Marks::ANONYMOUS,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let operation = &view.event.operation;
    let anonymous =
        view.event.principal == Principal::Anonymous && view.event.outcome == Outcome::Allowed;
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
    let gain = if operation.is_read() { READ } else { WRITE };
    let weight = weigh::weight(ANONYMOUS + gain, surprise(view));
    if weight < Bits::whole(1) {
        return;
    }
    findings.push(Finding {
        key: view.operation.into(),
        object: operation.namespace.into(),
        expected: match view.operation_seen {
            Some(seen) => format!(
                "{} without a credential was allowed on {}",
                view.in_words(view.operation),
                counted(seen.days.into(), "day")
            ),
            None => "requests without a credential are refused".to_owned(),
        },
        observed: format!(
            "{} {} by system:anonymous from {}: allowed",
            operation.verb,
            operation.kind(),
            view.origin
        ),
        ..Finding::of(&META, weight)
    });
}

/// Who needs no credential is anybody.
const ANONYMOUS: Bits = Bits::whole(7);
const READ: Bits = Bits::whole(3);
const WRITE: Bits = Bits::whole(5);

/// What is public by design is so every day.
fn surprise(view: &View<'_>) -> Bits {
    match view.operation_seen.map(|seen| seen.days) {
        None => Bits::whole(5),
        Some(1) => Bits(1000),
        Some(2) => Bits(500),
        Some(3..5) => Bits(200),
        Some(_) => Bits::ZERO,
    }
}
