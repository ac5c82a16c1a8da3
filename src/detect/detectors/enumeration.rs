//! # What it sees
//! An account feels its way: refused requests for kinds it never touched, questions for its own
//! rights, discovery sweeps, many secrets one by one; within minutes, or slowly over a day.
//!
//! # Why it matters
//! Whoever holds a stolen token first has to find out what it is good for. The owner knows.
//!
//! # How it decides
//! Points add up within five minutes, and over a day at twice the threshold: 10 for each kind of
//! request that was refused and is not known to be (20 if it is sensitive), 8 for each question for
//! its own rights, 5 for each discovery path (20 at most), each new operation by a new program, and
//! each distinct Secret read by name. The threshold is 12 bits, and more points are more in
//! proportion, at most 20. A sweep by the account's own program from its own place that was refused
//! fewer than two sensitive kinds is at most 8 bits, and of an account that is known for five days
//! 2 more with each doubling of the points; a person's is at most 8, unless it comes from a new
//! place; a kubelet's by its own program always is, for kubelets lose races with deleted pods. Of
//! an account that is not mature every second question counts, and only within five minutes.
//!
//! # When it is wrong
//! A program started without the rights it needs (it retries one kind: a few points only); a
//! dashboard of a known account that asks more than it ever did.
//!
//! # Tuning
//! `enumeration.threshold`, `enumeration.window_seconds` and the points.
//!
//! # Respond
//! Treat the token as stolen: revoke it, look at which of the requests were allowed.

use crate::base::text::counted;
use crate::base::{Bits, Span, Time};
use crate::baseline::features::probes::{Kind, Probe};
use crate::detect::policy::Enumeration;
use crate::detect::{Finding, Marks, Meta, Severity, Tactic, View, own};
use crate::event::PrincipalKind;

pub const META: Meta = Meta {
    id: "enumeration",
    title: "Enumeration",
    weighs: "12 bits at the threshold, in proportion to the points, at most 20; less by one's own program",
    tactic: Tactic::Discovery,
    techniques: &["T1613", "T1069.003"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &[
        "enumeration.threshold",
        "enumeration.window_seconds",
        "enumeration.slow_window_seconds",
    ],
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
            (
                self.denied + self.denied_sensitive,
                "kind",
                " of request refused",
            ),
            (self.reviews, "question", " for its own rights"),
            (self.discovery, "discovery path", ""),
            (self.novel, "operation", " never done before"),
            (self.secrets, "distinct secret", ""),
        ];
        let some = parts.iter().filter(|(n, ..)| *n > 0);
        let said: Vec<String> = some
            .map(|(n, one, rest)| counted((*n).into(), one) + rest)
            .collect();
        format!("within {window}: {}", said.join(", "))
    }
}

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let policy = &view.policy.enumeration;
    if view.event.principal.kind() == PrincipalKind::Nobody || view.is_own_work() {
        return;
    }
    let Some(now) = view.probe else { return };
    let threshold = policy.threshold.max(1);
    // A dashboard asks for its rights each time it is opened, which on its first days is no habit
    // yet.
    let (fast, slow) = if view.maturity.mature {
        (1, 1)
    } else {
        (2, u32::MAX)
    };
    let windows = [
        (policy.window_seconds, threshold, fast),
        (policy.slow_window_seconds, threshold * 2, slow),
    ];
    let mut most: Option<(Bits, String)> = None;
    for (seconds, threshold, one_in) in windows {
        let window = Span::seconds(i64::from(seconds));
        let tally = tally(view, now, view.now(), window);
        let points = tally.points(policy, tally.reviews / one_in);
        let weight = weight(view, points, threshold, &tally);
        if points >= threshold && most.as_ref().is_none_or(|(most, _)| weight > *most) {
            most = Some((weight, tally.sentence(window)));
        }
    }
    let Some((weight, observed)) = most else {
        return;
    };
    findings.push(Finding {
        expected: format!(
            "an account knows what it may do; {}",
            view.usual_operations()
        ),
        observed,
        ..Finding::of(&META, weight)
    });
}

/// Points at the threshold make `medium`; more of them at most so many bits.
const MOST: Bits = Bits::whole(20);
/// The most of a sweep by one's own program from one's own place that was refused nothing
/// sensitive: controllers ask for their rights at each start, meet what is new with each version,
/// and are installed without their rights.
const OWN: Bits = Bits::whole(8);
/// The same of one that was refused something sensitive.
const OWN_REFUSED: Bits = Bits::whole(11);

fn weight(view: &View<'_>, points: u32, threshold: u32, tally: &Tally) -> Bits {
    let medium = view.policy.severity.weight(Severity::Medium);
    let points = points.min(100_000).cast_signed();
    let weight = medium
        .times(points, threshold.min(100_000).cast_signed())
        .min(MOST);
    let odd =
        view.weights.program + view.weights.origin >= Bits::whole(3) && view.account.events > 0;
    // Another program is what a person's dashboard is; another place is not.
    let odd = if view.is_person() {
        view.weights.origin >= Bits::whole(4)
    } else {
        odd
    };
    let is_kubelet =
        view.event.principal.kind() == PrincipalKind::Node && view.weights.program == Bits::ZERO;
    match () {
        () if odd && !is_kubelet => weight.times(5, 4).min(MOST),
        // A program of people in a pod that is hardly known, refused what is sensitive.
        () if view.account.days <= 1
            && view.is_service_account()
            && own::is_client(view.agent)
            && tally.denied_sensitive > 0 =>
        {
            weight
        }
        () if is_kubelet || view.is_person() => weight.min(OWN),
        () if tally.denied_sensitive < 2 => weight.min(own_most(view, points, threshold)),
        () if view.account.days <= 1 => weight.min(OWN_REFUSED),
        () => weight,
    }
}

/// The most of a harmless sweep by one's own program: a few kinds more of an account that is known,
/// two bits for each doubling of what a new version would ask for.
fn own_most(view: &View<'_>, points: i32, threshold: u32) -> Bits {
    let more = Bits::surprise(u64::from(threshold), u64::from(points.unsigned_abs())).times(2, 1);
    OWN + more.times(view.account.days.clamp(1, 5).cast_signed() - 1, 4)
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
