//! An outbox row as sinks read it: the fields of `docs/incidents.md` that they speak of, and the
//! line itself.
//!
//! Refuses to decide what people are told: that stands in the row, and is the engine's.

use crate::base::Digest;
use crate::detect::Severity;
use crate::incident::Reason;
use serde::Deserialize;
use std::sync::Arc;

/// One revision of an incident. Its strings are free of control characters and secrets
/// (`base/text.rs`), and still an attacker's.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Note {
    pub id: String,
    pub revision: u32,
    pub kind: String,
    pub status: String,
    pub severity: Severity,
    pub score: u32,
    pub principal: String,
    #[serde(default)]
    pub principals: Vec<String>,
    pub cluster: String,
    pub first_seen: String,
    pub last_seen: String,
    pub ended: Option<String>,
    pub summary: String,
    pub detectors: Vec<String>,
    pub techniques: Vec<String>,
    #[serde(default)]
    pub audit_ids: Vec<String>,
    #[serde(default)]
    pub requests: u64,
    pub credentials: Vec<String>,
    pub origins: Vec<String>,
    pub user_agents: Vec<String>,
    pub findings: Vec<Finding>,
    #[serde(default)]
    pub baseline: Baseline,
    pub respond: Vec<String>,
    #[serde(default)]
    pub continues: Option<String>,
    pub notice: Notice,
    /// Where the receiver keeps what it was told, if it said so: in rows that a sink remembers,
    /// never in the outbox.
    #[serde(default)]
    pub handle: Option<String>,
    /// The row as it stands in the outbox.
    #[serde(skip)]
    pub line: Arc<[u8]>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Finding {
    pub detector: String,
    pub title: String,
    pub severity: Severity,
    pub expected: String,
    pub observed: String,
    pub count: u32,
    #[serde(default)]
    pub first_seen: String,
    #[serde(default)]
    pub last_seen: String,
}

/// How well the account was known when it began.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Baseline {
    pub mature: bool,
    pub days: u64,
    pub events: u64,
}

#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
pub struct Notice {
    pub tell: bool,
    pub reason: Reason,
}

impl Note {
    /// `None` for what is no row of this program.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Note> {
        let note: Note = serde_json::from_slice(line).ok()?;
        note.digest()?;
        Some(Note {
            line: line.into(),
            ..note
        })
    }

    /// The id as the store keys it.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        let number = u128::from_str_radix(&self.id, 16)
            .ok()
            .filter(|_| self.id.len() == 32)?;
        Some(Digest(number.to_be_bytes()))
    }

    /// Whether it ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status == "resolved"
    }

    /// In one word: how it ended, else how severe it is.
    #[must_use]
    pub fn state(&self) -> &str {
        if self.is_over() {
            &self.status
        } else {
            self.severity.label()
        }
    }

    /// The same, with where the receiver keeps it.
    #[must_use]
    pub fn with_handle(&self, handle: &str) -> Note {
        let mut row: serde_json::Value = serde_json::from_slice(&self.line).unwrap_or_default();
        row["handle"] = handle.into();
        Note {
            handle: Some(handle.to_owned()),
            line: row.to_string().into_bytes().into(),
            ..self.clone()
        }
    }

    /// Namespace and name, if the principal is a service account.
    #[must_use]
    pub fn service_account(&self) -> Option<(&str, &str)> {
        self.principal
            .strip_prefix("system:serviceaccount:")?
            .split_once(':')
    }

    /// What tells copies of one delivery apart from news: incident id and revision.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}-{}", self.id, self.revision)
    }

    /// The finding that weighs most, and of those the first.
    #[must_use]
    pub fn gravest(&self) -> Option<&Finding> {
        self.findings.iter().rev().max_by_key(|f| f.severity)
    }
}

/// What `sink test` sends: marked as a test in every field that people read.
#[must_use]
pub fn sample(cluster: &str, now: crate::base::Time, resolved: bool) -> Note {
    let digest = Digest::of(format!("tokentrail sink test {now}").as_bytes());
    let (status, revision, reason) = if resolved {
        ("resolved", 2, "ended")
    } else {
        ("open", 1, "opened")
    };
    let title = "TEST from tokentrail: nothing happened";
    let finding = serde_json::json!({
        "detector": "test", "title": title, "severity": "medium", "tactic": "discovery",
        "expected": "a test of this sink", "observed": "a test of this sink; no incident stands behind it",
        "count": 1, "first_seen": now.to_string(), "last_seen": now.to_string(),
    });
    let row = serde_json::json!({
        "id": digest.to_string(), "revision": revision, "kind": "threat", "status": status, "severity": "medium",
        "score": 51, "principal": "system:serviceaccount:tokentrail-test:sample",
        "principals": ["system:serviceaccount:tokentrail-test:sample"], "cluster": cluster,
        "first_seen": now.to_string(), "last_seen": now.to_string(), "detected_at": now.to_string(),
        "ended": resolved.then(|| now.to_string()), "summary": title, "detectors": ["test"], "techniques": [],
        "audit_ids": [], "requests": 1, "credentials": [], "origins": [], "user_agents": [], "findings": [finding],
        "baseline": { "mature": false, "since": null, "days": 0, "events": 0 }, "respond": [], "continues": null,
        "notice": { "tell": true, "reason": reason },
    });
    let Some(note) = Note::read(row.to_string().as_bytes()) else {
        unreachable!("the sample is no row")
    };
    note
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A row of one incident, as the engine would write it.
    pub(crate) fn note(
        id: u8,
        revision: u32,
        status: &str,
        severity: &str,
        tell: bool,
    ) -> Arc<Note> {
        let at = crate::base::Time(1_700_000_000_000_000);
        let base = sample("c", at, status == "resolved");
        let mut row: serde_json::Value = serde_json::from_slice(&base.line).unwrap();
        row["id"] = Digest([id; 16]).to_string().into();
        row["revision"] = revision.into();
        row["status"] = status.into();
        row["severity"] = severity.into();
        row["notice"]["tell"] = tell.into();
        Arc::new(Note::read(row.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn a_row_is_read_and_keeps_its_line_and_its_id() {
        let note = note(7, 3, "updated", "high", true);
        assert_eq!(
            (note.digest(), note.revision, note.severity),
            (Some(Digest([7; 16])), 3, Severity::High)
        );
        assert_eq!(note.service_account(), Some(("tokentrail-test", "sample")));
        assert!(Note::read(&note.line).is_some() && Note::read(b"{}").is_none());
    }
}
