//! Reading history: Parquet files and head together, pruned by manifest, row-group statistics and bloom filters.
//!
//! Refuses to read what cannot match, to hold more than one batch of a file, and to go on past its deadline.

use super::COLUMNS;
use super::head;
use super::manifest::{self, Segment, SegmentKind};
use super::parquet::parquet_io;
use crate::base::Time;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, Field, FieldRef, Schema};
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Rows that are in memory at once.
const BATCH_ROWS: usize = 8192;

/// What a row must be. Everything is `and`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Text columns by name, and the value that they must have.
    pub texts: Vec<(&'static str, String)>,
    /// Number columns by name, and the value that they must have.
    pub numbers: Vec<(&'static str, i64)>,
    /// Of the column `time`: not before, not after.
    pub from: Option<Time>,
    pub until: Option<Time>,
}

/// What was looked at and what was passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub files: u64,
    pub files_skipped: u64,
    pub row_groups: u64,
    pub row_groups_skipped: u64,
    pub rows_read: u64,
}

/// The matching rows of history, batch by batch.
pub struct Scan {
    dir: PathBuf,
    waiting: VecDeque<Segment>,
    filter: Filter,
    columns: Vec<&'static str>,
    current: Option<ParquetRecordBatchReader>,
    batches: VecDeque<RecordBatch>,
    deadline: Option<Instant>,
    pub pruned: Pruned,
}

impl Scan {
    /// Begins a scan of the state directory `dir` as it is published now: of events, or of the rollup. Batches hold
    /// `columns` alone, in the order of the files.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub fn open(
        dir: &Path,
        rollup: bool,
        filter: Filter,
        columns: &[&'static str],
        deadline: Option<Instant>,
    ) -> io::Result<Scan> {
        let mut pruned = Pruned::default();
        let mut waiting = VecDeque::new();
        for segment in manifest::read(dir)?.segments {
            let is_wanted = match segment.kind {
                SegmentKind::Head | SegmentKind::Events => !rollup,
                SegmentKind::Rollup => rollup,
                SegmentKind::Snapshot => false,
            };
            if !is_wanted {
                continue;
            }
            pruned.files += 1;
            let early = filter.from.is_some_and(|from| segment.time_max < from);
            let late = filter.until.is_some_and(|until| segment.time_min > until);
            if early || late {
                pruned.files_skipped += 1;
            } else {
                waiting.push_back(segment);
            }
        }
        let (dir, columns) = (dir.to_owned(), columns.to_vec());
        Ok(Scan { dir, waiting, filter, columns, current: None, batches: VecDeque::new(), deadline, pruned })
    }

    fn next_batch(&mut self) -> io::Result<Option<RecordBatch>> {
        loop {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the time limit is over"));
            }
            if let Some(batch) = self.batches.pop_front() {
                return Ok(Some(batch));
            }
            if let Some(reader) = &mut self.current {
                match reader.next() {
                    Some(batch) => {
                        let batch = batch.map_err(head::into_io)?;
                        self.pruned.rows_read += batch.num_rows() as u64;
                        return Ok(Some(batch));
                    }
                    None => self.current = None,
                }
            }
            let Some(segment) = self.waiting.pop_front() else { return Ok(None) };
            let taken = match segment.kind {
                SegmentKind::Head => self.take_head(&segment),
                _ => self.take_parquet(&segment),
            };
            taken.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", segment.path)))?;
        }
    }

    fn take_head(&mut self, segment: &Segment) -> io::Result<()> {
        let Scan { dir, filter, columns, batches, pruned, .. } = self;
        head::read(dir, segment, &mut |batch| {
            pruned.rows_read += batch.num_rows() as u64;
            if let Some(batch) = filter.rows_of(&batch, columns).map_err(head::into_io)? {
                batches.push_back(batch);
            }
            Ok(())
        })
        .map_err(moved)
    }

    fn take_parquet(&mut self, segment: &Segment) -> io::Result<()> {
        let file = File::open(self.dir.join(&segment.path)).map_err(moved)?;
        let mut builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_io)?;
        let all = builder.metadata().num_row_groups();
        let mut groups = Vec::new();
        for index in 0..all {
            if self.filter.may_match(&mut builder, index)? {
                groups.push(index);
            }
        }
        self.pruned.row_groups += all as u64;
        self.pruned.row_groups_skipped += (all - groups.len()) as u64;
        if groups.is_empty() {
            return Ok(());
        }
        let projection = ProjectionMask::columns(builder.parquet_schema(), self.columns.iter().copied());
        let needed = ProjectionMask::columns(builder.parquet_schema(), self.filter.columns());
        let filter = self.filter.clone();
        let predicate = ArrowPredicateFn::new(needed, move |batch: RecordBatch| filter.matches(&batch));
        let mut builder = builder.with_row_groups(groups).with_projection(projection).with_batch_size(BATCH_ROWS);
        if !self.filter.is_empty() {
            builder = builder.with_row_filter(RowFilter::new(vec![Box::new(predicate)]));
        }
        self.current = Some(builder.build().map_err(parquet_io)?);
        Ok(())
    }
}

impl Iterator for Scan {
    type Item = io::Result<RecordBatch>;
    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

impl Filter {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    fn columns(&self) -> impl Iterator<Item = &'static str> {
        let time = (self.from.is_some() || self.until.is_some()).then_some("time");
        self.texts.iter().map(|(name, _)| *name).chain(self.numbers.iter().map(|(name, _)| *name)).chain(time)
    }

