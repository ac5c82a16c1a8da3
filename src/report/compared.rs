//! Two policies over the same history: what changes, and how loud each is, and the profiles.
//!
//! Refuses to rank policies: it counts.

use super::{Style, severity, who};
use crate::base::text;
use crate::daemon::rewind::backtest::{Backtest, Pair, Side, Verdict};
use crate::incident::to_value;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;

/// For people: what differs, then the counts.
#[must_use]
pub fn compared(done: &Backtest, style: Style) -> String {
    let mut out = String::new();
    for pair in done
        .pairs
        .iter()
        .filter(|pair| pair.verdict != Verdict::Same)
    {
        put_pair(&mut out, pair, style);
    }
    let window = done.until.since(done.since);
    let days = window.as_seconds() as f64 / 86_400.0;
    // Of less than a day nobody knows what a day would bring.
    let rate = |n: u64| {
        if days < 1.0 {
            "-".to_owned()
        } else {
            format!("{:.2}", n as f64 / days)
        }
    };
    let _ = writeln!(
        out,
        "incidents that people are told of, by detector, in {window}"
    );
    let _ = writeln!(
        out,
        "{:32} {:>8} {:>8}  {:>11} {:>14}",
        "", "was", "would be", "was a day", "would be a day"
    );
    let counts = told(done);
    for (name, (was, is)) in &counts {
        let _ = writeln!(
            out,
            "{name:32} {was:>8} {is:>8}  {:>11} {:>14}",
            rate(*was),
            rate(*is)
        );
    }
    put_profiles(&mut out, done, &rate);
    let count = |verdict| {
        done.pairs
            .iter()
            .filter(|pair| pair.verdict == verdict)
            .count()
    };
    let _ = writeln!(
        out,
        "of all severities: {} raised, {} gone, {} changed, {} the same",
        count(Verdict::Raised),
        count(Verdict::Gone),
        count(Verdict::Changed),
        count(Verdict::Same)
    );
    out
}

/// By detector, all incidents last: under the policy in force and under the new one.
fn told(done: &Backtest) -> Vec<(String, (u64, u64))> {
    let all = |side: fn(&Pair) -> Option<&Side>| {
        done.pairs
            .iter()
            .filter_map(side)
            .filter(|s| s.told)
            .count() as u64
    };
    let mut counts: Vec<(String, (u64, u64))> = done.told_by_detector().into_iter().collect();
    counts.push((
        "incidents".to_owned(),
        (all(|p| p.was.as_ref()), all(|p| p.would_be.as_ref())),
    ));
    counts
}

/// The new policy with what each profile decides, a column each, in incidents a day.
fn put_profiles(out: &mut String, done: &Backtest, rate: &dyn Fn(u64) -> String) {
    let detectors: BTreeSet<&String> = done
        .profiles
        .iter()
        .flat_map(|p| p.by_detector.keys())
        .collect();
    let _ = writeln!(
        out,
        "incidents a day that people would be told of, by detector and profile"
    );
    let mut line = |name: &str, cells: Vec<String>| {
        let _ = writeln!(out, "{name:32} {}", cells.join(" "));
    };
    line(
        "",
        done.profiles
            .iter()
            .map(|p| format!("{:>8}", p.profile.label()))
            .collect(),
    );
    let cell = |n: u64| format!("{:>8}", rate(n));
    for detector in detectors {
        let counts = done
            .profiles
            .iter()
            .map(|p| p.by_detector.get(detector).copied().unwrap_or(0));
        line(detector, counts.map(cell).collect());
    }
    line(
        "incidents",
        done.profiles.iter().map(|p| cell(p.incidents)).collect(),
    );
}

fn put_pair(out: &mut String, pair: &Pair, style: Style) {
    let Some(incident) = pair.incident() else {
        return;
    };
    let side = |side: &Option<Side>| match side {
        None => format!("{:14}", "-"),
        Some(s) => format!(
            "{} {:5}",
            severity(s.incident.severity, style),
            if s.told { "told" } else { "kept" }
        ),
    };
    let _ = writeln!(
        out,
        "{:8} {} -> {} {}  {}  {}",
        pair.verdict.label(),
        side(&pair.was),
        side(&pair.would_be),
        incident.first_seen,
        who(incident),
        &incident.id.to_string()[..12]
    );
    let _ = writeln!(out, "{:8} {}", "", text::name(&incident.summary()));
}

/// One object a pair, then one a profile.
#[must_use]
pub fn compared_json(done: &Backtest) -> String {
    let side = |side: &Option<Side>| {
        side.as_ref()
            .map(|s| json!({ "told": s.told, "incident": to_value(&s.incident, None) }))
    };
    let mut out = String::new();
    for pair in &done.pairs {
        let line = json!({ "verdict": pair.verdict.label(), "was": side(&pair.was), "would_be": side(&pair.would_be) });
        let _ = writeln!(out, "{line}");
    }
    for loud in &done.profiles {
        let line = json!({ "profile": loud.profile.label(), "told": loud.incidents, "told_by_detector": loud.by_detector });
        let _ = writeln!(out, "{line}");
    }
    out
}
