//! `docs/detectors/clusters.md`: what is told in random clusters, and what for nothing.

use super::network::Network;
use super::tally::{Sum, Tally, median};
use super::{COMPARED, DAYS, SEEDS};
use crate::Scenario;
use std::fmt::Write;
use tokentrail::detect::profile::Profile;

pub fn markdown<'s>(
    usual: &Tally,
    profiles: &[(Profile, Tally)],
    scenarios: impl Iterator<Item = &'s Scenario>,
) -> String {
    let mut out = format!(
        "# Random clusters

<!-- Generated from tests/scenarios: UPDATE_REFERENCE=1 cargo test --release --test scenarios -->

How much of what attackers do is told, and how much else, in {} clusters that nobody made by hand: seeds {} to {}. Each
has {DAYS} days of applications that roll out, scale, move and are upgraded, kubelets, people, some of the
[look-alikes of daily life](scenarios.md#what-only-looks-like-an-attack), a restart of the API server, and from none to
four of the [attacks](scenarios.md), most of them by an application of that cluster. Names, addresses, times and what the
network hides are the seed's. All of it is judged from an empty state.

An attack is told if an incident of `medium` or more names one of its requests by audit id. A false incident is one of
`medium` or more that names none, nor what followed from an attack, nor a person who enters a pod or reads a Secret.
*Requests* is how many of an attack's requests were made when people were told, *pure* what share of an incident's
requests belongs to attacks and their consequences (medians).

",
        SEEDS.end - SEEDS.start,
        SEEDS.start,
        SEEDS.end - 1,
    );
    table(
        &mut out,
        "network",
        usual
            .networks
            .iter()
            .map(|(network, sum)| (words(*network).to_owned(), sum))
            .chain([("all of them".to_owned(), &usual.all)]),
    );
    let _ = writeln!(out, "\n## By profile\n\nSeeds {} to {}.\n", COMPARED.start, COMPARED.end - 1);
    let name = |profile: &Profile| format!("`{}`", format!("{profile:?}").to_lowercase());
    table(&mut out, "profile", profiles.iter().map(|(profile, tally)| (name(profile), &tally.all)));
    out.push_str(
        "\n## By attack\n\nAn attack that is `low` or `info` on its [page](scenarios.md), or not told at all, is not told here.\n\n\
         | attack | | played | told | requests | pure |\n|---|---|---|---|---|---|\n",
    );
    for scenario in scenarios {
        let Some(sum) = usual.scenarios.get(scenario.id) else { continue };
        let (requests, pure) = (measured(&sum.requests, ""), measured(&sum.purities, " %"));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {requests} | {pure} |",
            scenario.id, scenario.title, sum.attacks, sum.told
        );
    }
    out
}

fn measured(values: &[usize], unit: &str) -> String {
    if values.is_empty() { String::new() } else { format!("{}{unit}", median(values)) }
}

fn table<'s>(out: &mut String, of: &str, rows: impl Iterator<Item = (String, &'s Sum)>) {
    let _ = writeln!(
        out,
        "| {of} | clusters | attacks | told | | incidents an attack | requests | pure | false incidents | a day in a hundred clusters | clusters without |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    );
    for (name, sum) in rows {
        let share = sum.told as f64 * 100.0 / sum.attacks.max(1) as f64;
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {share:.0} % | {:.2} | {} | {} | {} | {:.1} | {} |",
            sum.clusters,
            sum.attacks,
            sum.told,
            sum.incidents as f64 / sum.told.max(1) as f64,
            measured(&sum.requests, ""),
            measured(&sum.purities, " %"),
            sum.false_incidents,
            sum.noise(),
            sum.quiet,
        );
    }
}

fn words(network: Network) -> &'static str {
    match network {
        Network::Flat => "every pod has its own address",
        Network::NodeSnat => "pods appear at their node's address",
        Network::EgressGateway => "all pods appear at one address",
        Network::LoadBalancer => "everybody appears at a load balancer's three addresses",
        Network::BalancedNodes => "nodes and people appear at a load balancer's, pods at their own",
        Network::Oidc => "own addresses; people come by OpenID Connect",
    }
}
