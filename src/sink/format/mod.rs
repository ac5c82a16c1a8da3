//! The ways in which an incident is written for machines, apart from how it gets there.
//!
//! Refuses to leave an incident's id and revision out of any of them.

pub(super) mod cef;
pub(super) mod ecs;
pub(super) mod falco;
pub(super) mod ocsf;

use super::note::Note;
use crate::base::Time;
use crate::base::text::shortened;
use crate::detect::Severity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How an incident is written.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As `docs/incidents.md` has it.
    #[default]
    Tokentrail,
    /// Elastic Common Schema: an alert.
    Ecs,
    /// Open Cybersecurity Schema Framework: a Detection Finding, class 2004.
    Ocsf,
    /// As Falco writes its alerts, which Falcosidekick reads.
    Falco,
}

impl Format {
    /// One JSON object without a newline.
    #[must_use]
    pub fn line(self, note: &Note) -> Vec<u8> {
        match self {
            Format::Tokentrail => note.line.to_vec(),
            Format::Ecs => ecs::document(note).to_string().into_bytes(),
            Format::Ocsf => ocsf::finding(note).to_string().into_bytes(),
            Format::Falco => falco::alert(note).to_string().into_bytes(),
        }
    }
}

/// Milliseconds since 1970; 0 for what is no time.
pub(super) fn millis(time: &str) -> i64 {
    Time::parse(time).map_or(0, |time| time.0.div_euclid(1000))
}

/// 0 to 10, as CEF and others count.
pub(super) fn tenth(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 10,
        Severity::High => 8,
        Severity::Medium => 5,
        Severity::Low => 3,
        Severity::Info => 1,
    }
}

/// The first origin that is an address.
pub(super) fn address(note: &Note) -> Option<std::net::IpAddr> {
    note.origins
        .iter()
        .find_map(|origin| origin.split(' ').next()?.parse().ok())
}

/// `sensitive-operation` -> `SensitiveOperation`.
pub(super) fn camel(detector: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or(String::new(), |first| {
            first.to_ascii_uppercase().to_string() + chars.as_str()
        })
    };
    detector.split('-').map(word).collect()
}

/// At most so many characters, the last of them an ellipsis where something is left out.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars()
        .take(max.saturating_sub(1))
        .chain(['\u{2026}'])
        .collect()
}

/// What goes first where there is no room for all: long lists, then long sentences.
const LEAVE: [&str; 13] = [
    "audit_ids",
    "respond",
    "findings",
    "user_agents",
    "principals",
    "credentials",
    "origins",
    "techniques",
    "detectors",
    "lineage",
    "baseline",
    "continues",
    "summary",
];

/// The incident in its own form, in at most so many bytes: what does not fit is named in
/// `left_out`.
pub(super) fn fitted(note: &Note, max: usize) -> Vec<u8> {
    let whole = ascii(&String::from_utf8_lossy(&note.line));
    if whole.len() <= max {
        return whole.into_bytes();
    }
    let mut object: Value = serde_json::from_slice(&note.line).unwrap_or_default();
    let mut left_out = Vec::new();
    for name in LEAVE {
        object
            .as_object_mut()
            .map(|fields| fields.shift_remove(name));
        left_out.push(name);
        object["left_out"] = left_out.clone().into();
        let text = ascii(&object.to_string());
        if text.len() <= max {
            return text.into_bytes();
        }
    }
    // What is left is hostile: a principal of kilobytes.
    let principal = shortened(&note.principal, max / 16);
    let least = serde_json::json!({ "id": note.id, "revision": note.revision, "status": note.status,
        "severity": note.severity.label(), "principal": principal, "left_out": ["*"] });
    ascii(&least.to_string()).into_bytes()
}

/// JSON in ASCII: the same value, for receivers that guess at encodings.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut pair = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            c.encode_utf16(&mut pair)
                .iter()
                .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests;
