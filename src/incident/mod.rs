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
pub use json::{acknowledged, to_json, to_value};
pub use memory::Memory;
pub use notice::{Notice, Reason};
pub use sequence::{Neighbour, Step};

use crate::base::Bits;
use crate::base::text::{counted, shortened};
use crate::base::{Digest, Time};
use crate::baseline::Maturity;
use crate::detect::policy::Thresholds;
use crate::detect::rule::Story;
use crate::detect::{Finding, Severity, Tactic};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Most values of each list of an incident (principals, credentials, origins, networks, agents).
const LIST_LIMIT: usize = 16;
/// Most distinct findings told of one incident; more only count.
const FINDINGS_LIMIT: usize = 48;
/// Longest sentence of a finding, in bytes: names, agents and commands stand in it, which a client
/// chose.
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

/// Most objects named of one piece of evidence.
const OBJECTS_LIMIT: usize = 8;
/// Most causes named of one piece of evidence.
const CAUSES_LIMIT: usize = 4;
/// What each doubling of the objects of one kind of act adds, in thousandths of a bit, and the most
/// that all of them do.
const DOUBLING: i32 = 1500;
const DOUBLINGS_MAX: Bits = Bits::whole(8);
/// So heavy an act adds up wholly by its number, lighter ones in proportion.
const WHOLLY: i32 = 7000;
/// Lighter acts do not add up by their number: they are somebody's work.
const COUNTS: Bits = Bits(2000);

/// One piece of evidence: one detector's sentence about one kind of act, and how often it was said.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Who did it; empty for a request without a user.
    pub principal: SmolStr,
    pub detector: SmolStr,
    pub title: SmolStr,
    /// What makes it another piece of evidence than the others of its detector.
    pub key: SmolStr,
    /// Weight of the heaviest that was said, and the severity that it has alone.
    pub weight: Bits,
    pub severity: Severity,
    /// The credential was where it cannot be: whoever used it is not its owner.
    pub is_theft: bool,
    pub tactic: Tactic,
    pub expected: String,
    pub observed: String,
    /// Distinct objects of those that weigh something, the first of them by name, and how many.
    pub objects: Vec<SmolStr>,
    pub distinct: u32,
    /// Why it weighs less than it could.
    pub causes: Vec<String>,
    /// What a responder can do about it: the words of the operator's rule, and commands about the
    /// event.
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
    /// All evidence together: the heaviest piece, half of the next, a quarter of the third.
    /// Evidence of one story is never independent.
    #[must_use]
    pub fn score(&self) -> Bits {
        let mut weights: Vec<Bits> = self.findings.iter().map(Told::total).collect();
        weights.sort_unstable_by_key(|weight| std::cmp::Reverse(*weight));
        // What could not be seen is no evidence against anybody, however often it happens.
        if self.kind == Kind::Visibility {
            weights.truncate(1);
        }
        added_up(&weights)
    }

    /// One sentence: why it is as severe as it is, by the pieces of evidence that it adds up.
    #[must_use]
    pub fn why(&self) -> String {
        let mut told: Vec<&Told> = self
            .findings
            .iter()
            .filter(|told| told.total() > Bits::ZERO)
            .collect();
        told.sort_by_key(|told| (std::cmp::Reverse(told.total()), told.first_seen));
        let shares = ["", "half of ", "a quarter of ", "an eighth of "];
        let piece = |(share, told): (&str, &&Told)| {
            format!("{share}{} for \u{201c}{}\u{201d}", told.total(), told.title)
        };
        let pieces: Vec<String> = shares.into_iter().zip(&told).map(piece).collect();
        let rest = told.len().saturating_sub(pieces.len());
        let more = if rest > 0 {
            format!(
                ", and a little for {}",
                counted(rest as u64, "more finding")
            )
        } else {
            String::new()
        };
        format!(
            "{} bits of evidence make it {}: {}{more}",
            self.score(),
            self.severity,
            pieces.join(", ")
        )
    }

    /// Whether a credential was certainly used by somebody who is not its owner.
    #[must_use]
    pub fn is_theft(&self) -> bool {
        self.findings
            .iter()
            .any(|told| told.is_theft && told.severity >= Severity::High)
    }

    /// One sentence: who, how many kinds of finding, the gravest of them.
    #[must_use]
    pub fn summary(&self) -> String {
        let who = if self.principal.is_empty() {
            self.origins.first().map_or_else(
                || "the audit log".to_owned(),
                |o| format!("requests without a user from {o}"),
            )
        } else {
            self.principal.to_string()
        };
        let gravest = self
            .findings
            .iter()
            .max_by_key(|t| (t.total(), std::cmp::Reverse(t.first_seen)));
        match gravest {
            // Its title names the log.
            Some(told) if self.kind == Kind::Visibility => {
                format!("{}: {}", told.title, told.observed)
            }
            Some(told) if told.principal.is_empty() || told.principal == self.principal => {
                format!("{who}: {}: {}", told.title, told.observed)
            }
            Some(told) => format!(
                "{who}, then {}: {}: {}",
                told.principal, told.title, told.observed
            ),
            None => who,
        }
    }

    /// As silences see it.
    fn story(&self) -> Story<'_> {
        Story {
            cluster: &self.cluster,
            kind: self.kind.label(),
            severity: self.severity,
            score: self.score(),
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
    fn add(
        &mut self,
        finding: &Finding,
        weight: Bits,
        thresholds: &Thresholds,
        arrival: &Arrival<'_>,
        who: &str,
    ) -> bool {
        let new_detector = !self.detectors.iter().any(|d| d == finding.detector.id());
        if new_detector {
            self.detectors.push(finding.detector.name());
        }
        for technique in finding.techniques() {
            push_bounded(&mut self.techniques, technique, 2 * LIST_LIMIT);
        }
        // Each distinct act that weighs something is named at once.
        let is_new = self.tell(finding, weight, thresholds.severity(weight), arrival, who)
            && weight >= COUNTS;
        let before = self.severity;
        self.severity = self.severity.max(thresholds.severity(self.score()));
        if self.severity >= Severity::Medium && self.detected_at.is_none() {
            self.detected_at = Some(arrival.at);
        }
        new_detector || is_new || self.severity > before
    }

    fn tell(
        &mut self,
        finding: &Finding,
        weight: Bits,
        severity: Severity,
        arrival: &Arrival<'_>,
        who: &str,
    ) -> bool {
        let at = arrival.at;
        let same = |t: &&mut Told| {
            t.detector == finding.detector.id() && t.key == finding.key && t.principal == who
        };
        if let Some(told) = self.findings.iter_mut().find(same) {
            told.again(finding, weight, severity, at);
            return false;
        }
        // Where there is no room, what weighs least gives way.
        if self.findings.len() >= FINDINGS_LIMIT {
            let lightest = self
                .findings
                .iter()
                .enumerate()
                .min_by_key(|(_, told)| told.total());
            match lightest
                .filter(|(_, told)| told.total() < weight)
                .map(|(at, _)| at)
            {
                Some(at) => drop(self.findings.remove(at)),
                None => return false,
            }
        }
        let mut respond = finding.detector.respond().to_vec();
        respond.extend(
            arrival
                .event
                .into_iter()
                .flat_map(|event| remedy::of(event, finding.culprit.is_some())),
        );
        respond.retain(|step| !self.findings.iter().any(|told| told.respond.contains(step)));
        let mut told = Told {
            principal: who.into(),
            detector: finding.detector.name(),
            title: finding.title.clone(),
            key: finding.key.clone(),
            weight,
            severity,
            is_theft: finding.is_theft,
            tactic: finding.tactic,
            expected: shortened(&finding.expected, SENTENCE_BYTES_MAX).into_owned(),
            observed: shortened(&finding.observed, SENTENCE_BYTES_MAX).into_owned(),
            objects: Vec::new(),
            distinct: 0,
            causes: finding.causes.iter().take(CAUSES_LIMIT).cloned().collect(),
            respond,
            count: 1,
            first_seen: at,
            last_seen: at,
        };
        told.name(&finding.object, weight);
        self.findings.push(told);
        true
    }
}

