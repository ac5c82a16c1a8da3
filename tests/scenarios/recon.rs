//! S01-S13, looking around and at Secrets.

use super::actor::Actor;
use super::world::{CURL, DAY, KUBECTL, MINUTE, OUTSIDE, Trace, press};
use super::{
    Expect::{Missed, Told},
    Scenario,
};
use serde_json::{Value, json};
use tokentrail::detect::Severity::{Critical, High, Info, Low, Medium};

scenarios! {
    S01 "First look from a shell in the pod": first_look,
        known Told(&["enumeration", "unexpected-agent"], Medium),
        cold Told(&["enumeration"], Medium);
    S02 "Who am I, what may I do": who_am_i,
        known Told(&["dangerous-request", "unexpected-agent"], Medium),
        cold Missed("in the first hours of a log everything is new, and this wins little");
    S03 "Access matrix (rakkess)": access_matrix,
        known Told(&["enumeration", "dangerous-request", "unexpected-agent"], High),
        cold Told(&["enumeration", "dangerous-request"], Low);
    S04 "Who can (kubectl-who-can)": who_can,
        known Told(&["enumeration", "unexpected-agent"], Medium),
        cold Told(&["dangerous-request"], Info);
    S05 "A question before each action (Peirates)": ask_then_act,
        known Told(&["enumeration", "sensitive-operation", "unexpected-agent"], Critical),
        cold Told(&["sensitive-operation"], Info);
    S06 "Blind sweep over endpoints": |t| sweep(t, &press().with(CURL)),
        known Told(&["enumeration", "unexpected-agent"], Medium),
        cold Told(&["enumeration"], Medium);
    S07 "Guessing namespaces": guess_namespaces,
        known Told(&["enumeration", "unexpected-agent"], Medium),
        cold Told(&["enumeration"], Low);
    S08 "API discovery only, with the account's own program": discovery_only,
        known Told(&["unexpected-operation"], Info),
        cold Missed("any client asks for these paths when it starts, and who is new has no habit to compare with");
    S09 "Anonymous probe of the server": anonymous_probe,
        known Told(&["dangerous-request"], Info),
        cold Told(&["dangerous-request"], Info);
    S10 "All Secrets of the cluster": |t| dump(t, &press().with(KUBECTL)),
        known Told(&["sensitive-operation", "unexpected-agent"], Medium),
        cold Told(&["sensitive-operation"], Low);
    S11 "Secrets listed, then read one by one": harvest,
        known Told(&["sensitive-operation", "enumeration"], Medium),
        cold Told(&["sensitive-operation", "enumeration"], Low);
    S12 "Slow crawl by guessed names": |t| crawl(t, 20 * MINUTE, 12),
        known Told(&["sensitive-operation"], Low),
        cold Told(&["sensitive-operation"], Info);
    S13 "Secrets by watch": |t| t.ask(&press(), "GET /api/v1/namespaces/orchard/secrets?watch=1&timeoutSeconds=60 200"),
        known Told(&["sensitive-operation"], Low),
        cold Told(&["sensitive-operation"], Info);
}

pub fn first_look(trace: &mut Trace) {
    let shell = press().with(CURL);
    for path in [
        "/version 200",
        "/api 200",
        "/apis 200",
        "/api/v1/namespaces 403",
    ] {
        trace.ask(&shell, &format!("GET {path}"));
    }
    trace.ask(&shell, "GET /api/v1/namespaces/orchard/pods 403");
    trace.ask(&shell, "GET /api/v1/namespaces/orchard/secrets 403");
}

pub fn who_am_i(trace: &mut Trace) {
    ask_who(trace, &press().with(KUBECTL));
}

/// `kubectl auth whoami`, `kubectl auth can-i --list`.
pub fn ask_who(trace: &mut Trace, actor: &Actor) {
    let review = json!({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "status": {"userInfo": {}}});
    trace.send(
        actor,
        "POST /apis/authentication.k8s.io/v1/selfsubjectreviews 201",
        &review,
    );
    trace.ask(actor, "GET /api?timeout=32s 200");
    trace.ask(actor, "GET /apis?timeout=32s 200");
    let rules = json!({"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": {"namespace": "orchard"}, "status": {"resourceRules": null, "nonResourceRules": null, "incomplete": false}});
    trace.send(
        actor,
        "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews 201",
        &rules,
    );
}

fn question(verb: &str, resource: &str) -> Value {
    json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": {"resourceAttributes": {"namespace": "orchard", "verb": verb, "resource": resource}}, "status": {"allowed": false}})
}

const QUESTIONS: &str = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews 201";

