//! Event -> row and row -> event: to every detector the same, so that history can be judged again.
//!
//! Refuses to store a secret: what has the shape of a token or key, or follows a telling word in a query, is redacted.

use super::columns::{Arrays, Builders};
use crate::base::{Digest, Time, text};
use crate::engine::SourceIndex;
use crate::event::wire::Raw;
use crate::event::{
    AuditEvent, Credential, CredentialKind, Facts, Impersonated, Level, Operation, Outcome, Principal, Stage,
};
use arrow_array::builder::StringBuilder;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use serde_json::Value;
use std::borrow::Cow;
use std::net::IpAddr;

/// Which facts a row can hold; a detector that needs newer ones is blind on older rows.
pub const FACTS_VERSION: i64 = 1;

const STAGES: [(Stage, &str); 4] = [
    (Stage::RequestReceived, "RequestReceived"),
    (Stage::ResponseStarted, "ResponseStarted"),
    (Stage::ResponseComplete, "ResponseComplete"),
    (Stage::Panic, "Panic"),
];
const LEVELS: [(Level, &str); 3] =
    [(Level::Metadata, "Metadata"), (Level::Request, "Request"), (Level::RequestResponse, "RequestResponse")];
const CREDENTIAL_KINDS: [(CredentialKind, &str); 9] = [
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
}

/// Rows that wait for the next commit.
#[derive(Default)]
pub struct Rows {
    builders: Builders,
    pub(super) count: usize,
    pub(super) times: Option<(Time, Time)>,
    pub(super) seqs: Option<(u64, u64)>,
    file: Option<(Digest, String)>,
}

impl Rows {
    /// Adds one event. `origin` is the address that can be trusted.
    pub fn push(&mut self, event: &AuditEvent<'_>, origin: Option<IpAddr>, place: Place) {
        let Rows { builders: b, count, times, seqs, file } = self;
        *count += 1;
        let (first, last) = times.unwrap_or((event.time, event.time));
        *times = Some((first.min(event.time), last.max(event.time)));
        *seqs = Some((seqs.map_or(place.seq, |(first, _)| first), place.seq));
        if file.as_ref().is_none_or(|(known, _)| *known != place.file) {
            *file = Some((place.file, place.file.to_string()));
        }
        b.seq.append_value(signed(place.seq));
        b.position.append_value(signed(place.offset));
        b.source.append_value(i64::from(place.source));
        b.file.append_option(file.as_ref().map(|(_, text)| text));
        b.time.append_value(event.time.0);
        b.received.append_value(event.received.0);
        put(&mut b.audit_id, &text::name(event.audit_id));
        b.stage.append_value(word(&STAGES, event.stage));
        b.level.append_value(word(&LEVELS, event.level));
        put_who(b, event);
        put_credential(b, &event.credential);
        put(&mut b.issued_credential_id, event.issued_credential_id);
        put_operation(b, &event.operation);
        b.code.append_option((event.code != 0).then_some(i64::from(event.code)));
        put(&mut b.decision, event.decision);
        put(&mut b.reason, &text::name(&event.reason.text()));
        match origin {
            Some(ip) => b.origin.append_value(ip.to_string()),
            None => b.origin.append_null(),
        }
        put_list(&mut b.source_ips, event.source_ips.iter().map(ToString::to_string));
        put(&mut b.user_agent, &text::name(event.user_agent));
        put(&mut b.uri, &text::clean(event.uri));
        match &event.facts {
            // Facts are plain values: they cannot fail to be written.
            Some(facts) => b.facts.append_option(serde_json::to_value(facts).ok().map(|json| sparse(json).to_string())),
            None => b.facts.append_null(),
        }
        b.facts_version.append_value(FACTS_VERSION);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What was gathered; empty afterwards.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        self.count = 0;
        (self.times, self.seqs) = (None, None);
        self.builders.finish()
    }
}

fn put_who(b: &mut Builders, event: &AuditEvent<'_>) {
    let (kind, namespace, name) = match event.principal {
        Principal::ServiceAccount { namespace, name } => ("service-account", namespace, name),
        Principal::Node { name } => ("node", "", name),
        Principal::User { name } => ("user", "", name),
        Principal::Anonymous => ("anonymous", "", ""),
        Principal::Nobody => ("nobody", "", ""),
    };
    put(&mut b.principal, &text::name(event.username));
    b.principal_kind.append_value(kind);
    put(&mut b.principal_namespace, &text::name(namespace));
    put(&mut b.principal_name, &text::name(name));
    put(&mut b.user_uid, event.user_uid);
    put_list(&mut b.groups, event.groups);
    match &event.impersonated {
        Some(assumed) => {
            b.impersonated.append_value(text::name(assumed.username));
            put_list(&mut b.impersonated_groups, assumed.groups);
        }
        None => {
            b.impersonated.append_null();
            b.impersonated_groups.append_null();
        }
    }
}

fn put_credential(b: &mut Builders, credential: &Credential<'_>) {
    b.credential_kind.append_value(word(&CREDENTIAL_KINDS, credential.kind));
    put(&mut b.credential_id, credential.id);
    put(&mut b.pod, credential.pod);
    put(&mut b.pod_uid, credential.pod_uid);
    put(&mut b.node, credential.node);
    put(&mut b.legacy_secret, credential.legacy_secret);
    b.stale.append_value(credential.stale);
}

fn put_operation(b: &mut Builders, operation: &Operation<'_>) {
    put(&mut b.verb, operation.verb);
    put(&mut b.api_group, operation.group);
    put(&mut b.resource, operation.resource);
    put(&mut b.subresource, operation.subresource);
    put(&mut b.namespace, &text::name(operation.namespace));
    put(&mut b.name, &text::name(operation.name));
}

