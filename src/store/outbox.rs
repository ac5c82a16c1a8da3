//! Lines that wait for delivery to the incidents file and to sinks, and how far the file has come.
//!
//! Refuses to renumber or to drop a row: the number is what makes delivery exactly-once.

use super::error::{Fault, StoreError};
use super::tables::{
    CURSORS, META, META_DELIVERED, META_OUTBOX_NEXT, NOTICE_BYTES_MAX, OUTBOX, OUTBOX_ROWS_MAX,
    meta, meta_u64,
};
use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};
use std::ops::Range;

/// The delivery cursor: the incidents file holds all rows below `next_row` and was `file_bytes`
/// long then.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Delivered {
    pub next_row: u64,
    pub file_bytes: u64,
}

/// Moves the file's cursor.
pub(super) fn deliver(write: &WriteTransaction, to: Delivered) -> Result<(), Fault> {
    let mut meta_table = write.open_table(META)?;
    let low = delivered(&meta_table)?.map_or(0, |d| d.next_row);
    let high = meta_u64(&meta_table, META_OUTBOX_NEXT)?.unwrap_or(0);
    if !(low..=high).contains(&to.next_row) {
        return Err(StoreError::Cursor {
            given: to.next_row,
            low,
            high,
        }
        .into());
    }
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&to.next_row.to_le_bytes());
    bytes[8..].copy_from_slice(&to.file_bytes.to_le_bytes());
    meta_table.insert(META_DELIVERED, bytes.as_slice())?;
    Ok(())
}

/// Forgets the file's cursor.
pub(super) fn no_file(write: &WriteTransaction) -> Result<(), Fault> {
    write.open_table(META)?.remove(META_DELIVERED)?;
    Ok(())
}

/// Deletes what the file and every sink have passed.
pub(super) fn trim(write: &WriteTransaction) -> Result<(), Fault> {
    let meta_table = write.open_table(META)?;
    let mut low = meta_u64(&meta_table, META_OUTBOX_NEXT)?.unwrap_or(0);
    low = delivered(&meta_table)?.map_or(low, |file| low.min(file.next_row));
    for cursor in write.open_table(CURSORS)?.iter()? {
        low = low.min(cursor?.1.value());
    }
    let mut table = write.open_table(OUTBOX)?;
    let first = table.first()?.map_or(low, |(row, _)| row.value());
    for row in first..low {
        table.remove(row)?;
    }
    Ok(())
}

/// Appends rows and returns their numbers.
pub(super) fn append(write: &WriteTransaction, notices: &[&[u8]]) -> Result<Range<u64>, Fault> {
    let mut meta_table = write.open_table(META)?;
    let first = meta_u64(&meta_table, META_OUTBOX_NEXT)?.unwrap_or(0);
    let next = first + notices.len() as u64;
    if notices.is_empty() {
        return Ok(first..next);
    }
    let mut table = write.open_table(OUTBOX)?;
    let rows = table.len()? + notices.len() as u64;
    if rows > OUTBOX_ROWS_MAX {
        return Err(StoreError::OutboxFull {
            rows,
            max: OUTBOX_ROWS_MAX,
        }
        .into());
    }
    for (row, notice) in (first..next).zip(notices) {
        check(notice)?;
        table.insert(row, *notice)?;
    }
    meta_table.insert(META_OUTBOX_NEXT, next.to_le_bytes().as_slice())?;
    Ok(first..next)
}

fn check(notice: &[u8]) -> Result<(), StoreError> {
    if notice.len() > NOTICE_BYTES_MAX {
        return Err(StoreError::TooLarge {
            what: "a notice",
            bytes: notice.len(),
            max: NOTICE_BYTES_MAX,
        });
    }
    if memchr::memchr(b'\n', notice).is_some() {
        Err(StoreError::NoticeNotALine)
    } else {
        Ok(())
    }
}

/// The stored cursor; `None` before the first delivery.
pub(super) fn delivered(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<Delivered>, Fault> {
    Ok(meta::<16>(table, META_DELIVERED)?.map(|bytes| {
        let (row, len) = bytes.split_at(8);
        let number = |part: &[u8]| part.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
        Delivered {
            next_row: number(row),
            file_bytes: number(len),
        }
    }))
}
