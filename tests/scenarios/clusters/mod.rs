//! Random clusters with labelled attackers: how much of what attackers do is told, and of how much
//! else, over many seeds. `docs/detectors/clusters.md` and `calibration.md` are the tables,
//! `tests/fixtures/clusters/` what they are made of: one line a cluster. A sample of the lines is
//! judged anew in each run of the tests, all of them when they are written.
//!
//! A cluster is a population of its own, much of what happens in the life of clusters, and some
//! attacks; names, networks and what the network hides are the seed's. One cluster in ten lives for
//! ninety days. Refuses to expect: what is missed or said for nothing is counted and stands in the
//! pages.

mod attacks;
mod bodies;
mod calibration;
mod changes;
mod life;
mod machines;
pub mod network;
mod page;
mod people;
mod population;
mod record;
mod setting;
mod starts;
mod tally;
mod tenants;

use super::benign;
use super::chance::Chance;
use super::common::skipped;
use super::world::{self, DAY, HOUR, Trace};
use attacks::Attack;
use changes::{Nodes, Window};
use life::{Kind, Life};
use network::Network;
use record::Record;
use setting::Setting;
use std::collections::BTreeSet;
use std::ops::Range;
use tally::Tally;
use tokentrail::detect::profile::Profile;

/// What the page of the clusters is made of.
const SEEDS: Range<u64> = 0..200;
/// Those on which profiles are compared.
const COMPARED: Range<u64> = 0..24;
/// What thresholds are chosen from: none of the clusters that they are tested on.
const CALIBRATION: Range<u64> = 10_000..10_080;
/// One seed in so many is judged in every run of the tests; some of them live long.
const SAMPLE: u64 = 7;
const NETWORKS: [Network; 6] = [
    Network::Flat,
    Network::NodeSnat,
    Network::EgressGateway,
    Network::LoadBalancer,
    Network::BalancedNodes,
    Network::Oidc,
];
/// Attacks come when eight days are known, and end before the log does.
const FIRST_ATTACK: i64 = 8;
/// Marks of the look-alikes begin here, and those of what attackers hide among.
const LOOK_ALIKES: u16 = 0x100;
const HABITS: u16 = 0x200;

/// How many days a cluster lives: one in ten, behind each of the networks, for long.
fn days(seed: u64) -> i64 {
    if seed / NETWORKS.len() as u64 % 10 == 3 {
        90
    } else {
        14
    }
}

/// All that happens in the life of some clusters.
fn kinds() -> impl Iterator<Item = &'static Kind> {
    [
        machines::KINDS,
        starts::KINDS,
        tenants::KINDS,
        people::KINDS,
        changes::KINDS,
    ]
    .into_iter()
    .flatten()
}

/// What a mark in an audit id says.
fn origin_of(mark: u16) -> Option<&'static str> {
    match mark {
        0 => None,
        1..LOOK_ALIKES => kinds().nth(usize::from(mark) - 1).map(|kind| kind.id),
        LOOK_ALIKES..HABITS => benign::LOOK_ALIKES
            .get(usize::from(mark - LOOK_ALIKES))
            .map(|own| own.id),
        _ => Some("habits of what attackers hide among"),
    }
}

struct Cluster {
    seed: u64,
    days: i64,
    network: Network,
    /// In the order of time.
    lines: Vec<String>,
    attacks: Vec<Attack>,
    /// Audit ids of what follows from an attack, and of what may rightly be told though nobody
    /// attacks.
    related: BTreeSet<String>,
    windows: Vec<Window>,
    /// Rules of its operator.
    declared: &'static str,
}

