//! Reading history: Parquet files and head together, pruned by manifest, row-group statistics and
//! bloom filters.
//!
//! Refuses to read what cannot match, and to go on past its deadline or its budget of memory.

pub use crate::history::read::bounds::{Bounds, Pruned};
pub use crate::history::read::filter::Filter;

use crate::base::Time;
use crate::history::head;
use crate::history::manifest::{self, Segment, SegmentKind};
use crate::history::parquet::parquet_io;
use crate::history::read::cells;
use crate::history::read::time_order::{Direction, new_bytes};
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use arrow_select::filter::filter_record_batch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are in memory at once.
const BATCH_ROWS: usize = 8192;

/// The matching rows of history, batch by batch.
pub struct Scan {
    dir: PathBuf,
    waiting: VecDeque<Segment>,
    filter: Filter,
    columns: Vec<&'static str>,
    file: Option<OpenFile>,
    batches: VecDeque<RecordBatch>,
    bounds: Bounds,
    pruned: Pruned,
}

impl Scan {
    /// Begins a scan of the state directory `dir` as it is published now: of events, or of the
    /// rollup, files with earlier rows first. Batches hold those of the `columns` that their file
    /// has, in the order of the files; texts that repeat are numbers into a dictionary.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub fn open(
        dir: &Path,
        rollup: bool,
        filter: Filter,
        columns: &[&'static str],
        bounds: Bounds,
    ) -> io::Result<Scan> {
        let mut pruned = Pruned::default();
        let mut waiting = Vec::new();
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
                waiting.push(segment);
            }
        }
        waiting.sort_by_key(|segment| (segment.time_min, segment.id));
        let (dir, columns, waiting) = (dir.to_owned(), columns.to_vec(), waiting.into());
        Ok(Scan {
            dir,
            waiting,
            filter,
            columns,
            file: None,
            batches: VecDeque::new(),
            bounds,
            pruned,
        })
    }

    /// What was passed over so far, with the files that nobody asked for yet.
    #[must_use]
    pub fn pruned(&self) -> Pruned {
        Pruned {
            files_skipped: self.pruned.files_skipped + self.waiting.len() as u64,
            ..self.pruned
        }
    }

    /// From the next file on, nothing after `until` is wanted.
    pub fn narrow(&mut self, until: Time) {
        self.filter.until = Some(self.filter.until.map_or(until, |known| known.min(until)));
    }

    /// The same, files with later rows first if time goes backward.
    #[must_use]
    pub(in crate::history) fn in_direction(mut self, direction: Direction) -> Scan {
        if direction == Direction::Backward {
            self.waiting
                .make_contiguous()
                .sort_by_key(|segment| Reverse((segment.time_max, segment.id)));
        }
        self
    }

    /// Where the next file begins, in that direction. `None`: there is none.
    pub(in crate::history) fn begins_next(&self, direction: Direction) -> Option<Time> {
        self.waiting.front().map(|segment| match direction {
            Direction::Forward => segment.time_min,
            Direction::Backward => segment.time_max,
        })
    }

    /// All matching rows of the next file. `None`: there is none.
    pub(in crate::history) fn next_file(&mut self) -> io::Result<Option<Vec<RecordBatch>>> {
        if !self.open_next()? {
            return Ok(None);
        }
        let (mut batches, mut held) = (Vec::new(), 0);
        while let Some(batch) = self.of_open()? {
            held += new_bytes(batches.last(), &batch);
            self.bounds.check(held)?;
            batches.push(batch);
        }
        Ok(Some(batches))
    }

    fn next_batch(&mut self) -> io::Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.of_open()? {
                return Ok(Some(batch));
            }
            if !self.open_next()? {
                return Ok(None);
            }
        }
    }

    /// The next batch of the file that is open.
    fn of_open(&mut self) -> io::Result<Option<RecordBatch>> {
        self.bounds.check(0)?;
        if let Some(batch) = self.batches.pop_front() {
            return Ok(Some(batch));
        }
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let Some(batch) = file.next_batch(&self.filter, &self.columns)? else {
            self.file = None;
            return Ok(None);
        };
        self.pruned.rows_read += batch.num_rows() as u64;
        Ok(Some(batch))
    }

    /// Whether there was another file to open; it may turn out to have no matching row.
    fn open_next(&mut self) -> io::Result<bool> {
        let Some(segment) = self.waiting.pop_front() else {
            return Ok(false);
        };
        if self
            .filter
            .until
            .is_some_and(|until| segment.time_min > until)
        {
            self.pruned.files_skipped += 1;
            return Ok(true);
        }
        let taken = match segment.kind {
            SegmentKind::Head => self.take_head(&segment),
            _ => self.take_parquet(&segment),
        };
        taken.map_err(|error| segment.named(error))?;
        Ok(true)
    }

    fn take_head(&mut self, segment: &Segment) -> io::Result<()> {
        let Scan {
            dir,
            filter,
            columns,
            batches,
            pruned,
            bounds,
            ..
        } = self;
        let mut held = 0;
        head::read(dir, segment, &mut |batch| {
            if let Some(batch) = rows_of(filter, &batch, columns).map_err(head::into_io)? {
                pruned.rows_read += batch.num_rows() as u64;
                held += batch.get_array_memory_size() as u64;
                batches.push_back(batch);
            }
            bounds.check(held)
        })
        .map_err(moved)
    }

    fn take_parquet(&mut self, segment: &Segment) -> io::Result<()> {
        let file = File::open(self.dir.join(&segment.path)).map_err(moved)?;
        let metadata = in_words(&file)?;
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file.try_clone()?, metadata.clone());
        let all = builder.metadata().num_row_groups();
        let mut groups = VecDeque::new();
        for index in 0..all {
            if self.filter.may_match(&builder, index)? {
                groups.push_back(index);
            }
        }
        self.pruned.row_groups += all as u64;
        self.pruned.row_groups_skipped += (all - groups.len()) as u64;
        self.file = Some(OpenFile {
            file,
            metadata,
            groups,
            reader: None,
        });
        Ok(())
    }
}

