//! Event -> row, with all that the engine judges by. `judged.rs` is the way back.
//!
//! Refuses to store a secret: what has the shape of a token or key, or follows a telling word in a query, is redacted.

use super::alike::{Before, Caller, Request};
use super::columns::Builders;
use super::dictionary::NONE;
use super::words::Words;
use crate::base::{Digest, Time, text};
use crate::engine::SourceIndex;
use crate::event::{AuditEvent, Credential, CredentialKind, Facts, Level, Operation, Principal, Stage};
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use serde_json::Value;
use std::borrow::Cow;
use std::net::IpAddr;

/// Which facts a row can hold; a detector that needs newer ones is blind on older rows.
pub const FACTS_VERSION: i64 = 2;

pub(super) const STAGES: [(Stage, &str); 4] = [
    (Stage::RequestReceived, "RequestReceived"),
    (Stage::ResponseStarted, "ResponseStarted"),
    (Stage::ResponseComplete, "ResponseComplete"),
    (Stage::Panic, "Panic"),
];
pub(super) const LEVELS: [(Level, &str); 3] =
    [(Level::Metadata, "Metadata"), (Level::Request, "Request"), (Level::RequestResponse, "RequestResponse")];
pub(super) const CREDENTIAL_KINDS: [(CredentialKind, &str); 9] = [
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

/// Rows of a batch of the head: as many as the 16 bits of a word's number tell apart.
const BATCH_ROWS: usize = 1 << 15;

/// Where in the log an event stood.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub seq: u64,
    /// Which of several logs.
    pub source: SourceIndex,
    pub file: Digest,
    pub offset: u64,
}

/// Rows that wait for the next commit. Used again after it, it keeps the room that they took.
#[derive(Default)]
pub struct Rows {
    builders: Builders,
    pub(super) count: usize,
    pub(super) times: Option<(Time, Time)>,
    pub(super) seqs: Option<(u64, u64)>,
    /// Full batches.
    done: Vec<Result<RecordBatch, ArrowError>>,
    /// By credential.
    callers: Before<Caller>,
    /// By principal, of those without a credential.
    bare: Before<Caller>,
    /// By URI.
    requests: Before<Request>,
    file: u32,
    key: Vec<u8>,
}

