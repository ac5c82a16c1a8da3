//! S14-S22, taking and making credentials.

use super::Expect::{Missed, Told};
use super::Scenario;
use super::actor::Actor;
use super::world::{CURL, KUBECTL, MINUTE, SECOND, Trace, manager, press};
use serde_json::{Value, json};
use tokentrail::detect::Severity::{Critical, High, Info, Low, Medium};

scenarios! {
    S14 "Another pod's token read by exec": token_by_exec,
        known Told(&["sensitive-operation", "dangerous-request"], Medium),
        cold Told(&["sensitive-operation", "dangerous-request"], Low);
    S15 "A pod under a stronger account prints its token": token_in_logs,
        known Told(&["sensitive-operation", "unexpected-agent"], Medium),
        cold Told(&["dangerous-request"], Info);
    S16 "A token of its own for a year": token_for_a_year,
        known Told(&["sensitive-operation", "dangerous-request"], Medium),
        cold Told(&["sensitive-operation", "dangerous-request"], Info);
    S17 "A token of a controller of kube-system, and its use": controller_token,
        known Told(&["sensitive-operation", "dangerous-request", "minted-credential"], High),
        cold Told(&["sensitive-operation", "minted-credential"], Medium);
    S18 "A token for a cloud's identity service": |t| cloud_token(t, &press().with(KUBECTL)),
        known Told(&["sensitive-operation", "dangerous-request"], High),
        cold Told(&["sensitive-operation", "dangerous-request"], Info);
    S19 "A token without expiry of its own": |t| forever(t, "orchard:press"),
        known Told(&["sensitive-operation", "token-secret-made", "legacy-token"], Critical),
        cold Told(&["sensitive-operation", "token-secret-made", "legacy-token"], Low);
    S20 "A token without expiry of a stronger account": |t| forever(t, "orchard:cellar-admin"),
        known Told(&["sensitive-operation", "token-secret-made"], Critical),
        cold Told(&["sensitive-operation", "token-secret-made"], Info);
    S21 "TokenReview as an oracle for stolen tokens": oracle,
        known Told(&["sensitive-operation"], Medium),
        cold Missed("in the first hours of a log everything is new, and this wins little");
    S22 "A kubelet's bootstrap token, and the node it makes": |t| bootstrap(t, "10.61.1.10"),
        known Told(&["enumeration", "unexpected-agent", "unknown-origin"], Medium),
        cold Told(&["enumeration"], Low);
}

pub fn token_by_exec(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    let pod = "/api/v1/namespaces/orchard/pods/web-0";
    trace.ask(&thief, &format!("GET {pod} 200"));
    let command =
        "command=cat&command=%2Fvar%2Frun%2Fsecrets%2Fkubernetes.io%2Fserviceaccount%2Ftoken";
    trace.ask(
        &thief,
        &format!("GET {pod}/exec?{command}&container=web&stdout=true&stderr=true 101"),
    );
}

fn token_in_logs(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "job-x", "namespace": "orchard"}, "spec": {
        "serviceAccountName": "cellar-admin", "containers": [{"name": "x", "image": "registry.example/busybox:1",
        "command": ["cat", "/var/run/secrets/kubernetes.io/serviceaccount/token"]}]}});
    trace.send(&thief, "POST /api/v1/namespaces/orchard/pods 201", &pod);
    trace.ask(&thief, "GET /api/v1/namespaces/orchard/pods/job-x 200");
    trace.ask(&thief, "GET /api/v1/namespaces/orchard/pods/job-x/log 200");
    trace.ask(&thief, "DELETE /api/v1/namespaces/orchard/pods/job-x 200");
}

fn token_request(seconds: i64, audiences: &[&str]) -> Value {
    json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": null},
        "status": {"token": "", "expirationTimestamp": null}})
}

pub fn token_for_a_year(trace: &mut Trace) {
    let body = token_request(31_536_000, &[]);
    let own = "POST /api/v1/namespaces/orchard/serviceaccounts/press/token 201";
    trace.mint(&press().with(KUBECTL), own, &body, "JTI=0year");
}