pub fn matrix(trace: &mut Trace, actor: &Actor) {
    for path in [
        "/api",
        "/apis",
        "/apis/apps/v1",
        "/apis/batch/v1",
        "/apis/rbac.authorization.k8s.io/v1",
    ] {
        trace.ask(actor, &format!("GET {path} 200"));
    }
    let kinds = [
        "pods",
        "secrets",
        "configmaps",
        "services",
        "deployments",
        "jobs",
        "roles",
        "nodes",
        "events",
        "leases",
    ];
    for kind in kinds {
        for verb in ["list", "create", "update", "delete"] {
            trace.send(actor, QUESTIONS, &question(verb, kind));
        }
    }
}

fn access_matrix(trace: &mut Trace) {
    matrix(
        trace,
        &press().with("kubectl-access_matrix/v0.0.0 (linux/amd64) kubernetes/$Format"),
    );
}

fn who_can(trace: &mut Trace) {
    let tool = press().with("kubectl-who-can/v0.4.0 (linux/amd64) kubernetes/$Format");
    for kind in [
        "roles",
        "rolebindings",
        "clusterroles",
        "clusterrolebindings",
        "namespaces",
    ] {
        trace.send(&tool, QUESTIONS, &question("list", kind));
    }
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    for path in [
        "namespaces/orchard/roles",
        "clusterroles",
        "namespaces/orchard/rolebindings",
        "clusterrolebindings",
    ] {
        trace.ask(&tool, &format!("GET {rbac}/{path} 200"));
    }
}

fn ask_then_act(trace: &mut Trace) {
    let tool = press().with("Go-http-client/2.0");
    for (kind, code) in [
        ("pods", 200),
        ("secrets", 200),
        ("services", 200),
        ("serviceaccounts", 403),
    ] {
        trace.send(&tool, QUESTIONS, &question("list", kind));
        trace.ask(
            &tool,
            &format!("GET /api/v1/namespaces/orchard/{kind} {code}"),
        );
    }
}

pub fn sweep(trace: &mut Trace, shell: &Actor) {
    for kind in [
        "pods",
        "secrets",
        "services",
        "serviceaccounts",
        "events",
        "persistentvolumeclaims",
    ] {
        trace.ask(shell, &format!("GET /api/v1/namespaces/orchard/{kind} 403"));
    }
    trace.ask(shell, "GET /api/v1/namespaces/orchard/configmaps 200");
    for kind in ["nodes", "namespaces", "persistentvolumes"] {
        trace.ask(shell, &format!("GET /api/v1/{kind} 403"));
    }
    trace.ask(
        shell,
        "GET /apis/rbac.authorization.k8s.io/v1/clusterroles 403",
    );
}

fn guess_namespaces(trace: &mut Trace) {
    let shell = press().with(CURL);
    for namespace in [
        "kube-system",
        "default",
        "prod",
        "vault",
        "argocd",
        "monitoring",
    ] {
        trace.ask(&shell, &format!("GET /api/v1/namespaces/{namespace} 403"));
        trace.ask(
            &shell,
            &format!("GET /api/v1/namespaces/{namespace}/pods 403"),
        );
    }
}

fn discovery_only(trace: &mut Trace) {
    for path in [
        "/openapi/v2",
        "/openapi/v3",
        "/apis",
        "/apis/apps/v1",
        "/apis/batch/v1",
        "/apis/policy/v1",
    ] {
        trace.ask(&press(), &format!("GET {path} 200"));
    }
}

fn anonymous_probe(trace: &mut Trace) {
    let nobody = Actor::plain("system:anonymous", OUTSIDE, CURL);
    trace.ask(&nobody, "GET /api/v1/pods 403");
    trace.ask(&nobody, "GET /version 200");
}

pub fn dump(trace: &mut Trace, actor: &Actor) {
    trace.ask(actor, "GET /api/v1/secrets?limit=500 200");
    trace.ask(
        actor,
        "GET /api/v1/secrets?continue=eyJ2IjoibWV0YSJ9&limit=500 200",
    );
}

pub fn harvest(trace: &mut Trace) {
    trace.ask(&press(), "GET /api/v1/namespaces/orchard/secrets 200");
    for n in 0..12 {
        trace.ask(
            &press(),
            &format!("GET /api/v1/namespaces/orchard/secrets/cellar-{n} 200"),
        );
    }
}

pub fn crawl(trace: &mut Trace, pause: i64, times: usize) {
    let names = [
        "db", "redis", "postgres", "admin", "tls", "registry", "smtp", "aws", "vault", "token",
        "backup", "root",
    ];
    for (name, code) in names
        .iter()
        .zip([404, 404, 200].into_iter().cycle())
        .take(times)
    {
        trace.ask(
            &press(),
            &format!("GET /api/v1/namespaces/orchard/secrets/{name} {code}"),
        );
        trace.wait(pause.min(DAY));
    }
}
