//! ArcSight Common Event Format, version 0.
//!
//! Refuses a separator from the log to separate: header and extensions are escaped by their own
//! rules.
//!
//! Facts: "ArcSight Common Event Format (CEF) Implementation Standard", chapters "Header
//! Information", "Character Encoding" and "CEF Key Names".

use super::super::note::Note;
use super::{address, cut, millis, tenth};
use crate::base::text::shortened;

/// The length that the standard's dictionary gives to texts, in characters; of the whole line at
/// most a tenth.
const LONG: usize = 1023;
/// Most bytes of detector and title: they stand in the header, which has to be there in every line.
const ID: usize = 63;
const NAME: usize = 150;

/// One line of at most so many bytes, from 480 on: what does not fit any more is left out, and
/// nothing is cut within an escape.
pub(crate) fn line(note: &Note, max: usize) -> String {
    let title = note
        .gravest()
        .map_or(note.summary.as_str(), |f| f.title.as_str());
    let detector = note.detectors.first().map_or("incident", String::as_str);
    let mut out = format!(
        "CEF:0|tokentrail|tokentrail|{}|{}|{}|{}|",
        env!("CARGO_PKG_VERSION"),
        header(&shortened(detector, ID)),
        header(&shortened(title, NAME)),
        tenth(note.severity)
    );
    let fields = fields(note);
    let there = fields.iter().filter(|(_, value)| !value.is_empty());
    let mut gap = "";
    for (key, value) in there {
        let field = format!("{gap}{key}={}", extension(&cut(value, LONG.min(max / 10))));
        if out.len() + field.len() <= max {
            out.push_str(&field);
            gap = " ";
        }
    }
    out
}

/// What follows the header, the most important first: what does not fit is left out from the end.
fn fields(note: &Note) -> Vec<(&'static str, String)> {
    let finding = note.gravest();
    let observed = finding.map_or(String::new(), |f| f.observed.clone());
    let expected = finding.map_or(String::new(), |f| f.expected.clone());
    let account = note.service_account();
    let account = account.map(|(namespace, name)| format!("{namespace}/{name}"));
    let source = address(note).filter(std::net::IpAddr::is_ipv4);
    vec![
        ("externalId", note.id.clone()),
        ("cn1Label", "revision".to_owned()),
        ("cn1", note.revision.to_string()),
        ("rt", millis(&note.last_seen).to_string()),
        ("start", millis(&note.first_seen).to_string()),
        ("end", millis(&note.last_seen).to_string()),
        ("act", note.status.clone()),
        ("cat", note.kind.clone()),
        ("suser", note.principal.clone()),
        ("spriv", account.unwrap_or_default()),
        ("src", source.map_or(String::new(), |ip| ip.to_string())),
        ("requestClientApplication", note.user_agents.join(", ")),
        ("cnt", note.requests.to_string()),
        ("msg", note.summary.clone()),
        ("reason", observed),
        ("cs1Label", "cluster".to_owned()),
        ("cs1", note.cluster.clone()),
        ("cs2Label", "expected".to_owned()),
        ("cs2", expected),
        ("cs3Label", "detectors".to_owned()),
        ("cs3", note.detectors.join(", ")),
        ("cs4", note.techniques.join(", ")),
        ("cs4Label", "techniques".to_owned()),
        ("cs5Label", "credentials".to_owned()),
        ("cs5", note.credentials.join(", ")),
        ("cs6Label", "origins".to_owned()),
        ("cs6", note.origins.join(", ")),
    ]
}

/// Backslash and pipe; a line end has no place there at all.
fn header(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(['\n', '\r'], " ")
}

/// Backslash, equals sign and ends of lines.
fn extension(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('=', "\\=")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}
