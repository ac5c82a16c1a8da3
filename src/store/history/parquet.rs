//! Rows -> one Parquet file, sorted by principal and time, as any engine reads it.
//!
//! Refuses to leave half a file under its name: it appears by rename, after it was synced.

use super::columns::{Kind, schema};
use super::manifest::{Segment, SegmentKind};
use super::pages::{PAGE_ROWS, Pages};
use super::table::{NULL, Table, Values};
use crate::base::Time;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{BoolType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// Rows of a row group, and of the heads that are rolled at once.
pub const ROW_GROUP_ROWS: usize = 128 << 10;
/// Of numbers; texts have theirs in `pages.rs`.
const ZSTD_LEVEL: i32 = 3;
/// What is looked for one by one.
const BLOOMED: [&str; 5] = ["audit_id", "credential_id", "issued_credential_id", "principal", "origin"];
/// Numbers that rise within a principal: their differences are small.
const RISING: [&str; 4] = ["seq", "time", "received", "position"];

/// Writes these rows of a table as one file, in this order, and says what it is. `path` is relative to `dir`.
pub(super) fn write(
    dir: &Path,
    path: String,
    id: u64,
    kind: SegmentKind,
    table: &Table,
    rows: &[u32],
) -> io::Result<Segment> {
    let whole = dir.join(&path);
    let parent = whole.parent().unwrap_or(dir);
    fs::create_dir_all(parent)?;
    let unfinished = whole.with_extension("parquet.tmp");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    let hashed = Hashed { out: file, hash: Sha256::new(), bytes: 0 };
    let Hashed { out, hash, bytes } = encode(hashed, table, rows)?;
    out.sync_all()?;
    fs::rename(&unfinished, &whole)?;
    File::open(parent)?.sync_all()?;
    File::open(parent.parent().unwrap_or(dir))?.sync_all()?;
    let (seq_min, seq_max) = bounds(table, rows, "seq").unwrap_or((0, 0));
    // The rollup has the first and the last time of each row.
    let (time_min, time_max) = match (bounds(table, rows, "time"), bounds(table, rows, "first")) {
        (Some(times), _) => times,
        (None, Some((min, _))) => (min, bounds(table, rows, "last").map_or(min, |(_, max)| max)),
        (None, None) => (0, 0),
    };
    Ok(Segment {
        id,
        kind,
        path,
        bytes,
        rows: rows.len() as u64,
        time_min: Time(time_min),
        time_max: Time(time_max),
        seq_min: seq_min.unsigned_abs(),
        seq_max: seq_max.unsigned_abs(),
        sha256: hex(hash),
    })
}

fn encode<W: Write + Send>(out: W, table: &Table, rows: &[u32]) -> io::Result<W> {
    let schema = ArrowSchemaConverter::new().convert(&schema(table.columns)).map_err(parquet_io)?;
    let properties = Arc::new(properties(table)?);
    let mut writer = SerializedFileWriter::new(out, schema.root_schema_ptr(), properties).map_err(parquet_io)?;
    let mut pages = Pages::new()?;
    for rows in rows.chunks(ROW_GROUP_ROWS) {
        let mut group = writer.next_row_group().map_err(parquet_io)?;
        for (index, (column, values)) in table.columns.iter().zip(&table.values).enumerate() {
            let is_looked_up = BLOOMED.contains(&column.name);
            let (bytes, close) = match values {
                Values::Words(numbers, words) => {
                    pages.words(schema.column(index), (numbers, words), rows, is_looked_up)?
                }
                Values::Texts(texts) => pages.texts(schema.column(index), texts, rows, is_looked_up)?,
                Values::Numbers(numbers) => {
                    write_numbers(&mut group, column.kind, numbers, rows).map_err(parquet_io)?;
                    continue;
                }
            };
            group.append_column(&bytes, close).map_err(parquet_io)?;
        }
        group.close().map_err(parquet_io)?;
    }
    writer.into_inner().map_err(parquet_io)
}

fn write_numbers<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    kind: Kind,
    numbers: &[i64],
    rows: &[u32],
) -> Result<(), ParquetError> {
    let gathered: Vec<i64> = rows.iter().map(|row| numbers[*row as usize]).collect();
    let levels: Vec<i16> = gathered.iter().map(|n| i16::from(*n != NULL)).collect();
    let present = gathered.into_iter().filter(|n| *n != NULL);
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns than the schema has".to_owned()));
    };
    write_column(&mut column, kind, present, &levels)?;
    column.close()
}

fn write_column(
    column: &mut SerializedColumnWriter<'_>,
    kind: Kind,
    present: impl Iterator<Item = i64>,
    levels: &[i16],
) -> Result<(), ParquetError> {
    if kind == Kind::Flag {
        let flags: Vec<bool> = present.map(|n| n != 0).collect();
        column.typed::<BoolType>().write_batch(&flags, Some(levels), None)?;
    } else {
        let numbers: Vec<i64> = present.collect();
        column.typed::<Int64Type>().write_batch(&numbers, Some(levels), None)?;
    }
    Ok(())
}

/// As `sha256sum` prints it.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn properties(table: &Table) -> io::Result<WriterProperties> {
    let zstd = ZstdLevel::try_new(ZSTD_LEVEL).map_err(parquet_io)?;
    let sorting = |name: &str| {
        let index = table.columns.iter().position(|column| column.name == name)?;
        Some(SortingColumn { column_idx: i32::try_from(index).ok()?, descending: false, nulls_first: true })
    };
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(zstd))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_created_by(concat!("tokentrail ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_sorting_columns(Some(["principal", "time"].into_iter().filter_map(sorting).collect()));
    for name in RISING {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(name), false)
            .set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    Ok(properties.build())
}

fn bounds(table: &Table, rows: &[u32], name: &str) -> Option<(i64, i64)> {
    let numbers = table.numbers(name).ok()?;
    let present = || rows.iter().map(|row| numbers[*row as usize]).filter(|n| *n != NULL);
    Some((present().min()?, present().max()?))
}

struct Hashed {
    out: File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Parquet wraps what the disk said; a full disk has to stay a full disk.
pub(super) fn parquet_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(io) => *io,
            Err(other) => io::Error::new(io::ErrorKind::InvalidData, other),
        },
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
