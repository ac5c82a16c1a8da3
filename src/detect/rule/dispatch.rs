//! Which rules can hold at an event: an index over what their conditions need, made when they are
//! loaded.
//!
//! Refuses to judge, and to be stored: a rule that is left out would have said no, all others are
//! evaluated, and the index is made anew of every policy.

use super::Rule;
use super::needs::{KEYS, Key, Needs};
use crate::detect::View;
use hashbrown::HashMap;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most words of one field that are told apart; rules that name more are looked at whatever the
/// field says.
const WORDS_MAX: usize = 4_096;
/// Rules that one block of bits is for.
const BLOCK: usize = u64::BITS as usize;

#[derive(Default)]
pub struct Dispatch {
    /// A bit for each rule.
    all: Vec<u64>,
    /// One for each field that a rule names.
    tables: Vec<Table>,
}

/// The rules that can hold, by what one field says.
struct Table {
    read: for<'v> fn(&'v View<'_>) -> &'v str,
    /// Where the row of each word begins; looked up, never walked.
    starts: HashMap<SmolStr, usize>,
    /// Rows of so many blocks. The first is that of all other words.
    bits: Vec<u64>,
    blocks: usize,
}

impl Dispatch {
    #[must_use]
    pub fn of(rules: &[Arc<Rule>]) -> Dispatch {
        let needs: Vec<Needs> = rules
            .iter()
            .map(|rule| Needs::of(&rule.condition.0))
            .collect();
        let blocks = rules.len().div_ceil(BLOCK);
        let mut all = vec![0; blocks];
        let possible = |needs: &Needs| needs.0.iter().flatten().all(|words| !words.is_empty());
        needs
            .iter()
            .enumerate()
            .filter(|(_, needs)| possible(needs))
            .for_each(|(rule, _)| set(&mut all, rule));
        let tables = KEYS.iter().enumerate().filter_map(|(at, key)| {
            let words: Vec<Option<&BTreeSet<SmolStr>>> =
                needs.iter().map(|needs| needs.0[at].as_ref()).collect();
            Table::of(key, &words, blocks)
        });
        Dispatch {
            tables: tables.collect(),
            all,
        }
    }

    /// The numbers of the rules that can hold at an event, in their order.
    pub fn candidates(&self, view: &View<'_>) -> impl Iterator<Item = usize> {
        let mut left: SmallVec<[u64; 4]> = SmallVec::from_slice(&self.all);
        for table in &self.tables {
            if left.iter().all(|block| *block == 0) {
                break;
            }
            let row = table.row(view).into_iter().flatten();
            left.iter_mut()
                .zip(row)
                .for_each(|(left, row)| *left &= row);
        }
        left.into_iter()
            .enumerate()
            .flat_map(|(block, left)| ones(left).map(move |bit| block * BLOCK + bit))
    }
}

impl Table {
    /// `None` where no rule needs anything of this field.
    fn of(key: &Key, needs: &[Option<&BTreeSet<SmolStr>>], blocks: usize) -> Option<Table> {
        let mut table = Table {
            read: key.read,
            starts: HashMap::new(),
            bits: vec![0; blocks],
            blocks,
        };
        let needs: Vec<_> = needs
            .iter()
            .map(|words| words.filter(|words| table.holds(words)))
            .collect();
        for (rule, words) in needs.into_iter().enumerate() {
            match words {
                Some(words) => words
                    .iter()
                    .filter_map(|word| table.starts.get(word))
                    .for_each(|start| set(&mut table.bits[*start..], rule)),
                None => table
                    .bits
                    .chunks_exact_mut(blocks)
                    .for_each(|row| set(row, rule)),
            }
        }
        (!table.starts.is_empty()).then_some(table)
    }

    /// Gives each word a row, if there is room for all of them.
    fn holds(&mut self, words: &BTreeSet<SmolStr>) -> bool {
        if self.starts.len() + words.len() > WORDS_MAX {
            return false;
        }
        for word in words {
            if !self.starts.contains_key(word) {
                self.starts.insert(word.clone(), self.bits.len());
                self.bits.resize(self.bits.len() + self.blocks, 0);
            }
        }
        true
    }

    /// `None` where a capital leaves open which of the words the field says: they stand here in
    /// lower case.
    fn row(&self, view: &View<'_>) -> Option<&[u64]> {
        let said = (self.read)(view);
        let start = match self.starts.get(said) {
            Some(start) => *start,
            None if said.bytes().any(|byte| byte.is_ascii_uppercase()) => return None,
            None => 0,
        };
        self.bits.get(start..start + self.blocks)
    }
}

fn set(bits: &mut [u64], rule: usize) {
    if let Some(block) = bits.get_mut(rule / BLOCK) {
        *block |= 1 << (rule % BLOCK);
    }
}

/// The places of the bits that are set, the lowest first.
fn ones(bits: u64) -> impl Iterator<Item = usize> {
    let more = |bits: u64| (bits != 0).then_some(bits);
    std::iter::successors(more(bits), move |bits| more(bits & (bits - 1)))
        .map(|bits| bits.trailing_zeros() as usize)
}
