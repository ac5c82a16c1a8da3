//! Google Cloud Logging's `LogEntry` of a Cloud Audit log (GKE): another form of the same request.
//!
//! It has no groups, no uid and no credential id, and no level or stage; these are what its parts
//! say. Refuses entries of other services.

use super::members::Members;
use crate::base::Digest;
use serde_json::{Map, Value, json};

/// Methods of Kubernetes begin so.
const METHOD: &str = "io.k8s.";

/// An event without anything that it needs: told as such.
const INCOMPLETE: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1"}"#;

/// `None`: no `LogEntry`. `Some(None)`: one of another service.
pub(super) fn event(members: &Members<'_>) -> Option<Option<String>> {
    let (entry, payload) = match members.get("protoPayload") {
        Some(payload) => (Entry::of_json(members), object(payload)?),
        // The Go SDK's form of the same.
        None => {
            let payload = object(&members.text("AuditPayload")?)?;
            (Entry::of_sdk(&members.object("Entry")?), payload)
        }
    };
    let method = payload.get("methodName").and_then(Value::as_str);
    let Some(method) = method.and_then(|method| method.strip_prefix(METHOD)) else {
        return Some(None);
    };
    let native = native(&entry, &payload, method);
    Some(Some(native.map_or_else(
        || INCOMPLETE.to_owned(),
        |event| event.to_string(),
    )))
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// What stands around the payload.
struct Entry {
    id: Option<String>,
    time: Option<String>,
    labels: Value,
    /// Whether this is the first entry of a long-running request, and the last one.
    is_first: bool,
    is_last: bool,
}

impl Entry {
    fn of_json(entry: &Members<'_>) -> Entry {
        Entry::of(entry, ["operation", "insertId", "timestamp", "labels"])
    }

    fn of_sdk(entry: &Members<'_>) -> Entry {
        Entry::of(entry, ["Operation", "InsertID", "Timestamp", "Labels"])
    }

    fn of(entry: &Members<'_>, [operation, insert_id, time, labels]: [&str; 4]) -> Entry {
        let operation = entry.object(operation);
        let operation = operation.as_ref();
        let id = operation.and_then(|operation| operation.text("id"));
        let is = |name: &str| operation.and_then(|o| o.get(name)) == Some("true");
        let labels = entry
            .get(labels)
            .and_then(|labels| serde_json::from_str(labels).ok());
        Entry {
            id: id
                .or_else(|| entry.text(insert_id))
                .map(|id| id.into_owned()),
            time: entry.text(time).map(|time| time.into_owned()),
            labels: labels.filter(Value::is_object).unwrap_or_else(|| json!({})),
            is_first: is("first"),
            is_last: is("last"),
        }
    }
}

/// What is asked, out of `group/version/namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE`.
#[derive(Default)]
struct Object<'a> {
    group: &'a str,
    version: &'a str,
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    subresource: &'a str,
}

impl<'a> Object<'a> {
    fn of(path: &'a str) -> Object<'a> {
        let parts: Vec<&str> = path.split('/').collect();
        let part = |at: usize| parts.get(at).copied().unwrap_or_default();
        let is_namespaced =
            part(2) == "namespaces" && parts.len() > 4 && !matches!(part(4), "status" | "finalize");
        let (namespace, at) = if is_namespaced { (part(3), 4) } else { ("", 2) };
        let (resource, name) = (part(at), part(at + 1));
        Object {
            group: if part(0) == "core" { "" } else { part(0) },
            version: part(1),
            namespace: if resource == "namespaces" {
                name
            } else {
                namespace
            },
            resource,
            name,
            subresource: part(at + 2),
        }
    }

    fn uri(&self) -> String {
        let Object { group, version, .. } = self;
        let mut uri = match *group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        if !self.namespace.is_empty() && self.resource != "namespaces" {
            uri.push_str("/namespaces/");
            uri.push_str(self.namespace);
        }
        for part in [self.resource, self.name, self.subresource] {
            if !part.is_empty() {
                uri.push('/');
                uri.push_str(part);
            }
        }
        uri
    }

    fn is_stream(&self) -> bool {
        matches!(self.subresource, "exec" | "attach" | "portforward")
    }
}

fn native(entry: &Entry, payload: &Map<String, Value>, method: &str) -> Option<Value> {
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    let verb = method.rsplit('.').next()?;
    let authorized = payload.get("authorizationInfo").map(|all| &all[0]);
    let path = text("resourceName").or_else(|| authorized?["resource"].as_str())?;
    let object = Object::of(path);
    let code = code(payload, &object, verb);
    let mut annotations = entry.labels.clone();
    if annotations.get("authorization.k8s.io/decision").is_none() {
        let is_refused = code == 403 || authorized.is_some_and(|a| a["granted"] == false);
        let decision = if is_refused { "forbid" } else { "allow" };
        annotations["authorization.k8s.io/decision"] = decision.into();
    }
    let time = entry.time.as_deref().or_else(|| text("timestamp"))?;
    let caller = payload.get("requestMetadata").unwrap_or(&Value::Null);
    let digest = || Digest::of(format!("{time} {path}").as_bytes()).to_string();
    let (request, response) = (payload.get("request"), payload.get("response"));
    let level = match (request, response) {
        (_, Some(_)) => "RequestResponse",
        (Some(_), None) => "Request",
        (None, None) => "Metadata",
    };
    Some(json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": level,
        "auditID": entry.id.clone().unwrap_or_else(digest),
        "stage": if entry.is_first && !entry.is_last { "ResponseStarted" } else { "ResponseComplete" },
        "requestURI": object.uri(), "verb": verb,
        "user": {"username": payload.get("authenticationInfo")?["principalEmail"].as_str()?},
        "sourceIPs": caller["callerIp"].as_str().into_iter().collect::<Vec<_>>(),
        "userAgent": caller["callerSuppliedUserAgent"].as_str().unwrap_or_default(),
        "objectRef": {
            "apiGroup": object.group, "apiVersion": object.version, "resource": object.resource,
            "namespace": object.namespace, "name": object.name, "subresource": object.subresource,
        },
        "responseStatus": {"metadata": {}, "code": code},
        "requestObject": request.cloned().unwrap_or(Value::Null),
        "responseObject": response.cloned().unwrap_or(Value::Null),
        "requestReceivedTimestamp": time, "stageTimestamp": time, "annotations": annotations,
    }))
}

/// The HTTP status: the response's own if it is a Status, else what the gRPC code stands for
/// (google/rpc/code.proto).
fn code(payload: &Map<String, Value>, object: &Object<'_>, verb: &str) -> u64 {
    let response = payload.get("response").unwrap_or(&Value::Null);
    if response["kind"] == "Status"
        && let Some(code) = response["code"].as_u64()
    {
        return code;
    }
    let status = payload.get("status").unwrap_or(&Value::Null);
    match status["code"].as_u64().unwrap_or(0) {
        // A stream that was opened ends with no gRPC code of its own.
        0 | 2 if object.is_stream() => 101,
        0 if verb == "create" => 201,
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}
