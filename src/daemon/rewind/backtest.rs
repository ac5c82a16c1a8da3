//! `backtest`: two policies over the same history, side by side, and the profiles beside them.
//!
//! Refuses to compare with what was printed then: both sides are judged by this engine, from the
//! same snapshot, so that every difference is the policy's.

use super::{before, start};
use crate::base::{Digest, Time};
use crate::detect::profile::Profile;
use crate::detect::{Policy, Severity};
use crate::engine::{Engine, Input, Output};
use crate::incident::Incident;
use crate::store::ReadOnly;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// What became of one incident.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// Only the new policy raises it.
    Raised,
    /// Only the policy in force raised it.
    Gone,
    /// Both, with another severity, or people told or not told of it.
    Changed,
    Same,
}

/// One incident on both sides.
#[derive(Debug)]
pub struct Pair {
    pub verdict: Verdict,
    pub was: Option<Side>,
    pub would_be: Option<Side>,
}

/// How one policy tells it.
#[derive(Clone, Debug)]
pub struct Side {
    pub incident: Incident,
    /// People were told of it.
    pub told: bool,
}

/// The outcome.
#[derive(Debug, Default)]
pub struct Backtest {
    /// The first event of the window.
    pub since: Time,
    pub until: Time,
    pub events: u64,
    /// The gravest of what differs first.
    pub pairs: Vec<Pair>,
    /// The new policy under each profile, in the order of [`Profile::ALL`].
    pub profiles: Vec<Loudness>,
}

/// How often people would be told under a profile.
#[derive(Debug)]
pub struct Loudness {
    pub profile: Profile,
    /// Incidents that people are told of.
    pub incidents: u64,
    /// Those that the detector has a part in.
    pub by_detector: BTreeMap<String, u64>,
}

/// An engine under another policy, and what it tells.
struct Trial {
    engine: Engine,
    told: Told,
}

/// Incidents of one policy by id, and whether people were told.
type Told = BTreeMap<Digest, Side>;

/// Judges history since `since` by the policy that was in force, by `policy` (the one in force now,
/// where none is given) and by `policy` with all that each profile decides.
///
/// # Errors
/// No snapshot from before `since`, a hole in history, a file that cannot be read.
pub fn backtest(
    dir: &Path,
    policy: Option<&Policy>,
    since: Time,
    until: Time,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Backtest> {
    let state = ReadOnly::open(dir)?;
    let recovered = state.load()?;
    let snapshot = before(&recovered, since)?;
    let (mut was, mut tape) = start(dir, &recovered, snapshot)?;
    let policy = match policy {
        Some(policy) => policy.clone(),
        None => recovered.policy()?.unwrap_or_default(),
    };
    // The new policy first, then the profiles.
    let mut trials = Vec::new();
    for policy in variants(&policy) {
        let (mut engine, _) = start(dir, &recovered, snapshot)?;
        engine.step(Input::Policy(Box::new(policy)), &mut Output::default());
        let told = Told::new();
        trials.push(Trial { engine, told });
    }
    let mut told_was = Told::new();
    let mut first = until;
    let mut done = Backtest {
        since,
        until,
        ..Backtest::default()
    };
    let of = recovered.seq;
    tape.play(of, &mut |seq, input| {
        if let Input::Event { event, .. } = &input {
            if event.time > until {
                return Ok(());
            }
            if event.time >= since {
                done.events += 1;
                first = first.min(event.time);
            }
        }
        // The new policy is tried on all of the window.
        if !matches!(input, Input::Policy(_)) {
            for trial in &mut trials {
                step(&mut trial.engine, input.clone(), since, &mut trial.told);
            }
        }
        step(&mut was, input, since, &mut told_was);
        if seq.is_multiple_of(65_536) {
            progress(seq, of);
        }
        Ok(())
    })
    .with_context(|| format!("replaying the history in {}", dir.display()))?;
    // History may begin later than the window, and rates are by the day.
    done.since = first;
    done.profiles = Profile::ALL
        .into_iter()
        .zip(&trials[1..])
        .map(|(p, trial)| loudness(p, &trial.told))
        .collect();
    done.pairs = pairs(told_was, trials.swap_remove(0).told);
    Ok(done)
}

/// The policy itself, then with all that each profile decides.
fn variants(policy: &Policy) -> Vec<Policy> {
    let profiled = Profile::ALL.map(|profile| {
        let mut policy = policy.clone();
        profile.set(&mut policy);
        policy
    });
    [policy.clone()].into_iter().chain(profiled).collect()
}

fn step(engine: &mut Engine, input: Input<'_>, since: Time, told: &mut Told) {
    let mut out = Output::default();
    engine.step(input, &mut out);
    for revision in out.revisions {
        let before = told
            .get(&revision.incident.id)
            .is_some_and(|side| side.told);
        if revision.incident.last_seen >= since {
            let side = Side {
                told: before || revision.notice.tell,
                incident: revision.incident,
            };
            told.insert(side.incident.id, side);
        }
    }
}

fn loudness(profile: Profile, told: &Told) -> Loudness {
    let mut loudness = Loudness {
        profile,
        incidents: 0,
        by_detector: BTreeMap::new(),
    };
    for side in told.values().filter(|side| side.told) {
        loudness.incidents += 1;
        for detector in &side.incident.detectors {
            *loudness
                .by_detector
                .entry(detector.to_string())
                .or_default() += 1;
        }
    }
    loudness
}

/// By id first; another policy may open the same story with another event, which gives it another
/// id.
fn pairs(mut was: Told, mut would_be: Told) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let same: Vec<Digest> = was
        .keys()
        .filter(|id| would_be.contains_key(*id))
        .copied()
        .collect();
    for id in same {
        pairs.extend(
            was.remove(&id)
                .zip(would_be.remove(&id))
                .map(|(was, is)| pair(Some(was), Some(is))),
        );
    }
    for (_, side) in was {
        let like = would_be
            .values()
            .find(|other| is_same_story(&side.incident, &other.incident));
        let other = like
            .map(|other| other.incident.id)
            .and_then(|id| would_be.remove(&id));
        pairs.push(pair(Some(side), other));
    }
    pairs.extend(would_be.into_values().map(|side| pair(None, Some(side))));
    pairs.sort_by_key(|pair| {
        (
            pair.verdict,
            std::cmp::Reverse(pair.severity()),
            pair.first_seen(),
        )
    });
    pairs
}

