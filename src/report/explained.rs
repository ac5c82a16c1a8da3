//! An incident step by step: what happened, what was known before it, what was judged, what came of
//! it.
//!
//! Refuses to print a byte of the log that was not cleaned.

use super::{Style, severity, who};
use crate::base::text::{self, counted};
use crate::daemon::rewind::explain::{Explained, Step, What};
use crate::engine::{Known, Trace};
use crate::incident::{Status, to_json};
use serde_json::{Value, json};
use std::fmt::Write;

/// For people.
#[must_use]
pub fn explained(told: &Explained, style: Style) -> String {
    let mut out = String::new();
    for (number, step) in (1_usize..).zip(&told.steps) {
        let before = number.checked_sub(2).and_then(|i| told.steps.get(i));
        put_step(&mut out, number, step, before, style);
    }
    if told.more_steps > 0 {
        let _ = writeln!(
            out,
            "and {}; their requests only add to the count\n",
            counted(told.more_steps, "more step")
        );
    }
    if let Some(last) = &told.last {
        let incident = &last.incident;
        let _ = writeln!(
            out,
            "so incident {} is {} for {}",
            incident.id,
            incident.severity,
            who(incident)
        );
        let _ = writeln!(out, "  {}", text::name(&incident.summary()));
        for step in &incident.lineage {
            let _ = writeln!(out, "  path: {}", text::name(&step.words()));
        }
        let heard = if last.notice.tell {
            "people were told"
        } else {
            "people were not told"
        };
        let _ = writeln!(out, "  {heard}: {}", last.notice.reason.words());
        if let Some(said) = &told.acknowledged {
            let (owner, reason) = (text::name(&said.owner), text::name(&said.reason));
            let _ = writeln!(out, "  acknowledged by {owner} at {}: {reason}", said.at);
        }
    }
    out
}

fn put_step(out: &mut String, number: usize, step: &Step, before: Option<&Step>, style: Style) {
    let incident = &step.incident;
    if incident.status == Status::Resolved {
        let _ = writeln!(
            out,
            "{number}. nothing more joined it: it ended at {}\n",
            incident.ended.unwrap_or_default()
        );
        return;
    }
    match &step.event {
        Some(what) => put_event(out, number, what),
        None => drop(writeln!(
            out,
            "{number}. input {}: no event, but silence or what could not be seen",
            step.seq
        )),
    }
    if let Some(trace) = &step.trace {
        let earlier = before.and_then(|before| before.trace.as_ref());
        put_trace(out, trace, earlier);
    }
    let was = before.map(|b| b.incident.severity);
    let change = match was {
        None => "opens the incident".to_owned(),
        Some(was) if was < incident.severity => format!("raises it from {was}"),
        Some(_) => "joins it".to_owned(),
    };
    let _ = writeln!(
        out,
        "   => {} {change}: revision {}, {}, {}\n",
        severity(incident.severity, style).trim_end(),
        incident.revision,
        counted(incident.evidence.count.into(), "request"),
        incident.detectors.join(", ")
    );
}

/// What was known of the account, and what the detectors made of it.
fn put_trace(out: &mut String, trace: &Trace, before: Option<&Trace>) {
    let _ = writeln!(out, "   known:  {}", trace.baseline);
    for known in &trace.known {
        let value = text::name(&known.value);
        let _ = writeln!(
            out,
            "           {}: {value} {}",
            known.feature,
            how_often(known)
        );
    }
    let earlier = before.map_or(&[][..], |before| &before.findings);
    for finding in &trace.findings {
        let (weight, detector) = (finding.weight, finding.detector.id());
        if earlier.contains(finding) {
            let _ = writeln!(out, "   judged: {weight} bits, {detector}, as before");
            continue;
        }
        let (expected, observed) = (text::name(&finding.expected), text::name(&finding.observed));
        let _ = writeln!(out, "   judged: {weight} bits, {detector}");
        let _ = writeln!(out, "           expected: {expected}");
        let _ = writeln!(out, "           observed: {observed}");
    }
}

fn put_event(out: &mut String, number: usize, what: &What) {
    let principal = if what.principal.is_empty() {
        "(no user)"
    } else {
        &what.principal
    };
    let _ = writeln!(out, "{number}. {}  {}", what.time, text::name(principal));
    let _ = writeln!(
        out,
        "   did:    {} -> {} {}",
        text::name(&what.request),
        what.code,
        text::name(&what.decision)
    );
    let from = what.source_ips.join(", ");
    let _ = writeln!(
        out,
        "   from:   {} with {}",
        text::name(&from),
        text::clean(&what.user_agent)
    );
    let _ = writeln!(
        out,
        "   audit:  {}  {}",
        text::name(&what.audit_id),
        text::name(&what.credential_id)
    );
    if !what.reason.is_empty() {
        let _ = writeln!(out, "   why:    {}", text::name(&what.reason));
    }
}

fn how_often(known: &Known) -> String {
    match &known.seen {
        None => "- never before".to_owned(),
        Some(seen) => {
            let (count, days) = (
                counted(seen.count.into(), "time"),
                counted(seen.days.into(), "day"),
            );
            format!("- {count} on {days}, {} to {}", seen.first(), seen.last())
        }
    }
}

/// One object a step, and the incident at the end; a line each.
#[must_use]
pub fn explained_json(told: &Explained) -> String {
    let mut out = String::new();
    for step in &told.steps {
        let _ = writeln!(out, "{}", step_json(step));
    }
    if let Some(last) = &told.last {
        let _ = writeln!(out, "{}", to_json(&last.incident, Some(last.notice)));
    }
    out
}

fn step_json(step: &Step) -> Value {
    let event = step.event.as_ref().map(|what| {
        json!({
            "time": what.time.to_string(), "audit_id": text::name(&what.audit_id),
            "principal": text::name(&what.principal), "request": text::name(&what.request), "code": what.code,
            "decision": text::name(&what.decision), "source_ips": what.source_ips,
            "user_agent": text::clean(&what.user_agent), "credential_id": text::name(&what.credential_id),
            "reason": text::name(&what.reason),
        })
    });
    let trace = step.trace.as_ref();
    let known = trace.map(|trace| {
        let one = |k: &Known| {
            json!({
                "feature": k.feature, "value": text::name(&k.value), "count": k.seen.map_or(0, |s| s.count),
                "days": k.seen.map_or(0, |s| s.days), "first": k.seen.map(|s| s.first().to_string()),
                "last": k.seen.map(|s| s.last().to_string()),
            })
        };
        trace.known.iter().map(one).collect::<Vec<_>>()
    });
    let findings = trace.map(|trace| {
        let one = |f: &crate::detect::Finding| {
            json!({
                "detector": f.detector.id(), "weight": f.weight.0, "causes": f.causes, "expected": text::name(&f.expected),
                "observed": text::name(&f.observed),
            })
        };
        trace.findings.iter().map(one).collect::<Vec<_>>()
    });
    json!({
        "seq": step.seq, "event": event, "baseline": trace.map(|t| t.baseline.to_string()), "known": known,
        "findings": findings, "severity": step.incident.severity.label(), "revision": step.incident.revision,
        "requests": step.incident.evidence.count,
    })
}
