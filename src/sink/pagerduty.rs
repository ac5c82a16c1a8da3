//! PagerDuty, Events API v2: one alert for each incident, triggered, raised and resolved under its id.
//!
//! Refuses to be longer than PagerDuty takes: long texts are cut, and lists of evidence stay in the record.

use super::http::Post;
use super::note::Note;
use super::settings::Pagerduty;
use crate::detect::Severity;
use serde_json::json;

/// <https://developer.pagerduty.com/docs/send-alert-event>
const SUMMARY: usize = 1024;

/// # Errors
/// A sentence: the routing key cannot be read.
pub(super) fn post(settings: &Pagerduty, note: &Note) -> Result<Post, String> {
    let routing_key = settings.routing_key.read()?;
    let body = if note.is_resolved() {
        json!({ "routing_key": routing_key, "event_action": "resolve", "dedup_key": note.id })
    } else {
        let finding = note.gravest();
        let source = if note.cluster.is_empty() { "kubernetes" } else { &note.cluster };
        json!({
            "routing_key": routing_key,
            "event_action": "trigger",
            "dedup_key": note.id,
            "client": "tokentrail",
            "payload": {
                "summary": note.summary.chars().take(SUMMARY).collect::<String>(),
                "source": source,
                "severity": severity(note.severity),
                "timestamp": note.last_seen,
                "component": note.principal,
                "group": note.service_account().map_or("", |(namespace, _)| namespace),
                "class": note.detectors.first(),
                "custom_details": {
                    "incident": note.id,
                    "revision": note.revision,
                    "severity": note.severity.label(),
                    "score": note.score,
                    "expected": finding.map(|f| &f.expected),
                    "observed": finding.map(|f| &f.observed),
                    "detectors": note.detectors,
                    "techniques": note.techniques,
                    "origins": note.origins,
                    "credentials": note.credentials,
                    "user_agents": note.user_agents,
                    "respond": note.respond,
                },
            },
        })
    };
    Ok(Post { url: settings.url.clone(), headers: Vec::new(), body: body.to_string().into_bytes() })
}

/// PagerDuty knows four.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "info",
    }
}
