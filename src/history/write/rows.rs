//! Event -> row, with all that the engine judges by. `read/decode_row.rs` is the way back.
//!
//! Refuses to store a secret: what has the shape of a token or key, or follows a telling word in a
//! query, is redacted.

use crate::base::{Digest, Time, text};
use crate::engine::SourceIndex;
use crate::event::{AuditEvent, Credential, CredentialKind, Facts, Geo, Level, Principal, Stage};
use crate::history::columns::{COLUMNS, GROUP_OF, GROUPS, Gathered};
use crate::history::write::column_groups::ColumnGroups;
use crate::history::write::column_view::{ColumnView, NULL};
use crate::history::write::dictionary_column::DictionaryColumn;
use serde_json::Value;
use std::net::IpAddr;

/// What the texts of an event take, in bytes; those of nearly all take less.
const ORDINARY_BYTES: usize = 2 << 10;
/// Bytes beyond that which rows may bring until the next roll: a client may send requests of any
/// length.
const HEAVY_BYTES: usize = 64 << 20;

/// Which facts a row can hold; a detector that needs newer ones is blind on older rows.
pub const FACTS_VERSION: i64 = 3;

pub(in crate::history) const STAGES: [(Stage, &str); 4] = [
    (Stage::RequestReceived, "RequestReceived"),
    (Stage::ResponseStarted, "ResponseStarted"),
    (Stage::ResponseComplete, "ResponseComplete"),
    (Stage::Panic, "Panic"),
];
pub(in crate::history) const LEVELS: [(Level, &str); 3] = [
    (Level::Metadata, "Metadata"),
    (Level::Request, "Request"),
    (Level::RequestResponse, "RequestResponse"),
];
pub(in crate::history) const CREDENTIAL_KINDS: [(CredentialKind, &str); 9] = [
    (CredentialKind::PodBound, "pod-bound"),
    (CredentialKind::PodBoundWithoutId, "pod-bound-without-id"),
    (CredentialKind::NodeBound, "node-bound"),
    (CredentialKind::Unbound, "unbound"),
    (CredentialKind::Legacy, "legacy"),
    (CredentialKind::Certificate, "certificate"),
    (CredentialKind::External, "external"),
    (CredentialKind::Unknown, "unknown"),
    (CredentialKind::None, "none"),
];

/// Where in the log an event stood.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub seq: u64,
    /// Which of several logs.
    pub source: SourceIndex,
    pub file: Digest,
    pub offset: u64,
    /// Another server recorded the request before.
    pub is_copy: bool,
}

/// Rows since the last roll: those that the head has, then those that wait for the next commit.
/// Used again after it, it keeps the room that they took.
#[derive(Default)]
pub struct Rows {
    columns: Gathered,
    groups: [ColumnGroups; GROUPS],
    count: usize,
    /// Bytes beyond the ordinary since the last roll.
    excess: usize,
    /// A head and how many rows, from the first, stand in it.
    written: Option<(u64, usize)>,
    /// Rows that wait.
    pub(in crate::history) times: Option<(Time, Time)>,
    pub(in crate::history) seqs: Option<(u64, u64)>,
}

impl Rows {
    /// Adds one event. `origin` is the address that can be trusted.
    pub fn push(&mut self, event: &AuditEvent<'_>, origin: Option<IpAddr>, place: Place) {
        let (first, last) = self.times.unwrap_or((event.time, event.time));
        self.times = Some((first.min(event.time), last.max(event.time)));
        self.seqs = Some((self.seqs.map_or(place.seq, |(first, _)| first), place.seq));
        self.count += 1;
        self.excess += weight(event).saturating_sub(ORDINARY_BYTES);
        let Rows {
            columns: c,
            groups: [caller, request, outcome, body, source],
            ..
        } = self;
        put_caller(c, caller, event, origin);
        put_request(c, request, event);
        put_outcome(c, outcome, event, place.is_copy);
        put_body(c, body, event.facts.as_deref());
        put_source(c, source, place);
        c.seq.push(signed(place.seq));
        c.time.push(event.time.0);
        c.received.push(event.received.0);
        c.audit_id.push(text::name(event.audit_id).as_bytes());
        c.issued_credential_id
            .put_shown(event.issued_credential_id, |id| id);
        c.position.push(signed(place.offset));
    }

    /// Whether no row waits for a commit.
    #[must_use]
    pub fn none_waits(&self) -> bool {
        self.first_waiting() == self.count
    }

    /// Whether they take so much memory that few more should join them.
    pub(in crate::history) fn are_heavy(&self) -> bool {
        self.excess > HEAVY_BYTES
    }

    /// Rows since the last roll.
    #[must_use]
    pub fn since_roll(&self) -> usize {
        self.count
    }

    pub(in crate::history) fn first_waiting(&self) -> usize {
        self.written.map_or(0, |(_, rows)| rows)
    }

    /// Whether they are all the rows that this head has, so that it need not be read.
    pub(in crate::history) fn are_of(&self, head: u64, rows: u64) -> bool {
        self.written
            .is_some_and(|(id, written)| id == head && written as u64 == rows)
    }

