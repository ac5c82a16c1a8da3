//! The head: the newest events, appended to an Arrow IPC stream, synced before the commit that
//! names its length.
//!
//! Refuses to be appended to by another process than the one that began it: what an earlier one
//! left is rolled first.

use crate::base::Time;
use crate::history::columns::HEAD_SCHEMA;
use crate::history::manifest::{Segment, SegmentKind};
use crate::history::write::batch::{self, BATCH_ROWS};
use crate::history::write::rows::Rows;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(super) struct Head {
    writer: StreamWriter<Counted>,
    pub segment: Segment,
}

/// Counts what was written: the length that a commit names.
struct Counted {
    out: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Head {
    pub fn create(dir: &Path, id: u64) -> io::Result<Head> {
        let path = format!("history/head-{id:012}.arrow");
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(dir.join(&path))?;
        // A commit will name it: a power cut must not take the name away from what is synced.
        File::open(dir.join("history"))?.sync_all()?;
        let counted = Counted {
            out: BufWriter::with_capacity(1 << 20, file),
            bytes: 0,
        };
        let segment = Segment {
            id,
            kind: SegmentKind::Head,
            path,
            bytes: 0,
            rows: 0,
            time_min: Time(i64::MAX),
            time_max: Time(i64::MIN),
            seq_min: u64::MAX,
            seq_max: 0,
            sha256: String::new(),
            engine: 0,
        };
        Ok(Head {
            writer: StreamWriter::try_new(counted, &HEAD_SCHEMA).map_err(into_io)?,
            segment,
        })
    }

    /// Appends the rows that wait and syncs them. They are history once a commit names the head's
    /// new length.
    pub fn append(&mut self, rows: &mut Rows) -> io::Result<()> {
        let segment = &mut self.segment;
        if let Some((first, last)) = rows.times {
            segment.time_min = segment.time_min.min(first);
            segment.time_max = segment.time_max.max(last);
        }
        if let Some((first, last)) = rows.seqs {
            segment.seq_min = segment.seq_min.min(first);
            segment.seq_max = segment.seq_max.max(last);
        }
        let (sheet, mut from) = (rows.sheet(), rows.first_waiting());
        segment.rows += (sheet.rows - from) as u64;
        while from < sheet.rows {
            let until = sheet.rows.min(from + BATCH_ROWS);
            self.writer
                .write(&batch::of(&sheet, from..until).map_err(into_io)?)
                .map_err(into_io)?;
            from = until;
        }
        rows.written_to(segment.id);
        self.writer.flush().map_err(into_io)?;
        let counted = self.writer.get_ref();
        counted.out.get_ref().sync_data()?;
        segment.bytes = counted.bytes;
        Ok(())
    }
}

/// Hands out the batches of a head, as far as they are committed.
pub(super) fn read(
    dir: &Path,
    segment: &Segment,
    each: &mut dyn FnMut(RecordBatch) -> io::Result<()>,
) -> io::Result<()> {
    if segment.bytes == 0 {
        return Ok(());
    }
    let file = File::open(dir.join(&segment.path))?.take(segment.bytes);
    let reader =
        StreamReader::try_new(BufReader::with_capacity(1 << 20, file), None).map_err(into_io)?;
    reader.into_iter().try_for_each(|batch| {
        each(
            batch
                .and_then(|batch| batch::flat(&batch))
                .map_err(into_io)?,
        )
    })
}

/// Arrow wraps what the disk said; a full disk has to stay a full disk.
pub(super) fn into_io(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, source) => source,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
