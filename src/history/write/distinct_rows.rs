//! Which of the places in columns some rows have: each place once, in the order of its first row,
//! so that what rows have in common is looked at once and not for each of them.
//!
//! Refuses to know what stands there.

use crate::history::dictionary::NONE;
use std::borrow::Cow;

pub(in crate::history) struct DistinctRows<'r> {
    pub distinct: Cow<'r, [u32]>,
    /// The number of each row among those; `None`: each has a place of its own.
    rows: Option<Vec<u32>>,
}

impl<'r> DistinctRows<'r> {
    /// Takes rows with these places.
    pub fn of(mut rows: Vec<u32>) -> DistinctRows<'static> {
        let (least, greatest) = (
            rows.iter().min().copied().unwrap_or(0),
            rows.iter().max().copied().unwrap_or(0),
        );
        let (mut numbers, mut distinct) = (vec![NONE; (greatest - least) as usize + 1], Vec::new());
        for row in &mut rows {
            let number = &mut numbers[(*row - least) as usize];
            if *number == NONE {
                *number = distinct.len() as u32;
                distinct.push(*row);
            }
            *row = *number;
        }
        DistinctRows {
            distinct: distinct.into(),
            rows: Some(rows),
        }
    }

    /// Takes rows that each have a place of their own.
    pub fn apart(places: &'r [u32]) -> DistinctRows<'r> {
        DistinctRows {
            distinct: places.into(),
            rows: None,
        }
    }

    /// The value at the place of each row: `at` is asked once for each distinct one, in their
    /// order.
    pub fn spread<T: Copy + PartialEq>(&self, at: impl FnMut(u32) -> T, rows: &mut Vec<T>) {
        rows.clear();
        let values = self.distinct.iter().copied().map(at);
        let Some(numbers) = &self.rows else {
            return rows.extend(values);
        };
        let values: Vec<T> = values.collect();
        match values.first() {
            // Many columns have one value in all rows: nothing has to be looked up.
            Some(only) if values.iter().all(|value| value == only) => {
                rows.resize(numbers.len(), *only);
            }
            _ => rows.extend(numbers.iter().map(|number| values[*number as usize])),
        }
    }

    pub fn row_count(&self) -> usize {
        self.rows.as_ref().map_or(self.distinct.len(), Vec::len)
    }
}