/// A Parquet file. Each row group has a reader of its own: a batch over two of them would lose
/// their dictionaries.
struct OpenFile {
    file: File,
    metadata: ArrowReaderMetadata,
    groups: VecDeque<usize>,
    reader: Option<ParquetRecordBatchReader>,
}

impl OpenFile {
    fn next_batch(
        &mut self,
        filter: &Filter,
        columns: &[&'static str],
    ) -> io::Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.reader.as_mut().and_then(Iterator::next) {
                return batch.map(Some).map_err(head::into_io);
            }
            let Some(group) = self.groups.pop_front() else {
                return Ok(None);
            };
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
                self.file.try_clone()?,
                self.metadata.clone(),
            );
            let projection =
                ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
            let filter = filter.of_file(builder.parquet_schema());
            let mut builder = builder
                .with_row_groups(vec![group])
                .with_projection(projection)
                .with_batch_size(BATCH_ROWS);
            if let Some(filter) = filter {
                builder = builder.with_row_filter(filter);
            }
            self.reader = Some(builder.build().map_err(parquet_io)?);
        }
    }
}

impl Iterator for Scan {
    type Item = io::Result<RecordBatch>;
    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

/// The matching rows of a head's batch, with these columns. `None`: there are none.
fn rows_of(
    filter: &Filter,
    batch: &RecordBatch,
    columns: &[&str],
) -> Result<Option<RecordBatch>, ArrowError> {
    let wanted = filter.matches(batch)?;
    if wanted.true_count() == 0 {
        return Ok(None);
    }
    let named: Vec<usize> = columns
        .iter()
        .filter_map(|name| batch.schema().index_of(name).ok())
        .collect();
    filter_record_batch(&batch.project(&named)?, &wanted).map(Some)
}

/// The batch with its texts in full.
fn in_full(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let arrays = batch
        .columns()
        .iter()
        .map(cells::whole)
        .collect::<Result<Vec<_>, _>>()?;
    let fields = batch.schema_ref().fields().iter().zip(&arrays);
    let fields =
        fields.map(|(field, array)| Field::new(field.name(), array.data_type().clone(), true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays)
}

/// Reads words as numbers wherever all of them stand so in the file: to make a dictionary of other
/// texts is dear.
fn in_words(file: &File) -> io::Result<ArrowReaderMetadata> {
    let plain = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(parquet_io)?;
    let groups = plain.metadata().row_groups();
    let words = |(column, field): (usize, &FieldRef)| {
        let has_dictionary = groups
            .iter()
            .all(|group| group.column(column).dictionary_page_offset().is_some());
        match field.data_type() {
            DataType::Utf8 if has_dictionary => Arc::new(Field::new_dictionary(
                field.name(),
                DataType::Int32,
                DataType::Utf8,
                field.is_nullable(),
            )),
            _ => Arc::clone(field),
        }
    };
    let fields: Vec<FieldRef> = plain
        .schema()
        .fields()
        .iter()
        .enumerate()
        .map(words)
        .collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options).map_err(parquet_io)
}

/// What whoever asks is told then, with the kind `Interrupted`.
pub const CHANGED: &str = "history changed meanwhile: ask again";

/// The daemon rolled or expired a file between the manifest and the opening.
fn moved(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::Interrupted, CHANGED),
        _ => error,
    }
}

/// All rows of a head or of an event file, all columns, texts in full.
pub(in crate::history) fn whole(dir: &Path, segment: &Segment) -> io::Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    if segment.kind != SegmentKind::Head {
        whole_file(dir, segment, &mut |batch| {
            batches.push(batch);
            Ok(())
        })?;
        return Ok(batches);
    }
    head::read(dir, segment, &mut |batch| {
        batches.push(in_full(&batch).map_err(head::into_io)?);
        Ok(())
    })?;
    Ok(batches)
}

/// All rows of a Parquet file.
pub(in crate::history) fn whole_file(
    dir: &Path,
    segment: &Segment,
    each: &mut dyn FnMut(RecordBatch) -> io::Result<()>,
) -> io::Result<()> {
    let file = File::open(dir.join(&segment.path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_io)?;
    let mut reader = reader
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(parquet_io)?;
    reader.try_for_each(|batch| each(batch.map_err(head::into_io)?))
}

/// What the pages of a Parquet file take before compression.
pub(in crate::history) fn unpacked_bytes(dir: &Path, segment: &Segment) -> io::Result<u64> {
    let file = File::open(dir.join(&segment.path))?;
    let metadata =
        ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(parquet_io)?;
    Ok(metadata
        .metadata()
        .row_groups()
        .iter()
        .map(|group| group.total_byte_size().unsigned_abs())
        .sum())
}
