//! # What it sees
//! Many requests from one address, or one network outside, that fail authentication (401): forged,
//! expired, revoked tokens, or tokens for another audience.
//!
//! # Why it matters
//! Somebody tries keys. Such a request names no user: the address is all there is.
//!
//! # How it decides
//! Requests that failed authentication within five minutes from one address, or one network
//! outside: 10 from outside, 20 from inside, of three kinds at least. Of fewer kinds it takes ten
//! times as many from outside and fifty times as many from inside, for a client with an expired
//! token repeats itself. From many networks together: 400. 12 bits there, and 2 more with each
//! doubling, at most 20. Paths that are public by design (health, version, OpenID discovery) do not
//! count.
//!
//! # When it is wrong
//! A client outside that goes on with an expired token; a load balancer that hides many clients.
//!
//! # Tuning
//! `unauthenticated.outside`, `unauthenticated.inside`, `network.trusted_proxies`.
//!
//! # Respond
//! Find the machine behind the address; see whether any request from it succeeded.

use crate::base::Bits;
use crate::base::text::counted;
use crate::baseline::addresses::FAILURE_WINDOW;
use crate::baseline::features::origins::Class;
use crate::detect::{Finding, Marks, Meta, Tactic, View};

pub const META: Meta = Meta {
    id: "unauthenticated-burst",
    title: "Burst of unauthenticated requests",
    weighs: "12 bits where it begins, 2 more whenever it doubles, at most 20",
    tactic: Tactic::InitialAccess,
    techniques: &["T1110", "T1528"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &[
        "unauthenticated.outside",
        "unauthenticated.inside",
        "unauthenticated.inside_kinds",
        "unauthenticated.spread",
    ],
    wakes_on: Marks::UNAUTHENTICATED,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let policy = &view.policy.unauthenticated;
    if is_public_path(view.event.operation.path) {
        return;
    }
    if let Some(spread) = view
        .failures_outside
        .filter(|f| f.count >= policy.spread && f.kinds.count_ones() >= NETWORKS)
    {
        findings.push(Finding {
            title: "Unauthenticated requests from many networks".into(),
            key: "spread".into(),
            expected: format!("fewer than {} failed requests from outside within {FAILURE_WINDOW}", policy.spread),
            observed: format!(
                "{} requests from dozens of networks failed authentication since {}; the last one came from {}",
                spread.count, spread.since, view.origin
            ),
            ..Finding::of(&META, weight(spread.count, policy.spread))
        });
    }
    let failures = view.failures;
    // Behind a load balancer every address is everybody's, as one inside is.
    let inside = view.origin.class != Class::Network || view.addresses_hidden;
    let kinds = failures.kinds.count_ones();
    let needed = match (inside, kinds >= policy.inside_kinds) {
        (true, true) => policy.inside,
        // One expired token, tried again and again.
        (true, false) => policy.inside.saturating_mul(RETRIES),
        (false, true) => policy.outside,
        (false, false) => policy.outside.saturating_mul(RETRIES_OUTSIDE),
    };
    if failures.count < needed {
        return;
    }
    findings.push(Finding {
        expected: format!(
            "fewer than {needed} failed requests from one address within {FAILURE_WINDOW}"
        ),
        observed: format!(
            "{} requests of {} from {} failed authentication since {}",
            failures.count,
            counted(kinds.into(), "kind"),
            view.origin,
            failures.since
        ),
        ..Finding::of(&META, weight(failures.count, needed))
    });
}

/// So many times as many requests of few kinds make a burst: a client whose token expired repeats
/// itself for hours.
const RETRIES: u32 = 50;
const RETRIES_OUTSIDE: u32 = 10;
/// Networks, of the 61 that are told apart, that make a burst from everywhere.
const NETWORKS: u32 = 20;

/// Twelve bits where a burst begins, and two more whenever it doubles, at most twenty.
fn weight(count: u32, needed: u32) -> Bits {
    let doubled = Bits::surprise(u64::from(needed), u64::from(count)).times(2, 1);
    (Bits::whole(12) + doubled).min(Bits::whole(20))
}

/// What load balancers and monitors ask for without a credential.
fn is_public_path(path: &str) -> bool {
    let first = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    matches!(
        first,
        "healthz" | "livez" | "readyz" | "version" | "openid" | ".well-known"
    )
}
