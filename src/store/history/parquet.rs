//! Batches -> one Parquet file, sorted by principal and time, as any engine reads it.
//!
//! Refuses to read: that is `scan.rs`.

use super::durable::Durable;
use super::head::into_io;
use super::manifest::{Segment, SegmentKind};
use crate::base::Time;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use arrow_ord::sort::{SortColumn, lexsort_to_indices};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use std::io;
use std::path::Path;

/// Rows of a row group, and of the heads that are rolled at once.
pub const ROW_GROUP_ROWS: usize = 128 << 10;
/// Level 3: four fifths of a byte an event smaller than 1, for a tenth more time.
const ZSTD_LEVEL: i32 = 3;
/// One lookup in a hundred reads a row group for nothing.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;
/// What is looked for one by one.
const BLOOMED: [&str; 5] = ["audit_id", "credential_id", "issued_credential_id", "principal", "origin"];
/// Numbers that rise within a principal: their differences are small.
const RISING: [&str; 4] = ["seq", "time", "received", "position"];

/// Sorts by the named columns. Takes the batches, so that no more than two copies are in memory.
pub(super) fn sorted(batches: Vec<RecordBatch>, by: &[&str]) -> io::Result<RecordBatch> {
    let Some(first) = batches.first() else { return Err(io::Error::other("nothing to sort")) };
    let all = concat_batches(&first.schema(), &batches).map_err(into_io)?;
    drop(batches);
    let column = |name: &&str| {
        let values = all.column_by_name(name).cloned();
        values.map(|values| SortColumn { values, options: None }).ok_or_else(|| missing(name))
    };
    let columns = by.iter().map(column).collect::<io::Result<Vec<_>>>()?;
    let order = lexsort_to_indices(&columns, None).map_err(into_io)?;
    take_record_batch(&all, &order).map_err(into_io)
}

/// Writes one file and says what it is. `path` is relative to `dir`.
pub(super) fn write(dir: &Path, path: String, id: u64, kind: SegmentKind, rows: &RecordBatch) -> io::Result<Segment> {
    let file = Durable::create(dir, &path)?;
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties(rows)?)).map_err(parquet_io)?;
    writer.write(rows).map_err(parquet_io)?;
    let (bytes, sha256) = writer.into_inner().map_err(parquet_io)?.finish()?;
    let (seq_min, seq_max) = bounds(rows, "seq").unwrap_or((0, 0));
    let (time_min, time_max) = times(rows);
    let rows = rows.num_rows() as u64;
    Ok(Segment {
        id,
        kind,
        path,
        bytes,
        rows,
        time_min: Time(time_min),
        time_max: Time(time_max),
        seq_min: seq_min.unsigned_abs(),
        seq_max: seq_max.unsigned_abs(),
        sha256,
        engine: 0,
    })
}

fn properties(rows: &RecordBatch) -> io::Result<WriterProperties> {
    let zstd = ZstdLevel::try_new(ZSTD_LEVEL).map_err(parquet_io)?;
    let schema = rows.schema();
    let sorting = |name: &str| {
        let index = i32::try_from(schema.index_of(name).ok()?).ok()?;
        Some(SortingColumn { column_idx: index, descending: false, nulls_first: true })
    };
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(zstd))
        .set_max_row_group_size(ROW_GROUP_ROWS)
        .set_created_by(concat!("tokentrail ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_sorting_columns(Some(["principal", "time"].into_iter().filter_map(sorting).collect()));
    for name in BLOOMED {
        let Some(column) = rows.column_by_name(name) else { continue };
        // A filter for ids that are not there would be larger than the column.
        let present = column.len() - column.null_count();
        let path = ColumnPath::from(name);
        if present > 0 {
            properties = properties
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_ndv(path, distinct(column) as u64);
        }
    }
    for name in RISING {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(name), false)
            .set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    Ok(properties.set_column_dictionary_enabled(ColumnPath::from("audit_id"), false).build())
}

fn distinct(column: &dyn Array) -> usize {
    let Some(texts) = column.as_string_opt::<i32>() else { return column.len() };
    texts.iter().flatten().collect::<std::collections::HashSet<_>>().len()
}

fn times(rows: &RecordBatch) -> (i64, i64) {
    let of = |name: &str| {
        let column = rows.column_by_name(name)?;
        let times = column.as_primitive_opt::<arrow_array::types::TimestampMicrosecondType>()?;
        Some((times.iter().flatten().min()?, times.iter().flatten().max()?))
    };
    // The rollup has the first and the last time of each row.
    match (of("time"), of("first"), of("last")) {
        (Some(times), ..) => times,
        (None, Some((min, _)), Some((_, max))) => (min, max),
        _ => (0, 0),
    }
}

fn bounds(rows: &RecordBatch, name: &str) -> Option<(i64, i64)> {
    let column = rows.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
    Some((column.iter().flatten().min()?, column.iter().flatten().max()?))
}

fn missing(column: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("history has no column {column}"))
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
