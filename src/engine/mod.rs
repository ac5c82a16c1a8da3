//! The deterministic middle: inputs in, a value out that says everything that changed.
//!
//! Refuses files, clocks and threads. The same inputs give the same findings and the same bytes,
//! live or replayed, however they are cut into batches.

pub mod camera;
mod clock;
mod gains;
mod input;
mod joins;
mod judge;
mod learn;
mod look;
mod records;
mod remark;
mod trace;
mod twin;
pub mod word;

pub use input::{Gap, Input, SourceIndex, StoredInput};
pub use records::{Record, Room, account, describe, room_name};
pub use trace::{Known, Trace};
pub use twin::Request;
pub use word::{Ack, Acknowledged, Command, Width};

use crate::base::{Digest, Span, Time, text};
use crate::baseline::makers::Makers;
use crate::baseline::{Addresses, Causes, Departed, Population, Prevalence, Stolen};
use crate::detect::rule::{Dispatch, Trouble};
use crate::detect::{Finding, Policy};
use crate::event::{AuditEvent, origin};
use crate::incident::{Acknowledgement, Arrival, Correlator, Revision};
use camera::{Blind, Camera, Early};
use clock::Clock;
use judge::Scratch;
use smol_str::SmolStr;
use std::net::IpAddr;
use twin::Twins;

/// Version of what the same inputs make of the same records. It goes up whenever a judgement or the
/// bytes of a record change: records are compared within one version only. `tests/rewind.rs`
/// notices.
pub const VERSION: u32 = 4;

