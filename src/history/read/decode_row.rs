//! Row -> event: to every detector the same as the event that it was, so that history can be judged
//! again.
//!
//! Refuses a row that it cannot read whole: half an event would be judged as another one.

use crate::base::{Digest, Time};
use crate::engine::SourceIndex;
use crate::event::wire::Raw;
use crate::event::{
    AuditEvent, Credential, Facts, Geo, Impersonated, Operation, Outcome, Principal,
};
use crate::history::columns::COLUMNS;
use crate::history::read::cells;
use crate::history::write::rows::{CREDENTIAL_KINDS, LEVELS, Place, STAGES};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use std::borrow::Cow;

macro_rules! arrays {
    ($($array:ident: $($name:ident)*;)*) => {
        /// The columns of a batch that an event is made of again, texts in full; the others follow
        /// from these.
        struct Arrays { $($($name: $array,)*)* }

        impl Arrays {
            /// # Errors
            /// A sentence that names the column that is of another type: the file is not ours, or
            /// damaged.
            fn of(batch: &RecordBatch) -> Result<Arrays, String> {
                Ok(Arrays { $($($name: {
                    let array = column(batch, stringify!($name))?;
                    let array = array.as_any().downcast_ref::<$array>();
                    array.ok_or(concat!("the column ", stringify!($name), " is of another type"))?.clone()
                },)*)* })
            }
        }
    };
}

/// What a file of an older version does not have is NULL.
fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, String> {
    if let Some(array) = batch.column_by_name(name) {
        return cells::whole(array).map_err(|e| format!("the column {name}: {e}"));
    }
    let known = COLUMNS
        .iter()
        .find(|column| column.name == name)
        .ok_or_else(|| format!("no column is named {name}"))?;
    Ok(new_null_array(&known.kind.data_type(), batch.num_rows()))
}

arrays! {
    Int64Array: seq code position source origin_asn;
    TimestampMicrosecondArray: time received;
    StringArray: audit_id stage level principal user_uid groups impersonated impersonated_groups credential_kind credential_id issued_credential_id pod pod_uid node legacy_secret verb api_group resource subresource namespace name decision reason source_ips origin user_agent uri facts file origin_country origin_network;
    BooleanArray: stale is_copy;
}

