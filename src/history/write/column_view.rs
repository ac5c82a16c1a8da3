//! Rows of history as they are written: a look at columns, whoever has gathered them.
//!
//! Refuses to copy a column: rows that have a group of columns in common share the places of their
//! values.

use crate::history::columns::{Column, GROUPS, Group};
use crate::history::dictionary::{Dictionary, NONE};
use crate::history::error::damaged;
use crate::history::write::plain_column::PlainColumn;
use std::io;

/// Stands for NULL in a column of numbers.
pub(in crate::history) const NULL: i64 = i64::MIN;

/// The values of one column.
#[derive(Clone, Copy)]
pub(in crate::history) enum View<'a> {
    Words(&'a [u32], &'a Dictionary),
    /// Texts that hardly repeat; an empty one is NULL.
    Texts(&'a PlainColumn),
    /// Numbers, times and flags.
    Numbers(&'a [i64]),
}

pub(in crate::history) struct ColumnView<'a> {
    pub columns: &'static [Column],
    pub values: Vec<View<'a>>,
    /// Empty: each row has its own values.
    pub group_of: &'static [Group],
    /// By group: where among the values of its columns those of a row stand.
    pub groups: [Option<&'a [u32]>; GROUPS],
    pub rows: usize,
}

/// One column, by row.
#[derive(Clone, Copy)]
pub(in crate::history) struct ByRow<'a, T> {
    values: &'a [T],
    places: Option<&'a [u32]>,
}

impl<T: Copy> ByRow<'_, T> {
    pub fn get(self, row: u32) -> T {
        self.values[self.places.map_or(row, |places| places[row as usize]) as usize]
    }
}

impl<'a> ColumnView<'a> {
    /// The group of a column, if its rows have it in common.
    pub fn group(&self, column: usize) -> Option<usize> {
        self.group_of
            .get(column)
            .map(|group| *group as usize)
            .filter(|group| *group < GROUPS)
    }

    fn named(&self, name: &str) -> Option<(View<'a>, Option<&'a [u32]>)> {
        let at = self.columns.iter().position(|column| column.name == name)?;
        Some((
            self.values[at],
            self.group(at).and_then(|group| self.groups[group]),
        ))
    }

    /// A column of texts by number.
    pub fn words(&self, name: &str) -> io::Result<(ByRow<'a, u32>, &'a Dictionary)> {
        match self.named(name) {
            Some((View::Words(values, words), places)) => Ok((ByRow { values, places }, words)),
            _ => Err(damaged(&format!("there is no column {name} of words"))),
        }
    }

    pub fn numbers(&self, name: &str) -> io::Result<ByRow<'a, i64>> {
        match self.named(name) {
            Some((View::Numbers(values), places)) => Ok(ByRow { values, places }),
            _ => Err(damaged(&format!("there is no column {name} of numbers"))),
        }
    }

    /// The rows in the order of principal, time and seq.
    pub fn sorted(&self) -> io::Result<Vec<u32>> {
        let (principals, words) = self.words("principal")?;
        let (times, seqs) = (self.numbers("time")?, self.numbers("seq")?);
        let ranks = ranks(words);
        let rank = |row: u32| {
            let principal = principals.get(row);
            if principal == NONE {
                0
            } else {
                1 + ranks[principal as usize] as usize
            }
        };
        // By principal with one pass, which keeps the order of reading: within one, times nearly
        // stand in order.
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
        let key = |row: &u32| (times.get(*row), seqs.get(*row));
        bounds
            .windows(2)
            .for_each(|pair| order[pair[0]..pair[1]].sort_by_key(key));
        Ok(order)
    }
}

/// By number of a word: its place among all in the order of bytes.
pub(in crate::history) fn ranks(words: &Dictionary) -> Vec<u32> {
    let mut order: Vec<u32> = (0..words.len() as u32).collect();
    order.sort_unstable_by_key(|n| words.get(*n));
    let mut ranks = vec![0; order.len()];
    (0..)
        .zip(order)
        .for_each(|(rank, n)| ranks[n as usize] = rank);
    ranks
}
