//! What of a log is consumed, what is not, and what went missing in between.
//!
//! Refuses to read: it judges listings against positions.

use super::first::{self, Stamp};
use super::input::Packing;
use super::survey::Entry;
use super::trail::Trail;
use super::{GapKind, Item, Positions, Start};
use crate::base::Digest;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// Positions of files that are gone are dropped beyond this many.
const POSITIONS_AT_MOST: usize = 8192;

const GONE: &str = "the file read last is gone, and newer ones may be, too: it was sought by its content beside the log, \
below its directory and in the directories beside that, in files with the log's name in theirs, plain or packed";

/// What is decided about where a log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// What is there cannot be told apart yet: nothing is to be read.
    NotYet,
    /// Just now, after what is there: none of it is owed.
    AtTheEnd,
    Made,
}

pub(super) struct Ledger {
    start: Start,
    positions: HashMap<Digest, u64>,
    trails: HashMap<Digest, Trail>,
    /// Files whose trails are not committed yet.
    fresh: BTreeSet<Digest>,
    last: Option<Digest>,
    begun: bool,
    /// Before the beginning that [`Start::End`] chose.
    ignored: HashSet<Digest>,
    /// Finished files without an identity that were told, by device and inode.
    nameless: Vec<(u64, u64)>,
    /// Packed files read to their end; their position alone may not tell.
    finished: HashSet<Digest>,
    /// Files seen and not read yet, with their length: if one vanishes, that is a loss.
    unread: Vec<(Digest, Option<u64>, PathBuf)>,
    behind: u64,
}

impl Ledger {
    pub fn new(start: Start, positions: Positions) -> Ledger {
        let Positions {
            offsets,
            trails,
            last,
        } = positions;
        Ledger {
            start,
            positions: offsets,
            trails,
            fresh: BTreeSet::new(),
            last,
            begun: false,
            ignored: HashSet::new(),
            nameless: Vec::new(),
            finished: HashSet::new(),
            unread: Vec::new(),
            behind: 0,
        }
    }

    pub fn position(&self, file: Digest) -> u64 {
        self.positions.get(&file).copied().unwrap_or(0)
    }

    pub fn set_position(&mut self, file: Digest, to: u64) {
        self.positions.insert(file, to);
    }

    /// Whether something was read of this file by which it can be known.
    pub fn is_followed(&self, file: Digest) -> bool {
        self.trail(file).is_some()
    }

    /// What was read of a file, if there is anything to compare.
    pub fn trail(&self, file: Digest) -> Option<&Trail> {
        self.trails.get(&file).filter(|trail| !trail.is_empty())
    }

    /// The trail of the file being read.
    pub fn trail_mut(&mut self, file: Digest) -> &mut Trail {
        self.fresh.insert(file);
        self.trails.entry(file).or_default()
    }

    /// Trails that changed since the last call.
    pub fn take_trails(&mut self) -> Vec<(Digest, Trail)> {
        let fresh = std::mem::take(&mut self.fresh);
        fresh
            .into_iter()
            .filter_map(|file| Some((file, self.trail(file)?.clone())))
            .collect()
    }

    /// Another follower has read the file so far.
    pub fn take_over(&mut self, file: Digest, position: u64, trail: Trail) {
        self.positions.insert(file, position);
        self.trails.insert(file, trail);
    }

    /// A packed file was read to its end.
    pub fn set_finished(&mut self, file: Digest) {
        self.finished.insert(file);
    }

    /// Bytes of the unread files of the last listing.
    pub fn behind(&self) -> u64 {
        self.behind
    }

    /// A file was opened: it is not missed if its name vanishes now.
    pub fn take_up(&mut self, entry: &Entry, file: Digest, at: u64) {
        self.behind = self.behind.saturating_sub(entry.bytes_after(at));
        self.unread.retain(|unread| unread.0 != file);
    }

    /// A file was closed before its end.
    pub fn put_back(&mut self, file: Digest, len: u64, path: PathBuf) {
        self.unread.push((file, Some(len), path));
    }

