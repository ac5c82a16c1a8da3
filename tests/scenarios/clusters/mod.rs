//! Random clusters with labelled attackers: how much of what attackers do is told, and of how much else, over many
//! seeds. `docs/detectors/clusters.md` is the table.
//!
//! A cluster is a population of its own, some of the look-alikes of daily life, and some of the 54 scenarios with
//! somebody else in the attacker's hands; names, networks and what the network hides are the seed's. Refuses to expect:
//! what is missed or said for nothing is counted and stands in the page.

mod cast;
mod network;
mod page;
mod population;
mod setting;
mod tally;

use super::benign;
use super::chance::Chance;
use super::world::{self, DAY, HOUR, Trace};
use network::Network;
use setting::Setting;
use std::collections::BTreeSet;
use tally::Tally;
use tokentrail::base::Time;
use tokentrail::detect::profile::Profile;

/// What the page is made of.
const SEEDS: std::ops::Range<u64> = 0..200;
/// Those on which profiles are compared.
const COMPARED: std::ops::Range<u64> = 0..40;
const NETWORKS: [Network; 6] = [
    Network::Flat,
    Network::NodeSnat,
    Network::EgressGateway,
    Network::LoadBalancer,
    Network::BalancedNodes,
    Network::Oidc,
];
const DAYS: i64 = 14;
/// Attacks come when eight days are known, and end before the log does.
const ATTACKS: std::ops::Range<i64> = 8..13;

struct Attack {
    scenario: &'static super::Scenario,
    ids: BTreeSet<String>,
    /// When each of its requests was made.
    times: Vec<Time>,
}

struct Cluster {
    network: Network,
    /// In the order of time.
    lines: Vec<String>,
    attacks: Vec<Attack>,
    /// Audit ids of what follows from an attack, and of what may rightly be told though nobody attacks.
    related: BTreeSet<String>,
    /// Rules of its operator.
    declared: &'static str,
}

impl Cluster {
    fn of(seed: u64) -> Cluster {
        let mut chance = Chance::new(seed);
        let network = NETWORKS[(seed % NETWORKS.len() as u64) as usize];
        let setting = Setting::new(network, &mut chance);
        let nodes = 2 + chance.size(4);
        let apps = population::apps(&mut chance, nodes);
        let mut attacks = Vec::new();
        let scenarios: Vec<_> = super::scenarios().collect();
        for _ in 0..chance.size(5) {
            let at = (ATTACKS.start * DAY) + chance.below(((ATTACKS.end - ATTACKS.start) * DAY) as u64) as i64;
            let scenario = *chance.pick(&scenarios);
            attacks.push((scenario, cast::play(scenario, at, &apps, &mut chance)));
        }
        let mut cluster =
            Cluster { network, lines: Vec::new(), attacks: Vec::new(), related: BTreeSet::new(), declared: "" };
        let mut lines = Vec::new();
        for (scenario, attack) in attacks {
            cluster.related.extend(attack.ids().into_iter().filter(|id| !attack.attack.contains(id)));
            let times = attack.asked.iter().map(|at| world::moment(*at)).collect();
            lines.extend(attack.lines.into_iter().map(|(at, line)| (at, setting.line(&line))));
            cluster.attacks.push(Attack { scenario, ids: attack.attack, times });
        }
        let mut trace = Trace::dressed(move |line| setting.line(line));
        let debugging = population::people(&mut trace, &mut chance);
        cluster.related.extend(debugging);
        world::work(&mut trace, DAYS * DAY);
        apps.iter().for_each(|app| population::work(&mut trace, app, &mut chance));
        population::nodes(&mut trace, nodes, &mut chance);
        population::restart(&mut trace, &apps, &mut chance);
        cluster.declared = daily_life(&mut trace, &mut chance);
        lines.append(&mut trace.lines);
        cluster.lines = super::in_order(lines);
        cluster
    }
}

/// Some of the look-alikes, with what is particular of each on a day of its own; the rules that they need.
fn daily_life(trace: &mut Trace, chance: &mut Chance) -> &'static str {
    let mut declared = "";
    for look_alike in benign::LOOK_ALIKES {
        if !chance.percent(25) {
            continue;
        }
        declared = if look_alike.declared.is_empty() { declared } else { look_alike.declared };
        let (today, phase) = (5 + chance.below(4) as i64, chance.below(8 * HOUR as u64) as i64);
        for day in 0..DAYS {
            trace.now = day * DAY + 9 * HOUR + phase;
            // What is particular comes on the ninth day of a look-alike.
            (look_alike.play)(trace, if day < today { day } else { day - today + 8 });
        }
    }
    declared
}

/// Judges the clusters of these seeds, one part of them on each core.
fn judge(seeds: std::ops::Range<u64>, profiles: &[Profile]) -> Vec<(Profile, Tally)> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let part = |n: u64| {
        let mut sums = vec![Tally::default(); profiles.len()];
        for seed in seeds.clone().filter(|seed| seed % cores == n) {
            let cluster = Cluster::of(seed);
            for (sum, profile) in sums.iter_mut().zip(profiles) {
                sum.add(Tally::of(seed, &cluster, *profile));
            }
        }
        sums
    };
    let mut all = vec![Tally::default(); profiles.len()];
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..cores).map(|n| scope.spawn(move || part(n))).collect();
        for sums in parts.into_iter().map(|part| part.join().expect("a part that ends")) {
            all.iter_mut().zip(sums).for_each(|(all, sum)| all.add(sum));
        }
    });
    profiles.iter().copied().zip(all).collect()
}

#[test]
fn the_page_says_what_is_told_in_random_clusters() {
    let (usual, profiles) = (judge(SEEDS, &[Profile::Default]), judge(COMPARED, &Profile::ALL));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/detectors/clusters.md");
    let page = page::markdown(&usual[0].1, &profiles, super::scenarios());
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, &page).expect("a page that can be written");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == page, "{path} is out of date: UPDATE_REFERENCE=1 cargo test --release --test scenarios");
}

/// What `TOKENTRAIL_SEED` asks for (`7`, or `10..20`): what was missed and what was said for nothing there.
#[test]
fn asked_for() {
    let Ok(asked) = std::env::var("TOKENTRAIL_SEED") else { return };
    let number =
        |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("TOKENTRAIL_SEED={asked}: neither N nor N..M"));
    let seeds = match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&asked)..number(&asked) + 1,
    };
    for (_, tally) in judge(seeds, &[Profile::Default]) {
        println!("{}\n{}\n{:?}", tally.wrong.join("\n"), tally.missed.join("\n"), tally.networks);
    }
}
