//! Request body -> [`Facts`], for the few kinds whose bodies say something about tokens or
//! privilege.
//!
//! Refuses to fail: bodies of patches are whatever the client sent, so every step takes what fits
//! and passes over the rest. Bodies of all other kinds are never parsed.

use super::{Facts, ReviewFacts, TokenFacts, body, hostile, rbac, workload};
use crate::event::Operation;
use serde_json::{Map, Value, json};
use smol_str::SmolStr;

/// Bytes of one kept string; longer ones are cut.
const TEXT: usize = 256;
const AUDIENCES: usize = 8;
/// Levels of the path of a JSON patch. A pod's deepest field has 8.
const PATH_LEVELS: usize = 32;

/// Audiences of cloud identity (EKS, GCP, Azure, Alibaba, Tencent): a token for one is a cloud
/// credential.
const CLOUDS: [&str; 7] = [
    "sts.amazonaws.com",
    "pods.eks.amazonaws.com",
    ".svc.id.goog",
    "iam.googleapis.com",
    "api://AzureADTokenExchange",
    "sts.aliyuncs.com",
    "sts.cloud.tencent.com",
];

type Reader = fn(&Value, &mut Facts);

/// The facts of a write whose body was recorded; `None` for kinds that no detector asks about.
pub(in crate::event) fn extract(operation: &Operation<'_>, text: &str) -> Option<Box<Facts>> {
    if ends_pods(operation) {
        let (body, _) = body::parse(text)?;
        let options = if operation.subresource.is_empty() {
            &body
        } else {
            &body["deleteOptions"]
        };
        return Some(Box::new(Facts {
            at_once: is_at_once(options),
            ..Facts::default()
        }));
    }
    let read = reader(operation)?;
    let Some((body, whole)) = body::parse(text) else {
        return Some(Box::new(Facts {
            unread: true,
            ..Facts::default()
        }));
    };
    let mut facts = Facts {
        unread: !whole,
        ..Facts::default()
    };
    match &body {
        Value::Object(_) => read(&body, &mut facts),
        Value::Array(steps) if operation.verb == "patch" => {
            facts.unread |= steps.iter().any(moves);
            steps
                .iter()
                .filter_map(applied)
                .for_each(|object| read(&object, &mut facts));
        }
        _ => return None,
    }
    if let Some(pod) = &mut facts.pod {
        pod.break_glass = text.contains("image-policy.k8s.io/break-glass");
    }
    facts.credentials = operation.resource == "configmaps" && hostile::holds_credentials(text);
    Some(Box::new(facts))
}

/// What is known of a body that the server left out as too large: that it was not read. Large
/// ConfigMaps and Secrets (of Helm's releases) are ordinary.
pub(in crate::event) fn of_truncated(operation: &Operation<'_>) -> Option<Box<Facts>> {
    reader(operation).filter(|_| !matches!(operation.resource, "configmaps" | "secrets"))?;
    Some(Box::new(Facts {
        unread: true,
        ..Facts::default()
    }))
}

fn reader(operation: &Operation<'_>) -> Option<Reader> {
    if !matches!(operation.verb, "create" | "update" | "patch") {
        return None;
    }
    pods(operation).or_else(|| objects(operation))
}

/// Reads what makes pods.
fn pods(operation: &Operation<'_>) -> Option<Reader> {
    match (operation.group, operation.resource, operation.subresource) {
        ("", "pods", "" | "ephemeralcontainers") => {
            Some(|body, facts| workload::read(&body["spec"], facts))
        }
        (
            "apps" | "extensions",
            "deployments" | "daemonsets" | "statefulsets" | "replicasets",
            "",
        )
        | ("", "replicationcontrollers", "")
        | ("batch", "jobs", "") => {
            Some(|body, facts| workload::read(&body["spec"]["template"]["spec"], facts))
        }
        ("batch", "cronjobs", "") => Some(|body, facts| {
            workload::read(
                &body["spec"]["jobTemplate"]["spec"]["template"]["spec"],
                facts,
            );
        }),
        _ => None,
    }
}

/// Reads what grants, configures or hands out something.
fn objects(operation: &Operation<'_>) -> Option<Reader> {
    match (operation.group, operation.resource, operation.subresource) {
        ("", "serviceaccounts", "token") if operation.verb == "create" => Some(token),
        (
            "rbac.authorization.k8s.io" | "authorization.openshift.io",
            "rolebindings" | "clusterrolebindings",
            "",
        ) => Some(rbac::binding),
        (
            "rbac.authorization.k8s.io" | "authorization.openshift.io",
            "roles" | "clusterroles",
            "",
        ) => Some(rbac::rules),
        ("", "secrets", "") => Some(secret),
        ("", "namespaces", "") => Some(|body, facts| {
            set(
                &mut facts.pod_security,
                &body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
            );
        }),
        ("", "persistentvolumes", "") => Some(|body, facts| {
            set(&mut facts.volume_path, &body["spec"]["hostPath"]["path"]);
            set(&mut facts.volume_path, &body["spec"]["local"]["path"]);
        }),
        (
            "admissionregistration.k8s.io",
            "mutatingwebhookconfigurations" | "validatingwebhookconfigurations",
            "",
        ) => Some(webhooks),
        ("apiregistration.k8s.io", "apiservices", "") => {
            Some(|body, facts| facts.calls = called(&json!({ "service": body["spec"]["service"] })))
        }
        ("certificates.k8s.io", "certificatesigningrequests", "") => {
            Some(|body, facts| set(&mut facts.signer, &body["spec"]["signerName"]))
        }
        ("", "services", "") => {
            Some(|body, facts| set(&mut facts.service_type, &body["spec"]["type"]))
        }
        // A patch rarely says it all: what it leaves out may be there.
        ("networking.k8s.io" | "extensions", "ingresses", "") if operation.verb != "patch" => {
            Some(|body, facts| facts.without_tls = each(&body["spec"]["tls"]).next().is_none())
        }
        ("", "configmaps", "") => Some(|_, _| {}),
        ("authorization.k8s.io", "subjectaccessreviews" | "selfsubjectaccessreviews", "") => {
            Some(review)
        }
        _ => None,
    }
}