    /// Whether a row group can hold a matching row, by its statistics and bloom filters.
    fn may_match(&self, file: &mut ParquetRecordBatchReaderBuilder<File>, index: usize) -> io::Result<bool> {
        let group = file.metadata().row_group(index).clone();
        if !self.may_match_statistics(&group) {
            return Ok(false);
        }
        for (name, value) in &self.texts {
            let Some(column) = group.columns().iter().position(|c| c.column_descr().name() == *name) else { continue };
            let bloom = file.get_row_group_column_bloom_filter(index, column).map_err(parquet_io)?;
            if bloom.is_some_and(|bloom| !bloom.check(&value.as_str())) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn may_match_statistics(&self, group: &RowGroupMetaData) -> bool {
        let statistics = |name: &str| {
            let column = group.columns().iter().find(|c| c.column_descr().name() == name)?;
            column.statistics()
        };
        let text_fits = |(name, value): &(&str, String)| match statistics(name) {
            Some(Statistics::ByteArray(s)) => {
                s.min_opt().is_none_or(|min| min.data() <= value.as_bytes())
                    && s.max_opt().is_none_or(|max| value.as_bytes() <= max.data() || !s.max_is_exact())
            }
            _ => true,
        };
        let number_fits = |(name, value): &(&str, i64)| match statistics(name) {
            Some(Statistics::Int64(s)) => {
                s.min_opt().is_none_or(|min| min <= value) && s.max_opt().is_none_or(|max| value <= max)
            }
            _ => true,
        };
        let time_fits = match statistics("time") {
            Some(Statistics::Int64(s)) => {
                self.from.is_none_or(|from| s.max_opt().is_none_or(|max| *max >= from.0))
                    && self.until.is_none_or(|until| s.min_opt().is_none_or(|min| *min <= until.0))
            }
            _ => true,
        };
        time_fits && self.texts.iter().all(text_fits) && self.numbers.iter().all(number_fits)
    }

    /// The matching rows of a head's batch, with these columns, texts in full. `None`: there are none.
    fn rows_of(&self, batch: &RecordBatch, columns: &[&str]) -> Result<Option<RecordBatch>, ArrowError> {
        let wanted = self.matches(batch)?;
        if wanted.true_count() == 0 {
            return Ok(None);
        }
        let named: Vec<usize> = columns.iter().filter_map(|name| batch.schema().index_of(name).ok()).collect();
        let batch = filter_record_batch(&batch.project(&named)?, &wanted)?;
        let whole = |(field, array): (&FieldRef, &ArrayRef)| {
            let texts = match array.as_dictionary_opt::<Int16Type>() {
                Some(words) => take(words.values(), words.keys(), None)?,
                None => Arc::clone(array),
            };
            Ok((Arc::new(Field::new(field.name(), texts.data_type().clone(), true)), texts))
        };
        let schema = batch.schema();
        let (fields, arrays): (Vec<_>, Vec<_>) = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(whole)
            .collect::<Result<Vec<_>, ArrowError>>()?
            .into_iter()
            .unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map(Some)
    }

    /// Which rows of a batch match.
    fn matches(&self, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let mut wanted = vec![true; batch.num_rows()];
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("history has no column {name}")))
        };
        for (name, value) in &self.texts {
            match column(name)?.as_dictionary_opt::<Int16Type>() {
                Some(words) => {
                    let texts = words.values().as_string::<i32>();
                    let numbers: Vec<bool> = texts.iter().map(|text| text == Some(value)).collect();
                    let keys = words.keys();
                    keep(&mut wanted, |row| !keys.is_null(row) && numbers[keys.value(row) as usize]);
                }
                None => {
                    let texts = column(name)?.as_string::<i32>();
                    keep(&mut wanted, |row| !texts.is_null(row) && texts.value(row) == value);
                }
            }
        }
        for (name, value) in &self.numbers {
            let numbers = column(name)?.as_primitive::<Int64Type>();
            keep(&mut wanted, |row| !numbers.is_null(row) && numbers.value(row) == *value);
        }
        if self.from.is_some() || self.until.is_some() {
            let times = column("time")?.as_primitive::<TimestampMicrosecondType>();
            keep(&mut wanted, |row| {
                let time = Time(times.value(row));
                self.from.is_none_or(|from| time >= from) && self.until.is_none_or(|until| time <= until)
            });
        }
        Ok(BooleanArray::from(wanted))
    }
}

fn keep(wanted: &mut [bool], matches: impl Fn(usize) -> bool) {
    for (row, wanted) in wanted.iter_mut().enumerate() {
        *wanted = *wanted && matches(row);
    }
}

/// The daemon rolled or expired a file between the manifest and the opening.
fn moved(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::Interrupted, "history changed meanwhile: ask again"),
        _ => error,
    }
}

/// All rows of a head or of an event file, all columns, texts in full.
pub(super) fn whole(dir: &Path, segment: &Segment) -> io::Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    if segment.kind != SegmentKind::Head {
        whole_file(dir, segment, &mut |batch| {
            batches.push(batch);
            Ok(())
        })?;
        return Ok(batches);
    }
    let columns: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    head::read(dir, segment, &mut |batch| {
        batches.extend(Filter::default().rows_of(&batch, &columns).map_err(head::into_io)?);
        Ok(())
    })?;
    Ok(batches)
}

/// All rows of a Parquet file.
pub(super) fn whole_file(
    dir: &Path,
    segment: &Segment,
    each: &mut dyn FnMut(RecordBatch) -> io::Result<()>,
) -> io::Result<()> {
    let file = File::open(dir.join(&segment.path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_io)?;
    let mut reader = reader.with_batch_size(BATCH_ROWS).build().map_err(parquet_io)?;
    reader.try_for_each(|batch| each(batch.map_err(head::into_io)?))
}
