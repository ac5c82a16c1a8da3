//! What we could not see: gaps, silence, stages and levels that vanish.
//!
//! Refuses to guess why. What was not seen is a fact of security, so it becomes an incident of its
//! own kind.

use super::input::{Gap, SourceIndex};
use crate::base::{Bits, Digest, Span, Time};
use crate::detect::Finding;
use crate::detect::policy::Visibility;
use crate::event::{AuditEvent, Level, Stage};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, VecDeque};

mod told;
use told::{finding, gap, patience, silence, unjudged, vanished};
pub use told::{hidden, leap, subject};

/// Ids under which visibility is told, as detectors' ids are.
pub const GAP: &str = "log-gap";
pub const SILENT: &str = "log-silent";
pub const HIDDEN: &str = "addresses-hidden";
pub const VANISHED: &str = "log-part-vanished";
pub const UNREAD: &str = "log-unreadable";
pub const LEAP: &str = "log-leap";
pub const UNJUDGED: &str = "log-unjudged";
pub const ALL: [&str; 7] = [GAP, UNREAD, SILENT, VANISHED, HIDDEN, LEAP, UNJUDGED];

/// What could not be seen weighs as much as people are told of by default, or as what is only kept.
const TOLD: Bits = Bits::whole(12);
const KEPT: Bits = Bits::whole(5);
/// A stage or level is missed only where it was one in so many.
const USUAL_SHARE: u64 = 1000;
const VANISHED_AFTER: Span = Span::seconds(3600);
/// So many lines that cannot be read for one reason, within [`UNREAD_WINDOW`] of the first, are no
/// accident; what comes after them says nothing new.
const UNREAD_MANY: u32 = 10;
const UNREAD_WINDOW: Span = Span::seconds(3600);
/// So many events of a log, of which none has a stage that is judged, are no accident: of one that
/// never had any, and of one that had.
const UNJUDGED_FIRST: u32 = 32;
const UNJUDGED_LATER: u32 = 5000;
/// What no crash leaves behind and a client can bring about: a request that is too large, nested
/// too deep, or holds bytes that are no text. Each hides itself.
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
    /// Its newest event.
    last: Time,
    /// The engine's now when it spoke last: clocks of servers differ, and logs are read one after
    /// the other.
    heard: Time,
    told_silent: bool,
    /// Events since the last one that is judged; whether there ever was one, and whether it was
    /// told.
    unjudged: u32,
    ever_judged: bool,
    told_unjudged: bool,
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
    /// Whether watches, and reading of logs: when a start was last recorded; an end then says
    /// nothing new.
    last_started: [Time; 2],
    /// The latest starts of all others. A rule of the audit policy may omit the stage for some
    /// requests only, so whether an end says something new is a question of this one request.
    started: VecDeque<u64>,
    /// By log and reason.
    unread: BTreeMap<(SourceIndex, SmolStr), Unread>,
    /// What could not be seen before the first event: only that says when it was.
    early: Vec<Early>,
}

/// A gap, or a line that could not be read, before the first event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Early {
    Gap {
        source: SourceIndex,
        kind: String,
        detail: String,
        digest: Digest,
    },
    Unread {
        source: SourceIndex,
        reason: String,
        digest: Digest,
    },
}

/// So many wait for the first event; what is still alone then, and at the end of a replay, is told
/// without a time.
const EARLY_LIMIT: usize = 16;

/// Most starts remembered; the end of one that is forgotten is judged as if it were new.
const STARTED_LIMIT: usize = 1024;