fn put(column: &mut StringBuilder, text: &str) {
    if text.is_empty() { column.append_null() } else { column.append_value(text) }
}

fn put_list<T: AsRef<str>>(column: &mut StringBuilder, texts: impl IntoIterator<Item = T>) {
    let mut json = String::with_capacity(64);
    for text in texts {
        json.push(if json.is_empty() { '[' } else { ',' });
        let name = text::name(text.as_ref());
        if name.contains(['"', '\\']) {
            // A string cannot fail to be written.
            json.push_str(&serde_json::to_string(&name).unwrap_or_default());
        } else {
            // Control characters are escaped by now.
            json.push('"');
            json.push_str(&name);
            json.push('"');
        }
    }
    if json.is_empty() {
        return column.append_null();
    }
    json.push(']');
    column.append_value(json);
}

/// Without what is false, empty or nothing: that is what its absence is read as. An empty object says that the body
/// was there.
fn sparse(json: Value) -> Value {
    let Value::Object(members) = json else { return json };
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Number(n) => n.as_i64() != Some(0),
        Value::Bool(true) | Value::Object(_) => true,
    };
    Value::Object(members.into_iter().filter(|(_, value)| says(value)).map(|(k, value)| (k, sparse(value))).collect())
}

fn word<T: PartialEq + Copy>(words: &[(T, &'static str)], value: T) -> &'static str {
    words.iter().find(|(known, _)| *known == value).map_or("", |(_, word)| word)
}

fn meaning<T: Copy>(words: &[(T, &'static str)], text: &str) -> Option<T> {
    words.iter().find(|(_, word)| *word == text).map(|(known, _)| *known)
}

/// Positions and numbers stay far below 2^63: a log would have to hold eight exabytes.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Hands every row of a batch to `each`, with its place, as the event that it was.
///
/// # Errors
/// A sentence that names the column that cannot be read.
pub fn events(batch: &RecordBatch, each: &mut dyn FnMut(Place, &AuditEvent<'_>)) -> Result<(), String> {
    let columns = Arrays::of(batch).ok_or("a column of history is missing or of another type")?;
    (0..batch.num_rows()).try_for_each(|row| event(&columns, row, each).ok_or(format!("row {row} cannot be read")))
}

fn event(c: &Arrays<'_>, row: usize, each: &mut dyn FnMut(Place, &AuditEvent<'_>)) -> Option<()> {
    let get = |column: &'_ StringArray| if column.is_null(row) { String::new() } else { column.value(row).to_owned() };
    let text = |column| -> Cow<'_, str> { Cow::Owned(get(column)) };
    let (username, uri, decision) = (text(c.principal), text(c.uri), text(c.decision));
    let (groups, assumed_groups) = (list(&get(c.groups))?, list(&get(c.impersonated_groups))?);
    let assumed = text(c.impersonated);
    let reason = serde_json::to_string(&get(c.reason)).ok()?;
    let stage = meaning(&STAGES, c.stage.value(row))?;
    let code = if c.code.is_null(row) { 0 } else { u16::try_from(c.code.value(row)).ok()? };
    let principal = Principal::parse(&username);
    let (verb, group, resource) = (text(c.verb), text(c.api_group), text(c.resource));
    let (subresource, namespace, name) = (text(c.subresource), text(c.namespace), text(c.name));
    let path = if resource.is_empty() { uri.split('?').next().unwrap_or_default() } else { "" };
    let (id, pod, pod_uid) = (text(c.credential_id), text(c.pod), text(c.pod_uid));
    let (node, legacy_secret) = (text(c.node), text(c.legacy_secret));
    let (audit_id, user_uid, user_agent) = (text(c.audit_id), text(c.user_uid), text(c.user_agent));
    let issued = text(c.issued_credential_id);
    let event = AuditEvent {
        time: Time(c.time.value(row)),
        received: Time(c.received.value(row)),
        level: meaning(&LEVELS, c.level.value(row))?,
        stage,
        audit_id: &audit_id,
        principal,
        username: &username,
        user_uid: &user_uid,
        groups: &groups,
        impersonated: (!c.impersonated.is_null(row))
            .then_some(Impersonated { username: &assumed, groups: &assumed_groups }),
        credential: Credential {
            kind: meaning(&CREDENTIAL_KINDS, c.credential_kind.value(row))?,
            id: &id,
            pod: &pod,
            pod_uid: &pod_uid,
            node: &node,
            legacy_secret: &legacy_secret,
            stale: c.stale.value(row),
        },
        issued_credential_id: &issued,
        operation: Operation {
            verb: &verb,
            group: &group,
            resource: &resource,
            subresource: &subresource,
            namespace: &namespace,
            name: &name,
            path,
            scope: Operation::scope_of(principal, &resource, &namespace),
        },
        source_ips: list(&get(c.source_ips))?.iter().filter_map(|ip| ip.parse().ok()).collect(),
        user_agent: &user_agent,
        code,
        outcome: Outcome::at(stage, code, &decision),
        decision: &decision,
        reason: Raw(&reason),
        uri: &uri,
        facts: facts(&get(c.facts))?,
    };
    let place = Place {
        seq: u64::try_from(c.seq.value(row)).ok()?,
        source: SourceIndex::try_from(c.source.value(row)).ok()?,
        file: Digest::parse(c.file.value(row))?,
        offset: u64::try_from(c.position.value(row)).ok()?,
    };
    each(place, &event);
    Some(())
}

/// `None`: what stands there cannot be read.
fn facts(json: &str) -> Option<Option<Box<Facts>>> {
    if json.is_empty() { Some(None) } else { serde_json::from_str(json).ok() }
}

fn list(json: &str) -> Option<Vec<Cow<'static, str>>> {
    if json.is_empty() { Some(Vec::new()) } else { serde_json::from_str(json).ok() }
}
