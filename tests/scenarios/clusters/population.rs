//! Who works in a random cluster: applications that roll out, scale, move and are upgraded, and the people around them.
//!
//! Refuses attacks, and whatever the look-alikes of `benign.rs` play already.

use super::super::actor::Actor;
use super::super::chance::Chance;
use super::super::world::{DAY, HOUR, KUBECTL, MINUTE, SECOND, Trace};
use super::DAYS;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What applications do, a line a kind of them: `{ns}` is their namespace, `{app}` their name.
const REPERTOIRES: &[&[&str]] = &[
    &["GET /api/v1/namespaces/{ns}/configmaps?limit=500 200", "GET /api/v1/namespaces/{ns}/configmaps/{app} 200"],
    &["GET /api/v1/namespaces/{ns}/endpoints?limit=500 200", "GET /api/v1/namespaces/{ns}/services?limit=500 200"],
    &[
        "GET /api/v1/pods?watch=true 200",
        "GET /api/v1/nodes?watch=true 200",
        "GET /api/v1/namespaces/{ns}/pods/{app}-0 200",
    ],
    &[
        "GET /apis/coordination.k8s.io/v1/namespaces/{ns}/leases/{app} 200",
        "PUT /apis/coordination.k8s.io/v1/namespaces/{ns}/leases/{app} 200",
        "GET /apis/{app}.example/v1/{app}s?watch=true 200",
        "GET /apis/apps/v1/deployments?limit=500 200",
        "PATCH /apis/{app}.example/v1/namespaces/{ns}/applications/main 200",
    ],
    &["GET /api/v1/namespaces/{ns}/secrets/{app}-settings 200", "GET /api/v1/namespaces/{ns}/configmaps/{app} 200"],
    &["GET /api/v1/namespaces/{ns}/secrets?watch=true 200", "GET /api/v1/namespaces/{ns}/services?watch=true 200"],
    &["POST /apis/batch/v1/namespaces/{ns}/jobs 201", "GET /api/v1/namespaces/{ns}/pods?limit=500 200"],
    &["GET /api/v1/namespaces/{ns}/pods?limit=500 200", "GET /api/v1/namespaces/{ns}/pods/{app}-0/log 200"],
    &[
        "GET /api/v1/pods?limit=500 200",
        "GET /api/v1/nodes?limit=500 200",
        "GET /apis/metrics.k8s.io/v1beta1/nodes 200",
    ],
    &[
        "POST /apis/authentication.k8s.io/v1/tokenreviews 201",
        "POST /apis/authorization.k8s.io/v1/subjectaccessreviews 201",
    ],
    &["GET /api/v1/namespaces/{ns}/configmaps?limit=500 200", "GET /api/v1/namespaces/{ns}/services?limit=500 403"],
    &[
        "GET /apis/apps/v1/namespaces/{ns}/deployments/{app} 200",
        "PATCH /apis/apps/v1/namespaces/{ns}/deployments/{app} 200",
    ],
    &["GET /version 200", "GET /apis 200", "GET /api/v1/namespaces/{ns}/configmaps/{app} 200"],
];
/// What one of them does more after an upgrade.
const MORE: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/services?watch=true 200",
    "GET /apis/{app}.example/v2/widgets?limit=500 200",
    "GET /apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices?limit=500 200",
    "GET /api/v1/namespaces/{ns}/events?limit=500 403",
];
/// A kubelet is heard about so often where the audit policy leaves out leases.
const NODE_PAUSE: i64 = 10 * MINUTE;
const NAMESPACES: &[&str] = &["mill", "barn", "quay", "forge"];
const NAMES: &[&str] = &[
    "scale", "ladle", "crate", "gauge", "hinge", "wheel", "lathe", "crane", "plough", "anvil", "kiln", "loom", "winch",
    "sieve", "chisel", "pulley", "valve", "hopper", "spindle", "bellows",
];

struct Pod {
    name: String,
    node: usize,
    ip: String,
    life: std::ops::Range<i64>,
    version: u32,
}

pub struct App {
    pub account: String,
    name: String,
    asks: Vec<String>,
    /// What came with an upgrade, and with which version.
    more: Option<(u32, String)>,
    pause: i64,
    pods: Vec<Pod>,
}

impl App {
    /// A pod of it that runs at this time, as it is seen then.
    pub fn at_work(&self, at: i64) -> Option<Actor> {
        let runs = |pod: &&Pod| pod.life.contains(&at) && pod.life.contains(&(at + HOUR));
        Some(self.actor(self.pods.iter().find(runs)?, at))
    }

    fn actor(&self, pod: &Pod, at: i64) -> Actor {
        let agent = format!("{}/v0.{}.0 (linux/amd64) kubernetes/$Format", self.name, pod.version);
        Actor::pod(&self.account, &pod.name, &node_name(pod.node), &pod.ip).with(&agent).renewed(at / DAY)
    }
}

pub fn node_name(node: usize) -> String {
    format!("node-{}", char::from(b'a' + node as u8))
}

pub fn node(node: usize) -> Actor {
    Actor::node(&node_name(node), &format!("10.60.0.{}", 11 + node))
}