/// A request to delete or evict pods: its body says how, and holds no object.
fn ends_pods(operation: &Operation<'_>) -> bool {
    (operation.group, operation.resource) == ("", "pods")
        && matches!(
            (operation.verb, operation.subresource),
            ("delete" | "deletecollection", "") | ("create", "eviction")
        )
}

fn is_at_once(options: &Value) -> bool {
    options["gracePeriodSeconds"].as_i64() == Some(0) && each(&options["dryRun"]).next().is_none()
}

fn token(body: &Value, facts: &mut Facts) {
    let spec = &body["spec"];
    let token = facts.token.get_or_insert_with(TokenFacts::default);
    token.lifetime_seconds = spec["expirationSeconds"].as_i64().unwrap_or(0);
    let (cloud, others): (Vec<&str>, Vec<&str>) = each(&spec["audiences"])
        .filter_map(Value::as_str)
        .partition(|audience| names_cloud(audience));
    token.cloud |= !cloud.is_empty();
    cloud
        .into_iter()
        .chain(others)
        .for_each(|audience| keep(&mut token.audiences, AUDIENCES, audience));
    set(&mut token.bound_to, &spec["boundObjectRef"]["kind"]);
}

fn secret(body: &Value, facts: &mut Facts) {
    set(&mut facts.secret_type, &body["type"]);
    set(
        &mut facts.secret_account,
        &body["metadata"]["annotations"]["kubernetes.io/service-account.name"],
    );
}

/// Whom each webhook of a configuration calls, in order and once.
fn webhooks(body: &Value, facts: &mut Facts) {
    let mut all: Vec<SmolStr> = each(&body["webhooks"])
        .map(|one| called(&one["clientConfig"]))
        .collect();
    all.retain(|who| !who.is_empty());
    all.sort_unstable();
    all.dedup();
    facts.calls = cut(&all.join(", "));
}

/// `service ns/name`, or the host of a URL; empty where neither is named.
fn called(client: &Value) -> SmolStr {
    if let Some(url) = client["url"].as_str() {
        let host = url
            .split("://")
            .nth(1)
            .unwrap_or(url)
            .split(['/', '?'])
            .next()
            .unwrap_or_default();
        return cut(host);
    }
    match (
        client["service"]["namespace"].as_str(),
        client["service"]["name"].as_str(),
    ) {
        (None, None) => SmolStr::default(),
        (namespace, name) => cut(&format!(
            "service {}/{}",
            namespace.unwrap_or_default(),
            name.unwrap_or_default()
        )),
    }
}

fn names_cloud(audience: &str) -> bool {
    CLOUDS.iter().any(|cloud| audience.contains(cloud))
}

fn review(body: &Value, facts: &mut Facts) {
    let (spec, review) = (
        &body["spec"],
        facts.review.get_or_insert_with(ReviewFacts::default),
    );
    let asked = &spec["resourceAttributes"];
    set(&mut review.user, &spec["user"]);
    set(&mut review.verb, &asked["verb"]);
    set(&mut review.resource, &asked["resource"]);
    set(&mut review.subresource, &asked["subresource"]);
}

/// A step that takes its value from elsewhere in the object, which may be what an earlier step put
/// there.
fn moves(step: &Value) -> bool {
    matches!(step["op"].as_str(), Some("copy" | "move"))
}

/// One step of a JSON patch (RFC 6902) as the object that it would make of nothing: the value at
/// its path, wrapped. Steps without a value (`remove`, `test` is no write) say nothing.
fn applied(step: &Value) -> Option<Value> {
    if !matches!(step["op"].as_str()?, "add" | "replace") {
        return None;
    }
    let mut value = step.get("value")?.clone();
    let path = step["path"].as_str()?;
    if path.matches('/').count() > PATH_LEVELS {
        return None;
    }
    for name in path
        .split('/')
        .skip(1)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        value = if name == "-" || (!name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())) {
            Value::Array(vec![value])
        } else {
            Value::Object(Map::from_iter([(
                name.replace("~1", "/").replace("~0", "~"),
                value,
            )]))
        };
    }
    Some(value)
}

/// The elements of a list, none for anything else.
pub(super) fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

pub(super) fn cut(text: &str) -> SmolStr {
    let end = (0..=TEXT.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    SmolStr::new(text.get(..end).unwrap_or_default())
}

pub(super) fn set(slot: &mut SmolStr, value: &Value) {
    if let Some(text) = value.as_str() {
        *slot = cut(text);
    }
}

/// Adds a string that is not there yet, while there is room.
pub(super) fn keep(list: &mut Vec<SmolStr>, limit: usize, text: &str) {
    let text = cut(text);
    if list.len() < limit && !list.contains(&text) {
        list.push(text);
    }
}

pub(super) fn keep_all(list: &mut Vec<SmolStr>, limit: usize, values: &Value) {
    each(values)
        .filter_map(Value::as_str)
        .for_each(|text| keep(list, limit, text));
}
