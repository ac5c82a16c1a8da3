//! The webhook: the incident in its machine form, in a versioned envelope, signed. `docs/sinks.md`
//! is its contract.
//!
//! Refuses to leave a field out or to rename one within a version.

use super::destination::{Destination, Message};
use super::format::Format;
use super::http::{JSON, Post};
use super::note::Note;
use super::secret::Secret;
use super::settings::{URL, Wrong, is_url};
use crate::base::Time;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt::Write;

/// The version of the envelope and of the incident in it.
const VERSION: &str = "tokentrail.incident/v1";
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>
const CLOUDEVENTS_JSON: &str = "application/cloudevents+json";

/// Whether there is an envelope of CloudEvents 1.0.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum CloudEvents {
    /// None.
    #[default]
    Off,
    /// Attributes and incident in one JSON object.
    Structured,
    /// Attributes in headers, the incident in the body.
    Binary,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to POST; without user and password.
    pub url: String,
    /// How an incident is written: `tokentrail`, `ecs`, `ocsf` or `falco`.
    #[serde(default)]
    pub format: Format,
    /// `structured` or `binary` for an event of CloudEvents 1.0; `off` without.
    #[serde(default)]
    pub cloudevents: CloudEvents,
    /// The key of the signature; without it nothing is signed.
    #[serde(default)]
    pub signing_key: Option<Secret>,
    /// Sent as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token: Option<Secret>,
    /// Send every revision, also those that people are not told of.
    #[serde(default)]
    pub every_revision: bool,
}

impl Destination for Webhook {
    fn wrong(&self) -> Vec<Wrong> {
        if is_url(&self.url) {
            Vec::new()
        } else {
            vec![("webhook.url", "it is not a URL that can be used", URL)]
        }
    }

    fn notice(&self, note: &Note, _: Option<&Note>, now: Time) -> Result<Message, String> {
        let timestamp = now.0.div_euclid(1_000_000).to_string();
        let mut headers = vec![
            ("idempotency-key", note.key()),
            ("tokentrail-timestamp", timestamp.clone()),
        ];
        let (content_type, body) = self.body(note, &mut headers);
        if let Some(secret) = &self.signing_key {
            headers.push((
                "tokentrail-signature",
                signature(secret.read()?.as_bytes(), &timestamp, &body),
            ));
        }
        let post = Post {
            url: self.url.clone(),
            content_type,
            headers,
            basic: None,
            body,
        };
        Ok(match &self.bearer_token {
            Some(secret) => post.authorized("Bearer", &secret.read()?).into(),
            None => post.into(),
        })
    }

    fn every_revision(&self) -> bool {
        self.every_revision
    }
}

impl Webhook {
    /// Our own envelope stands around our own form alone: another form is what others have a reader
    /// for.
    fn body(
        &self,
        note: &Note,
        headers: &mut Vec<(&'static str, String)>,
    ) -> (&'static str, Vec<u8>) {
        let line = self.format.line(note);
        let attributes = attributes(note);
        match self.cloudevents {
            CloudEvents::Off if self.format == Format::Tokentrail => {
                let line = String::from_utf8_lossy(&line);
                let body = format!(
                    "{{\"version\":\"{VERSION}\",\"key\":\"{}\",\"incident\":{line}}}",
                    note.key()
                );
                (JSON, body.into_bytes())
            }
            CloudEvents::Off => (JSON, line),
            CloudEvents::Binary => {
                headers.extend(attributes.map(|(name, value)| (name, value)));
                (JSON, line)
            }
            CloudEvents::Structured => {
                let of = |(name, value): (&str, String)| {
                    (name.trim_start_matches("ce-").to_owned(), value.into())
                };
                let mut event: serde_json::Map<String, Value> =
                    attributes.map(of).into_iter().collect();
                event.insert("datacontenttype".to_owned(), JSON.into());
                event.insert(
                    "data".to_owned(),
                    serde_json::from_slice(&line).unwrap_or_else(|_| json!({})),
                );
                (
                    CLOUDEVENTS_JSON,
                    Value::Object(event).to_string().into_bytes(),
                )
            }
        }
    }
}

/// As headers of the binary mode; without their prefix they are the members of the structured mode.
fn attributes(note: &Note) -> [(&'static str, String); 6] {
    let plain =
        |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '@');
    let cluster: String = note.cluster.chars().filter(plain).collect();
    [
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", note.key()),
        ("ce-source", format!("/tokentrail/{cluster}")),
        ("ce-type", "tokentrail.incident.v1".to_owned()),
        ("ce-subject", note.id.clone()),
        (
            "ce-time",
            Time::parse(&note.last_seen)
                .unwrap_or(Time::ZERO)
                .to_string(),
        ),
    ]
}

/// HMAC-SHA256 over timestamp, a dot and the body: who replays an old body cannot give it a new
/// time.
fn signature(key: &[u8], timestamp: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut text = "v1=".to_owned();
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1700000000.{}' | openssl dgst -sha256 -hmac key`
    #[test]
    fn the_signature_is_what_openssl_computes() {
        let expected = "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signature(b"key", "1700000000", b"{}"), expected);
    }
}
