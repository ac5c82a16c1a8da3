//! The operator's word about incidents: what each would teach, and who called which normal.
//!
//! Refuses to teach what nobody acknowledged: an incident's words only wait here.

use super::judge::Scratch;
use crate::base::{Digest, Time};
use crate::baseline::features::agents;
use crate::baseline::lesson::{ANY, Dimension, Lesson};
use crate::detect::finding::Source;
use crate::detect::{Finding, Marks, detectors};
use crate::event::AuditEvent;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Most incidents whose words wait, and most acknowledgements kept; the oldest go first.
pub const INCIDENTS_LIMIT: usize = 4_096;
/// Most words of one incident.
pub const LESSONS_LIMIT: usize = 64;

/// What an operator asks of the engine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// "This is normal": the incident's behaviour is habit from now on.
    Ack(Ack),
}

/// Who acknowledges what, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// Unique; the same command twice is one.
    pub command: SmolStr,
    pub incident: Digest,
    pub owner: String,
    pub reason: String,
    #[serde(default)]
    pub width: Width,
}

/// How much an acknowledgement calls normal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// What the incident named: these acts, at these objects, from there, with that program.
    #[default]
    Act,
    /// Acts of these kinds at any object and in any namespace.
    Kind,
    /// Whatever the account does. Evidence that a credential is in other hands is told all the
    /// same.
    Account,
}

impl Width {
    /// What is taught besides the words of the incident.
    pub(super) fn widened(self, lessons: &[Lesson]) -> Vec<Lesson> {
        let word = |lesson: &Lesson, dimension, word: String| Lesson {
            principal: lesson.principal.clone(),
            dimension,
            word: word.into(),
        };
        match self {
            Width::Act => Vec::new(),
            Width::Kind => {
                let kinds = lessons
                    .iter()
                    .filter(|lesson| lesson.dimension == Dimension::Practice);
                let any =
                    |lesson: &Lesson| [' ', '@'].map(|mark| format!("{}{mark}{ANY}", lesson.word));
                kinds
                    .flat_map(|kind| any(kind).map(|any| word(kind, Dimension::Object, any)))
                    .collect()
            }
            Width::Account => lessons
                .iter()
                .map(|one| word(one, Dimension::Finding, ANY.to_owned()))
                .collect(),
        }
    }
}

/// An acknowledgement as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acknowledged {
    pub command: SmolStr,
    pub owner: String,
    pub reason: String,
    /// The engine's now.
    pub at: Time,
    /// How many words were taught.
    pub taught: u32,
}

/// What an incident would teach.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Lessons {
    /// When the last was added, by the engine's clock.
    at: Time,
    pub lessons: Vec<Lesson>,
}

/// By incident.
#[derive(Default)]
pub(super) struct Word {
    lessons: BTreeMap<Digest, Lessons>,
    acks: BTreeMap<Digest, Acknowledged>,
    changed: Vec<Digest>,
}

pub(super) type Changes<'a> = Vec<(Digest, Option<&'a Lessons>, Option<&'a Acknowledged>)>;

impl Word {
    pub(super) fn note(&mut self, incident: Digest, new: Vec<Lesson>, now: Time) {
        let is_full =
            self.lessons.len() >= INCIDENTS_LIMIT && !self.lessons.contains_key(&incident);
        if is_full
            && let Some(oldest) = self
                .lessons
                .iter()
                .min_by_key(|(id, l)| (l.at, **id))
                .map(|(id, _)| *id)
        {
            self.lessons.remove(&oldest);
            self.changed.push(oldest);
        }
        let kept = self.lessons.entry(incident).or_default();
        let before = kept.lessons.len();
        for lesson in new {
            if kept.lessons.len() < LESSONS_LIMIT && !kept.lessons.contains(&lesson) {
                kept.lessons.push(lesson);
            }
        }
        if kept.lessons.len() > before {
            kept.at = now;
            self.changed.push(incident);
        }
    }

    pub(super) fn lessons(&self, incident: Digest) -> &[Lesson] {
        self.lessons.get(&incident).map_or(&[], |l| &l.lessons)
    }