/// Addresses of pods, by node: one is given again when its pod is gone.
#[derive(Default)]
struct Addresses(Vec<(String, i64)>);

impl Addresses {
    fn take(&mut self, node: usize, life: &std::ops::Range<i64>, chance: &mut Chance) -> String {
        loop {
            let ip = format!("10.61.{}.{}", node + 1, 100 + chance.below(60));
            match self.0.iter_mut().find(|(known, _)| *known == ip) {
                Some((_, until)) if *until > life.start => {}
                Some((_, until)) => {
                    *until = life.end;
                    return ip;
                }
                None => {
                    self.0.push((ip.clone(), life.end));
                    return ip;
                }
            }
        }
    }
}

/// Applications with the whole life of their pods.
pub fn apps(chance: &mut Chance, nodes: usize) -> Vec<App> {
    let mut addresses = Addresses::default();
    let count = 4 + chance.size(NAMES.len() - 4);
    let mut all: Vec<App> = NAMES[..count].iter().map(|name| app(name, chance)).collect();
    // In the order of time, or an address would be two pods' at once.
    let mut plans: Vec<(i64, usize, i64, usize, u32)> = Vec::new();
    for (n, app) in all.iter_mut().enumerate() {
        let born = if chance.percent(15) { (8 + chance.below(6) as i64) * DAY + 9 * HOUR } else { 0 };
        plans.extend(
            generations(app, born, chance)
                .into_iter()
                .map(|(from, until, replicas, version)| (from, n, until, replicas, version)),
        );
    }
    plans.sort_unstable();
    for (from, n, until, replicas, version) in plans {
        for replica in 0..replicas {
            let (node, life) = (chance.size(nodes), from + replica as i64 * 10 * SECOND..until);
            let ip = addresses.take(node, &life, chance);
            let name = format!("{}-{:05x}-{:05x}", all[n].name, chance.below(1 << 20), chance.below(1 << 20));
            all[n].pods.push(Pod { name, node, ip, life, version });
        }
    }
    all
}

fn app(name: &str, chance: &mut Chance) -> App {
    let namespace = *chance.pick(NAMESPACES);
    let named = |ask: &str| ask.replace("{ns}", namespace).replace("{app}", name);
    App {
        account: format!("{namespace}:{name}"),
        name: name.to_owned(),
        asks: chance.pick(REPERTOIRES).iter().map(|ask| named(ask)).collect(),
        more: chance.percent(30).then(|| (1, named(chance.pick::<&str>(MORE)))),
        pause: *chance.pick(&[2 * HOUR, 4 * HOUR, 8 * HOUR]),
        pods: Vec::new(),
    }
}

/// From when, until when, how many pods, of which version.
fn generations(app: &mut App, born: i64, chance: &mut Chance) -> Vec<(i64, i64, usize, u32)> {
    let (end, mut from, mut version) = (DAYS * DAY, born, 0);
    if chance.percent(10) {
        // A cron job: each run is a pod.
        let every = *chance.pick(&[DAY, 7 * DAY]);
        app.pause = 4 * MINUTE;
        let hour = chance.below(20) as i64 * HOUR;
        let runs = (0..).map(|n| born + hour + n * every).take_while(|at| at + 10 * MINUTE < end);
        return runs.map(|at| (at, at + 10 * MINUTE, 1, 0)).collect();
    }
    let replicas = 1 + chance.size(3);
    let mut all = Vec::new();
    while from < end {
        let until = (from + DAY + chance.below(9 * DAY as u64) as i64).min(end);
        let scale = if chance.percent(8) { 6 } else { 1 };
        // Old pods run on for some minutes beside the new ones.
        all.push((from, (until + 3 * MINUTE).min(end), replicas * scale, version));
        version += u32::from(chance.percent(40));
        from = until;
    }
    all
}

fn body_of(ask: &str) -> Option<Value> {
    let name = format!("work-{}", ask.len());
    let object = json!({"metadata": {"name": name}, "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "registry.example/main:1"}]}}}});
    match ask {
        _ if ask.contains("tokenreviews") => {
            Some(json!({"kind": "TokenReview", "spec": {"token": "not-a-token"}, "status": {"user": {}}}))
        }
        _ if ask.contains("subjectaccessreviews") => {
            Some(json!({"kind": "SubjectAccessReview", "spec": {"user": "ann",
            "resourceAttributes": {"verb": "get", "resource": "pods"}}, "status": {"allowed": true}}))
        }
        _ if ask.starts_with("POST") || ask.starts_with("PATCH") => Some(object),
        _ => None,
    }
}

/// All that an application does, and its kubelets for it.
pub fn work(trace: &mut Trace, app: &App, chance: &mut Chance) {
    for pod in &app.pods {
        let mut last_day = -1;
        let mut at = pod.life.start;
        while at < pod.life.end {
            trace.now = at;
            let actor = app.actor(pod, at);
            if at / DAY != last_day {
                last_day = at / DAY;
                issue(trace, app, pod, &actor);
            }
            let more = app.more.iter().filter(|(since, _)| pod.version >= *since).map(|(_, ask)| ask);
            for ask in app.asks.iter().chain(more) {
                trace.other(&actor, ask, body_of(ask).as_ref());
            }
            at += app.pause / 2 + chance.below(app.pause as u64) as i64;
        }
    }
}

fn issue(trace: &mut Trace, app: &App, pod: &Pod, actor: &Actor) {
    let (namespace, name) = app.account.split_once(':').expect("namespace:name");
    let body = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": {"audiences": null, "expirationSeconds": 3607, "boundObjectRef":
            {"kind": "Pod", "apiVersion": "v1", "name": pod.name, "uid": pod.name}}});
    let request = format!("POST /api/v1/namespaces/{namespace}/serviceaccounts/{name}/token 201");
    trace.issue(&node(pod.node), &request, &body, actor.credential());
}

