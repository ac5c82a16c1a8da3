//! What was told in one cluster, as a line of `tests/fixtures/clusters/`.
//!
//! Refuses names and times of the cluster: a seed makes them again.

use super::network::Network;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::PathBuf;
use tokentrail::detect::Severity;

/// How all of it is written anew.
pub const MEND: &str = "UPDATE_REFERENCE=1 cargo test --release --test scenarios";

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    pub seed: u64,
    pub profile: String,
    pub network: Network,
    pub days: i64,
    pub attacks: Vec<Told>,
    pub incidents: Vec<Incident>,
}

/// An attack, and what was told of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Told {
    pub id: String,
    pub can_be_told: bool,
    /// Of the gravest incident that names it.
    pub severity: Option<Severity>,
    /// Incidents of `medium` or more that name it.
    pub incidents: usize,
    /// How many of its requests were made when people were told; 0 if they were not.
    pub requests: usize,
    /// Medians of those incidents: what share of their audit ids, of a hundred, is an attack's or
    /// follows from one.
    pub pure: usize,
}

impl Told {
    /// Whether people were told.
    pub fn is_told(&self) -> bool {
        self.severity >= Some(Severity::Medium)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    /// It names a request of an attacker.
    Attack,
    /// Half of it at least follows from an attack, or may rightly be told.
    Related,
    False,
}

/// Incidents that differ in nothing that is recorded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Incident {
    pub severity: Severity,
    pub kind: String,
    pub score: u32,
    pub truth: Truth,
    /// What made it: attacks, or the part of life that most of it is about.
    pub of: String,
    pub detectors: Vec<String>,
    pub count: usize,
}

impl Incident {
    /// People are told of it, and for nothing.
    pub fn is_noise(&self) -> bool {
        self.truth == Truth::False && self.severity >= Severity::Medium && self.kind == "threat"
    }
}

/// Sums incidents that are the same.
pub fn grouped(mut incidents: Vec<Incident>) -> Vec<Incident> {
    incidents.sort();
    let mut all: Vec<Incident> = Vec::new();
    for incident in incidents {
        match all.last_mut() {
            Some(last)
                if (Incident {
                    count: incident.count,
                    ..last.clone()
                }) == incident =>
            {
                last.count += incident.count;
            }
            _ => all.push(incident),
        }
    }
    all
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/clusters/{name}.jsonl"))
}

pub fn write(name: &str, records: &[Record]) {
    let mut out = String::new();
    for record in records {
        let _ = writeln!(
            out,
            "{}",
            serde_json::to_string(record).expect("a record is JSON")
        );
    }
    std::fs::create_dir_all(path(name).parent().expect("a folder")).expect("a folder");
    std::fs::write(path(name), out).expect("a file that can be written");
}

pub fn read(name: &str) -> Vec<Record> {
    let text = std::fs::read_to_string(path(name)).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {e}: {MEND}")))
        .collect()
}
