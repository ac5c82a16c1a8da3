//! What changes for many at once: nodes restart, move and join; the control plane restarts and is
//! upgraded.
//!
//! Refuses what stands between clients and the API server: that is `network.rs`.

use super::super::actor::Actor;
use super::super::chance::Chance;
use super::super::world::{DAY, HOUR, MINUTE, SECOND, Trace};
use super::life::{Life, Worker, kinds, node_name};
use super::population::App;
use std::ops::Range;

kinds! {
    N01 "An address is given again while a dead pod's watch still ends" 35 late_watch;
    N02 "A node's agents greet a new node" 25 greeted_node;
}

/// The nodes of a cluster over its life.
pub struct Nodes {
    pub count: usize,
    /// One joins later.
    pub late: Option<(usize, i64)>,
    /// One gets another address for good.
    pub moved: Option<(usize, i64)>,
    /// In the order of time.
    pub reboots: Vec<(usize, i64)>,
}

/// Who is heard about so often where the audit policy leaves out leases.
const NODE_PAUSE: i64 = 10 * MINUTE;
/// From a node's end to its first pod.
pub const REBOOT: i64 = 3 * MINUTE;

impl Nodes {
    pub fn new(days: i64, chance: &mut Chance) -> Nodes {
        let count = 2 + chance.size(4);
        let late = (count > 2 && chance.percent(50))
            .then(|| (count - 1, (8 + chance.below(5) as i64) * DAY));
        let moved = (count > 3 && chance.percent(30)).then(|| {
            (
                2,
                (5 + chance.below(days as u64 - 6) as i64) * DAY + 11 * HOUR,
            )
        });
        let each = 1 + days / 30;
        // Neither before the late one is there, nor often.
        let old = count - usize::from(late.is_some());
        let mut reboot = |_| {
            let at = 4 * DAY + chance.below(((days - 5) * DAY) as u64) as i64;
            chance.percent(60).then(|| (chance.size(old), at))
        };
        let mut reboots: Vec<(usize, i64)> =
            (0..each).filter_map(&mut reboot).chain(moved).collect();
        reboots.sort_by_key(|(_, at)| *at);
        Nodes {
            count,
            late,
            moved,
            reboots,
        }
    }

    /// How many nodes there are at this time: the late one is the last.
    pub fn hosts(&self, at: i64) -> usize {
        self.count - usize::from(self.late.is_some_and(|(_, since)| at < since))
    }

    pub fn ip(&self, node: usize, at: i64) -> String {
        let is_moved = self
            .moved
            .is_some_and(|(moved, since)| moved == node && at >= since);
        format!("10.60.0.{}", if is_moved { 51 + node } else { 11 + node })
    }

    pub fn kubelet(&self, node: usize, at: i64) -> Actor {
        Actor::node(&node_name(node), &self.ip(node, at))
    }

    /// Whether this node is down.
    pub fn is_down(&self, node: usize, at: i64) -> bool {
        self.reboots
            .iter()
            .any(|(own, since)| *own == node && (*since..since + REBOOT).contains(&at))
    }

    /// How often this node was restarted before.
    pub fn boots(&self, node: usize, at: i64) -> usize {
        self.reboots
            .iter()
            .filter(|(own, since)| *own == node && *since <= at)
            .count()
    }

    /// Kubelets say how they are, list anew now and then, and begin anew after a restart.
    pub fn live(&self, trace: &mut Trace, days: i64, chance: &mut Chance) {
        for node in 0..self.count {
            let name = node_name(node);
            let since = self
                .late
                .filter(|(late, _)| *late == node)
                .map_or(0, |(_, since)| since);
            for at in (since / NODE_PAUSE..days * DAY / NODE_PAUSE).map(|turn| turn * NODE_PAUSE) {
                trace.now = at + chance.below(NODE_PAUSE as u64) as i64;
                if self.is_down(node, trace.now) {
                    continue;
                }
                trace.other(
                    &self.kubelet(node, trace.now),
                    &format!("GET /api/v1/nodes/{name} 200"),
                    None,
                );
                if chance.percent(1) {
                    self.begin(trace, node);
                }
            }
        }
        for (node, at) in &self.reboots {
            trace.now = at + REBOOT - 30 * SECOND;
            self.begin(trace, *node);
        }
    }

    /// What a kubelet asks first.
    fn begin(&self, trace: &mut Trace, node: usize) {
        let kubelet = self.kubelet(node, trace.now);
        for request in [
            "GET /api/v1/nodes/{n} 200",
            "PATCH /api/v1/nodes/{n}/status 200",
            "GET /api/v1/services?watch=true 200",
            "GET /api/v1/pods?watch=true 200",
            "GET /api/v1/nodes?watch=true 200",
        ] {
            trace.other(&kubelet, &request.replace("{n}", &node_name(node)), None);
            trace.now -= SECOND;
        }
    }
}

