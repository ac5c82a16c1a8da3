//! Reading the state back: what the daemon begins with after a stop or a crash.
//!
//! Refuses to decode: rows are handed out as bytes, in the order of their keys, without copying
//! them.

use super::error::{Fault, StoreError};
use super::outbox::{self, Delivered};
use super::positions::Position;
use super::sinks::{self, SinkRow};
use super::tables::{
    ASIDE, AsideValue, DigestBytes, GAPS, GapValue, INCIDENTS, INPUTS, META, META_OUTBOX_NEXT,
    META_SEQ, OUTBOX, POLICY_ROOM, POSITIONS, RECORDS, SEGMENTS, meta_u64,
};
use crate::base::{Digest, Time};
use crate::detect::Policy;
use crate::history::{Segment, snapshot};
use redb::{AccessGuard, Range, ReadOnlyTable, ReadTransaction, ReadableTable, TableError};
use std::io;
use std::path::Path;

/// One consistent snapshot of the state. It borrows the store, so that nothing is committed over
/// its head.
pub struct Recovered<'a> {
    /// The last committed sequence number; 0 for a new state.
    pub seq: u64,
    /// In the order of the files' digests; at most [`super::FILES_MAX`].
    pub positions: Vec<Position>,
    /// `None` if nothing was ever delivered to a file.
    pub delivered: Option<Delivered>,
    /// The number of the next outbox row to come.
    pub next_outbox_row: u64,
    /// The history manifest, by id.
    pub segments: Vec<Segment>,
    /// Every sink that ever had something to be told, by name.
    pub sinks: Vec<SinkRow>,
    path: &'a Path,
    records: ReadOnlyTable<&'static [u8], &'static [u8]>,
    incidents: ReadOnlyTable<DigestBytes, &'static [u8]>,
    outbox: ReadOnlyTable<u64, &'static [u8]>,
    asides: ReadOnlyTable<(u64, u32), AsideValue>,
    gaps: ReadOnlyTable<(u64, u32), GapValue>,
    /// Missing in a state that was written before inputs were kept.
    inputs: Option<ReadOnlyTable<u64, &'static [u8]>>,
}

/// A malformed line that was set aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AsideRow {
    pub seq: u64,
    pub file: Digest,
    pub from: u64,
    pub to: u64,
    pub reason: String,
    pub digest: Digest,
    pub time: Time,
}

/// Bytes that were not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GapRow {
    pub seq: u64,
    pub file: Digest,
    pub from: u64,
    pub to: u64,
    pub kind: String,
    pub detail: String,
    pub time: Time,
}

impl<'a> Recovered<'a> {
    pub(super) fn of(read: &ReadTransaction, path: &'a Path) -> Result<Recovered<'a>, StoreError> {
        Recovered::read(read, path).map_err(|fault| fault.at(path, "read"))
    }

    fn read(read: &ReadTransaction, path: &'a Path) -> Result<Recovered<'a>, Fault> {
        let meta = read.open_table(META)?;
        Ok(Recovered {
            seq: meta_u64(&meta, META_SEQ)?.unwrap_or(0),
            positions: positions(read)?,
            delivered: outbox::delivered(&meta)?,
            next_outbox_row: meta_u64(&meta, META_OUTBOX_NEXT)?.unwrap_or(0),
            segments: segments(read)?,
            sinks: sinks::load(read)?,
            path,
            records: read.open_table(RECORDS)?,
            incidents: read.open_table(INCIDENTS)?,
            outbox: read.open_table(OUTBOX)?,
            asides: read.open_table(ASIDE)?,
            gaps: read.open_table(GAPS)?,
            inputs: match read.open_table(INPUTS) {
                Err(TableError::TableDoesNotExist(_)) => None,
                table => Some(table?),
            },
        })
    }

    /// All records of a room.
    ///
    /// # Errors
    /// `Io`, `Corrupt`; each row may fail too.
    pub fn records(&self, room: u8) -> Result<Rows<'a, &'static [u8]>, StoreError> {
        let low = [room];
        let range = match room.checked_add(1).map(|next| [next]) {
            Some(high) => self.records.range::<&[u8]>(low.as_slice()..high.as_slice()),
            None => self.records.range::<&[u8]>(low.as_slice()..),
        };
        self.rows(range)
    }

    /// All records of some rooms, copied, in their order.
    pub fn records_of(&self, rooms: &[u8]) -> impl Iterator<Item = io::Result<snapshot::Row>> {
        let room = |room: u8| {
            let (rows, failed) = match self.records(room) {
                Ok(rows) => (Some(rows), None),
                Err(error) => (None, Some(Err(io::Error::other(error)))),
            };
            let copied = move |row: Result<RecordRow<_>, StoreError>| {
                let row: RecordRow<&'static [u8]> = row.map_err(io::Error::other)?;
                Ok((room, row.key().to_vec(), row.value().to_vec()))
            };
            failed
                .into_iter()
                .chain(rows.into_iter().flatten().map(copied))
        };
        rooms.iter().flat_map(move |r| room(*r))
    }

    /// The policy that the state was last judged by; `None` in a new state.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn policy(&self) -> Result<Option<Policy>, StoreError> {
        let Some(row) = self.records(POLICY_ROOM)?.next() else {
            return Ok(None);
        };
        let policy = serde_json::from_slice(row?.value());
        policy
            .map(Some)
            .map_err(|e| Fault::corrupt(format!("the policy in it: {e}")).at(self.path, "read"))
    }

    /// The records alone, for those who look at many of them one by one.
    pub fn into_records(self) -> ReadOnlyTable<&'static [u8], &'static [u8]> {
        self.records
    }

    /// The last revision of one incident, as JSON.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn incident(&self, id: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.incidents.get(&id.0).map_err(|e| self.failed(e))?;
        Ok(row.map(|line| line.value().to_vec()))
    }

