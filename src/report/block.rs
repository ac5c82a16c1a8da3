//! One revision of an incident in full: who, what was expected, what was seen, what to do.

use super::{Style, severity};
use crate::base::text::{self, counted};
use crate::incident::{Kind, Reason, Revision, Status, Told, respond};
use std::fmt::Write;

/// Findings shown of one incident, the gravest first.
const FINDINGS_SHOWN: usize = 4;
const STEPS_SHOWN: usize = 4;

/// Several lines, the last one empty.
#[must_use]
pub fn block(revision: &Revision, style: Style) -> String {
    let Revision { incident, notice } = revision;
    let mut out = String::new();
    let state = match notice.reason {
        Reason::Opened => "opened",
        Reason::Escalated => "escalated",
        Reason::Ended => "ended",
        Reason::Silenced => "silenced",
        Reason::Acknowledged => "acknowledged",
        Reason::BelowThreshold | Reason::NothingNew => "goes on",
    };
    let who = super::who(incident);
    let _ = writeln!(
        out,
        "{} {}  {}  {state}  {}",
        severity(incident.severity, style),
        super::moment(incident.last_seen),
        who,
        &incident.id.to_string()[..12]
    );
    let mut told: Vec<_> = incident.findings.iter().collect();
    told.sort_by_key(|t| (std::cmp::Reverse(t.total()), t.first_seen));
    let mut once: Vec<&Told> = told;
    // Who hears of an escalation heard the rest before.
    let is_news = |told: &&Told| told.first_seen >= incident.last_seen;
    let before = match notice.reason == Reason::Escalated && once.iter().any(is_news) {
        true => once.extract_if(.., |one| !is_news(one)).count(),
        false => 0,
    };
    once.iter()
        .take(FINDINGS_SHOWN)
        .for_each(|told| finding(&mut out, told));
    if once.len() > FINDINGS_SHOWN {
        let _ = writeln!(
            out,
            "         and {}",
            counted((once.len() - FINDINGS_SHOWN) as u64, "more finding")
        );
    }
    if incident.kind == Kind::Threat {
        let _ = writeln!(out, "         why:      {}", text::name(&incident.why()));
    }
    if before > 0 {
        let _ = writeln!(
            out,
            "         besides {}",
            counted(before as u64, "earlier finding")
        );
    }
    for step in &incident.lineage {
        let _ = writeln!(out, "         path:     {}", text::name(&step.words()));
    }
    if incident.kind == Kind::Threat && !incident.principal.is_empty() {
        let _ = writeln!(out, "         baseline: {}", incident.baseline);
    }
    if incident.status != Status::Resolved {
        put_response(&mut out, &respond::steps(incident));
    }
    out.push('\n');
    out
}

/// What to do, as commands and sentences.
fn put_response(out: &mut String, steps: &[String]) {
    for step in steps.iter().take(STEPS_SHOWN) {
        let _ = writeln!(out, "         respond:  {step}");
    }
    if steps.len() > STEPS_SHOWN {
        let more = counted((steps.len() - STEPS_SHOWN) as u64, "more step");
        let _ = writeln!(
            out,
            "         and {more}, in `respond` of the incident as JSON"
        );
    }
}

/// One piece of evidence: its weight, what was expected and seen, and what makes it weigh less.
fn finding(out: &mut String, told: &Told) {
    let times = if told.count > 1 {
        format!("  ({} times)", told.count)
    } else {
        String::new()
    };
    let (title, weight) = (text::name(&told.title), told.total());
    let _ = writeln!(
        out,
        "         {title} [{}]  {weight} bits{times}",
        told.detector
    );
    let _ = writeln!(out, "           expected: {}", text::name(&told.expected));
    let _ = writeln!(out, "           observed: {}", text::name(&told.observed));
    if told.distinct > 1 {
        let objects = told.objects.join(", ");
        let _ = writeln!(
            out,
            "           objects:  {}: {}",
            told.distinct,
            text::name(&objects)
        );
    }
    for cause in &told.causes {
        let _ = writeln!(out, "           less so:  {}", text::name(cause));
    }
}
