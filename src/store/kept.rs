//! What we could not read and what we did not see: malformed lines set aside, and gaps.
//!
//! Refuses to keep the bytes of a malformed line: they may hold Secrets or tokens.

use super::error::{Fault, StoreError};
use super::tables::{
    ASIDE, ASIDE_ROWS_MAX, DETAIL_BYTES_MAX, GAP_ROWS_MAX, GAPS, KIND_BYTES_MAX, REASON_BYTES_MAX,
};
use crate::base::text::cut;
use crate::base::{Digest, Time};
use redb::{ReadableTable, ReadableTableMetadata, Table, Value, WriteTransaction};

/// A line that is no audit event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aside<'a> {
    pub seq: u64,
    pub file: Digest,
    /// Bytes: the line lies in (from, to] of the file.
    pub from: u64,
    pub to: u64,
    /// Why it could not be read; cut at [`REASON_BYTES_MAX`].
    pub reason: &'a str,
    /// Digest of the line.
    pub digest: Digest,
    pub time: Time,
}

/// Bytes of a file that existed and were not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap<'a> {
    pub seq: u64,
    pub file: Digest,
    /// Bytes: (from, to] of the file.
    pub from: u64,
    pub to: u64,
    /// A short word; cut at [`KIND_BYTES_MAX`].
    pub kind: &'a str,
    /// For people; cut at [`DETAIL_BYTES_MAX`].
    pub detail: &'a str,
    pub time: Time,
}

pub(super) fn put_asides(write: &WriteTransaction, asides: &[Aside<'_>]) -> Result<(), Fault> {
    if asides.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(ASIDE)?;
    for aside in asides {
        interval(aside.file, aside.from, aside.to)?;
        let reason = cut(aside.reason, REASON_BYTES_MAX);
        let key = free_key(&table, aside.seq)?;
        table.insert(
            key,
            (
                &aside.file.0,
                aside.from,
                aside.to,
                aside.time.0,
                &aside.digest.0,
                reason,
            ),
        )?;
    }
    drop_oldest(&mut table, ASIDE_ROWS_MAX)
}

pub(super) fn put_gaps(write: &WriteTransaction, gaps: &[Gap<'_>]) -> Result<(), Fault> {
    if gaps.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(GAPS)?;
    for gap in gaps {
        interval(gap.file, gap.from, gap.to)?;
        let (kind, detail) = (
            cut(gap.kind, KIND_BYTES_MAX),
            cut(gap.detail, DETAIL_BYTES_MAX),
        );
        let key = free_key(&table, gap.seq)?;
        table.insert(
            key,
            (&gap.file.0, gap.from, gap.to, gap.time.0, kind, detail),
        )?;
    }
    drop_oldest(&mut table, GAP_ROWS_MAX)
}

fn interval(file: Digest, from: u64, to: u64) -> Result<(), StoreError> {
    if from > to {
        Err(StoreError::Backwards { file, from, to })
    } else {
        Ok(())
    }
}

/// Several rows of one seq must not overwrite each other.
fn free_key<V: Value + 'static>(
    table: &Table<'_, (u64, u32), V>,
    seq: u64,
) -> Result<(u64, u32), Fault> {
    let last = table
        .range((seq, 0)..=(seq, u32::MAX))?
        .next_back()
        .transpose()?;
    Ok((
        seq,
        last.map_or(0, |(key, _)| key.value().1.saturating_add(1)),
    ))
}

fn drop_oldest<V: Value + 'static>(
    table: &mut Table<'_, (u64, u32), V>,
    rows_max: u64,
) -> Result<(), Fault> {
    for _ in rows_max..table.len()? {
        table.pop_first()?;
    }
    Ok(())
}
