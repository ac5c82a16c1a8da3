//! Follows one live log through rotation, truncation, deletion and our own restarts.
//!
//! Two questions are asked again and again: does the held descriptor give more, and, once it has ended,
//! which listed file is the oldest that is not consumed? Everything else follows from identities.
//!
//! Refuses to wait, to read the clock, and to commit: it only says what was read.

use super::first;
use super::input::Packing;
use super::survey::{Entry, Survey};
use super::tail::{NotOpened, Tail, Turn};
use super::{GapKind, Item, Limits, Positions};
use crate::base::Digest;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// While nothing calls for a listing, the directory is still listed this often.
const SURVEY_EVERY: Duration = Duration::from_secs(10);
/// Charged to the budget for each step that reads nothing, so that a poll always ends.
const STEP_COST: u64 = 4 << 10;
/// Listings until the chosen file is still what was listed when it is opened.
const OPEN_TRIES: usize = 8;
/// Positions of files that are gone are dropped beyond this many.
const POSITIONS_AT_MOST: usize = 8192;

/// Where a log begins that no position is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With the oldest rotated file.
    #[default]
    Oldest,
    /// After what is there now. Of a log that is not there yet, everything is read.
    End,
}

/// What one poll did, and what is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Uncompressed bytes read.
    pub read_bytes: u64,
    /// There was nothing more to read. False: the budget ended first; poll again.
    pub caught_up: bool,
    /// Bytes on the disk that are not read yet; of packed files an estimate.
    pub bytes_behind: u64,
    /// The file being read, by the name it was opened under.
    pub reading: Option<PathBuf>,
}

/// One live log.
pub struct Follower {
    path: PathBuf,
    start: Start,
    limits: Limits,
    positions: HashMap<Digest, u64>,
    last: Option<Digest>,
    begun: bool,
    survey: Survey,
    survey_due: Option<Instant>,
    tail: Option<Tail>,
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

enum Step {
    Read(u64),
    Again,
    Idle,
}

impl Follower {
    /// A follower of the log whose active file is `path`, which need not exist. Touches nothing yet.
    #[must_use]
    pub fn open(path: &Path, start: Start, positions: impl Into<Positions>, limits: Limits) -> Follower {
        let Positions { offsets, last } = positions.into();
        Follower {
            path: path.to_owned(),
            start,
            limits,
            positions: offsets,
            last,
            begun: false,
            survey: Survey::of(path),
            survey_due: None,
            tail: None,
            ignored: HashSet::new(),
            nameless: Vec::new(),
            finished: HashSet::new(),
            unread: Vec::new(),
            behind: 0,
        }
    }

