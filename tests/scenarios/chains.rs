//! S48-S54, wiping traces, destroying, and whole attacks.

use super::Expect::{Missed, Told};
use super::Scenario;
use super::credentials::{
    bootstrap, cloud_token, controller_token, forever, token_by_exec, token_for_a_year,
};
use super::escalation::{bind_admin, privileged_pod};
use super::recon::{crawl, dump, first_look, harvest, matrix, who_am_i};
use super::replay::mimic;
use super::world::{DAY, KUBECTL, MINUTE, OUTSIDE, Trace, press, runner};
use tokentrail::detect::Severity::{Critical, Info, Low, Medium};

scenarios! {
    S48 "Events wiped": wipe,
        known Told(&["sensitive-operation"], Medium),
        cold Told(&["sensitive-operation"], Info);
    S49 "Workloads destroyed": destroy,
        known Told(&["dangerous-request", "unexpected-agent"], Medium),
        cold Missed("in the first hours of a log everything is new, and this wins little");
    S50 "Certificate requests cleaned up": |t| {
        t.ask(&press().with(KUBECTL), "DELETE /apis/certificates.k8s.io/v1/certificatesigningrequests/helper 200");
    },
        known Told(&["sensitive-operation", "unexpected-agent"], Medium),
        cold Told(&["sensitive-operation"], Info);
    S51 "A shell in a pod, and on to cluster-admin": from_a_shell,
        known Told(&["enumeration", "sensitive-operation", "dangerous-request", "unexpected-agent"], Critical),
        cold Told(&["enumeration", "sensitive-operation", "dangerous-request"], Medium);
    S52 "A leaked token of the builds, from outside": leaked_by_builds,
        known Told(&["enumeration", "sensitive-operation", "dangerous-request", "unexpected-agent"], Critical),
        cold Told(&["enumeration", "sensitive-operation", "dangerous-request"], Medium);
    S53 "A node taken, and the tokens on it": through_a_node,
        known Told(&["sensitive-operation", "dangerous-request", "credential-in-two-places"], Critical),
        cold Told(&["sensitive-operation", "dangerous-request"], Low);
    S54 "Low and slow over eight days": over_days,
        known Told(&["sensitive-operation"], Medium),
        cold Told(&["sensitive-operation"], Low);
}

fn wipe(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    trace.ask(
        &thief,
        "GET /api/v1/namespaces/orchard/events?limit=500 200",
    );
    for n in 0..5 {
        trace.ask(
            &thief,
            &format!("DELETE /api/v1/namespaces/orchard/events/web-0.{n} 200"),
        );
    }
    trace.ask(&thief, "DELETE /api/v1/namespaces/orchard/events 200");
}

fn destroy(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    trace.ask(
        &thief,
        "GET /apis/apps/v1/namespaces/orchard/deployments 200",
    );
    for name in ["web", "press", "cider"] {
        trace.ask(
            &thief,
            &format!("DELETE /apis/apps/v1/namespaces/orchard/deployments/{name} 200"),
        );
    }
}

fn from_a_shell(trace: &mut Trace) {
    let steps: [fn(&mut Trace); 6] = [
        first_look,
        who_am_i,
        harvest,
        |t| forever(t, "orchard:cellar-admin"),
        controller_token,
        bind_admin,
    ];
    for step in steps {
        step(trace);
        trace.wait(2 * MINUTE);
    }
}

fn leaked_by_builds(trace: &mut Trace) {
    let thief = runner().at(OUTSIDE).with(KUBECTL);
    super::recon::ask_who(trace, &thief);
    matrix(trace, &thief);
    dump(trace, &thief);
    cloud_token(trace, &thief);
}

fn through_a_node(trace: &mut Trace) {
    privileged_pod(trace, &press().with(KUBECTL));
    bootstrap(trace, "10.60.0.11");
    token_by_exec(trace);
    mimic(trace, &press().at("10.61.2.11"));
}

fn over_days(trace: &mut Trace) {
    who_am_i(trace);
    trace.wait(DAY);
    crawl(trace, DAY, 6);
    token_for_a_year(trace);
}
