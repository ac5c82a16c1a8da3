//! One revision of an incident in full: who, what was expected, what was seen, what to do.

use super::{Style, severity};
use crate::base::text;
use crate::incident::{Kind, Reason, Revision, Status, respond};
use std::fmt::Write;

/// Findings shown of one incident, the gravest first.
const FINDINGS_SHOWN: usize = 4;
const STEPS_SHOWN: usize = 3;

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
        incident.last_seen,
        who,
        &incident.id.to_string()[..12]
    );
    let mut told: Vec<_> = incident.findings.iter().collect();
    told.sort_by_key(|t| (std::cmp::Reverse(t.severity), t.first_seen));
    for finding in told.iter().take(FINDINGS_SHOWN) {
        let times = if finding.count > 1 { format!("  ({} times)", finding.count) } else { String::new() };
        let _ = writeln!(out, "         {} [{}]{times}", text::name(&finding.title), finding.detector);
        let _ = writeln!(out, "           expected: {}", text::name(&finding.expected));
        let _ = writeln!(out, "           observed: {}", text::name(&finding.observed));
    }
    if told.len() > FINDINGS_SHOWN {
        let _ = writeln!(out, "         and {} findings more", told.len() - FINDINGS_SHOWN);
    }
    for step in &incident.lineage {
        let _ = writeln!(out, "         path:     {}", text::name(&step.words()));
    }
    if incident.kind == Kind::Threat {
        let _ = writeln!(out, "         baseline: {}", incident.baseline);
    }
    if incident.status != Status::Resolved {
        for step in respond::steps(incident).iter().take(STEPS_SHOWN) {
            let _ = writeln!(out, "         respond:  {step}");
        }
    }
    out.push('\n');
    out
}
