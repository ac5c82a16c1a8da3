//! Rows of history as columns of numbers: texts are numbers into one dictionary a column, so that
//! sorting, splitting and encoding touch each distinct text once.
//!
//! Refuses to hold a row as a row, and a text twice.

use crate::history::columns::{Column, GROUPS, Kind, UNIQUE};
use crate::history::dictionary::{Dictionary, NONE};
use crate::history::error::damaged;
use crate::history::write::column_view::{ColumnView, NULL, View};
use crate::history::write::plain_column::PlainColumn;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, StringArray};
use arrow_schema::DataType;
use std::io;
use std::iter::repeat_n;

/// One column.
pub(in crate::history) enum Values {
    Words(Vec<u32>, Dictionary),
    /// Texts that hardly repeat; an empty one is NULL.
    Texts(PlainColumn),
    /// Numbers, times and flags.
    Numbers(Vec<i64>),
}

pub(in crate::history) struct Table {
    pub columns: &'static [Column],
    pub values: Vec<Values>,
    pub rows: usize,
}

impl Table {
    pub fn new(columns: &'static [Column]) -> Table {
        let values = |column: &Column| match column.kind {
            Kind::Text if column.name == UNIQUE => Values::Texts(PlainColumn::default()),
            Kind::Text => Values::Words(Vec::new(), Dictionary::default()),
            Kind::Int | Kind::Time | Kind::Flag => Values::Numbers(Vec::new()),
        };
        Table {
            columns,
            values: columns.iter().map(values).collect(),
            rows: 0,
        }
    }

    /// Adds the rows of a batch of a head or of a Parquet file. What an older file does not have is
    /// NULL.
    pub fn append(&mut self, batch: &RecordBatch) -> io::Result<()> {
        for (column, values) in self.columns.iter().zip(&mut self.values) {
            let appended = match batch.column_by_name(column.name) {
                Some(array) => values.append(array),
                None => values.append_nulls(batch.num_rows()),
            };
            appended.ok_or_else(|| {
                damaged(&format!("the column {} is of another type", column.name))
            })?;
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    /// Adds one row: its texts and its numbers, each in the order of the columns.
    pub fn push<'t>(
        &mut self,
        texts: impl IntoIterator<Item = Option<&'t [u8]>>,
        numbers: impl IntoIterator<Item = i64>,
    ) {
        let (mut texts, mut numbers) = (texts.into_iter(), numbers.into_iter());
        for values in &mut self.values {
            match values {
                Values::Words(rows, words) => {
                    rows.push(
                        texts
                            .next()
                            .flatten()
                            .map_or(NONE, |text| words.number(text).0),
                    );
                }
                Values::Texts(column) => column.push(texts.next().flatten().unwrap_or_default()),
                Values::Numbers(column) => column.push(numbers.next().unwrap_or(NULL)),
            }
        }
        self.rows += 1;
    }

    pub fn sheet(&self) -> ColumnView<'_> {
        let values = self.values.iter().map(|values| match values {
            Values::Words(numbers, words) => View::Words(numbers, words),
            Values::Texts(texts) => View::Texts(texts),
            Values::Numbers(numbers) => View::Numbers(numbers),
        });
        ColumnView {
            columns: self.columns,
            values: values.collect(),
            group_of: &[],
            groups: [None; GROUPS],
            rows: self.rows,
        }
    }
}

impl Values {
    fn append(&mut self, array: &ArrayRef) -> Option<()> {
        match (self, array.data_type()) {
            (Values::Words(rows, words), DataType::Dictionary(..)) => {
                let array = array.as_dictionary_opt::<Int16Type>()?;
                let mut text = |text: &[u8]| words.number(text).0;
                let numbers: Vec<u32> = texts(array.values())?
                    .iter()
                    .map(|t| t.map_or(NONE, |t| text(t.as_bytes())))
                    .collect();
                let (keys, numbers) = (array.keys(), &numbers[..]);
                let number = |key: &i16| numbers.get(*key as usize).copied().unwrap_or(NONE);
                match keys.nulls() {
                    None => rows.extend(keys.values().iter().map(number)),
                    Some(nulls) if nulls.null_count() == keys.len() => {
                        rows.extend(repeat_n(NONE, keys.len()));
                    }
                    Some(nulls) => {
                        let pairs = keys.values().iter().zip(nulls);
                        rows.extend(
                            pairs.map(|(key, there)| if there { number(key) } else { NONE }),
                        );
                    }
                }
                Some(())
            }
            (Values::Words(rows, words), _) => {
                rows.extend(
                    texts(array)?
                        .iter()
                        .map(|t| t.map_or(NONE, |t| words.number(t.as_bytes()).0)),
                );
                Some(())
            }
            (Values::Texts(column), _) => {
                column.extend(texts(array)?);
                Some(())
            }
            (Values::Numbers(numbers), kind) => {
                match kind {
                    DataType::Boolean => {
                        numbers
                            .extend(array.as_boolean().iter().map(|n| n.map_or(NULL, i64::from)));
                    }
                    DataType::Int64 => extend(numbers, array.as_primitive::<Int64Type>()),
                    _ => extend(
                        numbers,
                        array.as_primitive_opt::<TimestampMicrosecondType>()?,
                    ),
                }
                Some(())
            }
        }
    }

    fn append_nulls(&mut self, rows: usize) -> Option<()> {
        match self {
            Values::Words(numbers, _) => numbers.extend(repeat_n(NONE, rows)),
            Values::Texts(texts) => (0..rows).for_each(|_| texts.push(b"")),
            Values::Numbers(numbers) => numbers.extend(repeat_n(NULL, rows)),
        }
        Some(())
    }
}

fn extend<T: ArrowPrimitiveType<Native = i64>>(numbers: &mut Vec<i64>, array: &PrimitiveArray<T>) {
    if array.null_count() == 0 {
        numbers.extend_from_slice(array.values());
    } else {
        numbers.extend(array.iter().map(|n| n.unwrap_or(NULL)));
    }
}

fn texts(array: &ArrayRef) -> Option<&StringArray> {
    array.as_string_opt::<i32>()
}