fn is_same_story(a: &Incident, b: &Incident) -> bool {
    a.principal == b.principal
        && a.evidence
            .audit_ids()
            .any(|id| b.evidence.audit_ids().any(|other| other == id))
}

fn pair(was: Option<Side>, would_be: Option<Side>) -> Pair {
    let verdict = match (&was, &would_be) {
        (None, _) => Verdict::Raised,
        (_, None) => Verdict::Gone,
        (Some(a), Some(b)) if (a.incident.severity, a.told) != (b.incident.severity, b.told) => {
            Verdict::Changed
        }
        _ => Verdict::Same,
    };
    Pair {
        verdict,
        was,
        would_be,
    }
}

impl Pair {
    /// As it would be, or was.
    #[must_use]
    pub fn incident(&self) -> Option<&Incident> {
        self.would_be
            .as_ref()
            .or(self.was.as_ref())
            .map(|side| &side.incident)
    }

    fn severity(&self) -> Option<Severity> {
        self.incident().map(|i| i.severity)
    }

    fn first_seen(&self) -> Option<Time> {
        self.incident().map(|i| i.first_seen)
    }
}

impl Verdict {
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Verdict::Raised => "raised",
            Verdict::Gone => "gone",
            Verdict::Changed => "changed",
            Verdict::Same => "same",
        }
    }
}

impl Backtest {
    /// By detector: incidents that people are told of, under the policy in force and under the new
    /// one.
    #[must_use]
    pub fn told_by_detector(&self) -> BTreeMap<String, (u64, u64)> {
        let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for pair in &self.pairs {
            for detector in pair
                .was
                .iter()
                .filter(|s| s.told)
                .flat_map(|s| &s.incident.detectors)
            {
                counts.entry(detector.to_string()).or_default().0 += 1;
            }
            for detector in pair
                .would_be
                .iter()
                .filter(|s| s.told)
                .flat_map(|s| &s.incident.detectors)
            {
                counts.entry(detector.to_string()).or_default().1 += 1;
            }
        }
        counts
    }
}
