//! Which of the pending rows does the file already hold? All of ours beyond the cursor begins at
//! its length, because nothing is appended anywhere but at a committed cursor.
//!
//! Refuses to change the file, and to hold more of it in memory than one row.

use super::{Cursor, Row, at_end};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// Where the next row goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) cursor: Cursor,
    /// The length that the file must have. Beyond the cursor's by the torn row alone.
    pub(super) file_bytes: u64,
    /// Bytes of the next row that are already there.
    pub(super) torn_bytes: usize,
    /// Whether a line of someone else's is unfinished.
    pub(super) is_mid_line: bool,
}

impl Place {
    pub(super) fn clean(cursor: Cursor) -> Place {
        Place {
            cursor,
            file_bytes: cursor.file_bytes,
            torn_bytes: 0,
            is_mid_line: false,
        }
    }
}

/// Reads what lies beyond the cursor, line by line, against the pending rows.
pub(super) fn find(file: &mut File, committed: Cursor, pending: &[Row]) -> io::Result<Place> {
    if file.metadata()?.len() < committed.file_bytes || pending.is_empty() {
        return at_end(file, committed.next_row);
    }
    file.seek(SeekFrom::Start(committed.file_bytes))?;
    let mut tail = BufReader::with_capacity(64 << 10, &mut *file);
    let mut cursor = committed;
    let mut at = committed.file_bytes;
    let mut rows = pending.iter().map(|(_, row)| row.as_slice());
    let mut wanted = rows.next();
    loop {
        let row = wanted.unwrap_or_default();
        let line = read_line(&mut tail, row.len())?;
        if line.bytes == 0 {
            break;
        }
        if !line.is_complete
            && wanted.is_some()
            && row.starts_with(&line.head)
            && line.bytes == line.head.len() as u64
        {
            cursor.file_bytes = at;
            return Ok(Place {
                cursor,
                file_bytes: at + line.bytes,
                torn_bytes: line.head.len(),
                is_mid_line: false,
            });
        }
        at += line.bytes;
        if line.is_complete
            && wanted.is_some()
            && line.head == row
            && line.bytes == row.len() as u64 + 1
        {
            cursor.next_row += 1;
            wanted = rows.next();
        }
    }
    at_end(file, cursor.next_row)
}

/// One line of the file, as far as it matters.
struct Line {
    /// Its first bytes, one more than the row that it is compared with.
    head: Vec<u8>,
    /// All its bytes, with the newline; 0 at the end of the file.
    bytes: u64,
    is_complete: bool,
}

fn read_line(tail: &mut impl BufRead, row_bytes: usize) -> io::Result<Line> {
    let mut head = Vec::new();
    let mut bytes = tail
        .by_ref()
        .take(row_bytes as u64 + 1)
        .read_until(b'\n', &mut head)? as u64;
    if head.last() == Some(&b'\n') {
        head.pop();
        return Ok(Line {
            head,
            bytes,
            is_complete: true,
        });
    }
    // Longer than the row, so not ours: however long it is, it passes through without being kept.
    loop {
        let chunk = tail.fill_buf()?;
        if chunk.is_empty() {
            return Ok(Line {
                head,
                bytes,
                is_complete: false,
            });
        }
        let end = memchr::memchr(b'\n', chunk);
        let used = end.map_or(chunk.len(), |i| i + 1);
        tail.consume(used);
        bytes += used as u64;
        if end.is_some() {
            return Ok(Line {
                head,
                bytes,
                is_complete: true,
            });
        }
    }
}
