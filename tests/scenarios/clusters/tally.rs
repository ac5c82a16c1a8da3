//! What was told of a cluster, held against its labels as `score.py` of a labelled recording would.
//!
//! Refuses to look below `medium`: that is what people are told of.

use super::{Attack, Cluster, DAYS, Network};
use crate::{common, is_threat, rules};
use std::collections::{BTreeMap, BTreeSet};
use tokentrail::detect::profile::Profile;
use tokentrail::detect::{Policy, Severity};
use tokentrail::incident::Incident;

/// Of many clusters or attacks.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Sum {
    pub clusters: usize,
    pub attacks: usize,
    pub told: usize,
    /// Incidents that tell of attacks.
    pub incidents: usize,
    /// Requests of the attacker up to the moment when people were told, of each attack.
    pub requests: Vec<usize>,
    /// Of those incidents: what share of their audit ids, of a hundred, is the attack's or follows from it.
    pub purities: Vec<usize>,
    pub false_incidents: usize,
    /// Clusters without a false incident.
    pub quiet: usize,
}

impl Sum {
    fn add(&mut self, other: &Sum) {
        self.clusters += other.clusters;
        self.attacks += other.attacks;
        self.told += other.told;
        self.incidents += other.incidents;
        self.requests.extend(&other.requests);
        self.purities.extend(&other.purities);
        self.false_incidents += other.false_incidents;
        self.quiet += other.quiet;
    }

    /// False incidents of a hundred clusters in a day.
    pub fn noise(&self) -> f64 {
        self.false_incidents as f64 * 100.0 / (self.clusters as f64 * DAYS as f64)
    }
}

pub fn median(values: &[usize]) -> usize {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

#[derive(Clone, Default, PartialEq, Debug)]
pub struct Tally {
    pub all: Sum,
    pub networks: BTreeMap<Network, Sum>,
    pub scenarios: BTreeMap<&'static str, Sum>,
    /// What was said for nothing, in words, with its seed.
    pub wrong: Vec<String>,
    /// Attacks of which people were not told, and what stays in the record.
    pub missed: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.all.add(&other.all);
        other.networks.iter().for_each(|(network, sum)| self.networks.entry(*network).or_default().add(sum));
        other.scenarios.iter().for_each(|(id, sum)| self.scenarios.entry(id).or_default().add(sum));
        self.wrong.extend(other.wrong);
        self.missed.extend(other.missed);
    }

    /// Judges one cluster.
    pub fn of(seed: u64, cluster: &Cluster, profile: Profile) -> Tally {
        let mut policy = Policy { rules: rules(cluster.declared), ..Policy::default() };
        profile.apply(&mut policy);
        let out = common::run(&policy, cluster.lines.iter().map(String::as_str));
        let threats: Vec<&Incident> = common::last(&out).into_values().filter(|i| is_threat(i)).collect();
        let loud: Vec<&Incident> = threats.iter().copied().filter(|i| i.severity >= Severity::Medium).collect();
        let mut tally = Tally::default();
        let mut all = Sum { clusters: 1, ..Sum::default() };
        for attack in &cluster.attacks {
            let sum = told(attack, cluster, &loud);
            if sum.told == 0 {
                let low: Vec<String> = threats
                    .iter()
                    .filter(|i| names(i, attack))
                    .map(|i| format!("{} {}", i.severity, i.summary()))
                    .collect();
                let said = if low.is_empty() { "nothing".to_owned() } else { low.join(", ") };
                tally.missed.push(format!("seed {seed}: {} by {:?}: {said}", attack.scenario.id, cluster.network));
            }
            tally.scenarios.entry(attack.scenario.id).or_default().add(&sum);
            all.add(&sum);
        }
        for incident in loud {
            let ids: BTreeSet<&str> = incident.evidence.audit_ids().collect();
            let is_attack = cluster.attacks.iter().any(|attack| names(incident, attack));
            let related = ids.iter().filter(|id| cluster.related.contains(**id)).count();
            if !is_attack && related * 2 < ids.len() {
                all.false_incidents += 1;
                tally.wrong.push(format!("seed {seed}, {:?}: {}", cluster.network, incident.summary()));
            }
        }
        all.quiet = usize::from(all.false_incidents == 0);
        tally.networks.insert(cluster.network, all.clone());
        tally.all = all;
        tally
    }
}

/// By at least one audit id.
fn names(incident: &Incident, attack: &Attack) -> bool {
    incident.evidence.audit_ids().any(|id| attack.ids.contains(id))
}

fn told(attack: &Attack, cluster: &Cluster, loud: &[&Incident]) -> Sum {
    let mut sum = Sum { attacks: 1, ..Sum::default() };
    let mut first = None;
    for incident in loud {
        if !names(incident, attack) {
            continue;
        }
        let ids: Vec<&str> = incident.evidence.audit_ids().collect();
        let own = |id: &&&str| cluster.attacks.iter().any(|a| a.ids.contains(**id)) || cluster.related.contains(**id);
        sum.incidents += 1;
        sum.purities.push(ids.iter().filter(own).count() * 100 / ids.len());
        first = first.into_iter().chain(incident.detected_at).min();
    }
    sum.told = usize::from(sum.incidents > 0);
    if let Some(at) = first {
        sum.requests.push(attack.times.iter().filter(|time| **time <= at).count().max(1));
    }
    sum
}
