//! Elastic Common Schema: the incident as an alert document.
//!
//! Refuses field names of its own outside of `tokentrail`, where the incident's own fields stand.
//!
//! Facts: <https://www.elastic.co/docs/reference/ecs/ecs-event>, `ecs-rule`, `ecs-threat`,
//! `ecs-orchestrator`.

use super::super::note::Note;
use super::{address, tenth};
use serde_json::{Value, json};

/// The version whose fields these are.
const ECS: &str = "8.17.0";
/// Documents of one size: lists of evidence are cut.
const AUDIT_IDS: usize = 50;

pub(crate) fn document(note: &Note) -> Value {
    let finding = note.gravest();
    let (namespace, account) = note.service_account().unwrap_or_default();
    let mut all = json!({
        "@timestamp": note.last_seen,
        "ecs": { "version": ECS },
        "message": note.summary,
        "event": {
            "id": note.key(),
            "kind": "alert",
            "category": ["intrusion_detection"],
            "type": [if note.is_over() { "end" } else if note.revision == 1 { "start" } else { "change" }],
            "action": note.detectors.first(),
            "module": "tokentrail",
            "dataset": "tokentrail.incident",
            "provider": "tokentrail",
            "severity": u32::from(tenth(note.severity)) * 10,
            "risk_score": note.score / 1000,
            "reason": finding.map(|f| &f.observed),
            "start": note.first_seen,
            "end": note.ended,
        },
        "rule": {
            "id": note.detectors.first(),
            "name": finding.map(|f| &f.title),
            "ruleset": "tokentrail",
        },
        "threat": {
            "framework": "MITRE ATT&CK",
            "technique": { "id": note.techniques },
        },
        "orchestrator": { "type": "kubernetes", "namespace": namespace },
        "user": { "name": note.principal },
        "related": { "user": note.principals, "ip": [] },
        "observer": { "vendor": "tokentrail", "product": "tokentrail", "version": env!("CARGO_PKG_VERSION") },
        "tokentrail": {
            "incident": {
                "id": note.id, "revision": note.revision, "kind": note.kind, "status": note.status,
                "severity": note.severity.label(), "score": note.score, "detectors": note.detectors,
                "service_account": account, "credentials": note.credentials, "origins": note.origins,
                "expected": finding.map(|f| &f.expected), "observed": finding.map(|f| &f.observed),
                "audit_ids": note.audit_ids.iter().take(AUDIT_IDS).collect::<Vec<_>>(),
                "respond": note.respond, "continues": note.continues,
            },
        },
    });
    if !note.cluster.is_empty() {
        all["orchestrator"]["cluster"] = json!({ "name": note.cluster });
    }
    if let Some(address) = address(note) {
        all["source"] = json!({ "ip": address.to_string() });
        all["related"]["ip"] = json!([address.to_string()]);
    }
    if let Some(agent) = note.user_agents.first() {
        all["user_agent"] = json!({ "original": agent });
    }
    all
}
