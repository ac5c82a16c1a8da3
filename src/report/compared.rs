//! Two policies over the same history: what changes, and how loud each is.
//!
//! Refuses to rank policies: it counts.

use super::{Style, severity, who};
use crate::base::text;
use crate::daemon::rewind::backtest::{Backtest, Pair, Side, Verdict};
use crate::incident::to_json;
use serde_json::{Value, json};
use std::fmt::Write;

/// For people: what differs, then the counts.
#[must_use]
pub fn compared(done: &Backtest, style: Style) -> String {
    let mut out = String::new();
    for pair in done.pairs.iter().filter(|pair| pair.verdict != Verdict::Same) {
        put_pair(&mut out, pair, style);
    }
    let window = done.until.since(done.since);
    let days = window.as_seconds() as f64 / 86_400.0;
    // Of less than a day nobody knows what a day would bring.
    let rate = |n: u64| if days < 1.0 { "-".to_owned() } else { format!("{:.2}", n as f64 / days) };
    let _ = writeln!(out, "incidents that people are told of, by detector, in {window}");
    let _ = writeln!(out, "{:32} {:>8} {:>8}  {:>11} {:>14}", "", "was", "would be", "was a day", "would be a day");
    let mut line = |name: &str, was: u64, is: u64| {
        let _ = writeln!(out, "{name:32} {was:>8} {is:>8}  {:>11} {:>14}", rate(was), rate(is));
    };
    for (detector, (was, is)) in done.told_by_detector() {
        line(&detector, was, is);
    }
    let told = |side: fn(&Pair) -> Option<&Side>| done.pairs.iter().filter_map(side).filter(|s| s.told).count() as u64;
    line("incidents", told(|p| p.was.as_ref()), told(|p| p.would_be.as_ref()));
    let count = |verdict| done.pairs.iter().filter(|pair| pair.verdict == verdict).count();
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

fn put_pair(out: &mut String, pair: &Pair, style: Style) {
    let Some(incident) = pair.incident() else { return };
    let side = |side: &Option<Side>| match side {
        None => format!("{:14}", "-"),
        Some(s) => format!("{} {:5}", severity(s.incident.severity, style), if s.told { "told" } else { "kept" }),
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

/// One object a pair.
#[must_use]
pub fn compared_json(done: &Backtest) -> String {
    let parse = |side: &Side| serde_json::from_str::<Value>(&to_json(&side.incident, None)).unwrap_or_default();
    let side = |side: &Option<Side>| side.as_ref().map(|s| json!({ "told": s.told, "incident": parse(s) }));
    let mut out = String::new();
    for pair in &done.pairs {
        let line = json!({ "verdict": pair.verdict.label(), "was": side(&pair.was), "would_be": side(&pair.would_be) });
        let _ = writeln!(out, "{line}");
    }
    out
}
