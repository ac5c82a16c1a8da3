//! Findings that belong together, told as one story with a beginning and an end.
//!
//! Refuses to page anybody: `notice` says whether one should, and why; sinks do it.

mod arrival;
mod correlate;
mod ending;
mod evidence;
mod json;
pub mod links;
mod memory;
mod notice;
mod remedy;
pub mod respond;
mod sequence;

pub use arrival::Arrival;
pub use correlate::{Correlator, Revision};
pub use evidence::Evidence;
pub use json::{acknowledged, to_json};
pub use memory::Memory;
pub use notice::{Notice, Reason};
pub use sequence::{Neighbour, Step};

use crate::base::text::shortened;
use crate::base::{Digest, Time};
use crate::baseline::Maturity;
use crate::detect::rule::Story;
use crate::detect::{Finding, Novelty, Severity, Tactic};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Most values of each list of an incident (principals, credentials, origins, networks, agents).
const LIST_LIMIT: usize = 16;
/// Most distinct findings told of one incident; more only count.
const FINDINGS_LIMIT: usize = 48;
/// Longest sentence of a finding, in bytes: names, agents and commands stand in it, which a client chose.
const SENTENCE_BYTES_MAX: usize = 1_024;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// Somebody did something.
    Threat,
    /// Something could not be seen.
    Visibility,
}

impl Kind {
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Kind::Threat => "threat",
            Kind::Visibility => "visibility",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Status {
    Open,
    Updated,
    Resolved,
}

/// One detector's sentence, and how often it was said.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Who did it; empty for a request without a user.
    pub principal: SmolStr,
    pub detector: SmolStr,
    pub title: SmolStr,
    pub severity: Severity,
    pub tactic: Tactic,
    pub expected: String,
    pub observed: String,
    pub novelty: Option<Novelty>,
    /// What a responder can do about it: the words of the operator's rule, and commands about the event.
    pub respond: Vec<String>,
    pub count: u32,
    pub first_seen: Time,
    pub last_seen: Time,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Incident {
    pub id: Digest,
    /// From 1; counts what changed, in the order of events.
    pub revision: u32,
    pub kind: Kind,
    pub status: Status,
    pub severity: Severity,
    /// `user.username` verbatim; empty for requests without a user and for visibility.
    pub principal: SmolStr,
    pub principals: Vec<SmolStr>,
    pub cluster: SmolStr,
    pub first_seen: Time,
    pub last_seen: Time,
    /// Stage time of the event that first made it `medium`.
    pub detected_at: Option<Time>,
    /// When it ended; `None` while it goes on.
    pub ended: Option<Time>,
    pub detectors: Vec<SmolStr>,
    pub techniques: Vec<SmolStr>,
    pub evidence: Evidence,
    pub credentials: Vec<SmolStr>,
    pub origins: Vec<SmolStr>,
    /// Networks and countries of public origins, where they are known. Stored behind the rest.
    #[serde(skip)]
    pub networks: Vec<SmolStr>,
    pub user_agents: Vec<SmolStr>,
    pub findings: Vec<Told>,
    /// How well the account was known when the incident began.
    pub baseline: Maturity,
    /// The incident that this one goes on with.
    pub continues: Option<Digest>,
    /// How the story came from one principal to another, in the order in which it was found.
    pub lineage: Vec<Step>,
    /// Whose findings join: usernames, or the origin of requests without a user.
    subjects: Vec<SmolStr>,
    /// Pieces of evidence at the last revision: the next is due when they have doubled.
    told_evidence: u32,
    /// People were told of it.
    told: bool,
    /// Who called it normal.
    pub acknowledged: Option<Acknowledgement>,
}

/// An operator's "this is normal".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub owner: String,
    pub reason: String,
    /// The engine's now.
    pub at: Time,
}

impl Incident {
    /// 0..=100: the severity, finely graded by how many detectors agree.
    #[must_use]
    pub fn score(&self) -> u32 {
        let base = match self.severity {
            Severity::Info => 5,
            Severity::Low => 20,
            Severity::Medium => 50,
            Severity::High => 75,
            Severity::Critical => 90,
        };
        base + (self.detectors.len() as u32).min(10)
    }