impl Rows {
    /// Adds one event. `origin` is the address that can be trusted.
    pub fn push(&mut self, event: &AuditEvent<'_>, origin: Option<IpAddr>, place: Place) {
        let (first, last) = self.times.unwrap_or((event.time, event.time));
        self.times = Some((first.min(event.time), last.max(event.time)));
        self.seqs = Some((self.seqs.map_or(place.seq, |(first, _)| first), place.seq));
        let Rows { builders: b, count, callers, bare, requests, file, key, .. } = self;
        *count += 1;
        let caller = match b.credential_id.put(event.credential.id) {
            NONE => bare.of(b.principal.find(event.username)),
            credential => callers.of(credential),
        };
        put_who(b, event, caller, key);
        b.seq.append_value(signed(place.seq));
        b.position.append_value(signed(place.offset));
        b.source.append_value(i64::from(place.source));
        b.file.put_key_like(file, &place.file.0, || place.file.to_string());
        b.time.append_value(event.time.0);
        b.received.append_value(event.received.0);
        match text::name(event.audit_id) {
            id if id.is_empty() => b.audit_id.append_null(),
            id => b.audit_id.append_value(id),
        }
        b.uri.put_like(&mut caller.uri, event.uri, text::clean);
        let request = requests.of(caller.uri);
        b.stage.put_like(&mut request.stage, word(&STAGES, event.stage), Cow::Borrowed);
        b.level.put_like(&mut request.level, word(&LEVELS, event.level), Cow::Borrowed);
        put_operation(b, &event.operation, request);
        put_credential(b, &event.credential, caller);
        b.issued_credential_id.put(event.issued_credential_id);
        b.code.append_option((event.code != 0).then_some(i64::from(event.code)));
        b.decision.put_like(&mut caller.decision, event.decision, Cow::Borrowed);
        // Only a string of JSON says something, and an empty one does not.
        match event.reason.0 {
            raw if raw.len() > 2 && raw.starts_with('"') => {
                b.reason
                    .put_key_like(&mut caller.reason, raw.as_bytes(), || text::name(&event.reason.text()).into_owned());
            }
            _ => {
                b.reason.put_number(NONE);
            }
        }
        put_ips(&mut b.origin, &mut caller.origin, key, origin.as_slice(), |ips| {
            ips.iter().map(ToString::to_string).collect()
        });
        put_ips(&mut b.source_ips, &mut caller.source_ips, key, &event.source_ips, |ips| {
            list(ips.iter().map(ToString::to_string))
        });
        b.user_agent.put_like(&mut caller.user_agent, event.user_agent, text::name);
        put_facts(&mut b.facts, key, event.facts.as_deref());
        b.facts_version.append_value(FACTS_VERSION);
        if self.count.is_multiple_of(BATCH_ROWS) {
            self.end_batch();
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What was gathered; empty afterwards.
    pub(super) fn take(&mut self) -> Result<Vec<RecordBatch>, ArrowError> {
        if self.count > self.done.len() * BATCH_ROWS {
            self.end_batch();
        }
        self.count = 0;
        (self.times, self.seqs) = (None, None);
        std::mem::take(&mut self.done).into_iter().collect()
    }

    fn end_batch(&mut self) {
        self.callers.clear();
        self.bare.clear();
        self.requests.clear();
        self.file = NONE;
        self.done.push(self.builders.finish());
    }
}

fn put_who(b: &mut Builders, event: &AuditEvent<'_>, like: &mut Caller, key: &mut Vec<u8>) {
    let before = like.principal;
    b.principal.put_like(&mut like.principal, event.username, text::name);
    if like.principal == before && before != NONE {
        // They are read out of the name of the user.
        b.principal_kind.put_number(like.principal_kind);
        b.principal_namespace.put_number(like.principal_namespace);
        b.principal_name.put_number(like.principal_name);
    } else {
        let (kind, namespace, name) = match event.principal {
            Principal::ServiceAccount { namespace, name } => ("service-account", namespace, name),
            Principal::Node { name } => ("node", "", name),
            Principal::User { name } => ("user", "", name),
            Principal::Anonymous => ("anonymous", "", ""),
            Principal::Nobody => ("nobody", "", ""),
        };
        like.principal_kind = b.principal_kind.put(kind);
        like.principal_namespace = b.principal_namespace.put_shown(namespace, text::name);
        like.principal_name = b.principal_name.put_shown(name, text::name);
    }
    b.user_uid.put_like(&mut like.user_uid, event.user_uid, Cow::Borrowed);
    put_list(&mut b.groups, &mut like.groups, key, event.groups);
    match &event.impersonated {
        Some(assumed) => {
            // Without a name it is assumed all the same.
            b.impersonated.put_key(assumed.username.as_bytes(), || text::name(assumed.username).into_owned());
            put_list(&mut b.impersonated_groups, &mut NONE.clone(), key, assumed.groups);
        }
        None => {
            b.impersonated.put_number(NONE);
            b.impersonated_groups.put_number(NONE);
        }
    }
}

fn put_credential(b: &mut Builders, credential: &Credential<'_>, like: &mut Caller) {
    b.credential_kind.put_like(&mut like.credential_kind, word(&CREDENTIAL_KINDS, credential.kind), Cow::Borrowed);
    b.pod.put_like(&mut like.pod, credential.pod, Cow::Borrowed);
    b.pod_uid.put_like(&mut like.pod_uid, credential.pod_uid, Cow::Borrowed);
    b.node.put_like(&mut like.node, credential.node, Cow::Borrowed);
    b.legacy_secret.put_like(&mut like.legacy_secret, credential.legacy_secret, Cow::Borrowed);
    b.stale.append_value(credential.stale);
}

fn put_operation(b: &mut Builders, operation: &Operation<'_>, like: &mut Request) {
    b.verb.put_like(&mut like.verb, operation.verb, Cow::Borrowed);
    b.api_group.put_like(&mut like.api_group, operation.group, Cow::Borrowed);
    b.resource.put_like(&mut like.resource, operation.resource, Cow::Borrowed);
    b.subresource.put_like(&mut like.subresource, operation.subresource, Cow::Borrowed);
    b.namespace.put_like(&mut like.namespace, operation.namespace, text::name);
    b.name.put_like(&mut like.name, operation.name, text::name);
}

fn put_ips(
    column: &mut Words,
    like: &mut u32,
    key: &mut Vec<u8>,
    ips: &[IpAddr],
    show: impl FnOnce(&[IpAddr]) -> String,
) {
    key.clear();
    for ip in ips {
        match ip {
            IpAddr::V4(ip) => key.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => key.extend_from_slice(&ip.octets()),
        }
        key.push(u8::from(ip.is_ipv6()));
    }
    if key.is_empty() {
        column.put_number(NONE);
    } else {
        column.put_key_like(like, key, || show(ips));
    }
}

fn put_list(column: &mut Words, like: &mut u32, key: &mut Vec<u8>, texts: &[Cow<'_, str>]) {
    if texts.is_empty() {
        column.put_number(NONE);
        return;
    }
    key.clear();
    for text in texts {
        key.extend_from_slice(text.as_bytes());
        // Where it ends: no two lists give the same key.
        key.extend_from_slice(&(text.len() as u32).to_le_bytes());
    }
    column.put_key_like(like, key, || list(texts.iter()));
}

/// A JSON array.
fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts = texts.into_iter().map(|text| Value::String(text::name(text.as_ref()).into_owned()));
    Value::Array(texts.collect()).to_string()
}

fn put_facts(column: &mut Words, key: &mut Vec<u8>, facts: Option<&Facts>) {
    let Some(facts) = facts else {
        column.put_number(NONE);
        return;
    };
    key.clear();
    // Facts are plain values: they cannot fail to be written, neither so nor as JSON.
    *key = postcard::to_extend(facts, std::mem::take(key)).unwrap_or_default();
    column.put_key(key, || serde_json::to_value(facts).map_or(String::new(), |json| sparse(json).to_string()));
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

/// Positions and numbers stay far below 2^63: a log would have to hold eight exabytes.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