    /// Whether nothing was written since the last roll.
    pub(in crate::history) fn are_new(&self) -> bool {
        self.written.is_none()
    }

    /// Those that waited stand in this head now.
    pub(in crate::history) fn written_to(&mut self, head: u64) {
        // Rows of an earlier head are still here: then they are not all of this one.
        let id = self
            .written
            .map_or(head, |(id, _)| if id == head { id } else { 0 });
        self.written = Some((id, self.count));
        (self.times, self.seqs) = (None, None);
    }

    pub(in crate::history) fn sheet(&self) -> ColumnView<'_> {
        let groups = self.groups.each_ref().map(|group| Some(group.rows()));
        ColumnView {
            columns: COLUMNS,
            values: self.columns.views(),
            group_of: GROUP_OF,
            groups,
            rows: self.count,
        }
    }

    pub(in crate::history) fn clear(&mut self) {
        let forgets = !self.groups.iter().all(ColumnGroups::is_small);
        self.columns.clear(forgets);
        self.groups
            .iter_mut()
            .for_each(|group| group.clear(forgets));
        (self.count, self.excess) = (0, 0);
        self.written = None;
        (self.times, self.seqs) = (None, None);
    }
}

/// Bytes of what a client may make long.
fn weight(event: &AuditEvent<'_>) -> usize {
    let assumed = event
        .impersonated
        .as_ref()
        .map_or(&[][..], |assumed| assumed.groups);
    let groups: usize = event
        .groups
        .iter()
        .chain(assumed)
        .map(|group| group.len())
        .sum();
    event.uri.len() + event.user_agent.len() + groups
}

fn put_caller(
    c: &mut Gathered,
    known: &mut ColumnGroups,
    event: &AuditEvent<'_>,
    origin: Option<IpAddr>,
) {
    // Of another address it would be taken for the origin's when the row is read.
    let geo = event.geo.filter(|geo| origin == Some(geo.ip));
    known.begin();
    caller_key(known, event, origin);
    geo_key(known, geo);
    if !known.end() {
        return;
    }
    put_geo(c, geo);
    put_principal(c, event);
    put_credential(c, &event.credential);
    let ip = origin.map(|ip| ip.to_string()).unwrap_or_default();
    c.origin.put_shown(&ip, |ip| ip);
    let ips: Vec<String> = event.source_ips.iter().map(ToString::to_string).collect();
    put_list(&mut c.source_ips, &ips);
    c.user_agent.put_shown(event.user_agent, text::name);
}

/// All that the columns of a caller come from.
fn caller_key(known: &mut ColumnGroups, event: &AuditEvent<'_>, origin: Option<IpAddr>) {
    let credential = &event.credential;
    let flags = [
        event.impersonated.is_some(),
        credential.stale,
        origin.is_some(),
    ];
    known.part(&flags.map(u8::from));
    known.part(&[credential.kind as u8]);
    known.part(event.username.as_bytes());
    known.part(event.user_uid.as_bytes());
    known.parts(event.groups.iter().map(|group| group.as_bytes()));
    if let Some(assumed) = &event.impersonated {
        known.part(assumed.username.as_bytes());
        known.parts(assumed.groups.iter().map(|group| group.as_bytes()));
    }
    for text in [
        credential.id,
        credential.pod,
        credential.pod_uid,
        credential.node,
        credential.legacy_secret,
    ] {
        known.part(text.as_bytes());
    }
    known.part(event.user_agent.as_bytes());
    for ip in event.source_ips.iter().chain(&origin) {
        match ip {
            IpAddr::V4(ip) => known.part(&ip.octets()),
            IpAddr::V6(ip) => known.part(&ip.octets()),
        }
    }
}

fn put_principal(c: &mut Gathered, event: &AuditEvent<'_>) {
    let (kind, namespace, name) = match event.principal {
        Principal::ServiceAccount { namespace, name } => ("service-account", namespace, name),
        Principal::Node { name } => ("node", "", name),
        Principal::User { name } | Principal::Impostor { name } => ("user", "", name),
        Principal::Anonymous => ("anonymous", "", ""),
        Principal::Nobody => ("nobody", "", ""),
    };
    c.principal.put_shown(event.username, text::name);
    c.principal_kind.put(kind);
    c.principal_namespace.put_shown(namespace, text::name);
    c.principal_name.put_shown(name, text::name);
    c.user_uid.put_shown(event.user_uid, |uid| uid);
    put_list(&mut c.groups, event.groups);
    match &event.impersonated {
        Some(assumed) => {
            // Without a name it is assumed all the same.
            c.impersonated.put(&text::name(assumed.username));
            put_list(&mut c.impersonated_groups, assumed.groups);
        }
        None => {
            c.impersonated.put_null();
            c.impersonated_groups.put_null();
        }
    }
}

fn put_credential(c: &mut Gathered, credential: &Credential<'_>) {
    let kind = word(&CREDENTIAL_KINDS, credential.kind);
    c.credential_kind.put(kind);
    c.credential_id.put_shown(credential.id, |id| id);
    c.pod.put_shown(credential.pod, |pod| pod);
    c.pod_uid.put_shown(credential.pod_uid, |uid| uid);
    c.node.put_shown(credential.node, |node| node);
    let secret = credential.legacy_secret;
    c.legacy_secret.put_shown(secret, |secret| secret);
    c.stale.push(credential.stale.into());
}

