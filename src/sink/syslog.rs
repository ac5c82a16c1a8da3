//! Syslog, RFC 5424, with the incident in CEF or as JSON.
//!
//! Refuses messages longer than the receiver takes, which it would cut in two: what does not fit is
//! left out and named.

use super::destination::{Carrier, Destination, Message};
use super::format::{cef, fitted};
use super::note::Note;
use super::settings::Wrong;
use super::wire::{Transport, Wire};
use crate::base::Time;
use crate::detect::Severity;
use serde::{Deserialize, Serialize};

/// Longest HOSTNAME (RFC 5424 section 6 allows 255, and the least receiver little) and MSGID.
const HOSTNAME: usize = 63;
const MSGID: usize = 32;
/// RFC 5426 section 3.2: every receiver takes 480 bytes, and should take 2048.
const LEAST: usize = 480;
const UDP: usize = 2048;
/// RFC 5425 section 4.3.1: every receiver takes 2048 and should take 8192; rsyslog's default.
const STREAM: usize = 8192;
const MOST: usize = 65_000;

/// What the message holds.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// ArcSight Common Event Format.
    #[default]
    Cef,
    /// The incident, in ASCII.
    Json,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// Host and port, such as `syslog.example.com:6514`.
    pub address: String,
    /// `tls` (RFC 5425), `tcp` (RFC 6587, octet counting) or `udp` (RFC 5426).
    #[serde(default)]
    pub transport: Transport,
    /// `cef` or `json`.
    #[serde(default)]
    pub body: Body,
    /// The facility's number; 10 is authpriv, 16 to 23 are local0 to local7.
    #[serde(default = "facility")]
    pub facility: u8,
    /// Longest message in bytes; 2048 over UDP and 8192 otherwise, if it is not set.
    #[serde(default)]
    pub max_bytes: Option<usize>,
    /// Also revisions that people are not told of.
    #[serde(default)]
    pub every_revision: bool,
}

fn facility() -> u8 {
    10
}

impl Destination for Syslog {
    fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        let port = self
            .address
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty());
        if !port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0)) {
            found.push((
                "syslog.address",
                "it has no host or no port",
                "write host:port, such as syslog.soc:6514",
            ));
        }
        if self.facility > 23 {
            found.push((
                "syslog.facility",
                "there is no such facility",
                "set 0 to 23; the default is 10, authpriv",
            ));
        }
        if self
            .max_bytes
            .is_some_and(|max| !(LEAST..=MOST).contains(&max))
        {
            found.push(("syslog.max_bytes", "it is out of range", "set 480 to 65000"));
        }
        found
    }

    fn notice(&self, note: &Note, _: Option<&Note>, _: Time) -> Result<Message, String> {
        let pri = u32::from(self.facility) * 8 + level(note);
        let hostname = token(&note.cluster, HOSTNAME);
        let id = token(
            note.detectors.first().map_or("incident", String::as_str),
            MSGID,
        );
        let (at, version) = (&note.last_seen, env!("CARGO_PKG_VERSION"));
        let origin = format!("[origin software=\"tokentrail\" swVersion=\"{version}\"]");
        let mut line = format!("<{pri}>1 {at} {hostname} tokentrail - {id} {origin} ").into_bytes();
        let max = self
            .max_bytes
            .unwrap_or(if self.transport == Transport::Udp {
                UDP
            } else {
                STREAM
            });
        let room = max.saturating_sub(line.len());
        line.extend(match self.body {
            Body::Json => fitted(note, room),
            Body::Cef => cef::line(note, room).into_bytes(),
        });
        Ok(Message::Line(line))
    }

    fn carrier(&self) -> Carrier {
        Carrier::Wire(Wire {
            address: self.address.clone(),
            transport: self.transport,
        })
    }

    fn every_revision(&self) -> bool {
        self.every_revision
    }
}

/// RFC 5424 section 6.2.1: critical, error, warning, notice and informational.
fn level(note: &Note) -> u32 {
    match note.severity {
        _ if note.is_over() => 5,
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Info => 6,
    }
}

/// Printable ASCII without spaces, or the dash for nothing.
fn token(text: &str, max: usize) -> String {
    let kept: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(max)
        .collect();
    if kept.is_empty() {
        "-".to_owned()
    } else {
        kept
    }
}

#[cfg(test)]
mod tests;