    /// Reads about `budget` bytes (at most one chunk more) and hands out each item in order. Never fails:
    /// what cannot be read is a gap, told once and tried again.
    pub fn poll(&mut self, now: Instant, budget: u64, each: &mut dyn FnMut(Item<'_>)) -> Progress {
        if self.tail.is_some() && self.survey_due.is_none_or(|due| now >= due) {
            self.look_again(now, each);
        }
        let (mut read_bytes, mut spent, mut caught_up) = (0, 0, false);
        while spent < budget && !caught_up {
            match self.step(now, each) {
                Step::Read(bytes) => {
                    read_bytes += bytes;
                    spent += bytes;
                }
                Step::Again => spent += STEP_COST,
                Step::Idle => caught_up = true,
            }
        }
        let bytes_behind = self.behind + self.tail.as_ref().map_or(0, Tail::bytes_behind);
        let reading = self.tail.as_ref().map(|tail| tail.path.clone());
        Progress { read_bytes, caught_up, bytes_behind, reading }
    }

    fn step(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Step {
        let Some(tail) = &mut self.tail else {
            return if self.open_next(now, each) { Step::Again } else { Step::Idle };
        };
        let turn = tail.turn(each);
        self.positions.insert(tail.file, tail.position());
        match turn {
            Turn::Read(bytes) => Step::Read(bytes),
            Turn::End => self.at_end(now, each),
            Turn::Cut => {
                let (file, at) = (tail.file, tail.position());
                self.tail = None;
                let detail = "the log was cut in place";
                each(Item::Gap { file: Some(file), from: at, to: at, kind: GapKind::Truncated, detail });
                Step::Again
            }
            Turn::Broken(error) => {
                let at = Some((tail.file, tail.position()));
                let (path, stamp) = (tail.path.clone(), first::Stamp::at(&tail.path).ok());
                self.tail = None;
                self.survey.trouble(&path, stamp, &error, at, now, each);
                Step::Again
            }
        }
    }

    /// The descriptor gives nothing more: is the file over, or only its content so far?
    fn at_end(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Step {
        let Some(tail) = &mut self.tail else { return Step::Again };
        if !tail.live {
            self.finish(each);
            return Step::Again;
        }
        self.survey.trouble_is_over(&tail.path);
        if !tail.detached {
            if !tail.lost_name(&self.path) {
                return Step::Idle;
            }
            // Bytes may have come between the last read and the rename: read once more.
            tail.detached = true;
            return Step::Again;
        }
        let file = tail.file;
        let Some(listing) = self.list(now, each) else { return Step::Idle };
        if listing.iter().any(|entry| entry.file == Some(file) && entry.member.is_live()) {
            // The same log in another inode, by a copy or a restore: read on there.
            self.tail = None;
            return Step::Again;
        }
        if self.choose(&listing, Some(file)).is_none() {
            return Step::Idle;
        }
        self.finish(each);
        if !listing.iter().any(|entry| entry.file == Some(file) || entry.is_riddle()) {
            let at = self.position(file);
            self.lost(Some(file), at, at, "the file read last is gone; newer ones may be too", each);
        }
        Step::Again
    }

    /// Reads the file's unfinished last line as what it is, and lets the file go.
    fn finish(&mut self, each: &mut dyn FnMut(Item<'_>)) {
        let Some(mut tail) = self.tail.take() else { return };
        tail.finish(each);
        self.positions.insert(tail.file, tail.position());
        self.survey.trouble_is_over(&tail.path);
        if tail.packed {
            self.finished.insert(tail.file);
        }
    }

    fn open_next(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> bool {
        for _ in 0..OPEN_TRIES {
            let Some(listing) = self.list(now, each) else { return false };
            if !self.begun {
                self.begun = self.begin(&listing, each);
                self.note_unread(&listing);
            }
            self.tell_nameless(&listing, each);
            let Some((entry, file)) = self.choose(&listing, None).filter(|_| self.begun) else { return false };
            let at = self.position(file);
            match Tail::open(&entry.member, file, at, self.limits) {
                Ok(tail) => {
                    if tail.position() < at {
                        let (to, detail) = (tail.position(), "the log is shorter than what was read of it");
                        self.positions.insert(file, to);
                        each(Item::Gap { file: Some(file), from: to, to, kind: GapKind::Truncated, detail });
                    }
                    self.behind = self.behind.saturating_sub(entry.bytes_after(at));
                    self.unread.retain(|unread| unread.0 != file);
                    self.tail = Some(tail);
                    return true;
                }
                Err(NotOpened::Moved) => {}
                Err(NotOpened::Failed(error)) => {
                    let (path, stamp) = (&entry.member.path, Some(entry.member.stamp));
                    self.survey.trouble(path, stamp, &error, Some((file, at)), now, each);
                }
            }
        }
        false
    }

    /// A file that is older than the one being followed may have become readable, or have been written to.
    fn look_again(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) {
        let Some(listing) = self.list(now, each) else { return };
        let Some(tail) = self.tail.as_ref().filter(|tail| tail.live && !tail.detached) else { return };
        let Some(own) = listing.iter().find(|entry| entry.file == Some(tail.file)) else { return };
        let older = |entry: &Entry| entry.member.name.rank < own.member.name.rank;
        if own.member.is_live() && self.choose(&listing, Some(tail.file)).is_some_and(|(entry, _)| older(entry)) {
            self.unread.push((tail.file, Some(tail.len()), tail.path.clone()));
            self.tail = None;
        }
    }

    /// A finished file without one complete line has no identity and no position: it is told once.
    fn tell_nameless(&mut self, listing: &[Entry], each: &mut dyn FnMut(Item<'_>)) {
        self.nameless.retain(|inode| listing.iter().any(|entry| entry.inode() == *inode));
        let first = self.first_known(listing);
        for entry in listing.iter().skip(first).filter(|entry| entry.file.is_none() && !entry.troubled) {
            let to = entry.len.unwrap_or(0);
            if self.begun && !entry.member.is_live() && to > 0 && !self.nameless.contains(&entry.inode()) {
                self.nameless.push(entry.inode());
                let detail = "a rotated file without one complete line";
                each(Item::Gap { file: None, from: 0, to, kind: GapKind::Torn, detail });
            }
        }
    }

    /// Decides where to begin, once there is something to decide on.
    fn begin(&mut self, listing: &[Entry], each: &mut dyn FnMut(Item<'_>)) -> bool {
        let here = |file: &Digest| listing.iter().any(|entry| entry.file == Some(*file));
        let any_here = self.positions.keys().any(here);
        // Positions of other logs alone say nothing of this one.
        if self.last.is_some() || any_here {
            if listing.iter().all(|entry| entry.file.is_none()) {
                return false;
            }
            let known = any_here && self.last.as_ref().is_none_or(here);
            if !known && !listing.iter().any(Entry::is_riddle) {
                let at = self.last.map_or(0, |file| self.position(file));
                self.lost(self.last, at, at, "the file read last is gone; newer ones may be too", each);
            }
            return true;
        }
        if !self.positions.is_empty() && listing.iter().any(Entry::is_riddle) {
            return false;
        }
        if self.start == Start::Oldest {
            return true;
        }
        for entry in listing {
            if !entry.member.is_live() {
                self.nameless.push(entry.inode());
                self.ignored.extend(entry.file);
                continue;
            }
            if entry.is_riddle() {
                return false;
            }
            let Some(file) = entry.file else { continue };
            let end = File::open(&entry.member.path).and_then(|fd| first::last_line_end(&fd, fd.metadata()?.len()));
            let Ok(to) = end else { return false };
            self.positions.insert(file, to);
            each(Item::Begin { file, from: 0, to });
        }
        self.survey.forgive();
        true
    }

    /// The set as it is now; tells what vanished unread since the last time. `None`: it cannot be listed.
    fn list(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Option<Vec<Entry>> {
        self.survey_due = Some(now + SURVEY_EVERY);
        let listing = self.survey.take(now, each)?;
        let here = |file: Digest| listing.iter().any(|entry| entry.file == Some(file));
        for (file, len, path) in std::mem::take(&mut self.unread) {
            let riddle = listing.iter().any(|entry| entry.member.path == path && entry.is_riddle());
            let at = self.position(file);
            if !here(file) && !riddle && len.is_none_or(|len| at < len) {
                let detail = "the file vanished before it was read to its end";
                self.lost(Some(file), at, len.unwrap_or(at), detail, each);
            }
        }
        self.finished.retain(|file| here(*file));
        if self.positions.len() > POSITIONS_AT_MOST {
            let held = self.tail.as_ref().map(|tail| tail.file);
            self.positions.retain(|file, _| here(*file) || Some(*file) == held);
        }
        self.note_unread(&listing);
        Some(listing)
    }

    fn note_unread(&mut self, listing: &[Entry]) {
        if !self.begun {
            return;
        }
        let held = self.tail.as_ref().map(|tail| tail.file);
        let unread: Vec<_> = self.unread_of(listing, held).collect();
        self.behind = unread.iter().map(|(entry, file)| entry.bytes_after(self.position(*file))).sum();
        self.unread = unread.iter().map(|(entry, file)| (*file, entry.len, entry.member.path.clone())).collect();
    }

    fn lost(&mut self, file: Option<Digest>, from: u64, to: u64, detail: &str, each: &mut dyn FnMut(Item<'_>)) {
        if let Some(file) = file {
            self.positions.insert(file, to);
        }
        each(Item::Gap { file, from, to, kind: GapKind::Lost, detail });
    }

    /// The oldest file to read on with.
    fn choose<'a>(&self, listing: &'a [Entry], except: Option<Digest>) -> Option<(&'a Entry, Digest)> {
        self.unread_of(listing, except).next()
    }

    /// What is not consumed, oldest first. Files older than the first one known lie before our beginning,
    /// unless they could not be read before.
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
        let known = |entry: &Entry| entry.file.is_some_and(|file| self.positions.contains_key(&file));
        listing.iter().position(known).unwrap_or(0)
    }

    fn is_unread(&self, entry: &Entry, file: Digest) -> bool {
        if self.ignored.contains(&file) || self.finished.contains(&file) {
            return false;
        }
        match self.positions.get(&file) {
            Some(position) if !entry.member.is_live() => !entry.is_consumed(*position),
            _ => true,
        }
    }

    fn position(&self, file: Digest) -> u64 {
        self.positions.get(&file).copied().unwrap_or(0)
    }
}

impl Entry {
    /// Has a file that grows no more been read to its end? Of gzip the claimed length is believed, so that
    /// consumed files are passed over without unpacking them.
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