    /// Files that should be there and are not listed.
    pub fn missing(&self, listing: &[Entry], held: Option<Digest>) -> Vec<Digest> {
        let last = self.last.filter(|_| !self.begun);
        let unread = self.unread.iter().map(|unread| unread.0);
        let wanted = held.into_iter().chain(last).chain(unread);
        wanted
            .filter(|file| !listing.iter().any(|entry| entry.file == Some(*file)))
            .collect()
    }

    /// Decides where to begin, once there is something to decide on.
    pub fn begin(&mut self, listing: &[Entry], each: &mut dyn FnMut(Item<'_>)) -> Beginning {
        if self.begun {
            return Beginning::Made;
        }
        let beginning = match self.start {
            _ if self.is_known(listing) => self.resume(listing, each),
            // Positions of other logs alone say nothing of this one; a file that cannot be told
            // apart may be ours.
            _ if !self.positions.is_empty() && listing.iter().any(Entry::is_riddle) => {
                Beginning::NotYet
            }
            Start::Oldest => Beginning::Made,
            Start::End => self.begin_at_end(listing, each),
        };
        self.begun = beginning != Beginning::NotYet;
        self.note_unread(listing, None);
        beginning
    }

    fn is_known(&self, listing: &[Entry]) -> bool {
        let here = |entry: &Entry| {
            entry
                .file
                .is_some_and(|file| self.positions.contains_key(&file))
        };
        self.last.is_some() || listing.iter().any(here)
    }

    fn resume(&mut self, listing: &[Entry], each: &mut dyn FnMut(Item<'_>)) -> Beginning {
        if listing.iter().all(|entry| entry.file.is_none()) {
            return Beginning::NotYet;
        }
        let here = |file: &Digest| listing.iter().any(|entry| entry.file == Some(*file));
        let known = self.positions.keys().any(here) && self.last.as_ref().is_none_or(here);
        if !known && !listing.iter().any(Entry::is_riddle) {
            let at = self.last.map_or(0, |file| self.position(file));
            self.lost(self.last, at, at, GONE, each);
        }
        Beginning::Made
    }

    fn begin_at_end(&mut self, listing: &[Entry], each: &mut dyn FnMut(Item<'_>)) -> Beginning {
        for entry in listing {
            if !entry.member.is_live() {
                self.nameless.push(entry.inode());
                self.ignored.extend(entry.file);
                continue;
            }
            if entry.is_riddle() {
                return Beginning::NotYet;
            }
            let Some(file) = entry.file else { continue };
            let Ok(Some(to)) = end_of(entry) else {
                return Beginning::NotYet;
            };
            self.positions.insert(file, to);
            each(Item::Begin { file, from: 0, to });
        }
        Beginning::AtTheEnd
    }

    /// Tells what was seen unread in an earlier listing and is in this one no more.
    pub fn tell_vanished(
        &mut self,
        listing: &[Entry],
        held: Option<Digest>,
        each: &mut dyn FnMut(Item<'_>),
    ) {
        let here = |file: Digest| listing.iter().any(|entry| entry.file == Some(file));
        for (file, len, path) in std::mem::take(&mut self.unread) {
            let riddle = listing
                .iter()
                .any(|entry| entry.member.path == path && entry.is_riddle());
            let at = self.position(file);
            if !here(file) && !riddle && len.is_none_or(|len| at < len) {
                let detail = "the file vanished before it was read to its end, and is not beside the log, below its directory \
                              nor in the directories beside that, in any file with the log's name in its own";
                self.lost(Some(file), at, len.unwrap_or(at), detail, each);
            }
        }
        self.finished.retain(|file| here(*file));
        if self.positions.len() > POSITIONS_AT_MOST {
            self.positions
                .retain(|file, _| here(*file) || Some(*file) == held);
            self.trails
                .retain(|file, _| here(*file) || Some(*file) == held);
        }
        self.note_unread(listing, held);
    }

    /// The file read last is at its end, and another one is next: was there none between them?
    pub fn tell_broken_chain(
        &mut self,
        file: Digest,
        listing: &[Entry],
        each: &mut dyn FnMut(Item<'_>),
    ) {
        if !listing
            .iter()
            .any(|entry| entry.file == Some(file) || entry.is_riddle())
        {
            let at = self.position(file);
            self.lost(Some(file), at, at, GONE, each);
        }
    }

    /// A finished file without one complete line has no identity and no position: it is told once.
    pub fn tell_nameless(&mut self, listing: &[Entry], each: &mut dyn FnMut(Item<'_>)) {
        self.nameless
            .retain(|inode| listing.iter().any(|entry| entry.inode() == *inode));
        let first = self.first_known(listing);
        for entry in listing
            .iter()
            .skip(first)
            .filter(|entry| entry.file.is_none() && !entry.troubled)
        {
            let to = entry.len.unwrap_or(0);
            if !entry.member.is_live() && to > 0 && !self.nameless.contains(&entry.inode()) {
                self.nameless.push(entry.inode());
                let detail = "a rotated file without one complete line";
                each(Item::Gap {
                    file: None,
                    from: 0,
                    to,
                    kind: GapKind::Torn,
                    detail,
                });
            }
        }
    }

    /// The oldest file to read on with.
    pub fn choose<'a>(
        &self,
        listing: &'a [Entry],
        except: Option<Digest>,
    ) -> Option<(&'a Entry, Digest)> {
        self.unread_of(listing, except).next()
    }

    fn note_unread(&mut self, listing: &[Entry], held: Option<Digest>) {
        if !self.begun {
            return;
        }
        let unread: Vec<_> = self.unread_of(listing, held).collect();
        self.behind = unread
            .iter()
            .map(|(entry, file)| entry.bytes_after(self.position(*file)))
            .sum();
        self.unread = unread
            .iter()
            .map(|(entry, file)| (*file, entry.len, entry.member.path.clone()))
            .collect();
    }

    fn lost(
        &mut self,
        file: Option<Digest>,
        from: u64,
        to: u64,
        detail: &str,
        each: &mut dyn FnMut(Item<'_>),
    ) {
        if let Some(file) = file {
            self.positions.insert(file, to);
        }
        each(Item::Gap {
            file,
            from,
            to,
            kind: GapKind::Lost,
            detail,
        });
    }

    /// What is not consumed, oldest first. Files older than the first one known lie before our
    /// beginning, unless they could not be read before.
    fn unread_of<'a>(
        &self,
        listing: &'a [Entry],
        except: Option<Digest>,
    ) -> impl Iterator<Item = (&'a Entry, Digest)> + use<'a, '_> {
        let first = self.first_known(listing);
        listing
            .iter()
            .enumerate()
            .filter(move |(index, entry)| *index >= first || entry.owed)
            .filter_map(|(_, entry)| entry.file.map(|file| (entry, file)))
            .filter(move |(entry, file)| Some(*file) != except && self.is_unread(entry, *file))
    }

    fn first_known(&self, listing: &[Entry]) -> usize {
        let known = |entry: &Entry| {
            entry
                .file
                .is_some_and(|file| self.positions.contains_key(&file))
        };
        listing.iter().position(known).unwrap_or(0)
    }

    fn is_unread(&self, entry: &Entry, file: Digest) -> bool {
        if entry.twin.is_some() || self.ignored.contains(&file) || self.finished.contains(&file) {
            return false;
        }
        match self.positions.get(&file) {
            Some(position) if !entry.member.is_live() => !entry.is_consumed(*position),
            _ => true,
        }
    }
}

/// The end of the last complete line; `None` if the name went to another file meanwhile.
fn end_of(entry: &Entry) -> io::Result<Option<u64>> {
    let fd = File::open(&entry.member.path)?;
    let stamp = Stamp::of(&fd.metadata()?);
    let same = stamp.same_inode(&entry.member.stamp);
    same.then(|| first::last_line_end(&fd, stamp.len))
        .transpose()
}

impl Entry {
    /// Has a file that grows no more been read to its end? Of gzip the claimed length is believed,
    /// so that consumed files are passed over without unpacking them.
    pub(super) fn is_consumed(&self, position: u64) -> bool {
        match (self.packing, self.len) {
            (Packing::Plain, Some(len)) => position >= len,
            (Packing::Gzip, Some(len)) => position & u64::from(u32::MAX) == len,
            _ => false,
        }
    }

    fn inode(&self) -> (u64, u64) {
        (self.member.stamp.dev, self.member.stamp.ino)
    }

    /// It is there, but nobody can say which file it is.
    fn is_riddle(&self) -> bool {
        self.troubled && self.file.is_none()
    }
}
