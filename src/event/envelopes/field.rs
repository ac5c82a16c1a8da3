//! One field of another object, as a string or as the object itself.

use super::carrier::Carrier;
use super::members::{Members, elements};
use super::opened::Opening;
use crate::base::Time;

/// The fields, and who writes them.
const FIELDS: [&str; 12] = [
    // Fluent Bit, Fluentd, Docker's json-file
    "log",
    // Vector, Filebeat, Logstash, syslog relays
    "message",
    // OpenTelemetry collector's other exporters
    "body",
    // Alibaba SLS with one field, Tencent CLS
    "content",
    "event",
    // GELF: OVH Logs Data Platform
    "short_message",
    "full_message",
    // Google Cloud Logging of what is no Cloud Audit log: Google Distributed Cloud
    "jsonPayload",
    "textPayload",
    // hits of Elasticsearch and OpenSearch
    "_source",
    // Elastic Common Schema: `event.original`
    "original",
    "data",
];

pub(super) fn open(
    opening: &mut Opening<'_>,
    members: &Members<'_>,
    depth: u32,
    at: Option<Time>,
) -> bool {
    let known = named(opening, members, depth, at) || listed(opening, members, depth, at);
    if known {
        opening.carriers.note(Carrier::Field);
    }
    known
}

fn named(opening: &mut Opening<'_>, members: &Members<'_>, depth: u32, at: Option<Time>) -> bool {
    let mut values = FIELDS.iter().filter_map(|field| members.get(field));
    values.any(|value| opening.document(value, depth + 1, at))
}

/// `contents[]` of Alibaba SLS: pairs of key and value.
fn listed(opening: &mut Opening<'_>, members: &Members<'_>, depth: u32, at: Option<Time>) -> bool {
    let pairs = members.get("contents").or_else(|| members.get("Contents"));
    let pairs = pairs.and_then(elements).unwrap_or_default();
    pairs.into_iter().filter_map(Members::of).any(|pair| {
        let value = pair.get("value").or_else(|| pair.get("Value"));
        value.is_some_and(|value| opening.document(value, depth + 1, at))
    })
}