impl Cluster {
    fn of(seed: u64) -> Cluster {
        let (mut chance, days) = (Chance::new(seed), days(seed));
        let network = NETWORKS[(seed % NETWORKS.len() as u64) as usize];
        let mut setting = Setting::new(network, days, &mut chance);
        let nodes = Nodes::new(days, &mut chance);
        setting.wiring.moved = nodes
            .moved
            .iter()
            .map(|(node, at)| (*node as u8 + 1, *at))
            .collect();
        let apps = population::apps(&mut chance, &nodes, days);
        let restart = 6 * DAY + chance.below(7 * DAY as u64) as i64;
        let words = setting.words.clone();
        let mut trace = Trace::dressed(move |line| words.line(line));
        let mut life = Life::new(&mut trace, &mut chance, days, &nodes);
        let (mut lines, mut related, mut attacks) = (Vec::new(), BTreeSet::new(), Vec::new());
        for _ in 0..life.chance.size(if days > 14 { 9 } else { 5 }) {
            let span = (days - 1 - FIRST_ATTACK) * DAY;
            let at = FIRST_ATTACK * DAY + life.chance.below(span as u64) as i64;
            let (attack, own) = attacks::play(&mut life, at, setting.wiring.at(at), &apps);
            related.extend(own.ids().into_iter().filter(|id| !attack.ids.contains(id)));
            lines.extend(
                own.lines
                    .into_iter()
                    .map(|(at, line)| (at, setting.words.line(&line))),
            );
            attacks.push(attack);
        }
        let declared = live(&mut life);
        related.append(&mut life.rightful);
        trace.mark = 0;
        world::work(&mut trace, days * DAY);
        apps.iter()
            .for_each(|app| population::work(&mut trace, app, &nodes, &mut chance));
        nodes.live(&mut trace, days, &mut chance);
        changes::restart(&mut trace, &apps, &nodes, restart, &mut chance);
        if let Some(at) = setting.upgrade {
            changes::upgrade(&mut trace, &nodes, at);
        }
        lines.append(&mut trace.lines);
        lines
            .iter_mut()
            .for_each(|(at, line)| *line = setting.seen(line, *at));
        let windows = windows(&setting, &nodes, restart);
        Cluster {
            seed,
            days,
            network,
            lines: super::in_order(lines),
            attacks,
            related,
            windows,
            declared,
        }
    }
}

/// What happens in the life of this cluster, and the rules that it needs.
fn live(life: &mut Life<'_>) -> &'static str {
    life.trace.mark = 0;
    people::daily(life);
    for (kind, mark) in kinds().zip(1..) {
        if life.chance.percent(kind.percent) {
            life.trace.mark = mark;
            (kind.play)(life);
        }
    }
    let mut declared = "";
    for (look_alike, mark) in benign::LOOK_ALIKES.iter().zip(LOOK_ALIKES..) {
        if !life.chance.percent(20) {
            continue;
        }
        life.trace.mark = mark;
        declared = if look_alike.declared.is_empty() {
            declared
        } else {
            look_alike.declared
        };
        let (today, phase) = (
            5 + life.chance.below(4) as i64,
            life.chance.below(8 * HOUR as u64) as i64,
        );
        for day in 0..life.days {
            life.trace.now = day * DAY + 9 * HOUR + phase;
            // What is particular comes on the ninth day of a look-alike.
            (look_alike.play)(life.trace, if day < today { day } else { day - today + 8 });
        }
    }
    declared
}

/// When everybody was befallen by something: what lasts longest first. A network that is another
/// stays so.
fn windows(setting: &Setting, nodes: &Nodes, restart: i64) -> Vec<Window> {
    let networks = setting.wiring.changes().map(|(at, network)| {
        Window::new(
            &format!("another network: {}", page::words(network)),
            at,
            100 * DAY,
        )
    });
    let upgrade = setting
        .upgrade
        .map(|at| Window::new("upgrade of the cluster", at, DAY));
    let late = nodes
        .late
        .map(|(_, at)| Window::new("a node joins", at, DAY));
    let moved = nodes
        .moved
        .map(|(_, at)| Window::new("a node moves", at, DAY));
    let reboots = nodes
        .reboots
        .iter()
        .map(|(_, at)| Window::new("a node restarts", *at, 6 * HOUR));
    let restart = Window::new("the API server restarts", restart, HOUR);
    networks
        .chain(upgrade)
        .chain(late)
        .chain(reboots)
        .chain(moved)
        .chain([restart])
        .collect()
}

/// Judges the clusters of these seeds, one part of them on each core.
fn judge(seeds: impl Iterator<Item = u64>, profiles: &[Profile]) -> Vec<Tally> {
    let seeds: Vec<u64> = seeds.collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let part = |n: usize| -> Vec<Tally> {
        let clusters = seeds
            .iter()
            .skip(n)
            .step_by(cores)
            .map(|seed| Cluster::of(*seed));
        clusters
            .flat_map(|cluster| {
                profiles
                    .iter()
                    .map(|own| Tally::of(&cluster, *own))
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let mut all: Vec<Tally> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..cores).map(|n| scope.spawn(move || part(n))).collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().expect("a part that ends"))
            .collect()
    });
    all.sort_by_key(|tally| (tally.record.profile.clone(), tally.record.seed));
    all
}

