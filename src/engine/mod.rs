//! The deterministic middle: inputs in, a value out that says everything that changed.
//!
//! Refuses files, clocks and threads. The same inputs give the same findings and the same bytes, live
//! or replayed, however they are cut into batches.

pub mod camera;
mod clock;
mod gains;
mod input;
mod joins;
mod observe;
mod records;
mod remark;
mod trace;
pub mod word;

pub use input::{Gap, Input, SourceIndex, StoredInput};
pub use records::{Record, Room, account, describe, room_name};
pub use trace::{Known, Trace};
pub use word::{Ack, Acknowledged, Command};

use crate::base::{Digest, Span, Time, text};
use crate::baseline::makers::Makers;
use crate::baseline::{Addresses, Departed, Population, Stolen};
use crate::detect::rule::{Dispatch, Trouble};
use crate::detect::{Finding, Policy};
use crate::event::AuditEvent;
use crate::incident::{Acknowledgement, Arrival, Correlator, Revision};
use camera::{Blind, Camera};
use clock::Clock;
use observe::Scratch;
use smol_str::SmolStr;

/// Of what the same inputs make of the same records. It goes up whenever a judgement or the bytes of a record change:
/// records are compared within one version only. `tests/rewind.rs` notices.
pub const VERSION: u32 = 3;

/// What a batch of inputs brought about, besides the state that [`Engine::drain_records`] hands out.
#[derive(Default)]
pub struct Output {
    /// In the order in which they were made.
    pub revisions: Vec<Revision>,
    /// Findings by detector and severity, for metrics.
    pub findings: Vec<(SmolStr, crate::detect::Severity)>,
    /// Findings that an exemption or an acknowledgement covered: they are no findings.
    pub exempted: u64,
    /// Rules without an answer at an event, by rule and fault, with how often.
    pub troubles: Vec<(Trouble, u64)>,
    /// Commands that were taken, in their order.
    pub answers: Vec<Answer>,
    /// Silences of logs that ended, together.
    pub silent: crate::base::Span,
    /// Events that were judged (the others repeat what was judged, or have no response yet).
    pub judged: u64,
}

/// What became of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub command: Command,
    pub outcome: Result<Acknowledged, Refusal>,
    /// The incident was not over, so its last revision says it.
    pub live: bool,
}

/// Why a command changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The command was taken before.
    Repeated,
    /// The incident is not known, too old, or names nothing that a baseline could learn.
    NothingToLearn,
}

pub struct Engine {
    policy: Policy,
    /// Of the policy's rules.
    dispatch: Dispatch,
    population: Population,
    addresses: Addresses,
    makers: Makers,
    departed: Departed,
    stolen: Stolen,
    correlator: Correlator,
    word: word::Word,
    clock: Clock,
    camera: Camera,
    /// The number of the last input.
    seq: u64,
    scratch: Scratch,
}

impl Engine {
    #[must_use]
    pub fn new(policy: Policy) -> Engine {
        let mut addresses = Addresses::default();
        addresses.declare(&policy.network.cluster);
        Engine {
            population: Population::new(policy.limits),
            dispatch: Dispatch::of(&policy.rules.rules),
            policy,
            addresses,
            makers: Makers::default(),
            departed: Departed::default(),
            stolen: Stolen::default(),
            correlator: Correlator::default(),
            word: word::Word::default(),
            clock: Clock::default(),
            camera: Camera::default(),
            seq: 0,
            scratch: Scratch::default(),
        }
    }

    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The events' own time: the greatest accepted stage time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    #[must_use]
    pub fn incidents(&self) -> &Correlator {
        &self.correlator
    }

    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether a log has been silent for too long while others speak: a tick tells of it.
    #[must_use]
    pub fn misses_a_log(&self) -> bool {
        self.camera.misses_a_log(self.clock.now(), &self.policy.visibility)
    }

    /// From now on, the last judgement is kept for [`Engine::take_trace`].
    pub fn trace(&mut self) {
        self.scratch.traces = true;
    }

    /// The judgement of the last input, if it was an event that is judged.
    pub fn take_trace(&mut self) -> Option<Trace> {
        self.scratch.trace.take()
    }

    /// Whether [`Input::Logs`] would change anything.
    #[must_use]
    pub fn misses_others_than(&self, followed: &[SourceIndex]) -> bool {
        self.camera.knows_others_than(followed)
    }

    /// Whether [`Input::Unread`] of such a line would say anything: of many like it, the first few an hour do.
    #[must_use]
    pub fn wants_unread(&self, source: SourceIndex, reason: &str) -> bool {
        self.camera.wants_unread(source, reason, self.clock.now())
    }

    /// Takes one input. What it brings about is added to `out`.
    pub fn step(&mut self, input: Input<'_>, out: &mut Output) {
        self.seq += 1;
        match input {
            Input::Event { source, event } => self.event(source, event, out),
            Input::Tick(at) => {
                let mut blind = Vec::new();
                let silent = self.camera.tick(at, &self.policy.visibility, &mut blind);
                self.tell(blind, out);
                silent.into_iter().for_each(|source| self.correlator.prolong(&camera::subject(source), at));
                self.correlator.tick(at, &self.policy, &mut out.revisions);
            }
            Input::Gap { source, gap } => {
                let blind = camera::gap(source, &gap, self.clock.now());
                self.tell(vec![blind], out);
            }
            Input::Unread { source, reason, digest } => {
                let blind = self.camera.unread(source, reason, digest, self.clock.now());
                self.tell(vec![blind], out);
            }
            Input::Logs(followed) => self.camera.follow(followed),
            Input::Policy(policy) => {
                self.addresses.declare(&policy.network.cluster);
                self.population.set_limits(policy.limits);
                self.dispatch = Dispatch::of(&policy.rules.rules);
                self.policy = *policy;
                self.correlator.reconsider(&self.policy);
            }
            Input::Command(command) => self.command(*command, out),
        }
    }

