//! The cluster before and around an attack: eight days of work as the recording shows it, and
//! after.
//!
//! Refuses anything that an attacker needs: what an account does here is all that it is known for.

use super::actor::Actor;
use super::templates;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use tokentrail::base::Time;

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// When attacks begin: after eight days, in the morning.
pub const ATTACK: i64 = 8 * DAY + 10 * HOUR;

pub const CURL: &str = "curl/8.5.0";
pub const KUBECTL: &str = "kubectl/v1.33.4 (linux/amd64) kubernetes/74f2ad5";
/// An address outside.
pub const OUTSIDE: &str = "203.0.113.66";
pub const MANAGER: &str = "10.60.0.1";

/// The account that most attacks begin with: its only work is to read the configuration of its
/// namespace.
pub fn press() -> Actor {
    Actor::pod("orchard:press", "press-7c9d-a1", "node-a", "10.61.1.10")
}

/// Its neighbour on the other node.
pub fn cider() -> Actor {
    Actor::pod("orchard:cider", "cider-5b8f-c3", "node-b", "10.61.2.11")
}

/// What deploys applications.
pub fn runner() -> Actor {
    Actor::pod("builds:runner", "runner-0", "node-b", "10.61.2.30")
}

pub fn node_a() -> Actor {
    Actor::node("node-a", "10.60.0.11")
}

fn node_b() -> Actor {
    Actor::node("node-b", "10.60.0.12")
}

pub fn manager() -> Actor {
    let agent = "kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/98b3519";
    Actor::certified("system:kube-controller-manager", MANAGER, agent)
}

/// A controller of kube-controller-manager.
pub fn controller(name: &str) -> Actor {
    let agent = format!(
        "kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/98b3519/system:serviceaccount:kube-system:{name}"
    );
    Actor::unbound(
        &format!("kube-system:{name}"),
        &format!("JTI={name}"),
        MANAGER,
        &agent,
    )
}

/// What becomes of a line, whatever its time and id.
type Dress = Box<dyn Fn(&str) -> String>;

/// Begins the audit ids of an attacker, and of everybody else.
const ATTACKERS: &str = "a77ac4ed";
const OTHERS: &str = "da11";

/// From the first stage of a request to the next.
const SOON: i64 = 700;
const ISSUED: &str = "authentication.kubernetes.io/issued-credential-id";

/// Stands in the text of a request for its audit id, and for the times when it began and when a
/// stage ended.
const OPEN: [&str; 3] = ["<id>", "<began>", "<ended>"];

/// Lines with their times, in milliseconds of 2026-01-01T00:00:00Z.
#[derive(Default)]
pub struct Trace {
    pub lines: Vec<(i64, String)>,
    dress: Option<Dress>,
    /// The stages of requests that were made before, but for what is [`OPEN`]: most are made again
    /// and again.
    known: HashMap<String, Vec<String>>,
    /// Audit ids of the attacker's requests.
    pub attack: BTreeSet<String>,
    /// When they were made.
    pub asked: Vec<i64>,
    pub now: i64,
    /// Whose requests these are, of those that are no attacker's: it stands in their audit ids.
    pub mark: u16,
    count: u64,
}

/// The mark in an audit id that is no attacker's.
pub fn mark_of(id: &str) -> Option<u16> {
    u16::from_str_radix(id.strip_prefix(OTHERS)?.get(..4)?, 16).ok()
}

impl Trace {
    pub fn beginning(at: i64) -> Trace {
        Trace {
            now: at,
            ..Trace::default()
        }
    }

    pub fn dressed(dress: impl Fn(&str) -> String + 'static) -> Trace {
        Trace {
            dress: Some(Box::new(dress)),
            ..Trace::default()
        }
    }

    /// A request of the attacker, `METHOD URI CODE`; two seconds pass.
    pub fn ask(&mut self, actor: &Actor, request: &str) {
        self.put(actor, request, None, true, &[], SOON);
    }

    pub fn send(&mut self, actor: &Actor, request: &str, body: &Value) {
        self.put(actor, request, Some(body), true, &[], SOON);
    }

    /// A TokenRequest of the attacker, which gives out the credential `id`.
    pub fn mint(&mut self, actor: &Actor, request: &str, body: &Value, id: &str) {
        self.put(actor, request, Some(body), true, &[(ISSUED, id)], SOON);
    }

    /// A TokenRequest of somebody else.
    pub fn issue(&mut self, actor: &Actor, request: &str, body: &Value, id: &str) {
        self.put(actor, request, Some(body), false, &[(ISSUED, id)], SOON);
    }

    /// A request of somebody else.
    pub fn other(&mut self, actor: &Actor, request: &str, body: Option<&Value>) {
        self.put(actor, request, body, false, &[], SOON);
    }

    /// A watch of somebody else that lasts so long.
    pub fn watch(&mut self, actor: &Actor, request: &str, lasting: i64) {
        self.put(actor, request, None, false, &[], lasting);
    }

    pub fn wait(&mut self, time: i64) {
        self.now += time;
    }

    /// Takes in what was played apart.
    pub fn append(&mut self, other: Trace) {
        let dressed = |line: String| {
            self.dress
                .as_ref()
                .map_or_else(|| line.clone(), |dress| dress(&line))
        };
        self.lines.extend(
            other
                .lines
                .into_iter()
                .map(|(at, line)| (at, dressed(line))),
        );
    }