/// Records of these seeds, in every profile that is recorded of them.
fn judged(seeds: impl Iterator<Item = u64> + Clone) -> Vec<Record> {
    let others = [Profile::Quiet, Profile::Strict];
    let mut all = judge(seeds.clone(), &[Profile::Default]);
    all.extend(judge(seeds.filter(|seed| COMPARED.contains(seed)), &others));
    all.into_iter().map(|tally| tally.record).collect()
}

/// What was written of these seeds; a sample of it must be what is judged today.
fn written(name: &str, seeds: Range<u64>) -> Vec<Record> {
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        let all = judged(seeds);
        record::write(name, &all);
        return all;
    }
    let there = record::read(name);
    let sample = seeds.filter(|seed| seed % SAMPLE == 0);
    for record in judged(sample) {
        assert!(
            there.contains(&record),
            "{name} is out of date at seed {}: {}",
            record.seed,
            record::MEND
        );
    }
    there
}

#[test]
fn the_page_says_what_is_told_in_random_clusters() {
    page::check("clusters", &page::markdown(&written("clusters", SEEDS)));
}

#[test]
fn the_page_says_how_much_a_score_weighs() {
    page::check(
        "calibration",
        &calibration::markdown(&written("calibration", CALIBRATION)),
    );
}

/// Every line that was written is what is judged today, if `TOKENTRAIL_CLUSTERS` is `all`.
#[test]
fn every_cluster_is_judged_as_written() {
    if std::env::var("TOKENTRAIL_CLUSTERS").as_deref() != Ok("all") {
        return skipped::because(
            "TOKENTRAIL_CLUSTERS=all judges every cluster of the pages, some minutes long",
        );
    }
    for (name, seeds) in [("clusters", SEEDS), ("calibration", CALIBRATION)] {
        assert!(
            record::read(name) == judged(seeds),
            "{name} is out of date: {}",
            record::MEND
        );
    }
}

#[test]
fn a_seed_is_a_cluster() {
    for seed in [0, 18] {
        let (first, second) = (Cluster::of(seed), Cluster::of(seed));
        assert!(
            first.lines == second.lines,
            "seed {seed} makes two clusters"
        );
        let ids: BTreeSet<&String> = first
            .attacks
            .iter()
            .flat_map(|attack| &attack.ids)
            .collect();
        assert!(
            ids.iter().all(|id| !first.related.contains(*id)),
            "seed {seed}: an attack is related to itself"
        );
    }
}

#[test]
fn every_kind_of_life_and_attack_is_there_once() {
    let ids: Vec<&str> = kinds()
        .map(|kind| kind.id)
        .chain(attacks::evasions().map(|own| own.id))
        .collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

/// What `TOKENTRAIL_SEED` asks for (`7`, or `10..20`): what was missed and what was said for
/// nothing there.
#[test]
fn asked_for() {
    let Ok(asked) = std::env::var("TOKENTRAIL_SEED") else {
        return;
    };
    let number = |text: &str| {
        text.parse::<u64>()
            .unwrap_or_else(|_| panic!("TOKENTRAIL_SEED={asked}: neither N nor N..M"))
    };
    let seeds = match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&asked)..number(&asked) + 1,
    };
    let tallies = judge(seeds, &[Profile::Default]);
    for tally in &tallies {
        print!("{}", tally.words);
    }
    let records: Vec<Record> = tallies.into_iter().map(|tally| tally.record).collect();
    println!("{}", page::summary(&records));
}
