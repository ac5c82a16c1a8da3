//! The stage on which a random cluster's life is played: its time, its chance, and who works there
//! under which name.
//!
//! Refuses to know what is played: `machines.rs`, `tenants.rs`, `people.rs` and `attacks/` do.

use super::super::actor::Actor;
use super::super::chance::Chance;
use super::super::world::{DAY, HOUR, Trace};
use super::bodies::{self, body_of};
use super::changes::Nodes;
use super::setting;
use std::collections::BTreeSet;
use std::ops::Range;

/// How a day in the life of a cluster looks to somebody, under which id it is counted, and in how
/// many of a hundred clusters it is played.
pub struct Kind {
    pub id: &'static str,
    pub title: &'static str,
    pub percent: u64,
    pub play: fn(&mut Life<'_>),
}

/// Rows are `ID "title" percent function;`.
macro_rules! kinds {
    ($($id:ident $title:literal $percent:literal $play:ident;)*) => {
        pub const KINDS: &[$crate::clusters::life::Kind] = &[$($crate::clusters::life::Kind {
            id: stringify!($id),
            title: $title,
            percent: $percent,
            play: $play,
        }),*];
    };
}
pub(super) use kinds;

pub struct Life<'a> {
    pub trace: &'a mut Trace,
    pub chance: &'a mut Chance,
    pub days: i64,
    pub nodes: &'a Nodes,
    /// Audit ids of what may rightly be told though nobody attacks.
    pub rightful: BTreeSet<String>,
    /// Addresses that were given.
    given: u64,
}

/// Who works by a pod, and is renewed daily.
#[derive(Clone)]
pub struct Worker {
    pub account: String,
    pub pod: String,
    pub node: usize,
    pub ip: String,
    pub agent: String,
}

impl Worker {
    pub fn namespace(&self) -> &str {
        self.account.split(':').next().unwrap_or("")
    }

    pub fn name(&self) -> &str {
        self.account.rsplit(':').next().unwrap_or("")
    }

    /// As the audit log shows it at this time.
    pub fn on(&self, at: i64) -> Actor {
        Actor::pod(&self.account, &self.pod, &node_name(self.node), &self.ip)
            .with(&self.agent)
            .renewed(at.div_euclid(DAY))
    }

    /// The same account by another pod of another version.
    pub fn upgraded(&self, life: &mut Life<'_>) -> Worker {
        let (node, ip) = life.place();
        let agent = self.agent.replace("/v0.0.", "/v0.1.");
        Worker {
            pod: format!("{}-next", self.pod),
            node,
            ip,
            agent,
            ..self.clone()
        }
    }
}

pub fn node_name(node: usize) -> String {
    format!("node-{}", char::from(b'a' + node as u8))
}

impl<'a> Life<'a> {
    pub fn new(
        trace: &'a mut Trace,
        chance: &'a mut Chance,
        days: i64,
        nodes: &'a Nodes,
    ) -> Life<'a> {
        Life {
            trace,
            chance,
            days,
            nodes,
            rightful: BTreeSet::new(),
            given: 0,
        }
    }

    pub fn end(&self) -> i64 {
        self.days * DAY
    }

    /// A word that no other cluster has.
    pub fn name(&mut self) -> String {
        setting::word(self.chance) + &setting::word(self.chance)[..2]
    }

    /// A node, and an address of a pod on it. After some dozens they come again.
    pub fn place(&mut self) -> (usize, String) {
        let count = self.nodes.hosts(0) as u64;
        let node = (self.given % count) as usize;
        let ip = format!("10.61.{}.{}", node + 1, 170 + self.given / count % 80);
        self.given += 1;
        (node, ip)
    }

    /// An account of a namespace, by a pod of a program of its name.
    pub fn worker(&mut self, namespace: &str, name: &str) -> Worker {
        let (node, ip) = self.place();
        let pod = format!("{name}-{:05x}", self.chance.below(1 << 20));
        let agent = format!("{name}/v0.0.0 (linux/amd64) kubernetes/$Format");
        Worker {
            account: format!("{namespace}:{name}"),
            pod,
            node,
            ip,
            agent,
        }
    }

    /// An account by a pod of this node.
    pub fn on_node(&mut self, node: usize) -> Worker {
        let mut own = self.stranger();
        while own.node != node {
            (own.node, own.ip) = self.place();
        }
        own
    }

    /// An account with names that chance makes.
    pub fn stranger(&mut self) -> Worker {
        let (namespace, name) = (self.name(), self.name());
        self.worker(&namespace, &name)
    }

    /// A moment of the working hours of this day.
    pub fn working_hours(&mut self, day: i64) -> i64 {
        day * DAY + 8 * HOUR + self.chance.below(9 * HOUR as u64) as i64
    }

    /// A day between the fifth and the last but one.
    pub fn some_day(&mut self) -> i64 {
        5 + self.chance.below((self.days - 6) as u64) as i64
    }

    /// Asks these one after another, `METHOD URI CODE`, with `{key}` replaced; `#name` behind a
    /// collection is how what is made there is called.
    pub fn ask(&mut self, at: i64, who: &Actor, rows: &[&str], names: &[(&str, &str)]) {
        self.trace.now = at;
        for row in rows {
            let (request, body) = request(row, names);
            self.trace.other(who, &request, body.as_ref());
        }
    }

    /// Asks them of its kubelet's token, again and again; as the token is renewed its kubelet mints
    /// it.
    pub fn steady(
        &mut self,
        who: &Worker,
        span: Range<i64>,
        pause: i64,
        rows: &[&str],
        names: &[(&str, &str)],
    ) {
        let (mut at, mut today) = (span.start, i64::MIN);
        while at < span.end {
            if today != at / DAY {
                today = at / DAY;
                self.issue(who, at);
            }
            self.ask(at, &who.on(at), rows, names);
            at += pause / 2 + self.chance.below(pause as u64) as i64;
        }
    }

    /// The kubelet of a worker's node mints its token.
    pub fn issue(&mut self, who: &Worker, at: i64) {
        let kubelet = self.nodes.kubelet(who.node, at);
        let request = format!(
            "POST /api/v1/namespaces/{}/serviceaccounts/{}/token 201",
            who.namespace(),
            who.name()
        );
        self.trace.now = at - 1_000;
        self.trace.issue(
            &kubelet,
            &request,
            &bodies::token(3607, &[], Some(&who.pod)),
            who.on(at).credential(),
        );
    }
}

/// A row as [`Life::ask`] takes it, as a request and its body.
pub fn request(row: &str, names: &[(&str, &str)]) -> (String, Option<serde_json::Value>) {
    let named = names.iter().fold(row.to_owned(), |row, (key, name)| {
        row.replace(&format!("{{{key}}}"), name)
    });
    let (before, code) = named.rsplit_once(' ').expect("a code");
    let (before, name) = before.split_once('#').unwrap_or((before, ""));
    let body = body_of(before, name);
    (format!("{before} {code}"), body)
}
