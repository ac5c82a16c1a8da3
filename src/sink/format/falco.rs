//! The JSON of Falco's alerts, so that Falcosidekick's outputs work at once.
//!
//! Refuses values other than strings and numbers in `output_fields`: receivers write them into
//! labels.
//!
//! Facts: <https://falco.org/docs/concepts/outputs/formatting/> and `types.FalcoPayload` of
//! Falcosidekick, which takes `k8s.ns.name` for the namespace and refuses an empty `output`.

use super::super::note::Note;
use super::address;
use crate::detect::Severity;
use serde_json::{Map, Value, json};

pub(crate) fn alert(note: &Note) -> Value {
    let (namespace, account) = note.service_account().unwrap_or_default();
    let finding = note.gravest();
    let mut fields = Map::new();
    let mut put = |name: &str, value: String| {
        if !value.is_empty() {
            fields.insert(name.to_owned(), value.into());
        }
    };
    put("tokentrail.incident", note.id.clone());
    put("tokentrail.revision", note.revision.to_string());
    put("tokentrail.status", note.status.clone());
    put("tokentrail.severity", note.severity.label().to_owned());
    put("tokentrail.cluster", note.cluster.clone());
    put("tokentrail.detectors", note.detectors.join(","));
    put(
        "tokentrail.expected",
        finding.map_or(String::new(), |f| f.expected.clone()),
    );
    put(
        "tokentrail.observed",
        finding.map_or(String::new(), |f| f.observed.clone()),
    );
    put("tokentrail.credentials", note.credentials.join(","));
    put("tokentrail.serviceaccount", account.to_owned());
    put("ka.user.name", note.principal.clone());
    put(
        "ka.useragent",
        note.user_agents.first().cloned().unwrap_or_default(),
    );
    put(
        "ka.sourceips",
        address(note).map_or(String::new(), |a| a.to_string()),
    );
    put("k8s.ns.name", namespace.to_owned());
    let state = if note.is_over() {
        format!("{}: ", note.status)
    } else {
        String::new()
    };
    let mut tags: Vec<&str> = vec!["tokentrail", "k8s"];
    tags.extend(note.techniques.iter().map(String::as_str));
    let detector = note.detectors.first().map_or("incident", String::as_str);
    json!({
        "uuid": uuid(note),
        "output": format!("{state}{} (incident {} revision {})", note.summary, note.id, note.revision),
        "priority": if note.is_over() { "Notice" } else { priority(note.severity) },
        "rule": format!("tokentrail {detector}"),
        "time": note.last_seen,
        "source": "k8s_audit",
        "hostname": note.cluster,
        "tags": tags,
        "output_fields": fields,
    })
}

/// Makes an id of incident and revision, in the shape of RFC 9562's version 8, which leaves the
/// bits to us.
fn uuid(note: &Note) -> String {
    let digest = crate::base::Digest::of(note.key().as_bytes()).to_string();
    let digit = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-8{}-a{}-{}",
        digit(0, 8),
        digit(8, 12),
        digit(13, 16),
        digit(17, 20),
        digit(20, 32)
    )
}

fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "Error",
        Severity::Medium => "Warning",
        Severity::Low => "Notice",
        Severity::Info => "Informational",
    }
}