/// Whom a change befalls for some time: incidents of that time count under it unless something else
/// made them.
pub struct Window {
    pub of: String,
    pub during: Range<i64>,
}

impl Window {
    pub fn new(of: &str, from: i64, lasting: i64) -> Window {
        Window {
            of: of.to_owned(),
            during: from..from + lasting,
        }
    }
}

/// At the upgrade, kubeadm asks by each kubelet's certificate.
pub fn upgrade(trace: &mut Trace, nodes: &Nodes, at: i64) {
    for node in 0..nodes.hosts(at) {
        trace.now = at + (1 + node as i64) * 10 * MINUTE;
        let who = nodes
            .kubelet(node, trace.now)
            .with("kubeadm/v1.37.0 (linux/amd64) kubernetes/6c2f0a1");
        let name = node_name(node);
        for request in [
            "GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config 200",
            "GET /api/v1/namespaces/kube-system/configmaps/kubelet-config 200",
            "GET /api/v1/nodes/{n} 200",
            "PATCH /api/v1/nodes/{n} 200",
            "GET /api/v1/namespaces/kube-system/configmaps/kube-proxy 200",
        ] {
            trace.other(
                &who,
                &request.replace("{n}", &name),
                super::bodies::body_of(request.rsplit_once(' ').map_or("", |(r, _)| r), "")
                    .as_ref(),
            );
        }
    }
}

/// On one day the API server restarts, and everybody lists again.
pub fn restart(trace: &mut Trace, apps: &[App], nodes: &Nodes, at: i64, chance: &mut Chance) {
    for app in apps {
        let Some(actor) = app.at_work(at, nodes) else {
            continue;
        };
        trace.now = at + chance.below(20_000) as i64;
        for ask in app.asks.iter().filter(|ask| ask.starts_with("GET")) {
            if chance.percent(20) {
                trace.other(&actor, &ask.replace(" 200", " 429"), None);
            }
            trace.other(&actor, ask, None);
        }
    }
}

/// Its node dies, its address is another's forty seconds later, and the server ends its watch when
/// it notices.
fn late_watch(life: &mut Life<'_>) {
    let (dead, heir) = (life.stranger(), life.stranger());
    let heir = Worker {
        ip: dead.ip.clone(),
        node: dead.node,
        ..heir
    };
    let day = life.some_day();
    let at = life.working_hours(day);
    let rows = [
        "GET /api/v1/namespaces/{ns}/configmaps/{app} 200",
        "GET /api/v1/namespaces/{ns}/endpoints?limit=500 200",
    ];
    life.steady(
        &dead,
        0..at - 5 * MINUTE,
        4 * HOUR,
        &rows,
        &[("ns", dead.namespace()), ("app", dead.name())],
    );
    life.trace.now = at - 4 * MINUTE;
    let watch = format!(
        "GET /api/v1/namespaces/{}/configmaps?watch=true 200",
        dead.namespace()
    );
    life.trace
        .watch(&dead.on(at), &watch, 4 * MINUTE + 70 * SECOND);
    let names = [("ns", heir.namespace()), ("app", heir.name())];
    life.steady(
        &heir,
        at + 42 * SECOND..at + 20 * MINUTE,
        MINUTE,
        &rows,
        &names,
    );
    life.steady(&heir, at + 20 * MINUTE..life.end(), 6 * HOUR, &rows, &names);
}

/// An agent on each node, on the node's network; a node joins, and its agent labels it.
fn greeted_node(life: &mut Life<'_>) {
    let (namespace, name, day) = (life.name(), life.name(), life.some_day());
    let agent = |node: &str, ip: &str| {
        Actor::pod(
            &format!("{namespace}:{name}"),
            &format!("{name}-{node}"),
            node,
            ip,
        )
    };
    let new = format!("{}-new", life.name());
    for today in 0..life.days {
        for (node, ip) in [
            ("node-a", "10.60.0.11"),
            ("node-b", "10.60.0.12"),
            (new.as_str(), "10.60.0.77"),
        ] {
            if node == new && today < day {
                continue;
            }
            let at = life.working_hours(today);
            life.ask(
                at,
                &Actor::node(node, ip),
                &["GET /api/v1/nodes/{node} 200"],
                &[("node", node)],
            );
            let first = today == 0 || (node == new && today == day);
            let rows: &[&str] = if first {
                &[
                    "GET /api/v1/nodes/{node} 200",
                    "PATCH /api/v1/nodes/{node} 200",
                    "PATCH /api/v1/nodes/{node}/status 200",
                ]
            } else {
                &["GET /api/v1/nodes/{node} 200"]
            };
            life.ask(
                at + MINUTE,
                &agent(node, ip).renewed(today),
                rows,
                &[("node", node)],
            );
        }
    }
}
