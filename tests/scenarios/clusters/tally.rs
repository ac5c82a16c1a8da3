//! What was told of a cluster, held against its labels as `score.py` of a labelled recording would.
//!
//! Refuses to call an incident false that names a single request of an attacker.

use super::record::{self, Record, Told, Truth};
use super::{Attack, Cluster, Window, origin_of};
use crate::{common, rules, world};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use tokentrail::base::Time;
use tokentrail::detect::profile::Profile;
use tokentrail::detect::{Policy, Severity};
use tokentrail::incident::{Incident, Kind};

/// The weight of an incident's evidence in whole bits: the one place where its score is read.
fn score(incident: &Incident) -> u32 {
    u32::try_from(incident.score().0 / 1000).unwrap_or(0) / STEP * STEP
}

/// How many bits are recorded as one.
pub const STEP: u32 = 1;

/// Detectors that look at where credentials are used.
const PLACES: &[&str] = &["credential-in-two-places", "deleted-pod-token"];

pub struct Tally {
    pub record: Record,
    /// What was said for nothing, and what was missed, in words.
    pub words: String,
}

pub fn median(values: impl Iterator<Item = usize>) -> Option<usize> {
    let mut sorted: Vec<usize> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// Of at least one audit id.
fn names(incident: &Incident, attack: &Attack) -> bool {
    incident
        .evidence
        .audit_ids()
        .any(|id| attack.ids.contains(id))
}

impl Cluster {
    fn is_attacks(&self, id: &str) -> bool {
        self.attacks.iter().any(|attack| attack.ids.contains(id))
    }

    fn truth(&self, incident: &Incident) -> Truth {
        let ids: Vec<&str> = incident.evidence.audit_ids().collect();
        let related = ids.iter().filter(|id| self.related.contains(**id)).count();
        match ids.iter().any(|id| self.is_attacks(id)) {
            true => Truth::Attack,
            false if related > 0 && related * 2 >= ids.len() => Truth::Related,
            false => Truth::False,
        }
    }

    /// What made it: the attacks that it names, or the part of life that most of its requests are
    /// of.
    fn origin(&self, incident: &Incident) -> String {
        let attacks: Vec<&str> = self
            .attacks
            .iter()
            .filter(|attack| names(incident, attack))
            .map(|a| a.id)
            .collect();
        if !attacks.is_empty() {
            return attacks.join(" ");
        }
        let mut parts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        for id in incident.evidence.audit_ids() {
            *parts
                .entry(world::mark_of(id).and_then(origin_of))
                .or_default() += 1;
        }
        let most = parts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .and_then(|(part, _)| part);
        let befell = |window: &&Window| {
            let (from, until) = (
                world::moment(window.during.start),
                world::moment(window.during.end),
            );
            (from..until).contains(&incident.first_seen)
        };
        // Who is told for a place is told for what moved it, and a network moves everybody.
        let part = if incident
            .detectors
            .iter()
            .any(|id| PLACES.contains(&id.as_str()))
        {
            self.windows
                .iter()
                .find(befell)
                .map(|window| window.of.as_str())
                .or(most)
        } else {
            most.or(self
                .windows
                .iter()
                .rev()
                .find(befell)
                .map(|window| window.of.as_str()))
        };
        part.unwrap_or("daily work").to_owned()
    }
}

impl Tally {
    /// Judges one cluster.
    pub fn of(cluster: &Cluster, profile: Profile) -> Tally {
        let mut policy = Policy {
            rules: rules(cluster.declared),
            ..Policy::default()
        };
        profile.apply(&mut policy);
        let out = common::run(&policy, cluster.lines.iter().map(String::as_str));
        let incidents: Vec<&Incident> = common::last(&out).into_values().collect();
        let attacks: Vec<Told> = cluster
            .attacks
            .iter()
            .map(|attack| told(attack, cluster, &incidents))
            .collect();
        let rows = incidents
            .iter()
            .map(|incident| row(incident, cluster))
            .collect();
        let record = Record {
            seed: cluster.seed,
            profile: format!("{profile:?}").to_lowercase(),
            network: cluster.network,
            days: cluster.days,
            attacks,
            incidents: record::grouped(rows),
        };
        Tally {
            words: in_words(cluster, &record, &incidents),
            record,
        }
    }
}

fn row(incident: &Incident, cluster: &Cluster) -> record::Incident {
    // Nobody looks for the reason of what nobody is told.
    let detectors = incident
        .detectors
        .iter()
        .filter(|_| incident.severity >= Severity::Medium);
    record::Incident {
        severity: incident.severity,
        kind: incident.kind.label().to_owned(),
        score: score(incident),
        truth: cluster.truth(incident),
        of: cluster.origin(incident),
        detectors: detectors.map(ToString::to_string).collect(),
        count: 1,
    }
}

fn told(attack: &Attack, cluster: &Cluster, incidents: &[&Incident]) -> Told {
    let naming: Vec<&&Incident> = incidents
        .iter()
        .filter(|i| i.kind == Kind::Threat && names(i, attack))
        .collect();
    let loud: Vec<&&Incident> = naming
        .iter()
        .copied()
        .filter(|i| i.severity >= Severity::Medium)
        .collect();
    let pure = |incident: &&Incident| {
        let ids: BTreeSet<&str> = incident.evidence.audit_ids().collect();
        let own = ids
            .iter()
            .filter(|id| cluster.is_attacks(id) || cluster.related.contains(**id))
            .count();
        own * 100 / ids.len()
    };
    let first = loud
        .iter()
        .filter_map(|incident| incident.detected_at)
        .min();
    let made_until = |at: Time| {
        attack
            .times
            .iter()
            .filter(|time| **time <= at)
            .count()
            .max(1)
    };
    Told {
        id: attack.id.to_owned(),
        can_be_told: attack.can_be_told,
        severity: naming.iter().map(|incident| incident.severity).max(),
        incidents: loud.len(),
        requests: first.map_or(0, made_until),
        pure: median(loud.iter().map(|incident| pure(incident))).unwrap_or(0),
    }
}

/// The weight of each finding, the way thresholds are stated.
fn bits(incident: &Incident) -> String {
    let of = |told: &tokentrail::incident::Told| {
        format!("{} {} {}", told.detector, told.key, told.weight)
    };
    let all: Vec<String> = incident.findings.iter().map(of).collect();
    format!("{} bits: {}", incident.score(), all.join(", "))
}

/// What somebody who tunes the engine wants to read of a cluster.
fn in_words(cluster: &Cluster, record: &Record, incidents: &[&Incident]) -> String {
    let (mut out, seed) = (String::new(), cluster.seed);
    for attack in record
        .attacks
        .iter()
        .filter(|attack| attack.can_be_told && !attack.is_told())
    {
        let said = attack
            .severity
            .map_or("nothing".to_owned(), |severity| severity.to_string());
        let _ = writeln!(
            out,
            "seed {seed}, {:?}: missed {}: {said}",
            cluster.network, attack.id
        );
    }
    for incident in incidents
        .iter()
        .filter(|incident| row(incident, cluster).is_noise())
    {
        let (of, at) = (cluster.origin(incident), incident.first_seen);
        let _ = writeln!(
            out,
            "seed {seed}, {:?}: false {} of {of} at {at}: {}; {}",
            cluster.network,
            incident.severity,
            incident.summary(),
            bits(incident)
        );
    }
    out
}
