//! PagerDuty, Events API v2: one alert for each incident, triggered, raised and resolved under its
//! id.
//!
//! Refuses to be longer than PagerDuty takes: long texts are cut, and lists of evidence stay in the
//! record.

use super::destination::{Destination, Message};
use super::format::cut;
use super::http::Post;
use super::note::Note;
use super::secret::Secret;
use super::settings::{URL, Wrong, is_url};
use crate::base::Time;
use crate::detect::Severity;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// <https://developer.pagerduty.com/docs/send-alert-event>
const SUMMARY: usize = 1024;
/// An event may have 512,000 bytes: so many entries of a list, and so many characters of a text.
const ENTRIES: usize = 16;
const TEXT: usize = 1000;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pagerduty {
    /// The integration key of the service.
    pub routing_key: Secret,
    /// The endpoint; `https://events.eu.pagerduty.com/v2/enqueue` for accounts in the EU.
    #[serde(default = "url")]
    pub url: String,
}

fn url() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

impl Destination for Pagerduty {
    fn wrong(&self) -> Vec<Wrong> {
        if is_url(&self.url) {
            Vec::new()
        } else {
            vec![("pagerduty.url", "it is not a URL that can be used", URL)]
        }
    }

    fn notice(&self, note: &Note, _: Option<&Note>, _: Time) -> Result<Message, String> {
        let mut event = if note.is_over() {
            json!({ "event_action": "resolve" })
        } else {
            trigger(note)
        };
        event["routing_key"] = self.routing_key.read()?.into();
        event["dedup_key"] = note.id.as_str().into();
        Ok(Post::json(self.url.clone(), &event).into())
    }
}

fn trigger(note: &Note) -> Value {
    let finding = note.gravest();
    json!({
        "event_action": "trigger",
        "client": "tokentrail",
        "payload": {
            "summary": cut(&note.summary, SUMMARY),
            "source": if note.cluster.is_empty() { "kubernetes".to_owned() } else { cut(&note.cluster, SUMMARY) },
            "severity": severity(note.severity),
            "timestamp": note.last_seen,
            "component": cut(&note.principal, SUMMARY),
            "group": note.service_account().map(|(namespace, _)| cut(namespace, SUMMARY)),
            "class": note.detectors.first().map(|d| cut(d, SUMMARY)),
            "custom_details": {
                "incident": note.id,
                "revision": note.revision,
                "severity": note.severity.label(),
                "score": note.score,
                "expected": finding.map(|f| cut(&f.expected, TEXT)),
                "observed": finding.map(|f| cut(&f.observed, TEXT)),
                "detectors": short(&note.detectors),
                "techniques": short(&note.techniques),
                "origins": short(&note.origins),
                "credentials": short(&note.credentials),
                "user_agents": short(&note.user_agents),
                "respond": short(&note.respond),
            },
        },
    })
}

fn short(list: &[String]) -> Value {
    list.iter()
        .take(ENTRIES)
        .map(|text| cut(text, TEXT))
        .collect()
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