/// Kubelets say how they are, one of them from a later day on.
pub fn nodes(trace: &mut Trace, nodes: usize, chance: &mut Chance) {
    let late = chance.percent(40).then(|| (nodes - 1, (8 + chance.below(5) as i64) * DAY));
    for n in 0..nodes {
        let since = late.filter(|(new, _)| *new == n).map_or(0, |(_, since)| since);
        for at in (since / NODE_PAUSE..DAYS * DAY / NODE_PAUSE).map(|turn| turn * NODE_PAUSE) {
            trace.now = at + chance.below(NODE_PAUSE as u64) as i64;
            trace.other(&node(n), &format!("GET /api/v1/nodes/{} 200", node_name(n)), None);
        }
    }
}

/// On one day the API server restarts, and everybody lists again.
pub fn restart(trace: &mut Trace, apps: &[App], chance: &mut Chance) {
    let at = 6 * DAY + chance.below(7 * DAY as u64) as i64;
    for app in apps {
        let Some(actor) = app.at_work(at) else { continue };
        trace.now = at + chance.below(20_000) as i64;
        for ask in app.asks.iter().filter(|ask| ask.starts_with("GET")) {
            if chance.percent(20) {
                trace.other(&actor, &ask.replace(" 200", " 429"), None);
            }
            trace.other(&actor, ask, None);
        }
    }
}

/// People look around daily; now and then one deploys something new, gives a role, or debugs. Debugging may rightly be
/// told of: its audit ids come back.
pub fn people(trace: &mut Trace, chance: &mut Chance) -> BTreeSet<String> {
    let mut rightful = BTreeSet::new();
    for (n, person) in ["bert", "cleo", "dan", "eve"].iter().enumerate().take(1 + chance.size(4)) {
        let actor = Actor::certified(person, &format!("198.51.100.{}", 21 + n), KUBECTL);
        for day in (0..DAYS).filter(|day| day % 7 < 5) {
            trace.now = day * DAY + 8 * HOUR + chance.below(8 * HOUR as u64) as i64;
            let namespace = *chance.pick(NAMESPACES);
            for ask in ["pods?limit=500", "services?limit=500", "pods/web-0"] {
                trace.other(&actor, &format!("GET /api/v1/namespaces/{namespace}/{ask} 200"), None);
            }
            trace.other(&actor, &format!("GET /apis/apps/v1/namespaces/{namespace}/deployments?limit=500 200"), None);
            match chance.below(40) {
                0 => deploy(trace, &actor, namespace, day),
                1 => give_role(trace, &actor, namespace, day),
                2 => {
                    let mut alone = Trace::beginning(trace.now);
                    debug(&mut alone, &actor, namespace);
                    rightful.extend(alone.ids());
                    trace.append(alone);
                }
                _ => {}
            }
        }
    }
    rightful
}

fn deploy(trace: &mut Trace, who: &Actor, namespace: &str, day: i64) {
    let body = json!({"metadata": {"name": format!("new-{day}"), "namespace": namespace}, "spec": {"template": {"spec": {
        "serviceAccountName": format!("new-{day}"), "containers": [{"name": "main", "image": "registry.example/new:1"}]}}}});
    trace.other(who, &format!("POST /api/v1/namespaces/{namespace}/serviceaccounts 201"), Some(&body));
    trace.other(who, &format!("POST /api/v1/namespaces/{namespace}/configmaps 201"), Some(&body));
    trace.other(who, &format!("POST /apis/apps/v1/namespaces/{namespace}/deployments 201"), Some(&body));
}

fn give_role(trace: &mut Trace, who: &Actor, namespace: &str, day: i64) {
    let body = json!({"metadata": {"name": format!("view-{day}")}, "subjects": [{"kind": "Group", "name": "developers"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}});
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
    trace.other(who, &format!("POST {path} 201"), Some(&body));
}

fn debug(trace: &mut Trace, who: &Actor, namespace: &str) {
    let pod = format!("/api/v1/namespaces/{namespace}/pods/web-0");
    trace.other(who, &format!("GET {pod}/exec?command=sh&stdin=true&stdout=true&tty=true 101"), None);
    trace.other(who, &format!("GET /api/v1/namespaces/{namespace}/secrets/web 200"), None);
}
