//! Distinct texts, numbered in the order of their first appearance.
//!
//! Refuses to forget one alone: all go at once, by `clear`, which keeps the room that they had.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Stands for "no text" where numbers of texts stand.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Dictionary {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    table: HashTable<u32>,
    state: RandomState,
}

impl Dictionary {
    /// The number of a text, and whether it is new.
    pub fn number(&mut self, text: &[u8]) -> (u32, bool) {
        let Dictionary {
            bytes,
            ends,
            table,
            state,
        } = self;
        let hash = state.hash_one(text);
        if let Some(known) = table.find(hash, |n| slice(bytes, ends, *n) == text) {
            return (*known, false);
        }
        let number = u32::try_from(ends.len()).unwrap_or(NONE);
        bytes.extend_from_slice(text);
        ends.push(bytes.len());
        table.insert_unique(hash, number, |n| state.hash_one(slice(bytes, ends, *n)));
        (number, true)
    }

    pub fn get(&self, number: u32) -> &[u8] {
        slice(&self.bytes, &self.ends, number)
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all texts together.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory, about.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
            + self.ends.capacity() * size_of::<usize>()
            + self.table.capacity() * size_of::<u32>()
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|n| slice(&self.bytes, &self.ends, n as u32))
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.table.clear();
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let number = number as usize;
    let from = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[from..ends[number]]
}
