//! `docs/detectors/clusters.md`: what is told in random clusters, and what for nothing.

use super::network::Network;
use super::record::{MEND, Record, Told};
use super::tally::median;
use super::{COMPARED, SAMPLE, SEEDS, attacks, benign, days, kinds};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Compares a page with its file, or writes it.
pub fn check(name: &str, page: &str) {
    let path = format!("{}/docs/detectors/{name}.md", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, page).expect("a page that can be written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "{path} is out of date: {MEND}");
}

pub fn markdown(records: &[Record]) -> String {
    let usual: Vec<&Record> = records
        .iter()
        .filter(|record| record.profile == "default")
        .collect();
    let mut out = format!(
        "# Random clusters

<!-- Generated from tests/scenarios: {MEND} -->

How much of what attackers do is told, and how much else, in {} clusters that nobody made by hand: seeds {} to {}, {} days
in all. Each lives for 14 days, one in ten for 90, with applications that roll out, scale, move and are upgraded, kubelets,
people, much of [what happens in the life of clusters](#by-what-was-said-for-nothing), some of the
[look-alikes of daily life](scenarios.md#what-only-looks-like-an-attack), a restart of the API server, restarted and moved
nodes, changes of the network, upgrades, and attacks: [scenarios](scenarios.md), most of them by an application of that
cluster, and [ways to hide](#by-attack) among habits. Names, addresses, times and what the network hides are the seed's.
All of it is judged from an empty state. Each run of the tests judges one cluster in {SAMPLE} anew.

An attack is told if an incident of `medium` or more names one of its requests by audit id. One that shows nothing that
its account or its cluster does not do, in its network, cannot be told; a share is of those that can. A false incident is
one of `medium` or more that names no attack, nor what followed from one, nor a person who enters a pod or a node or reads
a Secret. *Requests* is how many of an attack's requests were made when people were told, *pure* what share of an
incident's requests belongs to attacks and their consequences (medians).

",
        SEEDS.end - SEEDS.start,
        SEEDS.start,
        SEEDS.end - 1,
        SEEDS.map(days).sum::<i64>(),
    );
    let mut rows: BTreeMap<Network, Vec<&Record>> = BTreeMap::new();
    usual
        .iter()
        .for_each(|record| rows.entry(record.network).or_default().push(record));
    let rows = rows
        .into_iter()
        .map(|(network, records)| (words(network).to_owned(), records));
    table(
        &mut out,
        "network",
        rows.chain([("all of them".to_owned(), usual.clone())]),
    );
    let long = usual
        .iter()
        .copied()
        .filter(|record| record.days > 14)
        .collect();
    table(
        &mut out,
        "among them",
        [("ninety days".to_owned(), long)].into_iter(),
    );
    let _ = writeln!(
        out,
        "\n## By profile\n\nSeeds {} to {}.\n",
        COMPARED.start,
        COMPARED.end - 1
    );
    let of = |profile: &str| {
        records
            .iter()
            .filter(|r| r.profile == profile && COMPARED.contains(&r.seed))
            .collect()
    };
    let profiles =
        ["quiet", "default", "strict"].map(|profile| (format!("`{profile}`"), of(profile)));
    table(&mut out, "profile", profiles.into_iter());
    noise(&mut out, &usual);
    by_attack(&mut out, &usual);
    out
}

/// Sums for who tunes the engine.
pub fn summary(records: &[Record]) -> String {
    let mut out = String::new();
    let all: Vec<&Record> = records.iter().collect();
    table(
        &mut out,
        "clusters",
        [("all of them".to_owned(), all.clone())].into_iter(),
    );
    noise(&mut out, &all);
    by_attack(&mut out, &all);
    out
}

fn table<'r>(out: &mut String, of: &str, rows: impl Iterator<Item = (String, Vec<&'r Record>)>) {
    let _ = writeln!(
        out,
        "\n| {of} | clusters | days | attacks | can be told | told | | incidents an attack | requests | pure | false incidents | in 1,000 days | clusters without |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for (name, records) in rows {
        let attacks: Vec<&Told> = records.iter().flat_map(|record| &record.attacks).collect();
        let can = attacks.iter().filter(|attack| attack.can_be_told).count();
        let told: Vec<&&Told> = attacks
            .iter()
            .filter(|attack| attack.can_be_told && attack.is_told())
            .collect();
        let days: i64 = records.iter().map(|record| record.days).sum();
        let noise = |record: &Record| {
            record
                .incidents
                .iter()
                .filter(|i| i.is_noise())
                .map(|i| i.count)
                .sum::<usize>()
        };
        let wrong: usize = records.iter().map(|record| noise(record)).sum();
        let quiet = records.iter().filter(|record| noise(record) == 0).count();
        let _ = writeln!(
            out,
            "| {name} | {} | {days} | {} | {can} | {} | {} % | {:.2} | {} | {} | {wrong} | {:.1} | {quiet} |",
            records.len(),
            attacks.len(),
            told.len(),
            told.len() * 100 / can.max(1),
            told.iter().map(|attack| attack.incidents).sum::<usize>() as f64
                / told.len().max(1) as f64,
            measured(told.iter().map(|attack| attack.requests), ""),
            measured(told.iter().map(|attack| attack.pure), " %"),
            wrong as f64 * 1_000.0 / days.max(1) as f64,
        );
    }
}

fn measured(values: impl Iterator<Item = usize>, unit: &str) -> String {
    median(values).map_or(String::new(), |value| format!("{value}{unit}"))
}

/// False incidents by what they are about, and by who said them.
fn noise(out: &mut String, records: &[&Record]) {
    let days: i64 = records.iter().map(|record| record.days).sum();
    let (mut parts, mut detectors): (BTreeMap<&str, usize>, BTreeMap<&str, usize>) =
        Default::default();
    for incident in records
        .iter()
        .flat_map(|record| &record.incidents)
        .filter(|incident| incident.is_noise())
    {
        *parts.entry(&incident.of).or_default() += incident.count;
        incident
            .detectors
            .iter()
            .for_each(|id| *detectors.entry(id).or_default() += incident.count);
    }
    let _ = writeln!(
        out,
        "\n## By what was said for nothing\n\n| part of life | | clusters with it, in a hundred | false incidents | in 1,000 days |\n|---|---|---|---|---|"
    );
    let kinds = kinds().map(|kind| (kind.id, kind.title, format!("{}", kind.percent)));
    let look_alikes = benign::LOOK_ALIKES
        .iter()
        .map(|own| (own.id, own.title, "20".to_owned()));
    let known: Vec<(&str, &str, String)> = kinds.chain(look_alikes).collect();
    let others = parts
        .keys()
        .filter(|part| !known.iter().any(|(id, _, _)| id == *part))
        .map(|part| (*part, "", String::new()));
    for (id, title, percent) in known.iter().cloned().chain(others) {
        let count = parts.get(id).copied().unwrap_or(0);
        let _ = writeln!(
            out,
            "| {id} | {title} | {percent} | {count} | {:.2} |",
            count as f64 * 1_000.0 / days as f64
        );
    }
    let _ = writeln!(
        out,
        "\n| detector | false incidents with it | in 1,000 days |\n|---|---|---|"
    );
    for (id, count) in detectors {
        let _ = writeln!(
            out,
            "| [{id}]({id}.md) | {count} | {:.2} |",
            count as f64 * 1_000.0 / days as f64
        );
    }
}

fn by_attack(out: &mut String, records: &[&Record]) {
    out.push_str(
        "\n## By attack\n\nS are [scenarios](scenarios.md), E ways to hide among habits. What only its place shows cannot \
         be told in networks that hide places.\n\n\
         | attack | | played | can be told | told of those | requests | pure |\n|---|---|---|---|---|---|---|\n",
    );
    let scenarios = crate::scenarios().map(|scenario| (scenario.id, scenario.title));
    for (id, title) in
        scenarios.chain(attacks::evasions().map(|evasion| (evasion.id, evasion.title)))
    {
        let played: Vec<&Told> = records
            .iter()
            .flat_map(|r| &r.attacks)
            .filter(|attack| attack.id == id)
            .collect();
        let can = played.iter().filter(|attack| attack.can_be_told).count();
        let told: Vec<&&Told> = played
            .iter()
            .filter(|attack| attack.can_be_told && attack.is_told())
            .collect();
        if played.is_empty() {
            continue;
        }
        let (requests, pure) = (
            measured(told.iter().map(|attack| attack.requests), ""),
            measured(told.iter().map(|attack| attack.pure), " %"),
        );
        let _ = writeln!(
            out,
            "| {id} | {title} | {} | {can} | {} | {requests} | {pure} |",
            played.len(),
            told.len()
        );
    }
}

pub fn words(network: Network) -> &'static str {
    match network {
        Network::Flat => "every pod has its own address",
        Network::NodeSnat => "pods appear at their node's address",
        Network::EgressGateway => "all pods appear at one address",
        Network::LoadBalancer => "everybody appears at a load balancer's three addresses",
        Network::BalancedNodes => "nodes and people appear at a load balancer's, pods at their own",
        Network::Oidc => "own addresses; people come by OpenID Connect",
        Network::HalfBalanced => "one of two API servers is behind a balancer",
        Network::Peers => "one of two API servers hands requests on",
        Network::SomeByGateway => "some namespaces leave by a gateway",
    }
}
