//! What we could not see: gaps, silence, stages and levels that vanish.
//!
//! Refuses to guess why. What was not seen is a fact of security, so it becomes an incident of its own kind.

use super::input::{Gap, SourceIndex};
use crate::base::{Digest, Span, Time};
use crate::detect::policy::Visibility;
use crate::detect::{Finding, Severity, Tactic};
use crate::event::{AuditEvent, Level, Stage};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, VecDeque};

/// Ids under which visibility is told, as detectors' ids are.
pub const GAP: &str = "log-gap";
pub const SILENT: &str = "log-silent";
pub const HIDDEN: &str = "addresses-hidden";
pub const VANISHED: &str = "log-part-vanished";
pub const UNREAD: &str = "log-unreadable";

/// A stage or level is missed only where it was one in so many.
const USUAL_SHARE: u64 = 1000;
const VANISHED_AFTER: Span = Span::seconds(3600);
/// So many lines that cannot be read for one reason, within [`UNREAD_WINDOW`] of the first, are no accident; what
/// comes after them says nothing new.
const UNREAD_MANY: u32 = 10;
const UNREAD_WINDOW: Span = Span::seconds(3600);
/// What no crash leaves behind and a client can bring about: a request that is too large, nested too deep, or holds
/// bytes that are no text. Each hides itself.
const HIDES: [&str; 3] = ["too_long", "too_deep", "not_utf8"];

/// Something that could not be seen, ready to be told.
pub struct Blind {
    pub subject: String,
    pub at: Time,
    pub digest: Digest,
    pub finding: Finding,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Log {
    last: Time,
    told_silent: bool,
}

/// How often one stage or level was seen, and how long it has been missed.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Part {
    seen: u64,
    last: Time,
    events_since: u32,
    told: bool,
}

/// Lines of one log that could not be read for one reason.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Unread {
    /// The first of the window.
    since: Time,
    count: u32,
}

const PARTS: [&str; 6] = [
    "stage ResponseStarted",
    "stage ResponseComplete",
    "stage RequestReceived",
    "level Metadata",
    "level Request",
    "level RequestResponse",
];

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Camera {
    logs: BTreeMap<SourceIndex, Log>,
    parts: [Part; 6],
    events: u64,
    /// Whether watches, and reading of logs: when a start was last recorded; an end then says nothing new.
    last_started: [Time; 2],
    /// The latest starts of all others. A rule of the audit policy may omit the stage for some requests only, so
    /// whether an end says something new is a question of this one request.
    started: VecDeque<u64>,
    /// By log and reason.
    unread: BTreeMap<(SourceIndex, SmolStr), Unread>,
}

/// Most starts remembered; the end of one that is forgotten is judged as if it were new.
const STARTED_LIMIT: usize = 1024;

impl Camera {
    /// Whether the start of this long-running request was recorded: then its end says nothing new. Of watches and logs,
    /// which are many, whether a start was recorded within the last day.
    #[must_use]
    pub fn saw_start(&self, event: &AuditEvent<'_>) -> bool {
        match frequent(event) {
            Some(kind) => {
                let last = self.last_started[kind];
                last != Time::ZERO && event.time.since(last).as_seconds() < 86_400
            }
            None => self.started.contains(&request(event)),
        }
    }

    fn remember_start(&mut self, event: &AuditEvent<'_>) {
        if let Some(kind) = frequent(event) {
            let last = &mut self.last_started[kind];
            *last = event.time.max(*last);
        } else if event.is_long_running() {
            if self.started.len() >= STARTED_LIMIT {
                self.started.pop_front();
            }
            self.started.push_back(request(event));
        }
    }

    /// Whether a log has been silent for longer than the policy allows, and nobody was told yet.
    #[must_use]
    pub fn misses_a_log(&self, now: Time, policy: &Visibility) -> bool {
        self.logs.iter().any(|(source, log)| !log.told_silent && silence(*source, log, now, policy).is_some())
    }

