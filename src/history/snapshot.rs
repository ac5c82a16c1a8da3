//! Snapshots: all records of the engine as of one input, from which the inputs after it can be
//! judged again.
//!
//! Refuses to be partial: what changed since the last one would save bytes, and lose the chain with
//! its first link.

use crate::base::Time;
use crate::history::durable::Durable;
use crate::history::head::into_io;
use crate::history::manifest::{Segment, SegmentKind};
use arrow_array::builder::{BinaryBuilder, UInt8Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Records that are in memory at once.
const BATCH_ROWS: usize = 4096;
const ZSTD_LEVEL: i32 = 1;

/// What a snapshot is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// The last input that it knows of.
    pub seq: u64,
    /// The engine's now.
    pub time: Time,
    /// [`crate::engine::VERSION`] of the engine that wrote the records.
    pub engine: u32,
}

/// A record: room, key, value.
pub type Row = (u8, Vec<u8>, Vec<u8>);

/// Writes one, and says what it is. Records come in the order of (room, key).
pub(super) fn write(
    dir: &Path,
    id: u64,
    moment: Moment,
    records: &mut dyn Iterator<Item = io::Result<Row>>,
) -> io::Result<Segment> {
    let path = format!("snapshots/{id:012}.arrow.zst");
    let packed = zstd::Encoder::new(Durable::create(dir, &path)?, ZSTD_LEVEL)?;
    let fields = [
        ("room", DataType::UInt8),
        ("key", DataType::Binary),
        ("value", DataType::Binary),
    ];
    let schema = Arc::new(Schema::new(
        fields
            .map(|(name, kind)| Field::new(name, kind, false))
            .to_vec(),
    ));
    let mut writer = StreamWriter::try_new(packed, &schema).map_err(into_io)?;
    let mut rows = 0;
    loop {
        let (mut rooms, mut keys, mut values) = (
            UInt8Builder::new(),
            BinaryBuilder::new(),
            BinaryBuilder::new(),
        );
        for record in records.take(BATCH_ROWS) {
            let (room, key, value) = record?;
            rooms.append_value(room);
            keys.append_value(key);
            values.append_value(value);
        }
        let rooms = rooms.finish();
        if arrow_array::Array::is_empty(&rooms) {
            break;
        }
        rows += arrow_array::Array::len(&rooms) as u64;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rooms),
            Arc::new(keys.finish()),
            Arc::new(values.finish()),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns).map_err(into_io)?;
        writer.write(&batch).map_err(into_io)?;
    }
    let (bytes, sha256) = writer.into_inner().map_err(into_io)?.finish()?.finish()?;
    let Moment { seq, time, engine } = moment;
    Ok(Segment {
        id,
        kind: SegmentKind::Snapshot,
        path,
        bytes,
        rows,
        time_min: time,
        time_max: time,
        seq_min: seq,
        seq_max: seq,
        sha256,
        engine,
    })
}

/// Hands out every record of a snapshot, in the order of (room, key).
///
/// # Errors
/// The file cannot be read, or is none of ours.
pub fn read(dir: &Path, segment: &Segment, each: &mut dyn FnMut(Row)) -> io::Result<()> {
    let packed = zstd::Decoder::new(File::open(dir.join(&segment.path))?)?;
    for batch in StreamReader::try_new(packed, None).map_err(into_io)? {
        let batch = batch.map_err(into_io)?;
        let strange = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "a column of a snapshot is missing",
            )
        };
        let column = |name| batch.column_by_name(name).ok_or_else(strange);
        let rooms = column("room")?
            .as_primitive_opt::<UInt8Type>()
            .ok_or_else(strange)?;
        let keys = column("key")?.as_binary_opt::<i32>().ok_or_else(strange)?;
        let values = column("value")?
            .as_binary_opt::<i32>()
            .ok_or_else(strange)?;
        for row in 0..batch.num_rows() {
            each((
                rooms.value(row),
                keys.value(row).to_vec(),
                values.value(row).to_vec(),
            ));
        }
    }
    Ok(())
}
