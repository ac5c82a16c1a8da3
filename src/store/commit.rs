//! The one commit: everything that a batch changed becomes durable together, or not at all.
//!
//! Refuses what does not fit what is stored; the rules stand in `docs/design/state.md`.

use super::error::{Fault, StoreError};
use super::kept::{self, Aside, Gap};
use super::outbox::{self, Delivered};
use super::positions::{self, Advance};
use super::sinks::{self, SinkMove};
use super::tables::{
    INCIDENT_BYTES_MAX, INCIDENTS, INPUT_BYTES_MAX, INPUT_ROWS_MAX, INPUTS, KEY_BYTES_MAX, META,
    META_SEQ, RECORDS, SEGMENTS, VALUE_BYTES_MAX, meta_u64,
};
use crate::base::Digest;
use crate::history;
use redb::{ReadableTableMetadata, WriteTransaction};

/// One transaction, as a plain value. Slices may be empty.
#[derive(Clone, Copy, Default, Debug)]
pub struct Commit<'a> {
    /// The last sequence number that this commit covers; not below the stored one.
    pub seq: u64,
    pub advances: &'a [Advance],
    /// Fastest in the order of (room, key).
    pub records: &'a [Record<'a>],
    /// Id and JSON of the last revision.
    pub incidents: &'a [(Digest, &'a [u8])],
    /// One JSON line each, without newline, appended to the outbox.
    pub notices: &'a [&'a [u8]],
    /// Where the incidents file has come to, if it moved.
    pub delivered: Option<Delivered>,
    /// No incidents file is kept: its cursor goes, and holds no row back.
    pub no_file: bool,
    /// Where sinks have come to. Rows that the file and every sink have passed leave the outbox.
    pub sinks: &'a [SinkMove<'a>],
    pub asides: &'a [Aside<'a>],
    pub gaps: &'a [Gap<'a>],
    /// By seq: JSON of inputs that were no events.
    pub inputs: &'a [(u64, Vec<u8>)],
    /// What became of history.
    pub history: Option<&'a history::Change>,
}

/// A piece of engine state. What rooms and keys mean is the engine's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    pub room: u8,
    /// At most [`KEY_BYTES_MAX`].
    pub key: &'a [u8],
    /// At most [`VALUE_BYTES_MAX`]; `None` deletes.
    pub value: Option<&'a [u8]>,
}

/// What only the store knew.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct CommitReceipt {
    /// The number of the commit's first notice, or of the next one to come if it had none.
    pub first_outbox_row: u64,
    /// The number of the next notice to come.
    pub next_outbox_row: u64,
    /// Files beyond [`super::FILES_MAX`] whose offsets are gone.
    pub forgotten: Vec<Digest>,
}

/// Checks and writes everything inside the given transaction.
pub(super) fn apply(write: &WriteTransaction, commit: &Commit<'_>) -> Result<CommitReceipt, Fault> {
    advance_seq(write, commit.seq)?;
    let forgotten = positions::apply(write, commit.advances, commit.gaps, commit.seq)?;
    put_records(write, commit.records)?;
    put_incidents(write, commit.incidents)?;
    if let Some(delivered) = commit.delivered {
        outbox::deliver(write, delivered)?;
    }
    if commit.no_file {
        outbox::no_file(write)?;
    }
    sinks::apply(write, commit.sinks)?;
    if commit.delivered.is_some() || commit.no_file || !commit.sinks.is_empty() {
        outbox::trim(write)?;
    }
    let rows = outbox::append(write, commit.notices)?;
    kept::put_asides(write, commit.asides)?;
    kept::put_gaps(write, commit.gaps)?;
    put_inputs(write, commit.inputs)?;
    if let Some(change) = commit.history {
        put_segments(write, change)?;
    }
    Ok(CommitReceipt {
        first_outbox_row: rows.start,
        next_outbox_row: rows.end,
        forgotten,
    })
}

fn advance_seq(write: &WriteTransaction, given: u64) -> Result<(), Fault> {
    let mut table = write.open_table(META)?;
    let stored = meta_u64(&table, META_SEQ)?.unwrap_or(0);
    if given < stored {
        return Err(StoreError::SeqBack { stored, given }.into());
    }
    table.insert(META_SEQ, given.to_le_bytes().as_slice())?;
    Ok(())
}

fn put_records(write: &WriteTransaction, records: &[Record<'_>]) -> Result<(), Fault> {
    if records.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(RECORDS)?;
    let mut full_key = Vec::with_capacity(64);
    for record in records {
        limit("a record's key", record.key, KEY_BYTES_MAX)?;
        full_key.clear();
        full_key.push(record.room);
        full_key.extend_from_slice(record.key);
        match record.value {
            Some(value) => {
                limit("a record's value", value, VALUE_BYTES_MAX)?;
                table.insert(full_key.as_slice(), value)?;
            }
            None => {
                table.remove(full_key.as_slice())?;
            }
        }
    }
    Ok(())
}

fn put_incidents(write: &WriteTransaction, incidents: &[(Digest, &[u8])]) -> Result<(), Fault> {
    if incidents.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(INCIDENTS)?;
    for (id, json) in incidents {
        limit("an incident", json, INCIDENT_BYTES_MAX)?;
        table.insert(&id.0, *json)?;
    }
    Ok(())
}

fn put_inputs(write: &WriteTransaction, inputs: &[(u64, Vec<u8>)]) -> Result<(), Fault> {
    if inputs.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(INPUTS)?;
    for (seq, json) in inputs {
        limit("an input", json, INPUT_BYTES_MAX)?;
        table.insert(seq, json.as_slice())?;
    }
    for _ in INPUT_ROWS_MAX..table.len()? {
        table.pop_first()?;
    }
    Ok(())
}

fn put_segments(write: &WriteTransaction, change: &history::Change) -> Result<(), Fault> {
    let mut table = write.open_table(SEGMENTS)?;
    for segment in &change.put {
        let json = serde_json::to_vec(segment).map_err(|e| Fault::corrupt(e.to_string()))?;
        table.insert(segment.id, json.as_slice())?;
    }
    for id in &change.forget {
        table.remove(id)?;
    }
    if let Some(seq) = change.forget_inputs {
        write.open_table(INPUTS)?.retain_in(..=seq, |_, _| false)?;
    }
    Ok(())
}

fn limit(what: &'static str, bytes: &[u8], max: usize) -> Result<(), StoreError> {
    if bytes.len() > max {
        Err(StoreError::TooLarge {
            what,
            bytes: bytes.len(),
            max,
        })
    } else {
        Ok(())
    }
}
