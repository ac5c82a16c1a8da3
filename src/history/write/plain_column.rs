//! A column of texts that hardly repeat, one after the other.
//!
//! Refuses to tell an empty text from NULL.

use arrow_array::{Array, StringArray};
use std::ops::Range;

/// Texts of consecutive rows.
#[derive(Default)]
pub(in crate::history) struct PlainColumn {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl PlainColumn {
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    pub fn extend(&mut self, texts: &StringArray) {
        if texts.null_count() > 0 {
            return texts
                .iter()
                .for_each(|text| self.push(text.unwrap_or_default().as_bytes()));
        }
        let offsets = texts.value_offsets();
        let bounds = offsets
            .first()
            .copied()
            .zip(offsets.last().copied())
            .unwrap_or_default();
        let (from, until) = (bounds.0 as usize, bounds.1 as usize);
        let base = self.bytes.len();
        self.bytes
            .extend_from_slice(&texts.value_data()[from..until]);
        self.ends
            .extend(offsets[1..].iter().map(|end| base + *end as usize - from));
    }

    pub fn get(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let from = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[from..self.ends[row]]
    }

    /// The bytes of consecutive rows, and the bounds of each in these.
    pub fn slice(&self, rows: Range<usize>) -> (&[u8], Vec<i32>) {
        let from = rows
            .start
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        let ends = &self.ends[rows];
        let bounds = [from]
            .iter()
            .chain(ends)
            .map(|end| (end - from) as i32)
            .collect();
        (
            &self.bytes[from..ends.last().copied().unwrap_or(from)],
            bounds,
        )
    }

    /// Keeps the room that they took.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}