fn geo_key(known: &mut ColumnGroups, geo: Option<&Geo<'_>>) {
    known.part(&[u8::from(geo.is_some())]);
    if let Some(geo) = geo {
        known.part(geo.country.as_bytes());
        known.part(&geo.asn.to_le_bytes());
        known.part(geo.network.as_bytes());
    }
}

fn put_geo(c: &mut Gathered, geo: Option<&Geo<'_>>) {
    let (country, asn, network) =
        geo.map_or(("", 0, ""), |geo| (geo.country, geo.asn, geo.network));
    c.origin_country.put_shown(country, |country| country);
    c.origin_asn.push(if asn == 0 { NULL } else { asn.into() });
    c.origin_network.put_shown(network, text::name);
}

fn put_request(c: &mut Gathered, known: &mut ColumnGroups, event: &AuditEvent<'_>) {
    let operation = &event.operation;
    let (verb, group, resource) = (operation.verb, operation.group, operation.resource);
    let (subresource, namespace, name) =
        (operation.subresource, operation.namespace, operation.name);
    known.begin();
    for text in [
        verb,
        group,
        resource,
        subresource,
        namespace,
        name,
        event.uri,
    ] {
        known.part(text.as_bytes());
    }
    if !known.end() {
        return;
    }
    c.verb.put_shown(verb, |verb| verb);
    c.api_group.put_shown(group, |group| group);
    c.resource.put_shown(resource, |resource| resource);
    c.subresource
        .put_shown(subresource, |subresource| subresource);
    c.namespace.put_shown(namespace, text::name);
    c.name.put_shown(name, text::name);
    c.uri.put_shown(event.uri, text::clean);
}

fn put_outcome(c: &mut Gathered, known: &mut ColumnGroups, event: &AuditEvent<'_>, is_copy: bool) {
    known.begin();
    let [high, low] = event.code.to_le_bytes();
    known.part(&[
        event.stage as u8,
        event.level as u8,
        high,
        low,
        u8::from(is_copy),
    ]);
    known.part(event.decision.as_bytes());
    known.part(event.reason.0.as_bytes());
    if !known.end() {
        return;
    }
    c.stage.put(word(&STAGES, event.stage));
    c.is_copy.push(is_copy.into());
    c.level.put(word(&LEVELS, event.level));
    c.code.push(if event.code == 0 {
        NULL
    } else {
        event.code.into()
    });
    c.decision.put_shown(event.decision, |decision| decision);
    // Only a string of JSON says something, and an empty one does not.
    match event.reason.0 {
        raw if raw.len() > 2 && raw.starts_with('"') => {
            c.reason.put(&text::name(&event.reason.text()));
        }
        _ => c.reason.put_null(),
    }
}

fn put_body(c: &mut Gathered, known: &mut ColumnGroups, facts: Option<&Facts>) {
    known.begin();
    if let Some(facts) = facts {
        known.part(b"facts");
        // Facts are plain values: they cannot fail to be written, neither so nor as JSON.
        known.part_by(|key| {
            *key = postcard::to_extend(facts, std::mem::take(key)).unwrap_or_default();
        });
    }
    if !known.end() {
        return;
    }
    match facts {
        Some(facts) => c.facts.put(
            &serde_json::to_value(facts).map_or(String::new(), |json| sparse(json).to_string()),
        ),
        None => c.facts.put_null(),
    }
}

fn put_source(c: &mut Gathered, known: &mut ColumnGroups, place: Place) {
    known.begin();
    known.part(&place.file.0);
    known.part(&place.source.to_le_bytes());
    if known.end() {
        c.facts_version.push(FACTS_VERSION);
        c.file.put(&place.file.to_string());
        c.source.push(place.source.into());
    }
}

fn put_list<T: AsRef<str>>(column: &mut DictionaryColumn, texts: &[T]) {
    if texts.is_empty() {
        column.put_null();
    } else {
        column.put(&list(texts));
    }
}

/// A JSON array.
fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let texts = texts
        .iter()
        .map(|text| Value::String(text::name(text.as_ref()).into_owned()));
    Value::Array(texts.collect()).to_string()
}

/// Without what is false, empty or nothing: that is what its absence is read as. An empty object
/// says that the body was there.
fn sparse(json: Value) -> Value {
    let Value::Object(members) = json else {
        return json;
    };
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Number(n) => n.as_i64() != Some(0),
        Value::Bool(true) | Value::Object(_) => true,
    };
    Value::Object(
        members
            .into_iter()
            .filter(|(_, value)| says(value))
            .map(|(k, value)| (k, sparse(value)))
            .collect(),
    )
}

fn word<T: PartialEq + Copy>(words: &[(T, &'static str)], value: T) -> &'static str {
    words
        .iter()
        .find(|(known, _)| *known == value)
        .map_or("", |(_, word)| word)
}

/// Positions and numbers stay far below 2^63: a log would have to hold eight exabytes.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
