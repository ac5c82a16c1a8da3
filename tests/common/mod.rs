//! Driving the engine in tests: lines in, incidents out.

pub mod skipped;

use std::collections::BTreeMap;
use tokentrail::detect::{Policy, Severity};
use tokentrail::engine::{Engine, Input, Output};
use tokentrail::event::decode::{self, Limits};
use tokentrail::incident::{Incident, Kind, to_json};

/// Feeds one line; panics if it cannot be read, for a test's lines are its own.
pub fn feed(engine: &mut Engine, source: u16, line: &str, out: &mut Output) {
    decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
        let event = event.unwrap_or_else(|bad| panic!("{bad:?}: {line}"));
        engine.step(Input::Event { source, event }, out);
    });
}

pub fn run<'a>(policy: &Policy, lines: impl IntoIterator<Item = &'a str>) -> Output {
    let (mut engine, mut out) = (Engine::new(policy.clone()), Output::default());
    lines
        .into_iter()
        .for_each(|line| feed(&mut engine, 0, line, &mut out));
    out
}

/// The last revision of each incident.
pub fn last(out: &Output) -> BTreeMap<String, &Incident> {
    out.revisions
        .iter()
        .map(|r| (r.incident.id.to_string(), &r.incident))
        .collect()
}

pub fn json(out: &Output) -> BTreeMap<String, String> {
    last(out)
        .into_iter()
        .map(|(id, incident)| (id, to_json(incident, None)))
        .collect()
}

/// Threats of `medium` and up, in words for a failing assertion.
pub fn alarms(out: &Output) -> Vec<String> {
    let loud = |i: &&Incident| i.kind == Kind::Threat && i.severity >= Severity::Medium;
    last(out)
        .into_values()
        .filter(loud)
        .map(|i| format!("{} {}", i.severity, i.summary()))
        .collect()
}

/// What the audit log writes of one request, as an API server of 1.36 does.
#[derive(Clone)]
pub struct Request {
    pub user: String,
    pub uid: &'static str,
    pub pod: String,
    pub node: String,
    pub credential: String,
    pub ip: String,
    pub agent: String,
    pub verb: String,
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub code: u16,
    pub stage: &'static str,
}

impl Request {
    /// A pod of `namespace:account` that lists ConfigMaps of its namespace.
    pub fn of_pod(account: &str, pod: &str, ip: &str) -> Request {
        Request {
            user: format!("system:serviceaccount:{account}"),
            uid: "5a1e0000-0000-4000-8000-000000000001",
            pod: pod.into(),
            node: "node-a".into(),
            credential: format!("JTI={pod}"),
            ip: ip.into(),
            agent: "stock/v1 (linux/amd64)".into(),
            verb: "list".into(),
            resource: "configmaps".into(),
            namespace: account.split(':').next().unwrap_or("").into(),
            name: String::new(),
            code: 200,
            stage: "ResponseComplete",
        }
    }

    pub fn of_node(node: &str, ip: &str) -> Request {
        let base = Request::of_pod("x:y", "", ip);
        let user = format!("system:node:{node}");
        let credential = format!("X509SHA256={node}");
        Request {
            user,
            uid: "",
            credential,
            node: String::new(),
            agent: "kubelet/v1.36.2".into(),
            ..base
        }
    }

    pub fn of_nobody(ip: &str) -> Request {
        let user = String::new();
        let stage = "ResponseStarted";
        Request {
            user,
            credential: String::new(),
            code: 401,
            stage,
            ..Request::of_pod("x:y", "", ip)
        }
    }

    pub fn does(mut self, verb: &str, resource: &str, namespace: &str, name: &str) -> Request {
        (self.verb, self.resource) = (verb.into(), resource.into());
        (self.namespace, self.name) = (namespace.into(), name.into());
        self
    }

    /// The line; `at` is in milliseconds of 2026-01-01T00:00:00Z.
    pub fn line(&self, at: i64) -> String {
        use serde_json::json;
        let time = tokentrail::base::Time((1_767_225_600_000 + at) * 1000).to_string();
        let mut extra = serde_json::Map::new();
        let mut put = |key: &str, value: &str| {
            if !value.is_empty() {
                extra.insert(
                    format!("authentication.kubernetes.io/{key}"),
                    json!([value]),
                );
            }
        };
        put("credential-id", &self.credential);
        put("pod-name", &self.pod);
        put("pod-uid", &self.pod);
        put(
            "node-name",
            if self.pod.is_empty() { "" } else { &self.node },
        );
        let user = if self.user.is_empty() {
            json!({})
        } else {
            json!({"username": self.user, "uid": self.uid, "extra": extra})
        };
        let (resource, sub) = self
            .resource
            .split_once('/')
            .unwrap_or((&self.resource, ""));
        let decision = if self.code == 403 { "forbid" } else { "allow" };
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
            "auditID": format!("{at}-{}-{}-{}-{}", self.ip, self.user, self.resource, self.name),
            "stage": self.stage, "requestURI": format!("/api/v1/namespaces/{}/{}", self.namespace, self.resource),
            "verb": self.verb, "user": user, "sourceIPs": [self.ip], "userAgent": self.agent,
            "objectRef": {"resource": resource, "subresource": sub, "namespace": self.namespace, "name": self.name,
                "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": self.code},
            "requestReceivedTimestamp": time, "stageTimestamp": time,
            "annotations": {"authorization.k8s.io/decision": decision}
        })
        .to_string()
    }
}

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The recording of a laboratory cluster; a printed reason and `None` where it is not at hand.
pub fn recording() -> Option<Vec<String>> {
    use std::io::Read;
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/corpus/cluster/audit-dev.jsonl.gz"
    );
    let Ok(file) = std::fs::File::open(path) else {
        skipped::because(&format!("the recording is not at hand ({path})"));
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("a readable recording");
    Some(text.lines().map(str::to_owned).collect())
}