/// What a batch of inputs brought about, besides the state that [`Engine::drain_records`] hands
/// out.
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
    pub silent: Span,
    /// Events whose time is not believed: seq, and one sentence.
    pub leaps: Vec<(u64, String)>,
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
    /// Index of the policy's rules.
    dispatch: Dispatch,
    population: Population,
    addresses: Addresses,
    makers: Makers,
    departed: Departed,
    stolen: Stolen,
    prevalence: Prevalence,
    causes: Causes,
    correlator: Correlator,
    word: word::Word,
    clock: Clock,
    camera: Camera,
    twins: Twins,
    /// The request of the last event.
    request: Request,
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
            prevalence: Prevalence::default(),
            causes: Causes::default(),
            correlator: Correlator::default(),
            word: word::Word::default(),
            clock: Clock::default(),
            camera: Camera::default(),
            twins: Twins::default(),
            request: Request::default(),
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

    /// Whether nothing was judged as of later than now, so that now divides what was judged before
    /// from what comes.
    #[must_use]
    pub fn is_sure_of_now(&self) -> bool {
        self.clock.is_sure()
    }

    /// The request that the last event belongs to.
    #[must_use]
    pub fn request(&self) -> Request {
        self.request
    }

    /// The address that can be trusted of the last event, which is this one.
    #[must_use]
    pub fn caller(&self, event: &AuditEvent<'_>) -> Option<IpAddr> {
        origin::caller(
            handed_on(event, self.request),
            &self.policy.network.trusted_proxies,
        )
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
        self.camera
            .misses_a_log(self.clock.now(), &self.policy.visibility)
    }

    /// Whether something could not be seen before the first event: a tick tells of it.
    #[must_use]
    pub fn waits_for_a_time(&self) -> bool {
        self.camera.waits_for_a_time()
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

    /// Whether [`Input::Unread`] of such a line would say anything: of many like it, the first few
    /// an hour do.
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
                let mut blind = self.camera.waited(self.clock.now());
                let silent = self.camera.tick(at, &self.policy.visibility, &mut blind);
                self.tell(blind, out);
                silent
                    .into_iter()
                    .for_each(|source| self.correlator.prolong(&camera::subject(source), at));
                self.correlator.tick(at, &self.policy, &mut out.revisions);
            }
            Input::Gap { source, gap } => {
                let (kind, detail) = (gap.kind.to_owned(), gap.detail.to_owned());
                let gap = Early::Gap {
                    source,
                    kind,
                    detail,
                    digest: gap.digest,
                };
                let blind = self.camera.wait(self.clock.now(), gap);
                self.tell(blind, out);
            }
            Input::Unread {
                source,
                reason,
                digest,
            } => {
                let line = Early::Unread {
                    source,
                    reason: reason.to_owned(),
                    digest,
                };
                let blind = self.camera.wait(self.clock.now(), line);
                self.tell(blind, out);
            }
            Input::Logs(followed) => {
                self.camera.follow(followed);
                self.clock.follow(followed);
            }
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
        let heard = self.clock.hear(source, event.time);
        self.request = self.twins.hear(event, self.clock.hears_several());
        // What is years ahead would make baselines forget, and windows and ids begin anew.
        let Request {
            received,
            is_relayed,
            ..
        } = self.request;
        let judged =
            (heard.at != event.time || is_relayed || received != event.received).then(|| {
                let source_ips = handed_on(event, self.request).into();
                AuditEvent {
                    time: heard.at,
                    received,
                    source_ips,
                    ..event.clone()
                }
            });
        let mut blind = self.camera.waited(self.clock.now());
        if let Some(leap) = heard.leap {
            let words = leap.words(event.time, event.audit_id);
            blind.push(camera::leap(&leap, words.clone(), self.clock.now()));
            out.leaps.push((self.seq, words));
        }
        let event = judged.as_ref().unwrap_or(event);
        let silent = self.camera.hear(
            source,
            event,
            self.clock.now(),
            &self.policy.visibility,
            &mut blind,
        );
        self.tell(blind, out);
        if let Some(silent) = silent {
            out.silent = Span(out.silent.0 + silent.0);
            let subject = camera::subject(source);
            self.correlator
                .conclude(&subject, self.clock.now(), &self.policy, &mut out.revisions);
        }
        self.correlator
            .advance(self.clock.now(), &self.policy, &mut out.revisions);
        if judge::is_judged(event, || self.camera.saw_start(event)) && self.twins.take(self.request)
        {
            out.judged += 1;
            self.prevalence.hear(self.clock.now());
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
        let repeated = self
            .word
            .ack(ack.incident)
            .is_some_and(|kept| kept.command == ack.command);
        if repeated || lessons.is_empty() {
            let outcome = Err(if repeated {
                Refusal::Repeated
            } else {
                Refusal::NothingToLearn
            });
            out.answers.push(Answer {
                command,
                outcome,
                live: false,
            });
            return;
        }
        let learning = self.policy.learning;
        let wider = ack.width.widened(&lessons);
        for lesson in lessons.iter().chain(&wider) {
            self.population.update(&lesson.principal, at, |account| {
                account.learn_lesson(lesson, at, &learning);
            });
        }
        let kept = Acknowledged {
            command: ack.command.clone(),
            owner: ack.owner.clone(),
            reason: ack.reason.clone(),
            at,
            taught: u32::try_from(lessons.len()).unwrap_or(u32::MAX),
        };
        self.word.keep(ack.incident, kept.clone());
        let said = Acknowledgement {
            owner: ack.owner.clone(),
            reason: ack.reason.clone(),
            at,
        };
        let live = self
            .correlator
            .acknowledge(ack.incident, said, &mut out.revisions);
        out.answers.push(Answer {
            command,
            outcome: Ok(kept),
            live,
        });
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
                baseline: crate::baseline::Maturity {
                    mature: false,
                    since: b.at,
                    days: 0,
                    events: 0,
                },
                digest: &|| b.digest,
                event: None,
            };
            out.findings.push((
                b.finding.detector.name(),
                self.policy.severity_of(&b.finding),
            ));
            self.correlator.arrive(
                std::slice::from_ref(&b.finding),
                &arrival,
                &self.policy,
                &mut out.revisions,
            );
        }
    }

    /// Joins what was found to incidents; returns the first of them.
    fn correlate(
        &mut self,
        words: &Scratch,
        event: &AuditEvent<'_>,
        seen: &judge::Observed,
        out: &mut Output,
    ) -> Option<Digest> {
        let findings: &[Finding] = &words.findings;
        let counted = |f: &Finding| (f.detector.name(), self.policy.severity_of(f));
        out.findings.extend(findings.iter().map(counted));
        let facts = self.facts_of(event, seen);
        let digest = || digest_of(event);
        let arrival = facts.arrival(event, seen, &digest);
        let joined = self
            .correlator
            .arrive(findings, &arrival, &self.policy, &mut out.revisions);
        let own = findings
            .iter()
            .zip(&joined)
            .find(|(f, _)| f.culprit.is_none())
            .map(|(_, id)| *id);
        for (finding, incident) in findings.iter().zip(joined) {
            self.word.note(
                incident,
                word::lessons_of(finding, event, words, &facts.network),
                self.clock.now(),
            );
        }
        own
    }
}

/// The addresses that the server saw which handed the request on, or else this one.
fn handed_on<'e>(event: &'e AuditEvent<'_>, request: Request) -> &'e [IpAddr] {
    match event.source_ips.split_last() {
        Some((_, before)) if request.is_relayed => before,
        _ => &event.source_ips,
    }
}

/// What makes an event this event: enough to tell any two apart, and nothing that history does not
/// keep.
fn digest_of(event: &AuditEvent<'_>) -> Digest {
    let stage = [event.stage as u8, event.level as u8];
    let code = event.code.to_le_bytes();
    let mut parts: Vec<&[u8]> = vec![event.audit_id.as_bytes(), &stage, &code];
    let (time, received) = (event.time.0.to_le_bytes(), event.received.0.to_le_bytes());
    parts.extend([&time[..], &received[..]]);
    let uri = text::clean(event.uri);
    for text in [
        event.username,
        &uri,
        event.operation.verb,
        event.user_agent,
        event.credential.id,
    ] {
        parts.push(text.as_bytes());
    }
    let ips: Vec<String> = event.source_ips.iter().map(ToString::to_string).collect();
    parts.extend(ips.iter().map(String::as_bytes));
    Digest::of_parts(&parts)
}