impl Camera {
    /// Whether the start of this long-running request was recorded: then its end says nothing new.
    /// Whether a start was recorded within the last day, for watches and logs, which are many.
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
        self.logs
            .values()
            .any(|log| !log.told_silent && log.is_silent_at(now, policy))
    }

    /// Takes note of one event, and returns the silence that it ended, if there was one. `now` is
    /// the engine's clock after it. Only the log's own events say that it was silent: another may
    /// be read first.
    pub fn hear(
        &mut self,
        source: SourceIndex,
        event: &AuditEvent<'_>,
        now: Time,
        policy: &Visibility,
        out: &mut Vec<Blind>,
    ) -> Option<Span> {
        let at = event.time.min(now);
        let log = self.logs.entry(source).or_insert_with(|| Log {
            last: at,
            ..Log::default()
        });
        let gap = at.since(log.last);
        let was_silent = gap > patience(policy);
        if was_silent && !log.told_silent {
            out.push(silence(source, log, policy));
        }
        let ended = (was_silent || log.told_silent).then(|| gap.max(Span::ZERO));
        log.told_silent = false;
        (log.last, log.heard) = (log.last.max(at), now);
        log.count_unjudged(source, event, out);
        if event.stage == Stage::ResponseStarted && !event.username.is_empty() {
            self.remember_start(event);
        }
        self.events += 1;
        self.count_parts(event, policy, out);
        ended
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

    /// Keeps what has no time yet, and returns what is told: all of it, once there is a time, or no
    /// more can wait.
    pub fn wait(&mut self, now: Time, early: Early) -> Vec<Blind> {
        self.early.push(early);
        if now == Time::ZERO && self.early.len() < EARLY_LIMIT {
            Vec::new()
        } else {
            self.waited(now)
        }
    }

    /// Whether something could not be seen, and no event has said yet when.
    #[must_use]
    pub fn waits_for_a_time(&self) -> bool {
        !self.early.is_empty()
    }

    /// What waited for a time, as of `now`.
    pub fn waited(&mut self, now: Time) -> Vec<Blind> {
        let told = std::mem::take(&mut self.early)
            .into_iter()
            .map(|early| match early {
                Early::Gap {
                    source,
                    kind,
                    detail,
                    digest,
                } => gap(
                    source,
                    &Gap {
                        kind: &kind,
                        detail: &detail,
                        digest,
                    },
                    now,
                ),
                Early::Unread {
                    source,
                    reason,
                    digest,
                } => self.unread(source, &reason, digest, now),
            });
        told.collect()
    }

    /// A line that could not be read: `low`, for crashes tear lines; `medium` for many, and for one
    /// that hides a request.
    fn unread(&mut self, source: SourceIndex, reason: &str, digest: Digest, now: Time) -> Blind {
        let seen = self
            .unread
            .entry((source, reason.into()))
            .or_insert(Unread {
                since: now,
                count: 0,
            });
        if now.since(seen.since) > UNREAD_WINDOW {
            *seen = Unread {
                since: now,
                count: 0,
            };
        }
        seen.count = seen.count.saturating_add(1);
        let grave = HIDES.contains(&reason) || seen.count >= UNREAD_MANY;
        let (weight, many) = (if grave { TOLD } else { KEPT }, seen.count);
        let since = match seen.since {
            Time::ZERO => "before any event".to_owned(),
            since => format!("since {since}"),
        };
        Blind {
            subject: format!("log {source}: {reason}"),
            at: now,
            digest: Digest::of_parts(&[b"unread", reason.as_bytes(), &digest.0]),
            finding: Finding {
                weight,
                ..finding(
                    UNREAD,
                    "Lines of the audit log cannot be read",
                    "every line is an audit event that can be judged".to_owned(),
                    format!("{many} {since}: {reason}; what was asked for there was not judged"),
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
                *part = Part {
                    seen: part.seen + 1,
                    last: part.last.max(event.time),
                    events_since: 0,
                    told: false,
                };
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

    /// Says which logs have fallen silent at `at`, once each until they speak again, and which are
    /// silent still.
    pub fn tick(
        &mut self,
        at: Time,
        policy: &Visibility,
        out: &mut Vec<Blind>,
    ) -> Vec<SourceIndex> {
        let mut still = Vec::new();
        for (source, log) in &mut self.logs {
            if !log.is_silent_at(at, policy) {
                continue;
            }
            still.push(*source);
            if !log.told_silent {
                log.told_silent = true;
                out.push(silence(*source, log, policy));
            }
        }
        still
    }
}

impl Log {
    fn is_silent_at(&self, now: Time, policy: &Visibility) -> bool {
        now.since(self.heard) > patience(policy)
    }

    fn count_unjudged(
        &mut self,
        source: SourceIndex,
        event: &AuditEvent<'_>,
        out: &mut Vec<Blind>,
    ) {
        if event.stage != Stage::RequestReceived {
            (self.unjudged, self.ever_judged, self.told_unjudged) = (0, true, false);
            return;
        }
        self.unjudged = self.unjudged.saturating_add(1);
        let many = if self.ever_judged {
            UNJUDGED_LATER
        } else {
            UNJUDGED_FIRST
        };
        if self.unjudged >= many && !self.told_unjudged {
            self.told_unjudged = true;
            out.push(unjudged(source, self));
        }
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
    let [a, b, c, d, e, f, g, h, ..] =
        Digest::of_parts(&[parts[0], parts[1], parts[2], &received]).0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(camera: &mut Camera, reason: &str, minute: i64) -> Option<Bits> {
        let now = Time::from_seconds(1_000_000 + minute * 60);
        camera.wants_unread(0, reason, now).then(|| {
            camera
                .unread(0, reason, Digest::default(), now)
                .finding
                .weight
        })
    }

    #[test]
    fn one_torn_line_is_no_alarm_and_many_or_a_hiding_one_are() {
        let mut camera = Camera::default();
        let seen: Vec<_> = (0..12)
            .map(|minute| told(&mut camera, "not_json", minute))
            .collect();
        let mut expected = vec![Some(KEPT); 9];
        expected.extend([Some(TOLD), None, None]);
        assert_eq!(seen, expected);
        assert_eq!(
            told(&mut camera, "not_json", 100),
            Some(KEPT),
            "it is counted by the hour"
        );
        assert_eq!(told(&mut camera, "too_long", 100), Some(TOLD));
    }
}
