//! Bodies of ordinary requests, by what they are about.
//!
//! Refuses what only an attacker sends.

use super::super::templates::Asked;
use serde_json::{Value, json};

/// The body of `METHOD URI`, which makes or changes something called `name`; reads have none.
pub fn body_of(request: &str, name: &str) -> Option<Value> {
    let (method, uri) = request.split_once(' ')?;
    if matches!(method, "GET" | "DELETE") {
        return None;
    }
    let asked = Asked::parse(method, uri);
    let mut body = match (asked.resource.as_str(), asked.subresource.as_str()) {
        ("tokenreviews", _) => {
            json!({"kind": "TokenReview", "spec": {"token": "not-a-token"}, "status": {"user": {}}})
        }
        ("subjectaccessreviews", _) => review("ann", "get", "pods"),
        ("selfsubjectaccessreviews", _) => {
            let name = if name.is_empty() { "pods" } else { name };
            let asked = json!({"verb": "list", "resource": name});
            return Some(
                json!({"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}),
            );
        }
        ("pods", "eviction") => json!({"kind": "Eviction", "apiVersion": "policy/v1"}),
        ("pods", "") => json!({"kind": "Pod", "spec": one_container()}),
        ("deployments" | "daemonsets" | "statefulsets" | "jobs", "") => template(one_container()),
        ("cronjobs", "") => json!({"spec": {"jobTemplate": template(one_container())}}),
        ("clusterroles" | "roles", _) => {
            json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]})
        }
        ("rolebindings" | "clusterrolebindings", _) => binding("view", name, &asked.namespace),
        _ => json!({}),
    };
    if !name.is_empty() {
        body["metadata"]["name"] = json!(name);
    }
    Some(body)
}

pub fn review(user: &str, verb: &str, resource: &str) -> Value {
    json!({"kind": "SubjectAccessReview", "spec": {"user": user,
        "resourceAttributes": {"verb": verb, "resource": resource}}, "status": {"allowed": true}})
}

pub fn one_container() -> Value {
    json!({"containers": [{"name": "main", "image": "registry.example/main:1"}]})
}

/// What makes pods of this kind.
pub fn template(pod: Value) -> Value {
    json!({"spec": {"template": {"spec": pod}}})
}

/// Gives a ClusterRole to an account.
pub fn binding(role: &str, account: &str, namespace: &str) -> Value {
    let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": namespace});
    json!({"metadata": {"name": account}, "subjects": [subject],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}})
}

/// A TokenRequest.
pub fn token(seconds: i64, audiences: &[&str], pod: Option<&str>) -> Value {
    let bound =
        pod.map(|name| json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": name}));
    json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound}})
}