    /// Takes note of one event, and returns the silence that it ended. `now` is the engine's clock after it.
    pub fn hear(
        &mut self,
        source: SourceIndex,
        event: &AuditEvent<'_>,
        now: Time,
        policy: &Visibility,
        out: &mut Vec<Blind>,
    ) -> Span {
        let log = self.logs.entry(source).or_insert_with(|| Log { last: event.time.min(now), told_silent: false });
        let silent = silence(source, log, now, policy);
        let span = if silent.is_some() { now.since(log.last) } else { Span::ZERO };
        out.extend(silent.filter(|_| !log.told_silent));
        log.told_silent = false;
        log.last = log.last.max(event.time.min(now));
        if event.stage == Stage::ResponseStarted && !event.username.is_empty() {
            self.remember_start(event);
        }
        self.events += 1;
        self.count_parts(event, policy, out);
        span
    }

    /// Whether the silence of a log would be told that is none of these.
    #[must_use]
    pub fn knows_others_than(&self, followed: &[SourceIndex]) -> bool {
        self.logs.keys().any(|source| !followed.contains(source))
    }

    /// Forgets the logs that are none of these.
    pub fn follow(&mut self, followed: &[SourceIndex]) {
        self.logs.retain(|source, _| followed.contains(source));
    }

    /// Whether one more line of this log that cannot be read for this reason says anything.
    #[must_use]
    pub fn wants_unread(&self, source: SourceIndex, reason: &str, now: Time) -> bool {
        let before = self.unread.get(&(source, reason.into()));
        before.is_none_or(|u| u.count < UNREAD_MANY || now.since(u.since) > UNREAD_WINDOW)
    }

    /// A line that could not be read: `low`, for crashes tear lines; `medium` for many, and for one that hides a request.
    pub fn unread(&mut self, source: SourceIndex, reason: &str, digest: Digest, now: Time) -> Blind {
        let seen = self.unread.entry((source, reason.into())).or_insert(Unread { since: now, count: 0 });
        if now.since(seen.since) > UNREAD_WINDOW {
            *seen = Unread { since: now, count: 0 };
        }
        seen.count = seen.count.saturating_add(1);
        let grave = HIDES.contains(&reason) || seen.count >= UNREAD_MANY;
        let (severity, many) = if grave { (Severity::Medium, seen.count) } else { (Severity::Low, seen.count) };
        Blind {
            subject: format!("log {source}: {reason}"),
            at: now,
            digest: Digest::of_parts(&[b"unread", reason.as_bytes(), &digest.0]),
            finding: Finding {
                severity,
                ..finding(
                    UNREAD,
                    "Lines of the audit log cannot be read",
                    "every line is an audit event that can be judged".to_owned(),
                    format!("{many} since {}: {reason}; what was asked for there was not judged", seen.since),
                )
            },
        }
    }

    fn count_parts(&mut self, event: &AuditEvent<'_>, policy: &Visibility, out: &mut Vec<Blind>) {
        let stage = match event.stage {
            Stage::ResponseStarted => 0,
            Stage::ResponseComplete | Stage::Panic => 1,
            Stage::RequestReceived => 2,
        };
        let level = match event.level {
            Level::Metadata => 3,
            Level::Request => 4,
            Level::RequestResponse => 5,
        };
        for (i, part) in self.parts.iter_mut().enumerate() {
            if i == stage || i == level {
                *part = Part { seen: part.seen + 1, last: part.last.max(event.time), events_since: 0, told: false };
                continue;
            }
            part.events_since = part.events_since.saturating_add(1);
            if part.events_since >= policy.vanished_events && !part.told {
                let usual = part.seen * USUAL_SHARE >= self.events && part.seen >= 100;
                if usual && event.time.since(part.last) >= VANISHED_AFTER {
                    part.told = true;
                    out.push(vanished(i, part, event.time));
                }
            }
        }
    }

    /// Says which logs have fallen silent at `at`, once each until they speak again, and which are silent still.
    pub fn tick(&mut self, at: Time, policy: &Visibility, out: &mut Vec<Blind>) -> Vec<SourceIndex> {
        let mut still = Vec::new();
        for (source, log) in &mut self.logs {
            let Some(blind) = silence(*source, log, at, policy) else { continue };
            still.push(*source);
            if !log.told_silent {
                log.told_silent = true;
                out.push(blind);
            }
        }
        still
    }
}