pub fn controller_token(trace: &mut Trace) {
    let name = "clusterrole-aggregation-controller";
    let ask = format!("POST /api/v1/namespaces/kube-system/serviceaccounts/{name}/token 201");
    trace.mint(
        &press().with(KUBECTL),
        &ask,
        &token_request(3600, &[]),
        "JTI=0aggregation",
    );
    let as_it = Actor::unbound(
        &format!("kube-system:{name}"),
        "JTI=0aggregation",
        "10.61.1.10",
        KUBECTL,
    );
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/trees";
    trace.ask(&as_it, &format!("GET {role} 200"));
    let everything = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    trace.send(&as_it, &format!("PATCH {role} 200"), &everything);
}

pub fn cloud_token(trace: &mut Trace, actor: &Actor) {
    let ask = "POST /api/v1/namespaces/orchard/serviceaccounts/press/token 201";
    trace.mint(
        actor,
        ask,
        &token_request(3600, &["sts.amazonaws.com"]),
        "JTI=0cloud",
    );
}

/// A Secret that the token controller fills in, read and used.
pub fn forever(trace: &mut Trace, account: &str) {
    let thief = press().with(CURL);
    let secrets = "/api/v1/namespaces/orchard/secrets";
    let body = json!({"metadata": {"name": "spare-token"}});
    trace.send(&thief, &format!("POST {secrets} 201"), &body);
    let agent =
        "kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/98b3519/tokens-controller";
    trace.other(
        &manager().with(agent),
        &format!("PUT {secrets}/spare-token 200"),
        None,
    );
    trace.wait(3 * SECOND);
    trace.ask(&thief, &format!("GET {secrets}/spare-token 200"));
    let own = Actor::legacy(account, "spare-token", "10.61.1.10", CURL);
    trace.ask(&own, "GET /api/v1/namespaces/orchard/pods 200");
    let server = Actor::plain(
        "system:apiserver",
        "::1",
        "kube-apiserver/v1.36.2 (linux/amd64) kubernetes/98b3519",
    );
    trace.other(&server, &format!("PATCH {secrets}/spare-token 200"), None);
}

fn oracle(trace: &mut Trace) {
    for n in 0..5 {
        let review = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
            "spec": {"token": format!("not-a-token-{n}")}, "status": {"user": {}}});
        trace.send(
            &press().with(CURL),
            "POST /apis/authentication.k8s.io/v1/tokenreviews 201",
            &review,
        );
    }
}

/// The bootstrap token of kubelets, stolen from metadata by whoever is at `ip`; then the node that
/// it made.
pub fn bootstrap(trace: &mut Trace, ip: &str) {
    let agent = "kubeletmein/v0.0.0 (linux/amd64) kubernetes/$Format";
    let thief = Actor::plain("system:bootstrap:0a1b2c", ip, agent);
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let body = json!({"kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1", "metadata": {"name": "node-csr-x"},
        "spec": {"request": "", "signerName": "kubernetes.io/kube-apiserver-client-kubelet", "usages": ["client auth"]}});
    trace.send(&thief, &format!("POST {requests} 201"), &body);
    trace.wait(MINUTE);
    trace.ask(&thief, &format!("GET {requests}/node-csr-x 200"));
    let node = Actor::node("node-a", ip).with(agent);
    trace.ask(
        &node,
        "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dnode-a 200",
    );
    trace.ask(&node, "GET /api/v1/namespaces/orchard/secrets/settings 200");
    let pod = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": {"audiences": null,
        "expirationSeconds": 3607, "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "press-0", "uid": "press"}}});
    trace.mint(
        &node,
        "POST /api/v1/namespaces/orchard/serviceaccounts/press/token 201",
        &pod,
        "JTI=0node",
    );
    for name in ["db", "cellar", "ledger", "gate", "mail", "vault"] {
        trace.ask(
            &node,
            &format!("GET /api/v1/namespaces/{name}/secrets/{name} 403"),
        );
    }
}
