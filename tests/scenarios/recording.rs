//! The labelled recording of a laboratory cluster, as it is and as it would be behind other
//! networks: what is told of its attacks, and what for nothing.
//!
//! Skips, and says so, where the recording is not beside the repository.

use crate::clusters::network::{Network, Wiring};
use crate::common;
use serde_json::Value;
use std::collections::BTreeSet;
use tokentrail::detect::{Policy, Severity};
use tokentrail::engine::Output;
use tokentrail::incident::{Incident, Kind};

const LABELS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../shared/corpus/cluster/labels.jsonl"
);

struct Label {
    is_attack: bool,
    ids: BTreeSet<String>,
    /// What followed from it, and what may rightly be told though it is none.
    related: BTreeSet<String>,
}

fn labels() -> Vec<Label> {
    let text = std::fs::read_to_string(LABELS).expect("the labels of the recording");
    let label = |line: &str| {
        let label: Value = serde_json::from_str(line).expect("a label");
        let ids = |keys: &[&str]| {
            let all = keys
                .iter()
                .filter_map(|key| label[*key].as_array())
                .flatten();
            all.map(|id| id.as_str().expect("an audit id").to_owned())
                .collect::<BTreeSet<_>>()
        };
        Label {
            is_attack: label["kind"] == "attack",
            ids: ids(&["audit_ids"]),
            related: ids(&[
                "effect_audit_ids",
                "cleanup_audit_ids",
                "rightful_audit_ids",
            ]),
        }
    };
    text.lines()
        .filter(|line| !line.is_empty())
        .map(label)
        .collect()
}

/// What was told, `medium` or more.
#[derive(Default, Debug)]
struct Told {
    attacks: usize,
    /// Incidents that name an attack's requests.
    incidents: usize,
    for_nothing: Vec<String>,
}

fn told(out: &Output, labels: &[Label]) -> Told {
    let loud: Vec<&Incident> = common::last(out)
        .into_values()
        .filter(|i| i.kind == Kind::Threat && i.severity >= Severity::Medium)
        .collect();
    let names = |incident: &Incident, ids: &BTreeSet<String>| {
        incident.evidence.audit_ids().any(|id| ids.contains(id))
    };
    let attacks: Vec<&Label> = labels.iter().filter(|label| label.is_attack).collect();
    let mut told = Told {
        attacks: attacks
            .iter()
            .filter(|attack| loud.iter().any(|i| names(i, &attack.ids)))
            .count(),
        ..Told::default()
    };
    for incident in loud {
        let is_related = |id: &str| labels.iter().any(|label| label.related.contains(id));
        let (all, related) = incident
            .evidence
            .audit_ids()
            .fold((0, 0), |(all, related), id| {
                (all + 1, related + usize::from(is_related(id)))
            });
        if attacks.iter().any(|attack| names(incident, &attack.ids)) {
            told.incidents += 1;
        } else if related * 2 < all {
            told.for_nothing
                .push(format!("{} {}", incident.severity, incident.summary()));
        }
    }
    told
}

fn seen_behind(network: Network, lines: &[String]) -> Output {
    let own = ["10.0.0.".to_owned(), "10.244.".to_owned()];
    let wiring = Wiring::steady(network, own);
    let lines: Vec<String> = lines.iter().map(|line| wiring.as_seen(line, 0)).collect();
    common::run(&Policy::default(), lines.iter().map(String::as_str))
}

#[test]
fn attacks_are_told_and_little_else() {
    let Some(lines) = common::recording() else {
        return;
    };
    let labels = labels();
    let told = told(
        &common::run(&Policy::default(), lines.iter().map(String::as_str)),
        &labels,
    );
    let attacks = labels.iter().filter(|label| label.is_attack).count();
    assert!(
        told.attacks + 1 >= attacks,
        "{} of {attacks} attacks are told by audit id",
        told.attacks
    );
    assert!(told.for_nothing.len() <= 1, "{:?}", told.for_nothing);
    assert!(
        told.incidents * 10 <= told.attacks * 13,
        "{told:?}: more than 1.3 incidents an attack"
    );
}

/// A network that hides clients may hide thefts; it must not make noise, and where it hides who
/// calls that is said.
#[test]
fn other_networks_are_as_quiet_and_say_what_they_hide() {
    let Some(lines) = common::recording() else {
        return;
    };
    let labels = labels();
    for (network, least) in LEAST {
        let out = seen_behind(network, &lines);
        let told = told(&out, &labels);
        assert!(
            told.for_nothing.is_empty(),
            "{network:?}: {:?}",
            told.for_nothing
        );
        assert!(
            told.attacks >= least,
            "{network:?}: {} attacks are told",
            told.attacks
        );
        let says = out
            .findings
            .iter()
            .any(|(detector, _)| *detector == "addresses-hidden");
        let hides = matches!(network, Network::EgressGateway | Network::LoadBalancer);
        assert_eq!(says, hides, "{network:?}: addresses-hidden");
    }
}

/// Of how many attacks people are told at least, of seventeen: one that shows itself by nothing but
/// its address cannot be seen where the network hides that.
const LEAST: [(Network, usize); 6] = [
    (Network::Flat, 16),
    (Network::NodeSnat, 16),
    (Network::EgressGateway, 16),
    (Network::LoadBalancer, 15),
    (Network::BalancedNodes, 16),
    (Network::Oidc, 16),
];