    pub(super) fn ack(&self, incident: Digest) -> Option<&Acknowledged> {
        self.acks.get(&incident)
    }

    pub(super) fn keep(&mut self, incident: Digest, ack: Acknowledged) {
        if self.acks.len() >= INCIDENTS_LIMIT
            && let Some(oldest) = self
                .acks
                .iter()
                .min_by_key(|(id, a)| (a.at, **id))
                .map(|(id, _)| *id)
        {
            self.acks.remove(&oldest);
            self.changed.push(oldest);
        }
        self.acks.insert(incident, ack);
        self.changed.push(incident);
    }

    pub(super) fn drain_changes(&mut self) -> Changes<'_> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed
            .into_iter()
            .map(|id| (id, self.lessons.get(&id), self.acks.get(&id)))
            .collect()
    }

    pub(super) fn restore_lessons(&mut self, incident: Digest, lessons: Lessons) {
        self.lessons.insert(incident, lessons);
    }

    pub(super) fn restore_ack(&mut self, incident: Digest, ack: Acknowledged) {
        self.acks.insert(incident, ack);
    }
}

/// The words that a finding is about, in the memory of the account that was judged.
pub(super) fn lessons_of(
    finding: &Finding,
    event: &AuditEvent<'_>,
    words: &Scratch,
    network: &str,
) -> Vec<Lesson> {
    if event.username.is_empty() {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut teach = |dimension, word: &str| {
        if !word.is_empty() {
            out.push(Lesson {
                principal: event.username.into(),
                dimension,
                word: word.into(),
            });
        }
    };
    let wakes = marks_of(&finding.detector);
    if wakes.intersects(Marks::NEW_AGENT) {
        teach(Dimension::Agent, agents::product(event.user_agent));
    }
    if wakes.intersects(Marks::NEW_ORIGIN) {
        teach(Dimension::Origin, &words.origin);
        teach(Dimension::Network, network);
    }
    if wakes.intersects(Marks::NEW_OPERATION.with(Marks::SENSITIVE)) {
        let refused = event.outcome.is_refusal();
        teach(
            if refused {
                Dimension::Denial
            } else {
                Dimension::Operation
            },
            &words.operation,
        );
        teach(Dimension::Target, &words.target);
        for act in &words.weighed {
            teach(Dimension::Practice, &act.key);
            for (mark, what) in [(' ', &act.object), ('@', &act.place)] {
                let word = if what.is_empty() {
                    String::new()
                } else {
                    format!("{}{mark}{what}", act.key)
                };
                teach(Dimension::Object, &word);
            }
        }
    }
    if wakes.intersects(Marks::ACT) {
        words
            .weighed
            .iter()
            .for_each(|act| teach(Dimension::Practice, &act.key));
    }
    if wakes.intersects(Marks::ODD_CREDENTIAL) {
        teach(Dimension::Issuer, &words.issuer);
    }
    const REMEMBERED: Marks = Marks::NEW_AGENT
        .with(Marks::NEW_ORIGIN)
        .with(Marks::NEW_OPERATION)
        .with(Marks::SENSITIVE)
        .with(Marks::ACT);
    if !wakes.intersects(REMEMBERED) {
        teach(Dimension::Finding, &signature(finding, event, words));
    }
    out
}

fn marks_of(source: &Source) -> Marks {
    let found = detectors::ALL
        .iter()
        .find(|d| *source == Source::BuiltIn(d.meta.id));
    found.map_or(Marks::default(), |d| d.meta.wakes_on)
}

/// By which an accepted finding is known again: who found it, what was done from where with what.
/// What the client chooses freely stands last, for long words are cut.
pub(super) fn signature(finding: &Finding, event: &AuditEvent<'_>, words: &Scratch) -> String {
    let sweep = marks_of(&finding.detector).intersects(Marks::PROBE);
    let operation = if sweep { "" } else { words.operation.as_str() };
    format!(
        "{} {operation} from {} with {}",
        finding.detector.id(),
        words.origin,
        agents::product(event.user_agent)
    )
}
