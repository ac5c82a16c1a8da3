//! Rows as a batch of the head: texts as 16-bit numbers into a dictionary of the batch.
//!
//! Refuses more rows than those numbers tell apart.

use super::columns::{GROUPS, HEAD_SCHEMA, Kind};
use super::dictionary::{Dictionary, NONE};
use super::sheet::{NULL, Sheet, View};
use super::texts::Texts;
use arrow_array::types::Int16Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Int64Array, PrimitiveArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a batch: as many as the 16 bits of a word's number tell apart.
pub(super) const BATCH_ROWS: usize = 1 << 15;

/// The columns of these rows, which are at most [`BATCH_ROWS`].
pub(super) fn of(sheet: &Sheet<'_>, rows: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let own: Vec<u32> = (rows.start as u32..rows.end as u32).collect();
    let own = Places::of(&own);
    let shared: [Option<Places>; GROUPS] = sheet.groups.map(|group| Some(Places::of(&group?[rows.clone()])));
    let column = |(index, (column, values)): (usize, (&super::Column, &View<'_>))| {
        let places = sheet.group(index).and_then(|group| shared[group].as_ref()).unwrap_or(&own);
        match values {
            View::Words(values, words) => words_of(values, words, places),
            View::Texts(texts) => texts_of(texts, places),
            View::Numbers(values) => Ok(numbers_of(column.kind, values, places)),
        }
    };
    let arrays = sheet.columns.iter().zip(&sheet.values).enumerate().map(column);
    RecordBatch::try_new(HEAD_SCHEMA.clone(), arrays.collect::<Result<_, _>>()?)
}

/// Where the values of some rows stand: each place once, and of each row, which of them it has.
struct Places {
    distinct: Vec<u32>,
    rows: Vec<u16>,
}

impl Places {
    fn of(places: &[u32]) -> Places {
        let (least, greatest) = (places.iter().min().copied().unwrap_or(0), places.iter().max().copied().unwrap_or(0));
        let (mut numbers, mut distinct) = (vec![NONE; (greatest - least) as usize + 1], Vec::new());
        let number = |place: &u32| {
            let number = &mut numbers[(place - least) as usize];
            if *number == NONE {
                *number = distinct.len() as u32;
                distinct.push(*place);
            }
            *number as u16
        };
        let rows = places.iter().map(number).collect();
        Places { distinct, rows }
    }

    fn each<T: Copy + PartialEq>(&self, of_place: &[T]) -> Vec<T> {
        // Many columns have one value in all of a batch: nothing has to be looked up.
        if let Some(only) = one_value(of_place) {
            return vec![only; self.rows.len()];
        }
        self.rows.iter().map(|row| of_place[usize::from(*row)]).collect()
    }
}

fn one_value<T: Copy + PartialEq>(values: &[T]) -> Option<T> {
    values.first().copied().filter(|first| values.iter().all(|value| value == first))
}

fn words_of(values: &[u32], words: &Dictionary, places: &Places) -> Result<ArrayRef, ArrowError> {
    // NULL is one of the words: then no row needs a bit for it.
    let null = words.len() as u32;
    let word = |place: &u32| values[*place as usize].min(null);
    let used = Places::of(&places.distinct.iter().map(word).collect::<Vec<_>>());
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(used.distinct.len() + 1));
    ends.push(0);
    for number in &used.distinct {
        if *number != null {
            bytes.extend_from_slice(words.get(*number));
        }
        ends.push(i32::try_from(bytes.len()).map_err(|_| ArrowError::OffsetOverflowError(bytes.len()))?);
    }
    let nulls = used.distinct.contains(&null).then(|| used.distinct.iter().map(|number| *number != null).collect());
    let texts = StringArray::try_new(OffsetBuffer::new(ends.into()), bytes.into(), nulls)?;
    let keys: Vec<i16> = used.rows.into_iter().map(|number| number as i16).collect();
    let rows = PrimitiveArray::<Int16Type>::new(places.each(&keys).into(), None);
    Ok(Arc::new(DictionaryArray::try_new(rows, Arc::new(texts))?))
}

/// Rows have texts of their own: `places` are theirs.
fn texts_of(texts: &Texts, places: &Places) -> Result<ArrayRef, ArrowError> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(places.distinct.len() + 1));
    ends.push(0);
    for place in &places.distinct {
        bytes.extend_from_slice(texts.get(*place));
        ends.push(i32::try_from(bytes.len()).map_err(|_| ArrowError::OffsetOverflowError(bytes.len()))?);
    }
    let is_empty = |ends: &[i32]| ends[0] == ends[1];
    let nulls =
        ends.windows(2).any(is_empty).then(|| ends.windows(2).map(|ends| !is_empty(ends)).collect::<NullBuffer>());
    Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(ends.into()), bytes.into(), nulls)?))
}

fn numbers_of(kind: Kind, values: &[i64], places: &Places) -> ArrayRef {
    let distinct: Vec<i64> = places.distinct.iter().map(|place| values[*place as usize]).collect();
    let is_null = distinct.contains(&NULL);
    let numbers = places.each(&distinct);
    let nulls = is_null.then(|| numbers.iter().map(|number| *number != NULL).collect::<NullBuffer>());
    match kind {
        Kind::Flag => {
            let flags = BooleanBuffer::collect_bool(numbers.len(), |row| numbers[row] != 0);
            Arc::new(BooleanArray::new(flags, nulls))
        }
        Kind::Time => Arc::new(TimestampMicrosecondArray::new(ScalarBuffer::from(numbers), nulls).with_timezone("UTC")),
        Kind::Int | Kind::Text => Arc::new(Int64Array::new(ScalarBuffer::from(numbers), nulls)),
    }
}
