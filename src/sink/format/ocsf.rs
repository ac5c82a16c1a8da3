//! OCSF 1.5: Detection Finding, class 2004, with what was normal and what was seen in
//! `anomaly_analyses`.
//!
//! Refuses names that stand beside a number to differ from it: both come from one table.
//!
//! Facts: `events/findings/detection_finding.json`, `finding.json` and
//! `objects/anomaly_analysis.json` of <https://github.com/ocsf/ocsf-schema>, also at
//! <https://schema.ocsf.io/1.5.0/classes/detection_finding>.

use super::super::note::{Finding, Note};
use super::{address, millis};
use crate::detect::Severity;
use serde_json::{Value, json};

const VERSION: &str = "1.5.0";
const CLASS: u32 = 2004;

pub(crate) fn finding(note: &Note) -> Value {
    let (activity, activity_name, type_name) = activity(note);
    let (severity, severity_name) = severity(note.severity);
    let (status, status_name) = status(note);
    let time = note
        .ended
        .as_deref()
        .filter(|_| note.is_over())
        .unwrap_or(&note.last_seen);
    let title = note
        .gravest()
        .map_or(note.summary.as_str(), |f| f.title.as_str());
    let mut all = json!({
        "category_uid": 2, "category_name": "Findings",
        "class_uid": CLASS, "class_name": "Detection Finding",
        "activity_id": activity, "activity_name": activity_name,
        "type_uid": CLASS * 100 + activity, "type_name": type_name,
        "severity_id": severity, "severity": severity_name,
        "status_id": status, "status": status_name,
        "time": millis(time),
        "start_time": millis(&note.first_seen),
        "end_time": millis(&note.last_seen),
        "count": note.requests.max(1),
        "is_alert": !note.is_over(),
        "message": note.summary,
        "risk_score": note.score / 1000,
        "metadata": {
            "version": VERSION,
            "uid": note.key(),
            "product": {
                "name": "tokentrail", "vendor_name": "tokentrail", "version": env!("CARGO_PKG_VERSION"),
            },
            "log_name": "kube-apiserver audit",
        },
        "finding_info": {
            "uid": note.id,
            "title": title,
            "desc": note.summary,
            "types": note.detectors,
            "created_time": millis(&note.first_seen),
            "modified_time": millis(&note.last_seen),
            "first_seen_time": millis(&note.first_seen),
            "last_seen_time": millis(&note.last_seen),
            "analytic": {
                "uid": note.detectors.first().map_or("incident", String::as_str), "name": title,
                "type_id": 2, "type": "Behavioral",
            },
            "attacks": note.techniques.iter().map(attack).collect::<Vec<_>>(),
            "related_events": note.audit_ids.iter().map(|id| json!({ "uid": id })).collect::<Vec<_>>(),
        },
        "resources": resources(note),
        "evidences": [evidence(note)],
        "remediation": { "desc": if note.respond.is_empty() { "none".to_owned() } else { note.respond.join("\n") } },
        "unmapped": { "revision": note.revision, "kind": note.kind, "credentials": note.credentials },
    });
    if !note.findings.is_empty() && !note.principal.is_empty() {
        all["anomaly_analyses"] = json!([analysis(note)]);
    }
    all
}

fn activity(note: &Note) -> (u32, &'static str, &'static str) {
    match note.revision {
        _ if note.is_over() => (3, "Close", "Detection Finding: Close"),
        1 => (1, "Create", "Detection Finding: Create"),
        _ => (2, "Update", "Detection Finding: Update"),
    }
}

fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

fn status(note: &Note) -> (u32, &'static str) {
    match note.status.as_str() {
        "resolved" => (4, "Resolved"),
        _ => (1, "New"),
    }
}

fn attack(technique: &String) -> Value {
    match technique.split_once('.') {
        Some((above, _)) => json!({ "technique": { "uid": above, "name": above },
            "sub_technique": { "uid": technique, "name": technique } }),
        None => json!({ "technique": { "uid": technique, "name": technique } }),
    }
}

fn resources(note: &Note) -> Value {
    let (namespace, name) = note
        .service_account()
        .unwrap_or(("", note.principal.as_str()));
    let kind = if namespace.is_empty() {
        "User"
    } else {
        "ServiceAccount"
    };
    let mut one = json!({ "uid": note.principal, "name": name, "type": kind });
    if !namespace.is_empty() {
        one["namespace"] = namespace.into();
    }
    json!([one])
}

fn evidence(note: &Note) -> Value {
    let mut all = json!({
        "actor": { "user": { "name": note.principal } },
        "data": { "origins": note.origins, "user_agents": note.user_agents, "credentials": note.credentials },
    });
    if let Some(address) = address(note) {
        all["src_endpoint"] = json!({ "ip": address.to_string() });
    }
    all
}

/// Some detectors compare with what was seen before, the others with what is known to be an attack.
fn kind_of_analysis(finding: &Finding) -> &'static str {
    if is_novelty(finding) {
        "Frequency Analysis"
    } else {
        "Deviation Analysis"
    }
}

fn is_novelty(finding: &Finding) -> bool {
    finding.detector.starts_with("unexpected-") || finding.detector.starts_with("unknown-")
}

fn analysis(note: &Note) -> Value {
    let normal = |f: &Finding| {
        json!({
            "observed_attribute": f.detector,
            "observation_type": kind_of_analysis(f),
            "observations": [{ "value": f.expected, "count": note.baseline.events,
                "timespan": { "type_id": 5, "type": "Days", "duration_days": note.baseline.days } }],
        })
    };
    let seen = |f: &Finding| {
        let mut one = json!({
            "observed_attribute": f.detector,
            "observation_type": kind_of_analysis(f),
            "observations": [{ "value": f.observed, "count": f.count,
                "timespan": { "type_id": 9, "type": "Time Interval", "start_time": millis(&f.first_seen),
                    "end_time": millis(&f.last_seen) } }],
        });
        if is_novelty(f) {
            one["observed_pattern"] = "UNSEEN".into();
        }
        one
    };
    json!({
        "analysis_target": {
            "name": note.principal,
            "type": if note.service_account().is_some() { "Kubernetes ServiceAccount" } else { "Kubernetes user" },
        },
        "baselines": note.findings.iter().map(normal).collect::<Vec<_>>(),
        "anomalies": note.findings.iter().map(seen).collect::<Vec<_>>(),
    })
}
