//! The machine form of an incident: one JSON object, the same bytes for the same incident.
//!
//! Refuses paths and positions: the same lines read elsewhere are the same incident.

use super::{Acknowledgement, Incident, Notice, Status, Step};
use crate::base::Time;
use crate::base::text;
use serde_json::{Map, Value, json};
use smol_str::SmolStr;

/// One object without a newline.
#[must_use]
pub fn to_json(incident: &Incident, notice: Option<Notice>) -> String {
    to_value(incident, notice).to_string()
}

/// The object itself. Strings of the log are redacted and stripped of control characters.
#[must_use]
pub fn to_value(incident: &Incident, notice: Option<Notice>) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("id", json!(incident.id.to_string()));
    put("revision", json!(incident.revision));
    put("kind", json!(incident.kind.label()));
    put("status", json!(status(incident.status)));
    put("severity", json!(incident.severity.label()));
    put("score", json!(incident.score().0));
    put("principal", json!(text::name(&incident.principal)));
    put("principals", list(&incident.principals));
    put("cluster", json!(text::name(&incident.cluster)));
    put("first_seen", json!(incident.first_seen.to_string()));
    put("last_seen", json!(incident.last_seen.to_string()));
    put(
        "detected_at",
        json!(incident.detected_at.map(|t| t.to_string())),
    );
    put("ended", json!(incident.ended.map(|t: Time| t.to_string())));
    put("summary", json!(text::name(&incident.summary())));
    put("why", json!(text::name(&incident.why())));
    put("detectors", list(&incident.detectors));
    put("techniques", list(&incident.techniques));
    put(
        "audit_ids",
        incident
            .evidence
            .audit_ids()
            .map(|id| json!(text::name(id)))
            .collect(),
    );
    put("requests", json!(incident.evidence.count));
    put("credentials", list(&incident.credentials));
    put("origins", list(&incident.origins));
    put("networks", list(&incident.networks));
    put(
        "user_agents",
        incident
            .user_agents
            .iter()
            .map(|agent| json!(text::clean(agent)))
            .collect(),
    );
    put("findings", findings(incident));
    put("baseline", baseline(incident));
    put(
        "respond",
        super::respond::steps(incident)
            .into_iter()
            .map(Value::from)
            .collect(),
    );
    put(
        "continues",
        json!(incident.continues.map(|id| id.to_string())),
    );
    put("lineage", lineage(incident));
    put(
        "acknowledged",
        incident
            .acknowledged
            .as_ref()
            .map_or(Value::Null, acknowledged),
    );
    if let Some(notice) = notice {
        put("notice", json!(notice));
    }
    Value::Object(out)
}

/// Who called an incident normal, when and why.
#[must_use]
pub fn acknowledged(said: &Acknowledgement) -> Value {
    json!({ "owner": text::name(&said.owner), "reason": text::name(&said.reason), "at": said.at.to_string() })
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Open => "open",
        Status::Updated => "updated",
        Status::Resolved => "resolved",
    }
}

fn list(values: &[SmolStr]) -> Value {
    values.iter().map(|v| json!(text::name(v))).collect()
}

fn findings(incident: &Incident) -> Value {
    let one = |told: &super::Told| {
        json!({
            "principal": text::name(&told.principal),
            "detector": told.detector.as_str(),
            "title": told.title.as_str(),
            "weight": told.total().0,
            "severity": told.severity.label(),
            "tactic": told.tactic,
            "expected": text::name(&told.expected),
            "observed": text::name(&told.observed),
            "objects": told.objects.iter().map(|object| text::name(object)).collect::<Vec<_>>(),
            "causes": told.causes,
            "count": told.count,
            "first_seen": told.first_seen.to_string(),
            "last_seen": told.last_seen.to_string(),
        })
    };
    incident.findings.iter().map(one).collect()
}

fn baseline(incident: &Incident) -> Value {
    let known = &incident.baseline;
    json!({
        "mature": known.mature,
        "since": (known.events > 0).then(|| known.since.to_string()),
        "days": known.days,
        "events": known.events,
    })
}

fn lineage(incident: &Incident) -> Value {
    let one = |step: &Step| {
        json!({
            "how": step.how,
            "by": text::name(&step.by),
            "to": text::name(&step.to),
            "what": text::name(&step.what),
            "at": step.at.to_string(),
            "used_at": step.used_at.to_string(),
            "origin": text::name(&step.origin),
            "words": text::name(&step.words()),
        })
    };
    incident.lineage.iter().map(one).collect()
}
