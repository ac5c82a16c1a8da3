//! Every table and every limit of the state database. A change here is a change of
//! `docs/design/state.md` and of [`FORMAT`].
//!
//! Refuses to touch rows.

use super::error::Fault;
use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};

/// The version of the tables that this program writes. A state with a greater number is refused.
pub const FORMAT: u32 = 1;
/// redb's page cache. Its default of 1 GiB would be the limit of the whole pod; a load of 100,000
/// records takes half as long again as with an unlimited one.
pub const CACHE_BYTES: usize = 32 << 20;
/// Files whose offsets are remembered; the one touched longest ago is forgotten first.
pub const FILES_MAX: u64 = 4_096;
/// Malformed lines remembered; the oldest are dropped.
pub const ASIDE_ROWS_MAX: u64 = 10_000;
/// Gaps remembered; the oldest are dropped.
pub const GAP_ROWS_MAX: u64 = 10_000;
/// Rows that may wait for delivery. A commit that would exceed it is refused: reading has to stop
/// until the sink catches up, because a dropped row would break exactly-once.
pub const OUTBOX_ROWS_MAX: u64 = 100_000;
/// A record's key, without its room.
pub const KEY_BYTES_MAX: usize = 1_024;
/// A record's value.
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// An incident's JSON.
pub const INCIDENT_BYTES_MAX: usize = 1 << 20;
/// One outbox row.
pub const NOTICE_BYTES_MAX: usize = 1 << 20;
/// An input that is no event: a policy with many rules.
pub const INPUT_BYTES_MAX: usize = 16 << 20;
/// Inputs that are no events; the oldest are dropped, and replays cannot begin before them.
pub const INPUT_ROWS_MAX: u64 = 1_000_000;
/// What a sink remembers of one incident.
pub const MEMORY_BYTES_MAX: usize = NOTICE_BYTES_MAX;
/// A sink's name in the tables.
pub const SINK_NAME_BYTES_MAX: usize = 256;
/// The room of the one record that is the policy in force, JSON.
pub const POLICY_ROOM: u8 = 129;
/// Why a line was set aside; longer texts are cut.
pub const REASON_BYTES_MAX: usize = 256;
/// The kind of a gap; longer texts are cut.
pub const KIND_BYTES_MAX: usize = 64;
/// What is known about a gap; longer texts are cut.
pub const DETAIL_BYTES_MAX: usize = 1_024;

pub(super) type DigestBytes = &'static [u8; 16];
/// file, from, to, time in microseconds, digest of the line, reason
pub(super) type AsideValue = (DigestBytes, u64, u64, i64, DigestBytes, &'static str);
/// file, from, to, time in microseconds, kind, detail
pub(super) type GapValue = (DigestBytes, u64, u64, i64, &'static str, &'static str);

pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// offset, seq of the last touch
pub(super) const POSITIONS: TableDefinition<DigestBytes, (u64, u64)> =
    TableDefinition::new("positions");
pub(super) const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
pub(super) const INCIDENTS: TableDefinition<DigestBytes, &[u8]> = TableDefinition::new("incidents");
pub(super) const OUTBOX: TableDefinition<u64, &[u8]> = TableDefinition::new("outbox");
/// by sink: the row that it has to be told next
pub(super) const CURSORS: TableDefinition<&str, u64> = TableDefinition::new("sink_cursors");
/// by sink and incident: what the sink remembers
pub(super) const MEMORIES: TableDefinition<(&str, DigestBytes), &[u8]> =
    TableDefinition::new("sink_memories");
pub(super) const ASIDE: TableDefinition<(u64, u32), AsideValue> = TableDefinition::new("aside");
pub(super) const GAPS: TableDefinition<(u64, u32), GapValue> = TableDefinition::new("gaps");

/// The history manifest: by segment id, JSON.
pub(super) const SEGMENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("segments");

/// By seq: an input that was no event, JSON.
pub(super) const INPUTS: TableDefinition<u64, &[u8]> = TableDefinition::new("inputs");

pub(super) const META_FORMAT: &str = "format";
pub(super) const META_SEQ: &str = "seq";
pub(super) const META_OUTBOX_NEXT: &str = "outbox_next";
pub(super) const META_DELIVERED: &str = "delivered";

/// A row of `meta` with exactly `N` bytes; another length means that the file is not ours.
pub(super) fn meta<const N: usize>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &'static str,
) -> Result<Option<[u8; N]>, Fault> {
    let Some(row) = table.get(key)? else {
        return Ok(None);
    };
    let bytes = row
        .value()
        .try_into()
        .map_err(|_| Fault::corrupt(format!("the meta row {key:?} has a wrong length")))?;
    Ok(Some(bytes))
}

/// A `u64` row of `meta`.
pub(super) fn meta_u64(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &'static str,
) -> Result<Option<u64>, Fault> {
    Ok(meta(table, key)?.map(u64::from_le_bytes))
}

/// Whether this program may use the database.
pub(super) fn check_format(db: &impl ReadableDatabase) -> Result<(), Fault> {
    let read = db.begin_read()?;
    let table = match read.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => {
            return Err(Fault::corrupt("it has no meta table".to_owned()));
        }
        table => table?,
    };
    match meta(&table, META_FORMAT)?.map(u32::from_le_bytes) {
        Some(FORMAT) => Ok(()),
        Some(found) => Err(Fault::OtherFormat(found)),
        None => Err(Fault::corrupt("it has no format row".to_owned())),
    }
}

/// Fills a new database, so that every later reader finds every table.
pub(super) fn create_all(write: &WriteTransaction) -> Result<(), Fault> {
    write
        .open_table(META)?
        .insert(META_FORMAT, FORMAT.to_le_bytes().as_slice())?;
    write.open_table(POSITIONS)?;
    write.open_table(RECORDS)?;
    write.open_table(INCIDENTS)?;
    write.open_table(OUTBOX)?;
    write.open_table(CURSORS)?;
    write.open_table(MEMORIES)?;
    write.open_table(ASIDE)?;
    write.open_table(GAPS)?;
    write.open_table(SEGMENTS)?;
    write.open_table(INPUTS)?;
    Ok(())
}