    /// One sentence: who, how many kinds of finding, the gravest of them.
    #[must_use]
    pub fn summary(&self) -> String {
        let who = if self.principal.is_empty() {
            self.origins
                .first()
                .map_or_else(|| "the audit log".to_owned(), |o| format!("requests without a user from {o}"))
        } else {
            self.principal.to_string()
        };
        let gravest = self.findings.iter().max_by_key(|t| (t.severity, std::cmp::Reverse(t.first_seen)));
        match gravest {
            // Its title names the log.
            Some(told) if self.kind == Kind::Visibility => format!("{}: {}", told.title, told.observed),
            Some(told) if told.principal.is_empty() || told.principal == self.principal => {
                format!("{who}: {}: {}", told.title, told.observed)
            }
            Some(told) => format!("{who}, then {}: {}: {}", told.principal, told.title, told.observed),
            None => who,
        }
    }

    /// As silences see it.
    fn story(&self) -> Story<'_> {
        Story {
            cluster: &self.cluster,
            kind: self.kind.label(),
            severity: self.severity,
            principal: &self.principal,
            principals: &self.principals,
            detectors: &self.detectors,
            techniques: &self.techniques,
            origins: &self.origins,
            networks: &self.networks,
            user_agents: &self.user_agents,
        }
    }

    /// Adds a finding; true if the incident changed in a way that makes a revision.
    fn add(&mut self, finding: &Finding, severity: Severity, arrival: &Arrival<'_>, who: &str) -> bool {
        let new_detector = !self.detectors.iter().any(|d| d == finding.detector.id());
        if new_detector {
            self.detectors.push(finding.detector.name());
        }
        for technique in finding.techniques() {
            push_bounded(&mut self.techniques, technique, 2 * LIST_LIMIT);
        }
        self.tell(finding, severity, arrival, who);
        let before = self.severity;
        self.severity = self.severity.max(self.earned()).max(severity);
        if self.severity >= Severity::Medium && self.detected_at.is_none() {
            self.detected_at = Some(arrival.at);
        }
        new_detector || self.severity > before
    }

    fn tell(&mut self, finding: &Finding, severity: Severity, arrival: &Arrival<'_>, who: &str) {
        let at = arrival.at;
        let same = |t: &&mut Told| {
            t.detector == finding.detector.id()
                && t.title == finding.title
                && t.severity >= severity
                && t.principal == who
        };
        if let Some(told) = self.findings.iter_mut().find(same) {
            told.count = told.count.saturating_add(1);
            told.last_seen = told.last_seen.max(at);
        } else if self.findings.len() < FINDINGS_LIMIT {
            let mut respond = finding.detector.respond().to_vec();
            respond.extend(arrival.event.into_iter().flat_map(|event| remedy::of(event, finding.culprit.is_some())));
            respond.retain(|step| !self.findings.iter().any(|told| told.respond.contains(step)));
            self.findings.push(Told {
                principal: who.into(),
                detector: finding.detector.name(),
                title: finding.title.clone(),
                severity,
                tactic: finding.tactic,
                expected: shortened(&finding.expected, SENTENCE_BYTES_MAX).into_owned(),
                observed: shortened(&finding.observed, SENTENCE_BYTES_MAX).into_owned(),
                novelty: finding.novelty,
                respond,
                count: 1,
                first_seen: at,
                last_seen: at,
            });
        }
    }

    /// The severity that the findings earn together.
    fn earned(&self) -> Severity {
        let most = self.findings.iter().map(|t| t.severity).max().unwrap_or(Severity::Info);
        let counts = |t: &&Told| t.severity >= Severity::Medium && t.tactic != Tactic::Unnamed;
        if distinct(self.findings.iter().filter(counts).map(|t| t.tactic)) >= 2 {
            return Severity::Critical;
        }
        // Novelties of one account add up, those of several do not.
        let odd = |who: &SmolStr| {
            distinct(self.findings.iter().filter(|t| t.principal == *who).filter_map(|t| t.novelty)) >= 2
        };
        if self.findings.iter().any(|t| t.novelty.is_some() && odd(&t.principal)) {
            most.max(Severity::Medium)
        } else {
            most
        }
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    let mut all: Vec<T> = values.collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

fn push_bounded(list: &mut Vec<SmolStr>, value: &str, limit: usize) {
    if !value.is_empty() && list.len() < limit && !list.iter().any(|v| v == value) {
        list.push(value.into());
    }
}
