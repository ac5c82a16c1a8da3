//! S23-S32, a token in other hands.

use super::actor::Actor;
use super::recon::{ask_who, sweep};
use super::world::{CURL, HOUR, KUBECTL, MINUTE, OUTSIDE, SECOND, Trace, press};
use super::{
    Expect::{Missed, Told},
    Scenario,
};
use tokentrail::detect::Severity::{Critical, High, Info, Medium};

/// Why one request with a bad token is no finding.
const ONE_401: &str = "one 401 names nobody and no token, and clients make one whenever theirs expires; \
                       ten from outside within five minutes are told";

scenarios! {
    S23 "A pod's token used from outside the cluster": from_outside,
        known Told(&["credential-in-two-places", "unknown-origin", "dangerous-request", "unexpected-agent"], High),
        cold Missed("in the first hours of a log everything is new, and this wins little");
    S24 "A pod's token used in another pod on another node": |t| mimic(t, &press().at("10.61.2.11")),
        known Told(&["credential-in-two-places"], High),
        cold Missed("in its first hours a log does not yet show whether addresses tell clients apart");
    S25 "A pod's token used from its node's own network": |t| ask_who(t, &press().at("10.60.0.11").with(CURL)),
        known Told(&["dangerous-request", "unexpected-agent"], High),
        cold Missed("in the first hours of a log everything is new, and this wins little");
    S26 "A token after its pod is gone, once": |t| t.ask(&Actor::nobody(OUTSIDE, CURL), "GET /api/v1/namespaces/orchard/configmaps 401"),
        known Missed(ONE_401),
        cold Missed(ONE_401);
    S27 "Expired and forged tokens, tried again and again": forged,
        known Told(&["unauthenticated-burst"], Medium),
        cold Told(&["unauthenticated-burst"], Medium);
    S28 "A token for another audience, once": |t| t.ask(&Actor::nobody(OUTSIDE, KUBECTL), "GET /api/v1/namespaces/orchard/secrets 401"),
        known Missed(ONE_401),
        cold Missed(ONE_401);
    S29 "A legacy token out of a backup": out_of_a_backup,
        known Told(&["legacy-token", "unknown-origin", "sensitive-operation"], Critical),
        cold Told(&["dangerous-request"], Info);
    S30 "A copied token past its hour": past_its_hour,
        known Told(&["legacy-token", "unexpected-agent"], Medium),
        cold Missed("in the first hours of a log everything is new, and this wins little");
    S31 "A sweep with headers that lie": header_games,
        known Told(&["enumeration", "unexpected-agent"], Medium),
        cold Told(&["enumeration"], Medium);
    S32 "Only what the account does, with its program, from elsewhere": |t| mimic(t, &press().at(OUTSIDE)),
        known Told(&["credential-in-two-places", "unknown-origin"], High),
        cold Told(&["dangerous-request"], Info);
}

pub fn from_outside(trace: &mut Trace) {
    let thief = press().at(OUTSIDE).with(KUBECTL);
    ask_who(trace, &thief);
    trace.ask(&thief, "GET /api/v1/namespaces/orchard/pods?limit=500 403");
}

/// What the account does daily, while its pod goes on doing it.
pub fn mimic(trace: &mut Trace, elsewhere: &Actor) {
    for _ in 0..4 {
        trace.other(
            &press(),
            "GET /api/v1/namespaces/orchard/configmaps?limit=500 200",
            None,
        );
        trace.ask(
            elsewhere,
            "GET /api/v1/namespaces/orchard/configmaps?limit=500 200",
        );
        trace.wait(30 * SECOND);
    }
}

fn forged(trace: &mut Trace) {
    let forger = Actor::nobody(OUTSIDE, "python-requests/2.32.3");
    for kind in ["secrets", "configmaps", "pods", "services"]
        .iter()
        .cycle()
        .take(16)
    {
        trace.ask(
            &forger,
            &format!("GET /api/v1/namespaces/orchard/{kind} 401"),
        );
    }
}

fn out_of_a_backup(trace: &mut Trace) {
    let thief = Actor::legacy("orchard:press", "press-token-x7k2p", OUTSIDE, CURL);
    for kind in ["configmaps", "pods", "secrets"] {
        trace.ask(
            &thief,
            &format!(
                "GET /api/v1/namespaces/orchard/{kind} {}",
                if kind == "secrets" { 403 } else { 200 }
            ),
        );
    }
}

fn past_its_hour(trace: &mut Trace) {
    trace.wait(HOUR + 10 * MINUTE);
    let thief = press().stale().with(CURL);
    trace.ask(&thief, "GET /api/v1/namespaces/orchard/configmaps 200");
    trace.ask(&thief, "GET /api/v1/namespaces/orchard/pods 200");
}

fn header_games(trace: &mut Trace) {
    let mut liar = press().with(CURL).forwarding_for("10.0.0.5");
    liar.audit_id = Some("00000000-0000-0000-0000-000000000000".to_owned());
    sweep(trace, &liar);
}
