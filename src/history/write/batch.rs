//! Rows as a batch of the head and back: what several rows have in common stands once a batch, as a
//! struct in a dictionary, and a row has its number.
//!
//! Refuses more rows than those numbers tell apart.

use crate::history::columns::{COLUMNS, GROUP_NAMES, Group, HEAD_SCHEMA, Kind, fields_of};
use crate::history::dictionary::{Dictionary, NONE};
use crate::history::write::column_view::{ColumnView, NULL, View};
use crate::history::write::distinct_rows::DistinctRows;
use arrow_array::cast::AsArray;
use arrow_array::types::Int16Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int64Array, PrimitiveArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use arrow_select::take::take;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a batch: as many as the 16 bits of a number tell apart.
pub(in crate::history) const BATCH_ROWS: usize = 1 << 15;

/// These rows, which are at most [`BATCH_ROWS`], as a head has them.
pub(in crate::history) fn of(
    sheet: &ColumnView<'_>,
    rows: Range<usize>,
) -> Result<RecordBatch, ArrowError> {
    let mut arrays = columns_of(sheet, Group::Row as usize, |kind, values| {
        own(kind, values, rows.clone())
    })?;
    for (group, (name, places)) in GROUP_NAMES.iter().zip(&sheet.groups).enumerate() {
        let rows = places.and_then(|places| places.get(rows.clone()));
        let missing = || ArrowError::InvalidArgumentError(format!("rows have no {name} in common"));
        let kinds = DistinctRows::of(rows.ok_or_else(missing)?.to_vec());
        let columns = columns_of(sheet, group, |kind, values| {
            at(kind, values, &kinds.distinct)
        })?;
        let values = StructArray::try_new(fields_of(group), columns, None)?;
        let (mut next, mut numbers) = (0_i16.., Vec::new());
        kinds.spread(|_| next.next().unwrap_or_default(), &mut numbers);
        let rows = PrimitiveArray::<Int16Type>::new(numbers.into(), None);
        arrays.push(Arc::new(DictionaryArray::try_new(rows, Arc::new(values))?));
    }
    RecordBatch::try_new(HEAD_SCHEMA.clone(), arrays)
}

/// A batch of a head with a column for each of [`COLUMNS`], in their order; texts that rows have in
/// common are numbers into a dictionary, which has NULL among its texts, and a text more than once.
pub(in crate::history) fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<(FieldRef, ArrayRef)> = Vec::with_capacity(COLUMNS.len());
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let words = array.as_dictionary_opt::<Int16Type>();
        let Some((rows, kinds)) =
            words.and_then(|words| Some((words.keys(), words.values().as_struct_opt()?)))
        else {
            columns.push((Arc::clone(field), Arc::clone(array)));
            continue;
        };
        for (field, values) in kinds.fields().iter().zip(kinds.columns()) {
            let array: ArrayRef = match values.data_type() {
                DataType::Utf8 => {
                    Arc::new(DictionaryArray::try_new(rows.clone(), Arc::clone(values))?)
                }
                _ => take(values, rows, None)?,
            };
            columns.push((
                Arc::new(Field::new(field.name(), array.data_type().clone(), true)),
                array,
            ));
        }
    }
    columns.sort_by_key(|(field, _)| {
        COLUMNS
            .iter()
            .position(|column| column.name == field.name())
    });
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

/// The columns of a group, by what makes one.
fn columns_of(
    sheet: &ColumnView<'_>,
    group: usize,
    one: impl Fn(Kind, View<'_>) -> Result<ArrayRef, ArrowError>,
) -> Result<Vec<ArrayRef>, ArrowError> {
    let columns = sheet.columns.iter().zip(&sheet.values).zip(sheet.group_of);
    let columns = columns.filter(|(_, of)| **of as usize == group);
    columns
        .map(|((column, values), _)| one(column.kind, *values))
        .collect()
}

/// What rows that follow each other have of their own.
fn own(kind: Kind, values: View<'_>, rows: Range<usize>) -> Result<ArrayRef, ArrowError> {
    match values {
        View::Words(values, words) => {
            texts_of(values[rows].iter().map(|word| word_of(*word, words)))
        }
        View::Texts(texts) => {
            let (bytes, ends) = texts.slice(rows);
            let is_empty = |ends: &[i32]| ends[0] == ends[1];
            let nulls = ends
                .windows(2)
                .any(is_empty)
                .then(|| ends.windows(2).map(|ends| !is_empty(ends)).collect());
            text_array(bytes.to_vec(), ends, nulls)
        }
        View::Numbers(values) => Ok(numbers_of(kind, values[rows].to_vec())),
    }
}

/// What stands at these places.
fn at(kind: Kind, values: View<'_>, places: &[u32]) -> Result<ArrayRef, ArrowError> {
    match values {
        View::Words(values, words) => texts_of(
            places
                .iter()
                .map(|place| word_of(values[*place as usize], words)),
        ),
        View::Texts(texts) => texts_of(
            places
                .iter()
                .map(|place| Some(texts.get(*place)).filter(|text| !text.is_empty())),
        ),
        View::Numbers(values) => Ok(numbers_of(
            kind,
            places.iter().map(|place| values[*place as usize]).collect(),
        )),
    }
}

fn word_of(word: u32, words: &Dictionary) -> Option<&[u8]> {
    (word != NONE).then(|| words.get(word))
}

fn texts_of<'t>(
    texts: impl ExactSizeIterator<Item = Option<&'t [u8]>>,
) -> Result<ArrayRef, ArrowError> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(texts.len() + 1));
    let mut nulls = NullBufferBuilder::new(texts.len());
    ends.push(0);
    for text in texts {
        match text {
            Some(text) => {
                bytes.extend_from_slice(text);
                nulls.append_non_null();
            }
            None => nulls.append_null(),
        }
        ends.push(
            i32::try_from(bytes.len()).map_err(|_| ArrowError::OffsetOverflowError(bytes.len()))?,
        );
    }
    text_array(bytes, ends, nulls.finish())
}

fn text_array(
    bytes: Vec<u8>,
    ends: Vec<i32>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(StringArray::try_new(
        OffsetBuffer::new(ends.into()),
        bytes.into(),
        nulls,
    )?))
}

fn numbers_of(kind: Kind, numbers: Vec<i64>) -> ArrayRef {
    let nulls = numbers.contains(&NULL).then(|| {
        numbers
            .iter()
            .map(|number| *number != NULL)
            .collect::<NullBuffer>()
    });
    match kind {
        Kind::Flag => {
            let flags = BooleanBuffer::collect_bool(numbers.len(), |row| numbers[row] != 0);
            Arc::new(BooleanArray::new(flags, nulls))
        }
        Kind::Time => Arc::new(
            TimestampMicrosecondArray::new(ScalarBuffer::from(numbers), nulls).with_timezone("UTC"),
        ),
        Kind::Int | Kind::Text => Arc::new(Int64Array::new(ScalarBuffer::from(numbers), nulls)),
    }
}
