//! Which of the known files is this one? Files that begin alike are told apart by what was read of
//! them.
//!
//! Refuses to read a packed file through that has been read to its end, by its length.

use super::first::Stamp;
use super::input::{Input, Packing};
use super::ledger::Ledger;
use super::same::{Relation, relate};
use super::shared::Shared;
use super::survey::Entry;
use super::trail::{ALIKE, Trail, alike};
use crate::base::Digest;
use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

/// Comparisons remembered.
const COMPARED_AT_MOST: usize = 1024;

/// What comparisons said, until a file changes.
#[derive(Default)]
pub(super) struct Naming {
    compared: HashMap<(PathBuf, PathBuf), (Stamp, Stamp, Option<Relation>)>,
    verified: HashMap<(PathBuf, Digest), (Stamp, bool)>,
}

/// Whom a follower asks about files that other followers read.
pub(super) struct Others<'a> {
    pub shared: &'a Shared,
    pub me: u32,
}

impl Naming {
    /// Gives each entry its identity. Of copies one stands for all: the longest, then the later
    /// one.
    pub fn name(
        &mut self,
        mut listing: Vec<Entry>,
        ledger: &Ledger,
        others: &Others<'_>,
    ) -> Vec<Entry> {
        let mut order: Vec<usize> = (0..listing.len()).collect();
        // What is finished says what it is; a live file may have been cut, and be the same one all
        // the same.
        order.sort_by_key(|index| listing[*index].member.is_live());
        let mut stands: HashMap<Digest, usize> = HashMap::new();
        let mut copies = vec![false; listing.len()];
        for index in order {
            let Some(head) = listing[index].head else {
                continue;
            };
            if let Some(early) = head.early.filter(|early| ledger.is_followed(*early))
                && self.holds(&listing[index], early, ledger)
                && !stands.contains_key(&early)
            {
                (listing[index].file, _) = (Some(early), stands.insert(early, index));
                continue;
            }
            for candidate in (0..ALIKE).map(|nth| alike(head.file, nth)) {
                if let Some(other) = stands.get(&candidate).copied() {
                    match self.relation(&listing[other], &listing[index]) {
                        None => continue,
                        Some(relation) => {
                            let left_out =
                                less(relation, (other, &listing[other]), (index, &listing[index]));
                            copies[left_out] = true;
                            stands.insert(candidate, other + index - left_out);
                        }
                    }
                } else if self.is_other(&listing[index], candidate, ledger) {
                    continue;
                } else {
                    stands.insert(candidate, index);
                }
                match Naming::twin(&listing[index], candidate, others) {
                    Twin::Other => {
                        stands.remove(&candidate);
                        continue;
                    }
                    Twin::Of(path) => listing[index].twin = Some(path),
                    Twin::None => {}
                }
                listing[index].file = Some(candidate);
                break;
            }
        }
        let mut index = 0;
        listing.retain(|_| {
            index += 1;
            !copies[index - 1]
        });
        listing
    }

    /// Whether something else was read under this identity. A live file may have been put back:
    /// that is no other.
    fn is_other(&mut self, entry: &Entry, candidate: Digest, ledger: &Ledger) -> bool {
        !entry.member.is_live()
            && ledger.is_followed(candidate)
            && !self.holds(entry, candidate, ledger)
    }

    /// Whether what was read under this identity stands in the file. One that cannot be read is
    /// given the benefit: it is told when it is read.
    fn holds(&mut self, entry: &Entry, candidate: Digest, ledger: &Ledger) -> bool {
        let Some(trail) = ledger.trail(candidate) else {
            return false;
        };
        let (path, stamp) = (&entry.member.path, entry.member.stamp);
        if entry.packing != Packing::Plain && entry.is_consumed(ledger.position(candidate)) {
            return true;
        }
        let key = (path.clone(), candidate);
        if let Some((_, verdict)) = self.verified.get(&key).filter(|(seen, _)| *seen == stamp) {
            return *verdict;
        }
        let holds = is_in(entry, trail);
        if entry.packing != Packing::Plain {
            if self.verified.len() >= COMPARED_AT_MOST {
                self.verified.clear();
            }
            self.verified.insert(key, (stamp, holds));
        }
        holds
    }

    fn relation(&mut self, one: &Entry, other: &Entry) -> Option<Relation> {
        let (one, other) = (
            (&*one.member.path, one.member.stamp),
            (&*other.member.path, other.member.stamp),
        );
        let key = (one.0.to_path_buf(), other.0.to_path_buf());
        if let Some((a, b, relation)) = self.compared.get(&key)
            && (*a, *b) == (one.1, other.1)
        {
            return *relation;
        }
        // What cannot be read now is called a copy: to call it another would be to read it twice.
        let relation = relate(one.0, other.0).unwrap_or(Some(Relation::SecondIsPart));
        if self.compared.len() >= COMPARED_AT_MOST {
            self.compared.clear();
        }
        self.compared.insert(key, (one.1, other.1, relation));
        relation
    }

    /// Whether another follower reads this file under another path.
    fn twin(entry: &Entry, candidate: Digest, others: &Others<'_>) -> Twin {
        let Some(held) = others.shared.of_another(others.me, candidate) else {
            return Twin::None;
        };
        let is_one_inode = held.stamp.same_inode(&entry.member.stamp);
        let is_read_through = entry.packing != Packing::Plain && entry.is_consumed(held.position);
        if !(is_one_inode || is_read_through || is_in(entry, &held.trail)) {
            return Twin::Other;
        }
        let nothing_new = held.trail.is_empty() || entry.len.is_none_or(|len| len <= held.position);
        if is_one_inode || nothing_new {
            Twin::Of(held.path)
        } else {
            Twin::None
        }
    }
}

enum Twin {
    None,
    Other,
    /// It has nothing that was not read under this path.
    Of(PathBuf),
}

/// Whether what was read stands in this file. One that cannot be read is given the benefit.
fn is_in(entry: &Entry, trail: &Trail) -> bool {
    let Ok(file) = File::open(&entry.member.path) else {
        return true;
    };
    match entry.packing {
        Packing::Plain => trail.is_in_file(&file, entry.member.stamp.len),
        _ => Input::of_file(file).map_or(true, |mut input| trail.is_in(&mut input)),
    }
}

/// Which of two copies is left out.
fn less(relation: Relation, one: (usize, &Entry), other: (usize, &Entry)) -> usize {
    match relation {
        Relation::FirstIsPart => one.0,
        Relation::SecondIsPart => other.0,
        // The packed one of two is the one that is being made.
        Relation::Equal if one.1.member.name.packed != other.1.member.name.packed => {
            if one.1.member.name.packed {
                one.0
            } else {
                other.0
            }
        }
        Relation::Equal => one.0.min(other.0),
    }
}
