//! The matching rows of history by groups: how many, sums, least and greatest values.
//!
//! Refuses to hold rows: groups and their distinct texts are all that grows, within the budget.

use crate::history::columns::{Column, Kind};
use crate::history::dictionary::Dictionary;
use crate::history::error::damaged;
use crate::history::read::cells::Texts;
use crate::history::read::scan::{Bounds, Pruned, Scan};
use crate::history::write::column_view::{NULL, ranks};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use std::cmp::Ordering;
use std::io;
use std::ops::Range;

/// What is told of a group; columns by their place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Its rows.
    Count,
    /// The sum of a column of integers.
    Sum(usize),
    Min(usize),
    Max(usize),
}

impl Aggregate {
    /// The column that it is of.
    #[must_use]
    pub fn column(self) -> Option<usize> {
        match self {
            Aggregate::Count => None,
            Aggregate::Sum(column) | Aggregate::Min(column) | Aggregate::Max(column) => {
                Some(column)
            }
        }
    }
}

/// A value that a group has in common, or that is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'g> {
    Null,
    Number(i64),
    /// Microseconds since 1970.
    Time(i64),
    Text(&'g str),
}

/// The groups that come first in the order of one aggregate, NULL before all values, and those that
/// are equal to the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// Which of the aggregates.
    pub aggregate: usize,
    pub is_descending: bool,
    pub count: usize,
}

/// The groups of some rows.
pub struct Groups {
    by: Vec<Read>,
    told: Vec<Told>,
    /// The numbers of `by`, by group.
    keys: Dictionary,
    key: Vec<u8>,
}

/// One aggregate, with what it reads.
struct Told {
    aggregate: Aggregate,
    read: Option<Read>,
    by_group: Vec<i64>,
}

impl Groups {
    /// Groups all rows of a scan, which has these columns of the table.
    ///
    /// # Errors
    /// As [`Scan`]'s; a sum that no integer holds.
    pub fn of(
        mut scan: Scan,
        table: &'static [Column],
        by: &[usize],
        aggregates: &[Aggregate],
        bounds: Bounds,
    ) -> io::Result<(Groups, Pruned)> {
        let read = |column: usize| Read::new(&table[column]);
        let told = |aggregate: &Aggregate| Told {
            aggregate: *aggregate,
            read: aggregate.column().map(read),
            by_group: Vec::new(),
        };
        let (by, told) = (
            by.iter().copied().map(read).collect(),
            aggregates.iter().map(told).collect(),
        );
        let mut groups = Groups {
            by,
            told,
            keys: Dictionary::default(),
            key: Vec::new(),
        };
        for batch in scan.by_ref() {
            groups.take(&batch?)?;
            bounds.check(groups.bytes())?;
        }
        Ok((groups, scan.pruned()))
    }

    fn take(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let read = self.told.iter_mut().filter_map(|told| told.read.as_mut());
        self.by
            .iter_mut()
            .chain(read)
            .try_for_each(|read| read.take(batch))?;
        let mut from = 0;
        while from < batch.num_rows() {
            // Files are sorted by principal and time: neighbours are often of one group.
            let is_other = |row: &usize| {
                self.by
                    .iter()
                    .any(|read| read.values[*row] != read.values[from])
            };
            let until = (from + 1..batch.num_rows())
                .find(is_other)
                .unwrap_or(batch.num_rows());
            self.key.clear();
            self.by
                .iter()
                .for_each(|read| self.key.extend(read.values[from].to_le_bytes()));
            let (group, is_new) = self.keys.number(&self.key);
            for told in &mut self.told {
                if is_new {
                    told.by_group
                        .push(if told.read.is_none() { 0 } else { NULL });
                }
                told.count(group, from..until)?;
            }
            from = until;
        }
        Ok(())
    }