    fn event(&mut self, source: SourceIndex, event: &AuditEvent<'_>, out: &mut Output) {
        self.clock.hear(source, event.time);
        let mut blind = Vec::new();
        let silent = self.camera.hear(source, event, self.clock.now(), &self.policy.visibility, &mut blind);
        out.silent = crate::base::Span(out.silent.0 + silent.0);
        self.tell(blind, out);
        if silent > Span::ZERO {
            let subject = camera::subject(source);
            self.correlator.conclude(&subject, self.clock.now(), &self.policy, &mut out.revisions);
        }
        self.correlator.advance(self.clock.now(), &self.policy, &mut out.revisions);
        if observe::is_judged(event, || self.camera.saw_start(event)) {
            out.judged += 1;
            self.judge(event, out);
            if self.addresses.take_hidden_news() {
                self.tell(vec![camera::hidden(source, event.time)], out);
            }
        }
    }

    /// Teaches what the incident named, ends it where it goes on, and keeps who said so.
    fn command(&mut self, command: Command, out: &mut Output) {
        let Command::Ack(ack) = &command;
        let (at, lessons) = (self.clock.now(), self.word.lessons(ack.incident).to_vec());
        let repeated = self.word.ack(ack.incident).is_some_and(|kept| kept.command == ack.command);
        if repeated || lessons.is_empty() {
            let outcome = Err(if repeated { Refusal::Repeated } else { Refusal::NothingToLearn });
            out.answers.push(Answer { command, outcome, live: false });
            return;
        }
        let learning = self.policy.learning;
        for lesson in &lessons {
            self.population.update(&lesson.principal, at, |account| account.learn_lesson(lesson, at, &learning));
        }
        let kept = Acknowledged {
            command: ack.command.clone(),
            owner: ack.owner.clone(),
            reason: ack.reason.clone(),
            at,
            taught: u32::try_from(lessons.len()).unwrap_or(u32::MAX),
        };
        self.word.keep(ack.incident, kept.clone());
        let said = Acknowledgement { owner: ack.owner.clone(), reason: ack.reason.clone(), at };
        let live = self.correlator.acknowledge(ack.incident, said, &mut out.revisions);
        out.answers.push(Answer { command, outcome: Ok(kept), live });
    }

    fn tell(&mut self, blind: Vec<Blind>, out: &mut Output) {
        for b in blind {
            let arrival = Arrival {
                subject: &b.subject,
                principal: "",
                at: b.at,
                audit_id: "",
                credential_id: "",
                origin: "",
                network: "",
                user_agent: "",
                clues: &[],
                neighbour: None,
                here_since: None,
                baseline: crate::baseline::Maturity { mature: false, since: b.at, days: 0, events: 0 },
                digest: &|| b.digest,
                event: None,
            };
            out.findings.push((b.finding.detector.name(), b.finding.severity));
            self.correlator.arrive(std::slice::from_ref(&b.finding), &arrival, &self.policy, &mut out.revisions);
        }
    }

    /// Joins what was found to incidents; returns the first of them.
    fn correlate(
        &mut self,
        words: &Scratch,
        event: &AuditEvent<'_>,
        seen: &observe::Observed,
        out: &mut Output,
    ) -> Option<Digest> {
        let findings: &[Finding] = &words.findings;
        let counted = |f: &Finding| (f.detector.name(), self.policy.capped(f.detector.id(), f.severity));
        out.findings.extend(findings.iter().map(counted));
        let facts = self.facts_of(event, seen);
        let digest = || digest_of(event);
        let arrival = facts.arrival(event, seen, &digest);
        let joined = self.correlator.arrive(findings, &arrival, &self.policy, &mut out.revisions);
        let own = findings.iter().zip(&joined).find(|(f, _)| f.culprit.is_none()).map(|(_, id)| *id);
        for (finding, incident) in findings.iter().zip(joined) {
            self.word.note(incident, word::lessons_of(finding, event, words, &facts.network), self.clock.now());
        }
        own
    }
}

/// What makes an event this event: enough to tell any two apart, and nothing that history does not keep.
fn digest_of(event: &AuditEvent<'_>) -> Digest {
    let stage = [event.stage as u8, event.level as u8];
    let code = event.code.to_le_bytes();
    let mut parts: Vec<&[u8]> = vec![event.audit_id.as_bytes(), &stage, &code];
    let (time, received) = (event.time.0.to_le_bytes(), event.received.0.to_le_bytes());
    parts.extend([&time[..], &received[..]]);
    let uri = text::clean(event.uri);
    for text in [event.username, &uri, event.operation.verb, event.user_agent, event.credential.id] {
        parts.push(text.as_bytes());
    }
    let ips: Vec<String> = event.source_ips.iter().map(ToString::to_string).collect();
    parts.extend(ips.iter().map(String::as_bytes));
    Digest::of_parts(&parts)
}
