//! Attacks in random clusters: the scenarios by somebody of the cluster, and ways to hide among
//! habits.
//!
//! Refuses to expect that all are told: each says whether it can be.

mod cast;
mod identities;
mod places;
mod secrets;
mod workloads;

use super::life::{Life, Worker, request};
use super::network::Network;
use super::population::App;
use crate::actor::Actor;
use crate::world::{DAY, HOUR, MINUTE, SECOND, Trace};
use crate::{Expect, Scenario};
use std::collections::BTreeSet;
use tokentrail::base::Time;
use tokentrail::detect::Severity;

/// A way to hide, with the habits that it hides among.
pub struct Evasion {
    pub id: &'static str,
    pub title: &'static str,
    /// The habits are played into the life, from its first day on; the attack into the trace, which
    /// begins at its time.
    play: fn(&mut Life<'_>, &mut Trace),
    /// Whether such a network shows it at all.
    shows: fn(Network) -> bool,
}

/// Rows are `ID "title" function;`, with `where function` for networks that show it.
macro_rules! ways {
    ($($id:ident $title:literal $play:ident $(where $shows:path)?;)*) => {
        pub const EVASIONS: &[$crate::clusters::attacks::Evasion] = &[$($crate::clusters::attacks::Evasion {
            id: stringify!($id),
            title: $title,
            play: $play,
            shows: ways!(@shows $($shows)?),
        }),*];
    };
    (@shows) => { |_| true };
    (@shows $shows:path) => { $shows };
}
use ways;

/// All ways to hide.
pub fn evasions() -> impl Iterator<Item = &'static Evasion> {
    [
        workloads::EVASIONS,
        secrets::EVASIONS,
        identities::EVASIONS,
        places::EVASIONS,
    ]
    .into_iter()
    .flatten()
}

/// One attack in one cluster.
pub struct Attack {
    pub id: &'static str,
    /// Whether what the log shows differs from what its account and its cluster do.
    pub can_be_told: bool,
    /// Audit ids of the attacker's requests.
    pub ids: BTreeSet<String>,
    /// When each of them was made.
    pub times: Vec<Time>,
}

/// Scenarios that show nothing but another place.
const PLACES: &[&str] = &["S24", "S32"];

/// Plays an attack at this time: a scenario by somebody of the cluster, or a way to hide; its
/// habits go into the life, its own lines come back.
pub fn play(life: &mut Life<'_>, at: i64, network: Network, apps: &[App]) -> (Attack, Trace) {
    let (id, can_be_told, trace) = if life.chance.percent(50) {
        let scenarios: Vec<&'static Scenario> = crate::scenarios().collect();
        let scenario = *life.chance.pick(&scenarios);
        let is_loud =
            matches!(scenario.known, Expect::Told(_, severity) if severity >= Severity::Medium);
        let shows = !PLACES.contains(&scenario.id) || network.tells_pods_apart();
        (
            scenario.id,
            is_loud && shows,
            cast::play(scenario, at, apps, life.nodes, life.chance),
        )
    } else {
        let all: Vec<&'static Evasion> = evasions().collect();
        let number = life.chance.size(all.len());
        let (evasion, mut trace) = (all[number], Trace::beginning(at));
        life.trace.mark = super::HABITS + number as u16;
        (evasion.play)(life, &mut trace);
        (evasion.id, (evasion.shows)(network), trace)
    };
    let times = trace
        .asked
        .iter()
        .map(|at| crate::world::moment(*at))
        .collect();
    (
        Attack {
            id,
            can_be_told,
            ids: trace.attack.clone(),
            times,
        },
        trace,
    )
}

/// What an attacker asks, as rows of [`Life::ask`].
fn ask(trace: &mut Trace, who: &Actor, rows: &[&str], names: &[(&str, &str)]) {
    for row in rows {
        match request(row, names) {
            (request, Some(body)) => trace.send(who, &request, &body),
            (request, None) => trace.ask(who, &request),
        }
    }
}

/// Somebody who asks these for the whole life of the cluster, once or more a day.
fn habitual(life: &mut Life<'_>, rows: &[&str]) -> Worker {
    let own = life.stranger();
    let (namespace, name) = (own.namespace().to_owned(), own.name().to_owned());
    let (mut at, mut today) = (HOUR, -1);
    while at < life.end() {
        let n = format!("{:06x}", life.chance.below(1 << 24));
        if today != at / DAY {
            today = at / DAY;
            life.issue(&own, at);
        }
        life.ask(
            at,
            &own.on(at),
            rows,
            &[("ns", &namespace), ("app", &name), ("n", &n)],
        );
        at += 4 * HOUR + life.chance.below(4 * HOUR as u64) as i64;
    }
    own
}

/// Seconds between the requests of somebody in haste.
const HASTE: i64 = 5 * SECOND;
/// Between those of somebody who waits.
const PATIENCE: i64 = 61 * MINUTE;
