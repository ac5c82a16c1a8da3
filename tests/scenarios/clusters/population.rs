//! Applications of a random cluster: they roll out, scale, move with their nodes and are upgraded.
//!
//! Refuses attacks, and whatever the look-alikes of `benign.rs` play already.

use super::super::actor::Actor;
use super::super::chance::Chance;
use super::super::world::{DAY, HOUR, MINUTE, SECOND, Trace};
use super::bodies;
use super::changes::{Nodes, REBOOT};
use super::life::{node_name, request};
use std::ops::Range;

/// What applications do, a line a kind of them: `{ns}` is their namespace, `{app}` their name.
const REPERTOIRES: &[&[&str]] = &[
    &[
        "GET /api/v1/namespaces/{ns}/configmaps?limit=500 200",
        "GET /api/v1/namespaces/{ns}/configmaps/{app} 200",
    ],
    &[
        "GET /api/v1/namespaces/{ns}/endpoints?limit=500 200",
        "GET /api/v1/namespaces/{ns}/services?limit=500 200",
    ],
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
    &[
        "GET /api/v1/namespaces/{ns}/secrets/{app}-settings 200",
        "GET /api/v1/namespaces/{ns}/configmaps/{app} 200",
    ],
    &[
        "GET /api/v1/namespaces/{ns}/secrets?watch=true 200",
        "GET /api/v1/namespaces/{ns}/services?watch=true 200",
    ],
    &[
        "POST /apis/batch/v1/namespaces/{ns}/jobs 201",
        "GET /api/v1/namespaces/{ns}/pods?limit=500 200",
    ],
    &[
        "GET /api/v1/namespaces/{ns}/pods?limit=500 200",
        "GET /api/v1/namespaces/{ns}/pods/{app}-0/log 200",
    ],
    &[
        "GET /api/v1/pods?limit=500 200",
        "GET /api/v1/nodes?limit=500 200",
        "GET /apis/metrics.k8s.io/v1beta1/nodes 200",
    ],
    &[
        "POST /apis/authentication.k8s.io/v1/tokenreviews 201",
        "POST /apis/authorization.k8s.io/v1/subjectaccessreviews 201",
    ],
    &[
        "GET /api/v1/namespaces/{ns}/configmaps?limit=500 200",
        "GET /api/v1/namespaces/{ns}/services?limit=500 403",
    ],
    &[
        "GET /apis/apps/v1/namespaces/{ns}/deployments/{app} 200",
        "PATCH /apis/apps/v1/namespaces/{ns}/deployments/{app} 200",
    ],
    &[
        "GET /version 200",
        "GET /apis 200",
        "GET /api/v1/namespaces/{ns}/configmaps/{app} 200",
    ],
];
/// What one of them does more after an upgrade.
const MORE: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/services?watch=true 200",
    "GET /apis/{app}.example/v2/widgets?limit=500 200",
    "GET /apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices?limit=500 200",
    "GET /api/v1/namespaces/{ns}/events?limit=500 403",
];
pub const NAMESPACES: &[&str] = &["mill", "barn", "quay", "forge"];
const NAMES: &[&str] = &[
    "scale", "ladle", "crate", "gauge", "hinge", "wheel", "lathe", "crane", "plough", "anvil",
    "kiln", "loom", "winch", "sieve", "chisel", "pulley", "valve", "hopper", "spindle", "bellows",
];

struct Pod {
    name: String,
    node: usize,
    /// Where it is, from when on: another address after its node was restarted.
    places: Vec<(i64, String)>,
    life: Range<i64>,
    version: u32,
}

impl Pod {
    fn ip(&self, at: i64) -> &str {
        self.places
            .iter()
            .rev()
            .find(|(since, _)| *since <= at)
            .map_or(self.places[0].1.as_str(), |(_, ip)| ip)
    }
}

pub struct App {
    pub account: String,
    name: String,
    pub asks: Vec<String>,
    /// What came with an upgrade, and with which version.
    more: Option<(u32, String)>,
    pause: i64,
    /// Its program goes on with yesterday's token for a while.
    holds_on: bool,
    pods: Vec<Pod>,
}

impl App {
    /// A pod of it that runs at this time, as it is seen then.
    pub fn at_work(&self, at: i64, nodes: &Nodes) -> Option<Actor> {
        let runs = |pod: &&Pod| pod.life.contains(&at) && pod.life.contains(&(at + HOUR));
        Some(self.actor(self.pods.iter().find(runs)?, at, nodes))
    }

