//! Events as a real kube-apiserver 1.36 wrote them, without their names: what every line of a trace
//! is made from.
//!
//! Refuses a request that it has no shape for. Where the recording had none of a kind, the shape is
//! made `like` the nearest kind that it had (`fixtures/scenarios/templates.jsonl` says which).

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub struct Templates {
    /// By `resource/subresource verb`: one event a stage.
    shapes: BTreeMap<String, Vec<Value>>,
    /// By status code, where it is no success.
    answers: BTreeMap<u64, Value>,
}

pub static TEMPLATES: LazyLock<Templates> = LazyLock::new(|| {
    let mut templates = Templates {
        shapes: BTreeMap::new(),
        answers: BTreeMap::new(),
    };
    for line in include_str!("../fixtures/scenarios/templates.jsonl").lines() {
        let line: Value = serde_json::from_str(line).expect("a JSON line");
        match line["shape"].as_str() {
            Some(shape) => {
                let events = line["events"].as_array().expect("events").clone();
                templates.shapes.insert(shape.to_owned(), events);
            }
            None => drop(
                templates
                    .answers
                    .insert(line["answer"].as_u64().expect("a code"), line),
            ),
        }
    }
    templates
});

/// What a request is to the API server: its verb and object, as its `RequestInfo` is made of method
/// and path.
pub struct Asked {
    pub verb: &'static str,
    pub group: String,
    pub version: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
}

impl Asked {
    pub fn parse(method: &str, uri: &str) -> Asked {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => ("", "", &[][..]),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, resource, more @ ..] => {
                (*namespace, [&[*resource], more].concat())
            }
            other => ("", other.to_vec()),
        };
        let at = |n: usize| rest.get(n).copied().unwrap_or("").to_owned();
        let (resource, name, subresource) = (at(0), at(1), at(2));
        let verb = match (method, name.is_empty()) {
            ("GET", true) if !resource.is_empty() && query.contains("watch=") => "watch",
            ("GET", true) if !resource.is_empty() => "list",
            ("GET", _) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", true) => "deletecollection",
            ("DELETE", false) => "delete",
            other => panic!("no verb for {other:?}"),
        };
        let (group, version) = (group.to_owned(), version.to_owned());
        // Of a namespace itself the API server says its own name as the namespace.
        let own = if resource == "namespaces" {
            name.clone()
        } else {
            namespace.to_owned()
        };
        Asked {
            verb,
            group,
            version,
            resource,
            subresource,
            namespace: own,
            name,
        }
    }

    fn shape(&self) -> String {
        let kind = match (self.resource.as_str(), self.subresource.as_str()) {
            ("", _) => "-".to_owned(),
            (resource, "") => resource.to_owned(),
            (resource, sub) => format!("{resource}/{sub}"),
        };
        format!("{kind} {}", self.verb)
    }
}

/// The stages of one request, without who made it and when.
pub fn events(method: &str, uri: &str, code: u64, body: Option<&Value>) -> Vec<Value> {
    let asked = Asked::parse(method, uri);
    let shape = asked.shape();
    // Reads of all kinds look alike.
    let like =
        matches!(asked.verb, "get" | "list" | "watch").then(|| format!("pods {}", asked.verb));
    let stages = TEMPLATES
        .shapes
        .get(&shape)
        .or_else(|| TEMPLATES.shapes.get(&like?))
        .unwrap_or_else(|| panic!("no shape of {shape} ({method} {uri})"));
    let answer = TEMPLATES.answers.get(&code);
    // What is refused never becomes a stream: it has one stage.
    let stages = if answer.is_some() {
        &stages[stages.len() - 1..]
    } else {
        &stages[..]
    };
    stages
        .iter()
        .map(|stage| event(stage, &asked, uri, code, answer, body))
        .collect()
}

fn event(
    stage: &Value,
    asked: &Asked,
    uri: &str,
    code: u64,
    answer: Option<&Value>,
    body: Option<&Value>,
) -> Value {
    let mut event = stage.clone();
    event.as_object_mut().expect("an object").remove("withBody");
    event["requestURI"] = json!(uri);
    if let Some(object) = event.get_mut("objectRef") {
        object["resource"] = json!(asked.resource);
        for (key, value) in [("namespace", &asked.namespace), ("name", &asked.name)] {
            if !value.is_empty() {
                object[key] = json!(value);
            }
        }
        // The shape may be another group's.
        match asked.group.as_str() {
            "" => drop(
                object
                    .as_object_mut()
                    .expect("an object")
                    .remove("apiGroup"),
            ),
            group => object["apiGroup"] = json!(group),
        }
        object["apiVersion"] = json!(asked.version);
        // The name of what is made stands in the body only.
        if let ("create", Some(name)) = (
            asked.verb,
            body.and_then(|b| b["metadata"]["name"].as_str()),
        ) {
            object["name"] = json!(name);
        }
    }
    event["responseStatus"]["code"] = json!(code);
    if let Some(answer) = answer {
        event["stage"] = answer["stage"].clone();
        event["responseStatus"] = answer["responseStatus"].clone();
        match answer["decision"].as_str() {
            Some(decision) => {
                event["annotations"] = json!({"authorization.k8s.io/decision": decision, "authorization.k8s.io/reason": ""});
            }
            None => drop(
                event
                    .as_object_mut()
                    .expect("an object")
                    .remove("annotations"),
            ),
        }
    }
    let level = event["level"].as_str().expect("a level").to_owned();
    if let Some(body) = body.filter(|_| level != "Metadata") {
        event["requestObject"] = body.clone();
        if level == "RequestResponse" && answer.is_none() {
            event["responseObject"] = body.clone();
        }
    }
    event
}