    /// Bytes of memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let told: usize = self
            .told
            .iter()
            .map(|told| told.by_group.capacity() * size_of::<i64>())
            .sum();
        let read = self.told.iter().filter_map(|told| told.read.as_ref());
        let texts: usize = self
            .by
            .iter()
            .chain(read)
            .map(|read| read.texts.held())
            .sum();
        (self.keys.held() + told + texts) as u64
    }

    /// Hands out group after group, or those of `top` and maybe more, in the order of what they
    /// have in common, NULL first: that, and what is told of it.
    ///
    /// # Errors
    /// Whatever `each` brings.
    pub fn each<E>(
        &self,
        top: Option<Top>,
        each: &mut dyn FnMut(&[Cell<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let ranks: Vec<Vec<u32>> = self.by.iter().map(|read| ranks(&read.texts)).collect();
        let number = |key: &[u8], at: usize| {
            key[8 * at..]
                .first_chunk()
                .map_or(NULL, |n| i64::from_le_bytes(*n))
        };
        let rank = |key: &[u8], at: usize| {
            let number = number(key, at);
            usize::try_from(number)
                .ok()
                .and_then(|n| ranks[at].get(n))
                .map_or(number, |rank| i64::from(*rank))
        };
        let mut order = self.wanted(top);
        order.sort_unstable_by(|a, b| {
            let (a, b) = (self.keys.get(*a), self.keys.get(*b));
            (0..self.by.len())
                .map(|at| rank(a, at))
                .cmp((0..self.by.len()).map(|at| rank(b, at)))
        });
        let mut cells = Vec::new();
        for group in order {
            let key = self.keys.get(group);
            cells.clear();
            cells.extend(
                self.by
                    .iter()
                    .enumerate()
                    .map(|(at, read)| read.cell(number(key, at))),
            );
            cells.extend(self.told.iter().map(|told| {
                let number = told.by_group[group as usize];
                told.read
                    .as_ref()
                    .map_or(Cell::Number(number), |read| read.cell(number))
            }));
            each(&cells)?;
        }
        Ok(())
    }

    fn wanted(&self, top: Option<Top>) -> Vec<u32> {
        let all = 0..self.keys.len() as u32;
        let told = top.and_then(|top| Some((self.told.get(top.aggregate)?, top)));
        // Texts are numbered in the order of their appearance.
        let is_text = |told: &Told| {
            told.read
                .as_ref()
                .is_some_and(|read| read.column.kind == Kind::Text)
        };
        let Some((told, top)) = told.filter(|(told, top)| top.count < all.len() && !is_text(told))
        else {
            return all.collect();
        };
        let place = |group: &u32| match told.by_group[*group as usize] {
            number if top.is_descending => !number,
            number => number,
        };
        let Some(before) = top.count.checked_sub(1) else {
            return Vec::new();
        };
        let mut places: Vec<i64> = all.clone().map(|group| place(&group)).collect();
        let last = *places.select_nth_unstable(before).1;
        all.filter(|group| place(group) <= last).collect()
    }
}

impl Told {
    /// Counts these rows of the batch into a group.
    fn count(&mut self, group: u32, rows: Range<usize>) -> io::Result<()> {
        let told = &mut self.by_group[group as usize];
        let Some(read) = &self.read else {
            *told += rows.len() as i64;
            return Ok(());
        };
        let values = read.values[rows]
            .iter()
            .copied()
            .filter(|value| *value != NULL);
        let known = (*told != NULL).then_some(*told);
        let mut all = known.into_iter().chain(values);
        let now = match self.aggregate {
            Aggregate::Min(_) => all.min_by(|a, b| read.compare(*a, *b)),
            Aggregate::Max(_) => all.max_by(|a, b| read.compare(*a, *b)),
            Aggregate::Sum(_) | Aggregate::Count => match all.next() {
                Some(first) => Some(
                    all.try_fold(first, i64::checked_add)
                        .ok_or_else(|| io::Error::other("integer overflow"))?,
                ),
                None => None,
            },
        };
        *told = now.unwrap_or(NULL);
        Ok(())
    }
}

/// A column as numbers that are the same in all batches; texts are numbers into one dictionary.
struct Read {
    column: &'static Column,
    texts: Dictionary,
    /// The dictionary of the batch, and of each of its texts the number in ours, once it is known.
    words: Option<(StringArray, Vec<i64>)>,
    /// The values of the batch, by row.
    values: Vec<i64>,
}

impl Read {
    fn new(column: &'static Column) -> Read {
        Read {
            column,
            texts: Dictionary::default(),
            words: None,
            values: Vec::new(),
        }
    }

    fn take(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.values.clear();
        // A file of an older version may not have the column.
        let Some(array) = batch.column_by_name(self.column.name) else {
            self.values.resize(batch.num_rows(), NULL);
            return Ok(());
        };
        let taken = match self.column.kind {
            Kind::Text => self.take_texts(array),
            Kind::Flag => array.as_boolean_opt().map(|flags| {
                self.values
                    .extend(flags.iter().map(|flag| flag.map_or(NULL, i64::from)));
            }),
            Kind::Int => array.as_primitive_opt::<Int64Type>().map(|numbers| {
                self.values
                    .extend(numbers.iter().map(|number| number.unwrap_or(NULL)));
            }),
            Kind::Time => array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .map(|times| {
                    self.values
                        .extend(times.iter().map(|time| time.unwrap_or(NULL)));
                }),
        };
        taken.ok_or_else(|| {
            damaged(&format!(
                "the column {} is of another type",
                self.column.name
            ))
        })
    }

    fn take_texts(&mut self, array: &ArrayRef) -> Option<()> {
        let Read {
            texts,
            words,
            values,
            ..
        } = self;
        let column = Texts::of(array)?;
        let mut number_of = |text: &str| i64::from(texts.number(text.as_bytes()).0);
        let Some(dictionary) = column.dictionary() else {
            values.extend((0..array.len()).map(|row| column.get(row).map_or(NULL, &mut number_of)));
            return Some(());
        };
        // Batches of one row group share it: each text is looked up once.
        let is_known = words.as_ref().is_some_and(|(known, _)| {
            known.value_offsets().as_ptr() == dictionary.value_offsets().as_ptr()
        });
        if !is_known {
            *words = Some((dictionary.clone(), vec![NULL; dictionary.len()]));
        }
        let (_, numbers) = words.as_mut()?;
        values.extend((0..array.len()).map(|row| {
            let Some(word) = column.number(row) else {
                return NULL;
            };
            if numbers[word] == NULL {
                numbers[word] = number_of(column.text(word));
            }
            numbers[word]
        }));
        Some(())
    }

    fn compare(&self, a: i64, b: i64) -> Ordering {
        match self.column.kind {
            Kind::Text => self.texts.get(a as u32).cmp(self.texts.get(b as u32)),
            Kind::Int | Kind::Time | Kind::Flag => a.cmp(&b),
        }
    }

    fn cell(&self, number: i64) -> Cell<'_> {
        match self.column.kind {
            _ if number == NULL => Cell::Null,
            // It was taken out of a column of UTF-8.
            Kind::Text => {
                std::str::from_utf8(self.texts.get(number as u32)).map_or(Cell::Null, Cell::Text)
            }
            Kind::Time => Cell::Time(number),
            Kind::Int | Kind::Flag => Cell::Number(number),
        }
    }
}
