//! What could not be seen, in words: one function for each kind.
//!
//! Refuses to decide whether it is told.

use super::{Blind, GAP, HIDDEN, LEAP, Log, PARTS, Part, SILENT, UNJUDGED, VANISHED};
use crate::base::{Digest, Span, Time};
use crate::detect::policy::Visibility;
use crate::detect::{Finding, Tactic};
use crate::engine::clock::Leap;
use crate::engine::input::{Gap, SourceIndex};
use smol_str::SmolStr;

/// Whose story the silence and the gaps of a log are.
#[must_use]
pub fn subject(source: SourceIndex) -> String {
    format!("log {source}")
}

pub(super) fn patience(policy: &Visibility) -> Span {
    Span::seconds(i64::from(policy.silent_seconds))
}

/// The same words and the same digest, whether a tick or the next event finds out.
pub(super) fn silence(source: SourceIndex, log: &Log, policy: &Visibility) -> Blind {
    let patience = patience(policy);
    Blind {
        subject: subject(source),
        at: log.last + patience,
        digest: Digest::of_parts(&[b"silent", &source.to_le_bytes(), &log.last.0.to_le_bytes()]),
        finding: finding(
            SILENT,
            "The audit log fell silent",
            format!(
                "an API server writes several events a minute; silence of {patience} is reported"
            ),
            format!("no event after {}", log.last),
        ),
    }
}

/// A log that has requests, and of none how it ended.
pub(super) fn unjudged(source: SourceIndex, log: &Log) -> Blind {
    Blind {
        subject: format!("log {source}: stages"),
        at: log.last,
        digest: Digest::of_parts(&[b"unjudged", &source.to_le_bytes(), &log.last.0.to_le_bytes()]),
        finding: finding(
            UNJUDGED,
            "No event of the audit log can be judged",
            "requests are recorded when they are answered: stages ResponseStarted, ResponseComplete or Panic"
                .to_owned(),
            format!(
                "the last {} events are all of stage RequestReceived: nothing was judged; take the other stages out of \
                 omitStages in the audit policy",
                log.unjudged
            ),
        ),
    }
}

/// Events far ahead of their log, or of the other logs.
#[must_use]
pub fn leap(leap: &Leap, words: String, now: Time) -> Blind {
    let (source, to) = (leap.source.to_le_bytes(), leap.to.0.to_le_bytes());
    Blind {
        subject: subject(leap.source),
        at: now,
        digest: Digest::of_parts(&[b"leap", &source, &to]),
        finding: finding(
            LEAP,
            "The time of the audit log leaps",
            "the clocks of API servers agree".to_owned(),
            words,
        ),
    }
}

pub(super) fn vanished(part: usize, seen: &Part, now: Time) -> Blind {
    let name = PARTS[part];
    Blind {
        subject: name.to_owned(),
        at: now,
        digest: Digest::of_parts(&[b"vanished", name.as_bytes(), &seen.last.0.to_le_bytes()]),
        finding: finding(
            VANISHED,
            "A part of the audit log vanished",
            format!("events of {name} were seen {} times", seen.seen),
            format!(
                "none of the last {} events has it; the last one was at {}",
                seen.events_since, seen.last
            ),
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
pub(super) fn gap(source: SourceIndex, gap: &Gap<'_>, now: Time) -> Blind {
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

pub(super) fn finding(
    detector: &'static str,
    title: &str,
    expected: String,
    observed: String,
) -> Finding {
    Finding {
        detector: detector.into(),
        title: title.into(),
        weight: super::TOLD,
        tactic: Tactic::Visibility,
        techniques: &["T1562.008"],
        expected,
        observed,
        also: None,
        culprit: None,
        key: SmolStr::new_static(detector),
        object: SmolStr::default(),
        causes: Vec::new(),
        is_theft: false,
    }
}
