//! Rows that have a group of columns in common: one search for all of these columns, not one for each.
//!
//! Refuses to take two for the same that differ in a byte: what is looked up is everything that the columns come from.

use super::dictionary::Dictionary;

/// What is known of a group stays from roll to roll up to so many, and so many bytes that they come from.
const KEPT_LIMIT: usize = 1 << 15;
const KEPT_BYTES_LIMIT: usize = 8 << 20;

#[derive(Default)]
pub(super) struct Alike {
    known: Dictionary,
    key: Vec<u8>,
    /// Of each row, which of those known it has.
    rows: Vec<u32>,
}

impl Alike {
    /// Begins the next row.
    pub fn begin(&mut self) {
        self.key.clear();
    }

    /// Adds something that the columns come from.
    pub fn part(&mut self, bytes: &[u8]) {
        // Where it ends: no two rows that differ give the same key.
        self.key.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.key.extend_from_slice(bytes);
    }

    /// Adds a list of such.
    pub fn parts<'p>(&mut self, parts: impl ExactSizeIterator<Item = &'p [u8]>) {
        self.key.extend_from_slice(&(parts.len() as u32).to_le_bytes());
        parts.for_each(|part| self.part(part));
    }

    /// As [`Alike::part`], written by `write`, for what is no text.
    pub fn part_by(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.key);
    }

    /// Ends the row. True: it is the first of its kind, and the columns have to be filled.
    #[must_use]
    pub fn end(&mut self) -> bool {
        if let Some(last) = self.rows.last().copied().filter(|last| self.known.get(*last) == self.key) {
            self.rows.push(last);
            return false;
        }
        let (number, is_new) = self.known.number(&self.key);
        self.rows.push(number);
        is_new
    }

    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Whether it is worth the room to know next time what is known now.
    pub fn is_small(&self) -> bool {
        self.known.len() <= KEPT_LIMIT && self.known.bytes() <= KEPT_BYTES_LIMIT
    }

    /// Rows go. Where columns go with them, so does what is known.
    pub fn clear(&mut self, forgets: bool) {
        self.rows.clear();
        if forgets {
            self.known.clear();
        }
    }
}