    /// Audit ids of all of it.
    pub fn ids(&self) -> BTreeSet<String> {
        let id = |(_, line): &(i64, String)| {
            let event: Value = serde_json::from_str(line).expect("a line of ours");
            event["auditID"].as_str().expect("an audit id").to_owned()
        };
        self.lines.iter().map(id).collect()
    }

    fn put(
        &mut self,
        actor: &Actor,
        request: &str,
        body: Option<&Value>,
        attack: bool,
        notes: &[(&str, &str)],
        lasting: i64,
    ) {
        self.count += 1;
        let kind = if attack {
            ATTACKERS.to_owned()
        } else {
            format!("{OTHERS}{:04x}", self.mark)
        };
        let own = format!(
            "{kind}-{:04x}-4000-8000-{:012x}",
            self.count & 0xffff,
            self.now
        );
        let id = actor.audit_id.clone().unwrap_or(own);
        let key = format!("{actor:?} {request} {body:?} {notes:?}");
        let stages = self
            .known
            .entry(key)
            .or_insert_with(|| stages(actor, request, body, notes, self.dress.as_ref()));
        let began = moment(self.now).to_string();
        for (at, stage) in (0..).map(|n| self.now + lasting * n + 5).zip(stages) {
            let ended = moment(at).to_string();
            let values = [id.as_str(), &began, &ended];
            let line = OPEN
                .iter()
                .zip(values)
                .fold(stage.clone(), |line, (open, value)| {
                    line.replace(open, value)
                });
            self.lines.push((at, line));
        }
        if attack {
            self.attack.insert(id);
            self.asked.push(self.now);
        }
        self.now += 2 * SECOND;
    }
}

fn stages(
    actor: &Actor,
    request: &str,
    body: Option<&Value>,
    notes: &[(&str, &str)],
    dress: Option<&Dress>,
) -> Vec<String> {
    let words: Vec<&str> = request.split(' ').collect();
    let [method, uri, code] = words.as_slice() else {
        panic!("not METHOD URI CODE: {request}")
    };
    let text = |mut event: Value| {
        actor.sign(&mut event);
        for (key, open) in ["auditID", "requestReceivedTimestamp", "stageTimestamp"]
            .iter()
            .zip(OPEN)
        {
            event[*key] = json!(open);
        }
        for (key, value) in notes {
            event["annotations"][*key] = json!(value);
        }
        dress.map_or_else(|| event.to_string(), |dress| dress(&event.to_string()))
    };
    templates::events(method, uri, code.parse().expect("a code"), body)
        .into_iter()
        .map(text)
        .collect()
}

/// The moment of so many milliseconds.
pub fn moment(at: i64) -> Time {
    Time((1_767_225_600_000 + at) * 1000)
}

/// Daily work until `end`.
pub fn work(trace: &mut Trace, end: i64) {
    for at in (0..).map(|n| n * 2 * HOUR).take_while(|at| *at < end) {
        trace.now = at;
        if at % DAY == 0 {
            rounds(trace);
        }
        for (pod, kind) in [
            (press(), "configmaps"),
            (second_press(), "configmaps"),
            (cider(), "endpoints"),
        ] {
            trace.other(
                &pod,
                &format!("GET /api/v1/namespaces/orchard/{kind}?limit=500 200"),
                None,
            );
        }
        trace.other(
            &press(),
            "GET /api/v1/namespaces/orchard/configmaps/settings 200",
            None,
        );
        let image = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "press", "image": format!("registry.example/press:1.{at}")}]}}}});
        trace.other(
            &runner(),
            "PATCH /apis/apps/v1/namespaces/orchard/deployments/press 200",
            Some(&image),
        );
    }
}

fn second_press() -> Actor {
    Actor::pod("orchard:press", "press-7c9d-b2", "node-b", "10.61.2.10")
}

/// Once a day: kubelets and kube-controller-manager renew tokens, controllers and people work.
fn rounds(trace: &mut Trace) {
    for (node, name) in [(node_a(), "node-a"), (node_b(), "node-b")] {
        trace.other(&node, &format!("GET /api/v1/nodes/{name} 200"), None);
        trace.other(&node, "GET /api/v1/pods?limit=500 200", None);
        for account in ["press", "cider"] {
            let body = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
                "spec": {"audiences": null, "expirationSeconds": 3607, "boundObjectRef":
                    {"kind": "Pod", "apiVersion": "v1", "name": format!("{account}-0"), "uid": account}},
                "status": {"token": "", "expirationTimestamp": null}});
            trace.other(
                &node,
                &format!("POST /api/v1/namespaces/orchard/serviceaccounts/{account}/token 201"),
                Some(&body),
            );
        }
    }
    trace.other(&manager(), "GET /api/v1/nodes?limit=500 200", None);
    for name in ["replicaset-controller", "job-controller"] {
        trace.other(&controller(name), "GET /api/v1/pods?limit=500 200", None);
    }
    let ann = Actor::certified("ann", "198.51.100.20", KUBECTL);
    trace.other(
        &ann,
        "GET /api/v1/namespaces/orchard/pods?limit=500 200",
        None,
    );
}
