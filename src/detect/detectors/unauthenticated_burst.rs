//! # What it sees
//! Many requests from one address, or one network outside, that fail authentication (401): forged, expired, revoked tokens, or
//! tokens for another audience.
//!
//! # Why it matters
//! Somebody tries keys. Such a request names no user: the address is all there is.
//!
//! # How it decides
//! Requests within five minutes of the first: `unauthenticated.outside` of them from one network (/24, /64) outside
//! the cluster are `medium`; from an address of the cluster it takes `unauthenticated.inside`, of at least
//! `inside_kinds` distinct kinds that its pod or node does not do by habit (one with an expired token
//! repeats what it always does). Ten times that is `high`.
//! A policy that omits the stage ResponseStarted loses all 401s.
//!
//! # When it is wrong
//! A client outside that goes on with an expired token; a load balancer that hides many clients.
//!
//! # Tuning
//! `unauthenticated.outside`, `unauthenticated.inside`, `network.trusted_proxies`.
//!
//! # Respond
//! Find the machine behind the address; see whether any request from it succeeded.

use crate::baseline::addresses::FAILURE_WINDOW;
use crate::baseline::features::origins::Class;
use crate::detect::{Finding, Marks, Meta, Severity, Tactic, View};

pub const META: Meta = Meta {
    id: "unauthenticated-burst",
    title: "Burst of unauthenticated requests",
    severities: &[Severity::Medium, Severity::High],
    tactic: Tactic::InitialAccess,
    techniques: &["T1110", "T1528"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["unauthenticated.outside", "unauthenticated.inside", "unauthenticated.inside_kinds"],
    wakes_on: Marks::UNAUTHENTICATED,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let policy = &view.policy.unauthenticated;
    let failures = view.failures;
    // Behind a load balancer every address is everybody's, as one inside is.
    let inside = view.origin.class != Class::Network || view.addresses_hidden;
    let kinds = failures.kinds.count_ones();
    let needed = if inside { policy.inside } else { policy.outside };
    if failures.count < needed || (inside && kinds < policy.inside_kinds) {
        return;
    }
    let high = failures.count >= needed.saturating_mul(10);
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity: if high { Severity::High } else { Severity::Medium },
        tactic: META.tactic,
        techniques: META.techniques,
        expected: format!("fewer than {needed} failed requests from one address within {FAILURE_WINDOW}"),
        observed: format!(
            "{} requests of {kinds} kinds from {} failed authentication since {}",
            failures.count, view.origin, failures.since
        ),
        also: None,
        culprit: None,
        novelty: None,
    });
}
