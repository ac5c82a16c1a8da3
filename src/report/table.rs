//! Many incidents, a line each and a sentence below.

use super::{Style, moment, severity, who};
use crate::base::text;
use crate::incident::Incident;
use std::fmt::Write;

/// Empty for no incidents.
#[must_use]
pub fn table(incidents: &[Incident], style: Style) -> String {
    let mut out = String::new();
    if incidents.is_empty() {
        return out;
    }
    let width = incidents
        .iter()
        .map(|i| who(i).chars().count())
        .max()
        .unwrap_or(0)
        .clamp(9, 60);
    let _ = writeln!(
        out,
        "{:8} {:19}  {:10} {:width$}  {:>8}  {:12}  DETECTORS",
        "SEVERITY", "FIRST SEEN", "LASTED", "PRINCIPAL", "REQUESTS", "ID"
    );
    for incident in incidents {
        let _ = writeln!(
            out,
            "{} {:19}  {:10} {:width$}  {:>8}  {:12}  {}",
            severity(incident.severity, style),
            text::cut(&moment(incident.first_seen).replace('T', " "), 19),
            incident.last_seen.since(incident.first_seen).to_string(),
            who(incident),
            incident.evidence.count,
            &incident.id.to_string()[..12],
            incident.detectors.join(", "),
        );
        let gravest = incident
            .findings
            .iter()
            .max_by_key(|t| (t.severity, std::cmp::Reverse(t.first_seen)));
        if let Some(told) = gravest {
            let _ = writeln!(out, "{:8} {}", "", text::name(&told.title));
            let _ = writeln!(out, "{:8} expected: {}", "", text::name(&told.expected));
            let _ = writeln!(out, "{:8} observed: {}", "", text::name(&told.observed));
        }
    }
    out
}
