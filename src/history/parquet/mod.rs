//! Rows -> one Parquet file, sorted by principal and time, as any engine reads it.
//!
//! Refuses to read: that is `scan.rs`.

mod bloom;
mod chunk;
mod delta;
mod pages;
mod rle;

use crate::base::Time;
use crate::history::columns::schema;
use crate::history::durable::Durable;
use crate::history::manifest::{Segment, SegmentKind};
use crate::history::parquet::pages::Pages;
use crate::history::write::column_view::{ColumnView, NULL, View};
use crate::history::write::distinct_rows::DistinctRows;
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Rows of a row group, and of the heads that are rolled at once.
pub const ROW_GROUP_ROWS: usize = 128 << 10;
/// What is looked for one by one.
const BLOOMED: [&str; 5] = [
    "audit_id",
    "credential_id",
    "issued_credential_id",
    "principal",
    "origin",
];

/// Writes these rows as one file, in this order, and says what it is. `path` is relative to `dir`.
pub(in crate::history) fn write(
    dir: &Path,
    path: String,
    id: u64,
    kind: SegmentKind,
    sheet: &ColumnView<'_>,
    rows: &[u32],
) -> io::Result<Segment> {
    let (bytes, sha256) = encode(Durable::create(dir, &path)?, sheet, rows)?.finish()?;
    let (seq_min, seq_max) = bounds(sheet, rows, "seq").unwrap_or((0, 0));
    // The rollup has the first and the last time of each row.
    let (time_min, time_max) = match (bounds(sheet, rows, "time"), bounds(sheet, rows, "first")) {
        (Some(times), _) => times,
        (None, Some((min, _))) => (min, bounds(sheet, rows, "last").map_or(min, |(_, max)| max)),
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
        sha256,
        engine: 0,
    })
}

fn encode<W: Write + Send>(out: W, sheet: &ColumnView<'_>, rows: &[u32]) -> io::Result<W> {
    let schema = ArrowSchemaConverter::new()
        .convert(&schema(sheet.columns))
        .map_err(parquet_io)?;
    let properties = Arc::new(properties(sheet));
    let mut writer =
        SerializedFileWriter::new(out, schema.root_schema_ptr(), properties).map_err(parquet_io)?;
    let mut pages = Pages::new()?;
    for rows in rows.chunks(ROW_GROUP_ROWS) {
        let mut group = writer.next_row_group().map_err(parquet_io)?;
        let in_common = |places: &[u32]| {
            DistinctRows::of(rows.iter().map(|row| places[*row as usize]).collect())
        };
        let (kinds, own) = (
            sheet.groups.map(|places| places.map(in_common)),
            DistinctRows::apart(rows),
        );
        for (index, (column, values)) in sheet.columns.iter().zip(&sheet.values).enumerate() {
            let kinds = sheet
                .group(index)
                .and_then(|group| kinds[group].as_ref())
                .unwrap_or(&own);
            let is_looked_up = BLOOMED.contains(&column.name);
            let (bytes, close) = match values {
                View::Words(numbers, words) => {
                    pages.words(schema.column(index), (numbers, words), kinds, is_looked_up)?
                }
                View::Texts(texts) => {
                    pages.texts(schema.column(index), texts, rows, is_looked_up)?
                }
                View::Numbers(numbers) => {
                    pages.numbers(schema.column(index), column.kind, numbers, kinds)?
                }
            };
            group.append_column(&bytes, close).map_err(parquet_io)?;
        }
        group.close().map_err(parquet_io)?;
    }
    writer.into_inner().map_err(parquet_io)
}

fn properties(sheet: &ColumnView<'_>) -> WriterProperties {
    let sorting = |name: &str| {
        let index = sheet
            .columns
            .iter()
            .position(|column| column.name == name)?;
        Some(SortingColumn {
            column_idx: i32::try_from(index).ok()?,
            descending: false,
            nulls_first: true,
        })
    };
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("tokentrail ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_sorting_columns(Some(
            ["principal", "time"]
                .into_iter()
                .filter_map(sorting)
                .collect(),
        ))
        .build()
}

fn bounds(sheet: &ColumnView<'_>, rows: &[u32], name: &str) -> Option<(i64, i64)> {
    let numbers = sheet.numbers(name).ok()?;
    let present = || {
        rows.iter()
            .map(|row| numbers.get(*row))
            .filter(|n| *n != NULL)
    };
    Some((present().min()?, present().max()?))
}

/// Parquet wraps what the disk said; a full disk has to stay a full disk.
pub(in crate::history) fn parquet_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(io) => *io,
            Err(other) => io::Error::new(io::ErrorKind::InvalidData, other),
        },
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::write::table::{Table, Values};
    use crate::history::{COLUMNS, columns::Column, read::scan};

    /// Every shape of page: all NULL, none, mixed, runs, words past a page, differences that wrap.
    #[test]
    fn what_is_written_is_read_back() {
        let columns: &'static [Column] = COLUMNS;
        let mut table = Table::new(columns);
        let numbers = [i64::MAX, NULL + 1, 0, -1, 7, NULL];
        for row in 0..3 * ROW_GROUP_ROWS / 2 + 77 {
            let text = |at: usize| match (at + row / 1000) % 4 {
                0 => None,
                1 => Some("the same for a thousand rows".to_owned()),
                2 => Some(format!("one of many {}", row * 31 % 40_009)),
                _ => (row % 3 > 0).then(|| format!("{}", row % 300)),
            };
            let texts: Vec<Option<String>> = (0..columns.len()).map(text).collect();
            let number = |at: usize| {
                if at.is_multiple_of(2) {
                    row as i64
                } else {
                    numbers[(row + at) % numbers.len()]
                }
            };
            table.push(
                texts.iter().map(|text| text.as_ref().map(String::as_bytes)),
                (0..columns.len()).map(number),
            );
        }
        let dir = tempfile::tempdir().unwrap();
        let order: Vec<u32> = (0..table.rows as u32).rev().collect();
        let written = write(
            dir.path(),
            "f/x.parquet".to_owned(),
            1,
            SegmentKind::Events,
            &table.sheet(),
            &order,
        )
        .unwrap();
        let mut read = Table::new(columns);
        scan::whole_file(dir.path(), &written, &mut |batch| read.append(&batch)).unwrap();
        assert_eq!(read.rows, table.rows);
        for ((column, before), after) in columns.iter().zip(&table.values).zip(&read.values) {
            for (row, at) in order.iter().enumerate() {
                let (before, after) =
                    (shown(column, before, *at), shown(column, after, row as u32));
                assert_eq!(before, after, "{} in row {row}", column.name);
            }
        }
    }

    fn shown(column: &Column, values: &Values, row: u32) -> (Option<Vec<u8>>, i64) {
        match values {
            Values::Words(numbers, words) => match numbers[row as usize] {
                crate::history::dictionary::NONE => (None, 0),
                number => (Some(words.get(number).to_vec()), 0),
            },
            Values::Texts(texts) => (Some(texts.get(row).to_vec()), 0),
            Values::Numbers(numbers)
                if column.kind == crate::history::Kind::Flag && numbers[row as usize] != NULL =>
            {
                (None, i64::from(numbers[row as usize] != 0))
            }
            Values::Numbers(numbers) => (None, numbers[row as usize]),
        }
    }
}
