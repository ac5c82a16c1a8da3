//! Rows that have a group of columns in common: one search for all of these columns, not one for
//! each.
//!
//! Refuses to take two for the same that differ in a byte: what is looked up is everything that the
//! columns come from.

use crate::history::dictionary::{Dictionary, NONE};

/// What is known of a group stays from roll to roll up to so many, and so many bytes that they come
/// from.
const KEPT_LIMIT: usize = 1 << 15;
const KEPT_BYTES_LIMIT: usize = 8 << 20;

/// Kinds of which a sample of the key is remembered: those that come again soon are found
/// without a search.
const RECENT: usize = 1 << 12;

pub(in crate::history) struct ColumnGroups {
    known: Dictionary,
    /// By sample of the key, which of those known had it last.
    recent: Box<[u32; RECENT]>,
    key: Vec<u8>,
    /// The key of the row before: with it, nothing known has to be touched.
    last: Vec<u8>,
    /// The known group of each row.
    rows: Vec<u32>,
}

impl Default for ColumnGroups {
    fn default() -> ColumnGroups {
        ColumnGroups {
            known: Dictionary::default(),
            recent: Box::new([NONE; RECENT]),
            key: Vec::new(),
            last: Vec::new(),
            rows: Vec::new(),
        }
    }
}

impl ColumnGroups {
    /// Begins the next row.
    pub fn begin(&mut self) {
        self.key.clear();
    }

    /// Adds something that the columns come from.
    pub fn part(&mut self, bytes: &[u8]) {
        // Where it ends: no two rows that differ give the same key.
        self.key
            .extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.key.extend_from_slice(bytes);
    }

    /// Adds a list of such.
    pub fn parts<'p>(&mut self, parts: impl ExactSizeIterator<Item = &'p [u8]>) {
        self.key
            .extend_from_slice(&(parts.len() as u32).to_le_bytes());
        parts.for_each(|part| self.part(part));
    }

    /// As [`ColumnGroups::part`], written by `write`, for what is no text.
    pub fn part_by(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.key);
    }

    /// Ends the row. True: it is the first of its kind, and the columns have to be filled.
    #[must_use]
    pub fn end(&mut self) -> bool {
        if let Some(last) = self.rows.last().copied().filter(|_| self.key == self.last) {
            self.rows.push(last);
            return false;
        }
        let recent = &mut self.recent[sample(&self.key)];
        let is_recent = *recent != NONE && self.known.get(*recent) == self.key;
        let (number, is_new) = if is_recent {
            (*recent, false)
        } else {
            self.known.number(&self.key)
        };
        *recent = number;
        self.rows.push(number);
        std::mem::swap(&mut self.key, &mut self.last);
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
            self.recent.fill(NONE);
        }
    }
}

/// A number below [`RECENT`], by some of the key's bytes. Keys that differ may well have the same.
fn sample(key: &[u8]) -> usize {
    const WORDS: usize = 8;
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let parts = key.chunks(key.len().div_ceil(WORDS).max(size_of::<u64>()));
    let words = parts
        .filter_map(|part| part.first_chunk())
        .chain(key.last_chunk());
    let mixed = words.fold(key.len() as u64, |mixed, word| {
        (mixed ^ u64::from_le_bytes(*word))
            .wrapping_mul(ODD)
            .rotate_left(u64::BITS / 2)
    });
    // After the last turn the well mixed bits are the low ones.
    mixed as usize % RECENT
}