fn frequent(event: &AuditEvent<'_>) -> Option<usize> {
    match (event.operation.subresource, event.operation.verb) {
        ("log", _) => Some(0),
        (_, "watch") => Some(1),
        _ => None,
    }
}

/// A client may choose the audit id, so it is not enough to tell requests apart.
fn request(event: &AuditEvent<'_>) -> u64 {
    let received = event.received.0.to_le_bytes();
    let parts = [event.audit_id, event.username, event.uri].map(str::as_bytes);
    let [a, b, c, d, e, f, g, h, ..] = Digest::of_parts(&[parts[0], parts[1], parts[2], &received]).0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Whose story the silence and the gaps of a log are.
#[must_use]
pub fn subject(source: SourceIndex) -> String {
    format!("log {source}")
}

/// The same words and the same digest, whether a tick or the next event finds out.
fn silence(source: SourceIndex, log: &Log, now: Time, policy: &Visibility) -> Option<Blind> {
    let patience = Span::seconds(i64::from(policy.silent_seconds));
    if now.since(log.last) <= patience {
        return None;
    }
    Some(Blind {
        subject: subject(source),
        at: log.last + patience,
        digest: Digest::of_parts(&[b"silent", &source.to_le_bytes(), &log.last.0.to_le_bytes()]),
        finding: finding(
            SILENT,
            "The audit log fell silent",
            format!("an API server writes several events a minute; silence of {patience} is reported"),
            format!("no event after {}", log.last),
        ),
    })
}

fn vanished(part: usize, seen: &Part, now: Time) -> Blind {
    let name = PARTS[part];
    Blind {
        subject: name.to_owned(),
        at: now,
        digest: Digest::of_parts(&[b"vanished", name.as_bytes(), &seen.last.0.to_le_bytes()]),
        finding: finding(
            VANISHED,
            "A part of the audit log vanished",
            format!("events of {name} were seen {} times", seen.seen),
            format!("none of the last {} events has it; the last one was at {}", seen.events_since, seen.last),
        ),
    }
}

/// One address stands for many clients, as a finding.
#[must_use]
pub fn hidden(source: SourceIndex, now: Time) -> Blind {
    Blind {
        subject: "addresses".to_owned(),
        at: now,
        digest: Digest::of_parts(&[b"hidden"]),
        finding: finding(
            HIDDEN,
            "Addresses of clients are hidden",
            "pods and nodes call the API server from addresses of their own".to_owned(),
            format!(
                "most clients in log {source} share an address: a load balancer or SNAT hides them, so where credentials are used cannot be judged"
            ),
        ),
    }
}

/// A hole in the input, as a finding.
#[must_use]
pub fn gap(source: SourceIndex, gap: &Gap<'_>, now: Time) -> Blind {
    Blind {
        subject: subject(source),
        at: now,
        digest: gap.digest,
        finding: finding(
            GAP,
            "A part of the audit log could not be read",
            "every byte that the API server writes is read".to_owned(),
            format!("{}: {}", gap.kind, gap.detail),
        ),
    }
}

fn finding(detector: &'static str, title: &str, expected: String, observed: String) -> Finding {
    Finding {
        detector: detector.into(),
        title: title.into(),
        severity: Severity::Medium,
        tactic: Tactic::Visibility,
        techniques: &["T1562.008"],
        expected,
        observed,
        also: None,
        culprit: None,
        novelty: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(camera: &mut Camera, reason: &str, minute: i64) -> Option<Severity> {
        let now = Time::from_seconds(1_000_000 + minute * 60);
        camera.wants_unread(0, reason, now).then(|| camera.unread(0, reason, Digest::default(), now).finding.severity)
    }

    #[test]
    fn one_torn_line_is_no_alarm_and_many_or_a_hiding_one_are() {
        let mut camera = Camera::default();
        let seen: Vec<_> = (0..12).map(|minute| told(&mut camera, "not_json", minute)).collect();
        let mut expected = vec![Some(Severity::Low); 9];
        expected.extend([Some(Severity::Medium), None, None]);
        assert_eq!(seen, expected);
        assert_eq!(told(&mut camera, "not_json", 100), Some(Severity::Low), "it is counted by the hour");
        assert_eq!(told(&mut camera, "too_long", 100), Some(Severity::Medium));
    }
}