/// Hands every row of a batch to `each`, with its place, as the event that it was.
///
/// # Errors
/// A sentence that names the column that cannot be read.
pub fn events(
    batch: &RecordBatch,
    each: &mut dyn FnMut(Place, &AuditEvent<'_>),
) -> Result<(), String> {
    let judged = RowDecoder::of(batch)?;
    (0..batch.num_rows()).try_for_each(|row| judged.event(row, each))
}

/// The rows of a batch, one by one.
pub(in crate::history) struct RowDecoder(Arrays);

impl RowDecoder {
    pub fn of(batch: &RecordBatch) -> Result<RowDecoder, String> {
        Arrays::of(batch).map(RowDecoder)
    }

    pub fn event(
        &self,
        row: usize,
        each: &mut dyn FnMut(Place, &AuditEvent<'_>),
    ) -> Result<(), String> {
        let read = if self.has_place(row) {
            event(&self.0, row, each)
        } else {
            None
        };
        read.ok_or_else(|| format!("row {row} cannot be read"))
    }
}

impl RowDecoder {
    /// What a file does not have, or is NULL against its promise, is not a time or a place at zero.
    fn has_place(&self, row: usize) -> bool {
        let c = &self.0;
        let is_null = [&c.seq, &c.source, &c.position]
            .iter()
            .any(|column| column.is_null(row))
            || [&c.time, &c.received]
                .iter()
                .any(|column| column.is_null(row));
        !is_null
    }
}

fn event(c: &Arrays, row: usize, each: &mut dyn FnMut(Place, &AuditEvent<'_>)) -> Option<()> {
    let get = |column: &'_ StringArray| {
        if column.is_null(row) {
            String::new()
        } else {
            column.value(row).to_owned()
        }
    };
    let text = |column| -> Cow<'_, str> { Cow::Owned(get(column)) };
    let (username, uri, decision) = (text(&c.principal), text(&c.uri), text(&c.decision));
    let (groups, assumed_groups) = (list(&get(&c.groups))?, list(&get(&c.impersonated_groups))?);
    let assumed = text(&c.impersonated);
    let reason = serde_json::to_string(&get(&c.reason)).ok()?;
    let stage = meaning(&STAGES, c.stage.value(row))?;
    let code = if c.code.is_null(row) {
        0
    } else {
        u16::try_from(c.code.value(row)).ok()?
    };
    let principal = Principal::of(&username, &groups);
    let (verb, group, resource) = (text(&c.verb), text(&c.api_group), text(&c.resource));
    let (subresource, namespace, name) = (text(&c.subresource), text(&c.namespace), text(&c.name));
    let path = if resource.is_empty() {
        uri.split('?').next().unwrap_or_default()
    } else {
        ""
    };
    let (id, pod, pod_uid) = (text(&c.credential_id), text(&c.pod), text(&c.pod_uid));
    let (node, legacy_secret) = (text(&c.node), text(&c.legacy_secret));
    let (audit_id, user_uid, user_agent) =
        (text(&c.audit_id), text(&c.user_uid), text(&c.user_agent));
    let [issued, country, network] = [
        &c.issued_credential_id,
        &c.origin_country,
        &c.origin_network,
    ]
    .map(text);
    let geo = geo(c, row, &country, &network)?;
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
        impersonated: (!c.impersonated.is_null(row)).then_some(Impersonated {
            username: &assumed,
            groups: &assumed_groups,
        }),
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
        source_ips: list(&get(&c.source_ips))?
            .iter()
            .filter_map(|ip| ip.parse().ok())
            .collect(),
        user_agent: &user_agent,
        code,
        outcome: Outcome::at(stage, code, &decision),
        decision: &decision,
        reason: Raw(&reason),
        uri: &uri,
        facts: facts(&get(&c.facts))?,
        geo: geo.as_ref(),
    };
    each(place(c, row)?, &event);
    Some(())
}

/// `None`: what stands there cannot be read.
fn place(c: &Arrays, row: usize) -> Option<Place> {
    Some(Place {
        seq: u64::try_from(c.seq.value(row)).ok()?,
        source: SourceIndex::try_from(c.source.value(row)).ok()?,
        file: Digest::parse(c.file.value(row))?,
        offset: u64::try_from(c.position.value(row)).ok()?,
        is_copy: c.is_copy.is_valid(row) && c.is_copy.value(row),
    })
}

/// `None`: what stands there cannot be read.
fn facts(json: &str) -> Option<Option<Box<Facts>>> {
    if json.is_empty() {
        Some(None)
    } else {
        serde_json::from_str(json).ok()
    }
}

/// `None`: what stands there cannot be read.
fn geo<'a>(c: &Arrays, row: usize, country: &'a str, network: &'a str) -> Option<Option<Geo<'a>>> {
    let asn = if c.origin_asn.is_null(row) {
        0
    } else {
        u32::try_from(c.origin_asn.value(row)).ok()?
    };
    if asn == 0 && country.is_empty() {
        return Some(None);
    }
    Some(Some(Geo {
        ip: c.origin.value(row).parse().ok()?,
        country,
        asn,
        network,
    }))
}

fn list(json: &str) -> Option<Vec<Cow<'static, str>>> {
    if json.is_empty() {
        Some(Vec::new())
    } else {
        serde_json::from_str(json).ok()
    }
}

fn meaning<T: Copy>(words: &[(T, &'static str)], text: &str) -> Option<T> {
    words
        .iter()
        .find(|(_, word)| *word == text)
        .map(|(known, _)| *known)
}