    /// All incidents, by id.
    ///
    /// # Errors
    /// As [`Recovered::records`].
    pub fn incidents(&self) -> Result<Rows<'a, DigestBytes>, StoreError> {
        self.rows(self.incidents.range::<DigestBytes>(..))
    }

    /// At most `rows_max` rows that wait for delivery, from `from_row` on, with their numbers.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn outbox(
        &self,
        from_row: u64,
        rows_max: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = self.outbox.range(from_row..).map_err(|e| self.failed(e))?;
        rows.take(rows_max)
            .map(|row| {
                row.map(|(n, line)| (n.value(), line.value().to_vec()))
                    .map_err(|e| self.failed(e))
            })
            .collect()
    }

    /// Malformed lines, oldest first; at most [`super::ASIDE_ROWS_MAX`].
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn asides(&self) -> Result<Vec<AsideRow>, StoreError> {
        let rows = self.asides.iter().map_err(|e| self.failed(e))?;
        rows.map(|row| {
            row.map(|(key, value)| aside_row(key.value().0, value.value()))
                .map_err(|e| self.failed(e))
        })
        .collect()
    }

    /// Gaps, oldest first; at most [`super::GAP_ROWS_MAX`].
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn gaps(&self) -> Result<Vec<GapRow>, StoreError> {
        let rows = self.gaps.iter().map_err(|e| self.failed(e))?;
        rows.map(|row| {
            row.map(|(key, value)| gap_row(key.value().0, value.value()))
                .map_err(|e| self.failed(e))
        })
        .collect()
    }

    /// Inputs that were no events, after `seq`, by seq; JSON.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn inputs(&self, seq: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let Some(table) = &self.inputs else {
            return Ok(Vec::new());
        };
        let rows = table
            .range(seq.saturating_add(1)..)
            .map_err(|e| self.failed(e))?;
        rows.map(|row| {
            row.map(|(seq, json)| (seq.value(), json.value().to_vec()))
                .map_err(|e| self.failed(e))
        })
        .collect()
    }

    fn rows<K: redb::Key + 'static>(
        &self,
        range: Result<Range<'static, K, &'static [u8]>, redb::StorageError>,
    ) -> Result<Rows<'a, K>, StoreError> {
        Ok(Rows {
            range: range.map_err(|e| self.failed(e))?,
            path: self.path,
        })
    }

    fn failed(&self, error: redb::StorageError) -> StoreError {
        Fault::from(error).at(self.path, "read")
    }
}

fn segments(read: &ReadTransaction) -> Result<Vec<Segment>, Fault> {
    let rows = read.open_table(SEGMENTS)?;
    let segment = |row: Result<(_, AccessGuard<'_, &'static [u8]>), redb::StorageError>| {
        let row = row?.1;
        serde_json::from_slice(row.value())
            .map_err(|e| Fault::corrupt(format!("the history manifest: {e}")))
    };
    rows.iter()?.map(segment).collect()
}

fn positions(read: &ReadTransaction) -> Result<Vec<Position>, Fault> {
    let table = read.open_table(POSITIONS)?;
    let rows = table.iter()?.map(|row| {
        let (file, position) = row?;
        let (offset, seq) = position.value();
        Ok(Position {
            file: Digest(*file.value()),
            offset,
            seq,
        })
    });
    rows.collect()
}

fn aside_row(
    seq: u64,
    (file, from, to, time, digest, reason): (&[u8; 16], u64, u64, i64, &[u8; 16], &str),
) -> AsideRow {
    let (reason, digest) = (reason.to_owned(), Digest(*digest));
    AsideRow {
        seq,
        file: Digest(*file),
        from,
        to,
        reason,
        digest,
        time: Time(time),
    }
}

fn gap_row(
    seq: u64,
    (file, from, to, time, kind, detail): (&[u8; 16], u64, u64, i64, &str, &str),
) -> GapRow {
    GapRow {
        seq,
        file: Digest(*file),
        from,
        to,
        kind: kind.to_owned(),
        detail: detail.to_owned(),
        time: Time(time),
    }
}

/// Rows in the order of their keys.
pub struct Rows<'a, K: redb::Key + 'static> {
    range: Range<'static, K, &'static [u8]>,
    path: &'a Path,
}

impl<K: redb::Key + 'static> Iterator for Rows<'_, K> {
    type Item = Result<RecordRow<K>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.range.next()?;
        Some(
            row.map(|(key, value)| RecordRow { key, value })
                .map_err(|e| Fault::from(e).at(self.path, "read")),
        )
    }
}

/// A row that still lies in the database's page.
pub struct RecordRow<K: redb::Key + 'static> {
    key: AccessGuard<'static, K>,
    value: AccessGuard<'static, &'static [u8]>,
}

impl<K: redb::Key + 'static> RecordRow<K> {
    #[must_use]
    pub fn value(&self) -> &[u8] {
        self.value.value()
    }
}

impl RecordRow<&'static [u8]> {
    /// The key, without its room.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.key.value().get(1..).unwrap_or_default()
    }
}

impl RecordRow<DigestBytes> {
    /// The incident's id.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest(*self.key.value())
    }
}
