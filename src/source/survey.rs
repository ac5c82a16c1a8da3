//! What lies on the disk now: the rotated set with the identity of each file, and what could not be read.
//!
//! Refuses to read further than a first line, and to read the same first line twice.

use super::first::{self, Stamp};
use super::input::Packing;
use super::rotated::{self, Member};
use super::{Absence, GapKind, Item};
use crate::base::Digest;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file that cannot be read is tried again after this, then after twice as long, and so on.
const RETRY: Duration = Duration::from_secs(30);
const RETRY_AT_MOST: Duration = Duration::from_secs(3600);
/// Listings until one holds still: a rename or a packing in between can hide a file from one of them.
const LISTINGS: usize = 32;

/// One file as surveyed.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub member: Member,
    /// `None`: it has no complete first line yet, or could not be read.
    pub file: Option<Digest>,
    /// Uncompressed bytes: exact when plain, modulo 2^32 for gzip, unknown for zstd.
    pub len: Option<u64>,
    pub packing: Packing,
    /// It could not be read, now or at the last attempt.
    pub troubled: bool,
    /// The trouble began while the log was being read: its lines are due even if newer ones have been read.
    pub owed: bool,
}

impl Entry {
    /// Bytes after `position`; of a packed file of unknown length, its bytes on the disk.
    pub fn bytes_after(&self, position: u64) -> u64 {
        self.len.unwrap_or(self.member.stamp.len).saturating_sub(position)
    }
}

struct Trouble {
    why: String,
    stamp: Option<Stamp>,
    retry_at: Instant,
    wait: Duration,
    owed: bool,
}

#[derive(Clone, Copy)]
struct Known {
    stamp: Stamp,
    file: Option<Digest>,
    len: Option<u64>,
    packing: Packing,
}

/// Lists the set of one active path, again and again.
pub(super) struct Survey {
    active: PathBuf,
    known: HashMap<PathBuf, Known>,
    troubles: HashMap<PathBuf, Trouble>,
}

impl Survey {
    pub fn of(active: &Path) -> Survey {
        Survey { active: active.to_owned(), known: HashMap::new(), troubles: HashMap::new() }
    }

    /// The set as it is now, oldest first; `None` if it cannot be listed, or never holds still. What is newly
    /// unreadable is told once.
    pub fn take(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Option<Vec<Entry>> {
        for _ in 0..LISTINGS {
            let members = match self.list() {
                Ok(members) => members?,
                Err(error) => {
                    let directory = rotated::directory_of(&self.active);
                    self.trouble(&directory, None, &error, None, now, each);
                    return None;
                }
            };
            let here = |path: &PathBuf| members.iter().any(|member| member.path == *path);
            self.known.retain(|path, _| here(path));
            self.troubles.retain(|path, _| here(path));
            let entries: Option<Vec<Entry>> =
                members.into_iter().map(|member| self.look_at(member, now, each)).collect();
            if let Some(entries) = entries {
                return Some(without_copies(entries));
            }
        }
        None
    }

    /// `None`: no two listings in a row agreed.
    fn list(&self) -> io::Result<Option<Vec<Member>>> {
        let mut before = rotated::set_of(&self.active)?;
        for _ in 1..LISTINGS {
            let again = rotated::set_of(&self.active)?;
            let key = |member: &Member| (member.path.clone(), member.stamp.dev, member.stamp.ino);
            if again.iter().map(key).eq(before.iter().map(key)) {
                return Ok(Some(again));
            }
            before = again;
        }
        Ok(None)
    }

    /// `None`: the path names another file by now, or none. To leave it out would be to call it lost.
    fn look_at(&mut self, member: Member, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Option<Entry> {
        let trouble = self.troubles.get(&member.path);
        let (mut troubled, owed) = (trouble.is_some(), trouble.is_some_and(|t| t.owed));
        if trouble.is_some_and(|t| t.stamp == Some(member.stamp) && now < t.retry_at) {
            return Some(Entry { member, file: None, len: None, packing: Packing::Plain, troubled, owed });
        }
        let known = match self.known.get(&member.path).filter(|known| known.stamp == member.stamp) {
            Some(known) => Ok(*known),
            None => identify(&member),
        };
        match known {
            Ok(known) if !known.stamp.same_inode(&member.stamp) => None,
            Ok(known) => {
                self.known.insert(member.path.clone(), known);
                let Known { file, len, packing, .. } = known;
                Some(Entry { member, file, len, packing, troubled, owed })
            }
            Err(error) if rotated::is_absent(&error) => None,
            Err(error) => {
                self.trouble(&member.path, Some(member.stamp), &error, None, now, each);
                troubled = true;
                Some(Entry { member, file: None, len: None, packing: Packing::Plain, troubled, owed })
            }
        }
    }

    /// Remembers that a path cannot be read (past `at`, if it is known), and tells so the first time.
    pub fn trouble(
        &mut self,
        path: &Path,
        stamp: Option<Stamp>,
        error: &io::Error,
        at: Option<(Digest, u64)>,
        now: Instant,
        each: &mut dyn FnMut(Item<'_>),
    ) {
        let before = self.troubles.get(path);
        let detail = format!("{}: {error}", path.display());
        if before.is_none() {
            let (file, offset) = (at.map(|at| at.0), at.map_or(0, |at| at.1));
            each(Item::Gap { file, from: offset, to: offset, kind: GapKind::Unreadable, detail: &detail });
        }
        let wait = before.map_or(RETRY, |t| (t.wait * 2).min(RETRY_AT_MOST));
        let owed = before.is_none_or(|t| t.owed);
        self.troubles.insert(path.to_owned(), Trouble { why: detail, stamp, retry_at: now + wait, wait, owed });
    }

    /// Why the active file gives nothing, as of the last listing.
    pub fn absence(&self) -> Option<Absence> {
        let trouble =
            self.troubles.get(&self.active).or_else(|| self.troubles.get(&rotated::directory_of(&self.active)));
        match trouble {
            Some(trouble) => Some(Absence::Unreadable(trouble.why.clone())),
            None => (!self.known.contains_key(&self.active)).then_some(Absence::NotThere),
        }
    }

    /// The path could be read after all.
    pub fn trouble_is_over(&mut self, path: &Path) {
        self.troubles.remove(path);
    }

    /// No unreadable file is owed: they lie before the chosen beginning.
    pub fn forgive(&mut self) {
        self.troubles.values_mut().for_each(|trouble| trouble.owed = false);
    }
}

fn identify(member: &Member) -> io::Result<Known> {
    let fd = File::open(&member.path)?;
    let stamp = Stamp::of(&fd.metadata()?);
    let packing = Packing::of_file(&fd)?;
    let len = match packing {
        Packing::Plain => Some(stamp.len),
        Packing::Gzip => Some(u64::from(first::gzip_length(&fd, stamp.len)?)),
        Packing::Zstd => None,
    };
    let file = first::of_file(&fd, !member.is_live())?.map(|(file, _)| file);
    Ok(Known { stamp, file, len, packing })
}

/// Of two files with one identity (a copy before the cut in place) the later one stands for both.
fn without_copies(mut entries: Vec<Entry>) -> Vec<Entry> {
    let files: Vec<_> = entries.iter().map(|entry| entry.file).collect();
    let mut index = 0;
    entries.retain(|entry| {
        index += 1;
        entry.file.is_none() || !files[index..].contains(&entry.file)
    });
    entries
}
