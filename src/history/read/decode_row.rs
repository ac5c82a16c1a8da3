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

macro_rules! texts {
    ($($name:ident)*) => {
        /// Texts of one row that its event borrows; NULL is empty.
        struct Texts { $($name: String,)* }

        impl Texts {
            fn of(c: &Arrays, row: usize) -> Texts {
                Texts { $($name: text(&c.$name, row),)* }
            }
        }
    };
}

texts! {
    audit_id principal user_uid impersonated credential_id issued_credential_id pod pod_uid node
    legacy_secret verb api_group resource subresource namespace name decision user_agent uri
    origin_country origin_network
}

fn text(column: &StringArray, row: usize) -> String {
    if column.is_null(row) {
        String::new()
    } else {
        column.value(row).to_owned()
    }
}

fn event(c: &Arrays, row: usize, each: &mut dyn FnMut(Place, &AuditEvent<'_>)) -> Option<()> {
    let texts = Texts::of(c, row);
    let groups = list(&text(&c.groups, row))?;
    let assumed_groups = list(&text(&c.impersonated_groups, row))?;
    let source_ips = list(&text(&c.source_ips, row))?;
    let reason = serde_json::to_string(&text(&c.reason, row)).ok()?;
    let stage = meaning(&STAGES, c.stage.value(row))?;
    let code = match c.code.is_null(row) {
        true => 0,
        false => u16::try_from(c.code.value(row)).ok()?,
    };
    let principal = Principal::of(&texts.principal, &groups);
    let geo = geo(c, row, &texts.origin_country, &texts.origin_network)?;
    let event = AuditEvent {
        time: Time(c.time.value(row)),
        received: Time(c.received.value(row)),
        level: meaning(&LEVELS, c.level.value(row))?,
        stage,
        audit_id: &texts.audit_id,
        principal,
        username: &texts.principal,
        user_uid: &texts.user_uid,
        groups: &groups,
        impersonated: (!c.impersonated.is_null(row)).then_some(Impersonated {
            username: &texts.impersonated,
            groups: &assumed_groups,
        }),
        credential: texts.credential(c, row)?,
        issued_credential_id: &texts.issued_credential_id,
        operation: texts.operation(principal),
        source_ips: source_ips.iter().filter_map(|ip| ip.parse().ok()).collect(),
        user_agent: &texts.user_agent,
        code,
        outcome: Outcome::at(stage, code, &texts.decision),
        decision: &texts.decision,
        reason: Raw(&reason),
        uri: &texts.uri,
        facts: facts(&text(&c.facts, row))?,
        geo: geo.as_ref(),
    };
    each(place(c, row)?, &event);
    Some(())
}

impl Texts {
    fn credential(&self, c: &Arrays, row: usize) -> Option<Credential<'_>> {
        Some(Credential {
            kind: meaning(&CREDENTIAL_KINDS, c.credential_kind.value(row))?,
            id: &self.credential_id,
            pod: &self.pod,
            pod_uid: &self.pod_uid,
            node: &self.node,
            legacy_secret: &self.legacy_secret,
            stale: c.stale.value(row),
        })
    }

    fn operation(&self, principal: Principal<'_>) -> Operation<'_> {
        let path = if self.resource.is_empty() {
            self.uri.split('?').next().unwrap_or_default()
        } else {
            ""
        };
        Operation {
            verb: &self.verb,
            group: &self.api_group,
            resource: &self.resource,
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            path,
            scope: Operation::scope_of(principal, &self.resource, &self.namespace),
        }
    }
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
