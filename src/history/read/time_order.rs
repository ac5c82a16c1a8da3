//! The matching rows of history in the order of time, either way, without sorting all of them:
//! files are slices of time, so a row can be handed out when no file that is still closed begins
//! before it.
//!
//! Refuses to hold more than the files that overlap, and more than the budget allows.

use crate::history::read::scan::{Bounds, Pruned, Scan};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use std::collections::VecDeque;
use std::io;

/// Which way time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// A scan in the order of time.
pub struct TimeOrder {
    scan: Scan,
    direction: Direction,
    bounds: Bounds,
    /// What is held: time (turned round, if time goes backward), batch, row; in order.
    order: VecDeque<(i64, u32, u32)>,
    /// With how many rows of each are still to come, and its bytes.
    batches: Vec<(RecordBatch, usize, u64)>,
    bytes: u64,
}

impl TimeOrder {
    /// `scan` has the column `time`.
    #[must_use]
    pub fn new(scan: Scan, direction: Direction, bounds: Bounds) -> TimeOrder {
        let scan = scan.in_direction(direction);
        TimeOrder {
            scan,
            direction,
            bounds,
            order: VecDeque::new(),
            batches: Vec::new(),
            bytes: 0,
        }
    }

    #[must_use]
    pub fn pruned(&self) -> Pruned {
        self.scan.pruned()
    }

    /// The next row, and its batch.
    ///
    /// # Errors
    /// As [`Scan`]'s, and `OutOfMemory` if files that overlap hold more than they may.
    pub fn next_row(&mut self) -> io::Result<Option<(RecordBatch, usize)>> {
        loop {
            let opens = self
                .scan
                .begins_next(self.direction)
                .map_or(i64::MAX, |time| self.key(time.0));
            match self.order.front() {
                Some((time, batch, row)) if *time <= opens => {
                    let (batch, row) = (*batch as usize, *row as usize);
                    self.order.pop_front();
                    let (rows, left, bytes) = &mut self.batches[batch];
                    let found = rows.clone();
                    *left -= 1;
                    if *left == 0 {
                        self.bytes -= *bytes;
                        *rows = RecordBatch::new_empty(rows.schema());
                    }
                    return Ok(Some((found, row)));
                }
                Some(_) => {}
                None => self.batches.clear(),
            }
            let Some(more) = self.scan.next_file()? else {
                return Ok(None);
            };
            self.hold(more)?;
        }
    }

    fn key(&self, time: i64) -> i64 {
        match self.direction {
            Direction::Forward => time,
            // No clock reaches the least number, which has no opposite.
            Direction::Backward => time.saturating_neg(),
        }
    }

    fn hold(&mut self, more: Vec<RecordBatch>) -> io::Result<()> {
        for batch in more {
            let times = batch
                .column_by_name("time")
                .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
            let times = times.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "there is no column time")
            })?;
            let at = self.batches.len() as u32;
            let rows: Vec<_> = (0..)
                .zip(times.values())
                .map(|(row, time)| (self.key(*time), at, row))
                .collect();
            self.order.extend(rows);
            let bytes = new_bytes(self.batches.last().map(|(before, ..)| before), &batch);
            self.bytes += bytes;
            let rows = batch.num_rows();
            self.batches.push((batch, rows, bytes));
            self.bounds.check(self.bytes)?;
        }
        self.order.make_contiguous().sort_unstable();
        Ok(())
    }
}

/// What a batch takes beside the one before it: consecutive ones share their dictionaries.
pub(in crate::history) fn new_bytes(before: Option<&RecordBatch>, batch: &RecordBatch) -> u64 {
    let bytes = |(at, array): (usize, &arrow_array::ArrayRef)| {
        let words = |array: &arrow_array::ArrayRef| match array.as_dictionary_opt::<Int32Type>() {
            Some(words) => Some(words.values().clone()),
            None => array
                .as_dictionary_opt::<Int16Type>()
                .map(|words| words.values().clone()),
        };
        let shared = words(array).filter(|mine| {
            let theirs = before
                .and_then(|before| before.columns().get(at))
                .and_then(words);
            theirs.is_some_and(|theirs| theirs.to_data().ptr_eq(&mine.to_data()))
        });
        array.get_array_memory_size() - shared.map_or(0, |words| words.get_array_memory_size())
    };
    batch.columns().iter().enumerate().map(bytes).sum::<usize>() as u64
}
