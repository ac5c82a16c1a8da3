//! Rows of history as columns of numbers: texts are numbers into one dictionary a column, so that sorting, splitting
//! and encoding touch each distinct text once.
//!
//! Refuses to hold a row as a row, and a text twice.

use super::columns::{Column, Kind, UNIQUE};
use super::dictionary::{Dictionary, NONE};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, StringArray};
use arrow_schema::DataType;
use std::io;
use std::iter::repeat_n;

/// Stands for NULL in a column of numbers.
pub(super) const NULL: i64 = i64::MIN;

/// One column.
pub(super) enum Values {
    Words(Vec<u32>, Dictionary),
    /// Texts that hardly repeat; an empty one is NULL.
    Texts(Texts),
    /// Numbers, times and flags.
    Numbers(Vec<i64>),
}

/// Texts of consecutive rows.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    fn extend(&mut self, texts: &StringArray) {
        if texts.null_count() > 0 {
            return texts.iter().for_each(|text| self.push(text.unwrap_or_default().as_bytes()));
        }
        let offsets = texts.value_offsets();
        let bounds = offsets.first().copied().zip(offsets.last().copied()).unwrap_or_default();
        let (from, until) = (bounds.0 as usize, bounds.1 as usize);
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&texts.value_data()[from..until]);
        self.ends.extend(offsets[1..].iter().map(|end| base + *end as usize - from));
    }

    pub fn get(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let from = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[from..self.ends[row]]
    }
}

pub(super) struct Table {
    pub columns: &'static [Column],
    pub values: Vec<Values>,
    pub rows: usize,
}

impl Table {
    pub fn new(columns: &'static [Column]) -> Table {
        let values = |column: &Column| match column.kind {
            Kind::Text if column.name == UNIQUE => Values::Texts(Texts::default()),
            Kind::Text => Values::Words(Vec::new(), Dictionary::default()),
            Kind::Int | Kind::Time | Kind::Flag => Values::Numbers(Vec::new()),
        };
        Table { columns, values: columns.iter().map(values).collect(), rows: 0 }
    }

    /// Adds the rows of a batch of a head or of a Parquet file. What an older file does not have is NULL.
    pub fn append(&mut self, batch: &RecordBatch) -> io::Result<()> {
        for (column, values) in self.columns.iter().zip(&mut self.values) {
            let appended = match batch.column_by_name(column.name) {
                Some(array) => values.append(array),
                None => values.append_nulls(batch.num_rows()),
            };
            appended.ok_or_else(|| damaged(&format!("the column {} is of another type", column.name)))?;
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
                    rows.push(texts.next().flatten().map_or(NONE, |text| words.number(text).0));
                }
                Values::Texts(column) => column.push(texts.next().flatten().unwrap_or_default()),
                Values::Numbers(column) => column.push(numbers.next().unwrap_or(NULL)),
            }
        }
        self.rows += 1;
    }

    pub fn named(&self, name: &str) -> Option<&Values> {
        let at = self.columns.iter().position(|column| column.name == name)?;
        self.values.get(at)
    }

    /// A column of texts by number.
    pub fn words(&self, name: &str) -> io::Result<(&[u32], &Dictionary)> {
        match self.named(name) {
            Some(Values::Words(rows, words)) => Ok((rows, words)),
            _ => Err(damaged(&format!("there is no column {name} of words"))),
        }
    }

    pub fn numbers(&self, name: &str) -> io::Result<&[i64]> {
        match self.named(name) {
            Some(Values::Numbers(numbers)) => Ok(numbers),
            _ => Err(damaged(&format!("there is no column {name} of numbers"))),
        }
    }

    /// The rows in the order of principal, time and seq.
    pub fn sorted(&self) -> io::Result<Vec<u32>> {
        let (principals, words) = self.words("principal")?;
        let (times, seqs) = (self.numbers("time")?, self.numbers("seq")?);
        let ranks = ranks(words);
        let rank = |row: u32| {
            let principal = principals[row as usize];
            if principal == NONE { 0 } else { 1 + ranks[principal as usize] as usize }
        };
        // By principal with one pass, which keeps the order of reading: within one, times nearly stand in order.
        let mut places = vec![0; words.len() + 2];
        let rows = u32::try_from(self.rows).map_err(|_| damaged("more rows than can be sorted"))?;
        (0..rows).for_each(|row| places[rank(row) + 1] += 1);
        let bounds: Vec<usize> = places
            .iter()
            .scan(0, |sum, n| {
                *sum += n;
                Some(*sum)
            })
            .collect();
        let (mut next, mut order) = (bounds.clone(), vec![0; self.rows]);
        for row in 0..rows {
            let place = &mut next[rank(row)];
            order[*place] = row;
            *place += 1;
        }
        let key = |row: &u32| (times[*row as usize], seqs[*row as usize]);
        bounds.windows(2).for_each(|pair| order[pair[0]..pair[1]].sort_by_key(key));
        Ok(order)
    }
}

impl Values {
    fn append(&mut self, array: &ArrayRef) -> Option<()> {
        match (self, array.data_type()) {
            (Values::Words(rows, words), DataType::Dictionary(..)) => {
                let array = array.as_dictionary_opt::<Int16Type>()?;
                let mut text = |text: &[u8]| words.number(text).0;
                let numbers: Vec<u32> =
                    texts(array.values())?.iter().map(|t| t.map_or(NONE, |t| text(t.as_bytes()))).collect();
                let (keys, numbers) = (array.keys(), &numbers[..]);
                let number = |key: &i16| numbers.get(*key as usize).copied().unwrap_or(NONE);
                match keys.nulls() {
                    None => rows.extend(keys.values().iter().map(number)),
                    Some(nulls) if nulls.null_count() == keys.len() => rows.extend(repeat_n(NONE, keys.len())),
                    Some(nulls) => {
                        let pairs = keys.values().iter().zip(nulls);
                        rows.extend(pairs.map(|(key, there)| if there { number(key) } else { NONE }));
                    }
                }
                Some(())
            }
            (Values::Words(rows, words), _) => {
                rows.extend(texts(array)?.iter().map(|t| t.map_or(NONE, |t| words.number(t.as_bytes()).0)));
                Some(())
            }
            (Values::Texts(column), _) => {
                column.extend(texts(array)?);
                Some(())
            }
            (Values::Numbers(numbers), kind) => {
                match kind {
                    DataType::Boolean => numbers.extend(array.as_boolean().iter().map(|n| n.map_or(NULL, i64::from))),
                    DataType::Int64 => extend(numbers, array.as_primitive::<Int64Type>()),
                    _ => extend(numbers, array.as_primitive_opt::<TimestampMicrosecondType>()?),
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

/// By number of a word: its place among all in the order of bytes.
pub(super) fn ranks(words: &Dictionary) -> Vec<u32> {
    let mut order: Vec<u32> = (0..words.len() as u32).collect();
    order.sort_unstable_by_key(|n| words.get(*n));
    let mut ranks = vec![0; order.len()];
    (0..).zip(order).for_each(|(rank, n)| ranks[n as usize] = rank);
    ranks
}

pub(super) fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("history is damaged: {what}"))
}