impl Told {
    /// The heaviest that was said, and what the number of its objects adds.
    #[must_use]
    pub fn total(&self) -> Bits {
        let doublings = Bits::log2(self.distinct.into())
            .times(DOUBLING, 1000)
            .min(DOUBLINGS_MAX);
        self.weight + doublings.times(self.weight.0.clamp(0, WHOLLY), WHOLLY)
    }

    fn again(&mut self, finding: &Finding, weight: Bits, severity: Severity, at: Time) {
        self.count = self.count.saturating_add(1);
        self.last_seen = self.last_seen.max(at);
        self.name(&finding.object, weight);
        self.is_theft |= finding.is_theft;
        if weight > self.weight {
            (self.weight, self.severity) = (weight, severity);
            self.title.clone_from(&finding.title);
            self.expected = shortened(&finding.expected, SENTENCE_BYTES_MAX).into_owned();
            self.observed = shortened(&finding.observed, SENTENCE_BYTES_MAX).into_owned();
            self.causes = finding.causes.iter().take(CAUSES_LIMIT).cloned().collect();
        }
    }

    /// Counts an object. Beyond those that are named, only one that differs from the last is taken
    /// for another.
    fn name(&mut self, object: &SmolStr, weight: Bits) {
        if object.is_empty() || weight < COUNTS || self.objects.contains(object) {
            return;
        }
        self.distinct = self.distinct.saturating_add(1);
        if self.objects.len() < OBJECTS_LIMIT {
            self.objects.push(object.clone());
        } else if let Some(last) = self.objects.last_mut() {
            last.clone_from(object);
        }
    }
}

/// The sum of pieces of evidence, the heaviest first: each counts half as much as the one before
/// it.
#[must_use]
pub fn added_up(weights: &[Bits]) -> Bits {
    let halved = |(n, weight): (usize, &Bits)| weight.times(1, 1 << n.min(20));
    weights
        .iter()
        .enumerate()
        .map(halved)
        .fold(Bits::ZERO, |sum, weight| sum + weight)
}

fn push_bounded(list: &mut Vec<SmolStr>, value: &str, limit: usize) {
    if !value.is_empty() && list.len() < limit && !list.iter().any(|v| v == value) {
        list.push(value.into());
    }
}