    /// Its token is renewed daily, and when its node was restarted.
    fn actor(&self, pod: &Pod, at: i64, nodes: &Nodes) -> Actor {
        let agent = format!(
            "{}/v0.{}.0 (linux/amd64) kubernetes/$Format",
            self.name, pod.version
        );
        let issued = at / DAY + 1_000 * nodes.boots(pod.node, at) as i64;
        Actor::pod(&self.account, &pod.name, &node_name(pod.node), pod.ip(at))
            .with(&agent)
            .renewed(issued)
    }
}

/// Addresses of pods, by node: one is given again when its pod is gone.
#[derive(Default)]
struct Addresses(Vec<(String, i64)>);

impl Addresses {
    fn take(&mut self, node: usize, life: &Range<i64>, chance: &mut Chance) -> String {
        loop {
            let ip = format!("10.61.{}.{}", node + 1, 84 + chance.below(84));
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

    fn free(&mut self, ip: &str, at: i64) {
        self.0
            .iter_mut()
            .filter(|(known, _)| known == ip)
            .for_each(|(_, until)| *until = at);
    }

    /// Takes this one if it is free, or else another.
    fn prefer(&mut self, ip: &str, node: usize, life: &Range<i64>, chance: &mut Chance) -> String {
        match self
            .0
            .iter_mut()
            .find(|(known, until)| known == ip && *until <= life.start)
        {
            Some((known, until)) => {
                *until = life.end;
                known.clone()
            }
            None => self.take(node, life, chance),
        }
    }
}

/// Pods of one application from a moment on.
struct Plan {
    from: i64,
    app: usize,
    until: i64,
    replicas: usize,
    version: u32,
}

/// All applications of a namespace become another version at once.
struct Release {
    namespace: &'static str,
    at: i64,
}

/// Applications with the whole life of their pods.
pub fn apps(chance: &mut Chance, nodes: &Nodes, days: i64) -> Vec<App> {
    let mut addresses = Addresses::default();
    let count = 4 + chance.size(NAMES.len() - 4);
    let mut all: Vec<App> = NAMES[..count]
        .iter()
        .map(|name| app(name, chance))
        .collect();
    let release = chance.percent(30).then(|| {
        let at = 5 * DAY + chance.below((days as u64 - 6) * DAY as u64) as i64;
        Release {
            namespace: NAMESPACES[chance.size(NAMESPACES.len())],
            at,
        }
    });
    let mut plans = Vec::new();
    for (n, app) in all.iter_mut().enumerate() {
        let born = if chance.percent(15) {
            (8 + chance.below(6) as i64) * DAY + 9 * HOUR
        } else {
            0
        };
        plans.extend(generations(app, n, born, days, release.as_ref(), chance));
    }
    // In the order of time, or an address would be two pods' at once.
    plans.sort_unstable_by_key(|plan| (plan.from, plan.app));
    let mut reboots = nodes.reboots.iter().peekable();
    for plan in plans {
        while let Some((node, at)) = reboots.next_if(|(_, at)| *at <= plan.from) {
            reboot(&mut all, *node, *at, &mut addresses, chance);
        }
        for replica in 0..plan.replicas {
            let (node, life) = (
                chance.size(nodes.hosts(plan.from)),
                plan.from + replica as i64 * 10 * SECOND..plan.until,
            );
            let places = vec![(life.start, addresses.take(node, &life, chance))];
            let app = &mut all[plan.app];
            let name = format!(
                "{}-{:05x}-{:05x}",
                app.name,
                chance.below(1 << 20),
                chance.below(1 << 20)
            );
            app.pods.push(Pod {
                name,
                node,
                places,
                life,
                version: plan.version,
            });
        }
    }
    for (node, at) in reboots {
        reboot(&mut all, *node, *at, &mut addresses, chance);
    }
    all
}

/// Every pod of the node keeps its name and gets another address; that of one is often another's
/// right after.
fn reboot(all: &mut [App], node: usize, at: i64, addresses: &mut Addresses, chance: &mut Chance) {
    let lives = |pod: &&mut Pod| pod.node == node && pod.life.contains(&at);
    let mut pods: Vec<&mut Pod> = all
        .iter_mut()
        .flat_map(|app| app.pods.iter_mut())
        .filter(lives)
        .collect();
    let before: Vec<String> = pods.iter().map(|pod| pod.ip(at).to_owned()).collect();
    before.iter().for_each(|ip| addresses.free(ip, at));
    let count = pods.len();
    for (n, pod) in pods.iter_mut().enumerate() {
        let life = at..pod.life.end;
        let other = &before[(n + 1) % count];
        let ip = if chance.percent(50) {
            addresses.prefer(other, node, &life, chance)
        } else {
            addresses.take(node, &life, chance)
        };
        pod.places.push((at, ip));
    }
}

fn app(name: &str, chance: &mut Chance) -> App {
    let namespace = *chance.pick(NAMESPACES);
    let named = |ask: &str| ask.replace("{ns}", namespace).replace("{app}", name);
    App {
        account: format!("{namespace}:{name}"),
        name: name.to_owned(),
        asks: chance
            .pick(REPERTOIRES)
            .iter()
            .map(|ask| named(ask))
            .collect(),
        more: chance
            .percent(30)
            .then(|| (1, named(chance.pick::<&str>(MORE)))),
        pause: *chance.pick(&[2 * HOUR, 4 * HOUR, 8 * HOUR]),
        holds_on: chance.percent(20),
        pods: Vec::new(),
    }
}

fn generations(
    app: &mut App,
    number: usize,
    born: i64,
    days: i64,
    release: Option<&Release>,
    chance: &mut Chance,
) -> Vec<Plan> {
    let (end, mut from, mut version) = (days * DAY, born, 0);
    let plan = |from, until, replicas, version| Plan {
        from,
        app: number,
        until,
        replicas,
        version,
    };
    if chance.percent(10) {
        // A cron job: each run is a pod.
        let every = *chance.pick(&[DAY, 7 * DAY]);
        app.pause = 4 * MINUTE;
        let hour = chance.below(20) as i64 * HOUR;
        let runs = (0..)
            .map(|n| born + hour + n * every)
            .take_while(|at| at + 10 * MINUTE < end);
        return runs.map(|at| plan(at, at + 10 * MINUTE, 1, 0)).collect();
    }
    let release = release
        .filter(|own| app.account.starts_with(own.namespace))
        .map(|own| own.at);
    let replicas = 1 + chance.size(3);
    let mut all = Vec::new();
    while from < end {
        let until = (from + DAY + chance.below(9 * DAY as u64) as i64).min(end);
        let released = release.filter(|at| (from + 1..until).contains(at));
        let until = released.unwrap_or(until);
        let scale = if chance.percent(8) { 6 } else { 1 };
        // Old pods run on for some minutes beside the new ones.
        all.push(plan(
            from,
            (until + 3 * MINUTE).min(end),
            replicas * scale,
            version,
        ));
        version += u32::from(released.is_some() || chance.percent(40));
        from = until;
    }
    all
}

/// All that an application does, and its kubelets for it.
pub fn work(trace: &mut Trace, app: &App, nodes: &Nodes, chance: &mut Chance) {
    for pod in &app.pods {
        let (mut known, mut at) = (None, pod.life.start);
        while at < pod.life.end {
            if nodes.is_down(pod.node, at) {
                at += REBOOT;
                continue;
            }
            let actor = app.actor(pod, at, nodes);
            let is_new = known
                .as_ref()
                .is_none_or(|before: &Actor| before.credential() != actor.credential());
            if is_new {
                trace.now = at - SECOND;
                issue(trace, app, pod, &actor, nodes);
            }
            let more = app
                .more
                .iter()
                .filter(|(since, _)| pod.version >= *since)
                .map(|(_, ask)| ask);
            trace.now = at;
            for ask in app.asks.iter().chain(more) {
                let is_old = is_new
                    && app.holds_on
                    && nodes.boots(pod.node, at) == nodes.boots(pod.node, at - DAY);
                let who = known.as_ref().filter(|_| is_old).unwrap_or(&actor);
                let body = request(ask, &[]).1;
                trace.other(who, ask, body.as_ref());
            }
            known = Some(actor);
            at += app.pause / 2 + chance.below(app.pause as u64) as i64;
        }
    }
}

fn issue(trace: &mut Trace, app: &App, pod: &Pod, actor: &Actor, nodes: &Nodes) {
    let (namespace, name) = app.account.split_once(':').expect("namespace:name");
    let request = format!("POST /api/v1/namespaces/{namespace}/serviceaccounts/{name}/token 201");
    let body = bodies::token(3607, &[], Some(&pod.name));
    trace.issue(
        &nodes.kubelet(pod.node, trace.now),
        &request,
        &body,
        actor.credential(),
    );
}
