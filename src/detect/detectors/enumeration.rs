//! # What it sees
//! An account feels its way: refused requests for kinds it never touched, questions for its own rights,
//! discovery sweeps, many secrets one by one; within minutes, or slowly over a day.
//!
//! # Why it matters
//! Whoever holds a stolen token first has to find out what it is good for. The owner knows.
//!
//! # How it decides
//! Points for each distinct probe in the window that is not the account's habit (policy
//! `enumeration`). At the threshold it is `medium`, in the fast window (minutes) and in the slow one (a
//! day, twice the threshold), for mature and new accounts alike; `high` at three times the threshold. People and
//! kubelets (which lose races with deleted pods) get twice the threshold. Of the questions of an account that is
//! still being learned half count, and in the fast window only: what asks by habit has none yet. What an incident told
//! does not count for another one after it has ended.
//!
//! # When it is wrong
//! A program started without the rights it needs (it retries one kind: a few points only); a dashboard
//! of a known account that asks more than it ever did.
//!
//! # Tuning
//! `enumeration.threshold`, `enumeration.window_seconds` and the points.
//!
//! # Respond
//! Treat the token as stolen: revoke it, look at which of the requests were allowed.

use crate::base::text::counted;
use crate::base::{Span, Time};
use crate::baseline::features::probes::{Kind, Probe};
use crate::detect::policy::Enumeration;
use crate::detect::{Finding, Marks, Meta, Severity, Tactic, View};
use crate::event::PrincipalKind;

pub const META: Meta = Meta {
    id: "enumeration",
    title: "Enumeration",
    severities: &[Severity::Medium, Severity::High],
    tactic: Tactic::Discovery,
    techniques: &["T1613", "T1069.003"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["enumeration.threshold", "enumeration.window_seconds", "enumeration.slow_window_seconds"],
    wakes_on: Marks::PROBE,
};

#[derive(Default)]
struct Tally {
    denied: u32,
    denied_sensitive: u32,
    reviews: u32,
    discovery: u32,
    novel: u32,
    secrets: u32,
}

impl Tally {
    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Denied => self.denied += 1,
            Kind::DeniedSensitive => self.denied_sensitive += 1,
            Kind::SelfReview => self.reviews += 1,
            Kind::Discovery => self.discovery += 1,
            Kind::Novel => self.novel += 1,
            Kind::Secret => self.secrets += 1,
        }
    }

    /// `reviews`: how many of the questions count.
    fn points(&self, policy: &Enumeration, reviews: u32) -> u32 {
        self.denied * policy.denied
            + self.denied_sensitive * policy.denied_sensitive
            + reviews * policy.self_review
            + (self.discovery * policy.discovery).min(policy.discovery_most)
            + self.novel * policy.novel
            + self.secrets * policy.secret
    }

    fn sentence(&self, window: Span) -> String {
        let parts = [
            (self.denied + self.denied_sensitive, "kind", " of request refused"),
            (self.reviews, "question", " for its own rights"),
            (self.discovery, "discovery path", ""),
            (self.novel, "operation", " never done before"),
            (self.secrets, "distinct secret", ""),
        ];
        let some = parts.iter().filter(|(n, ..)| *n > 0);
        let said: Vec<String> = some.map(|(n, one, rest)| counted((*n).into(), one) + rest).collect();
        format!("within {window}: {}", said.join(", "))
    }
}

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let policy = &view.policy.enumeration;
    if view.event.principal.kind() == PrincipalKind::Nobody || view.is_own_work() {
        return;
    }
    let Some(now) = view.probe else { return };
    let patience = if view.is_service_account() { 1 } else { 2 };
    let threshold = policy.threshold.saturating_mul(patience);
    // A dashboard asks for its rights each time it is opened, which on its first days is no habit yet.
    let (fast, slow) = if view.maturity.mature { (1, 1) } else { (2, u32::MAX) };
    let windows =
        [(policy.window_seconds, threshold, fast), (policy.slow_window_seconds, threshold.saturating_mul(2), slow)];
    for (seconds, threshold, one_in) in windows {
        let window = Span::seconds(i64::from(seconds));
        let tally = tally(view, now, view.now(), window);
        let points = tally.points(policy, tally.reviews / one_in);
        if points < threshold {
            continue;
        }
        findings.push(Finding {
            detector: META.id.into(),
            title: META.title.into(),
            severity: if points >= threshold.saturating_mul(3) { Severity::High } else { Severity::Medium },
            tactic: META.tactic,
            techniques: META.techniques,
            expected: format!("an account knows what it may do; {}", view.usual_operations()),
            observed: tally.sentence(window),
            also: None,
            culprit: None,
            novelty: None,
        });
        return;
    }
}

fn tally(view: &View<'_>, this: Probe, now: Time, window: Span) -> Tally {
    let mut tally = Tally::default();
    let repeats = matches!(this.kind, Kind::SelfReview);
    let mut counted = false;
    let quiet = Span::seconds(i64::from(view.policy.incidents.quiet_seconds));
    for probe in view.account.probes.within(now, window, quiet) {
        tally.add(probe.kind);
        counted |= !repeats && probe.kind == this.kind && probe.what == this.what;
    }
    if !counted {
        tally.add(this.kind);
    }
    tally
}
