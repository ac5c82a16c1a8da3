//! Follows one live log through rotation, truncation, deletion and our own restarts.
//!
//! Two questions are asked again and again: does the held descriptor give more, and, once it has ended,
//! which listed file is the oldest that is not consumed? Everything else follows from identities.
//!
//! Refuses to wait, to read the clock, and to commit: it only says what was read.

use super::first;
use super::ledger::{Beginning, Ledger};
use super::survey::{Entry, Survey};
use super::tail::{NotOpened, Tail, Turn};
use super::{GapKind, Item, Limits, Positions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// While nothing calls for a listing, the directory is still listed this often.
const SURVEY_EVERY: Duration = Duration::from_secs(10);
/// Charged to the budget for each step that reads nothing, so that a poll always ends.
const STEP_COST: u64 = 4 << 10;
/// Listings until the chosen file is still what was listed when it is opened.
const OPEN_TRIES: usize = 8;

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
    /// Why no file is being read, if none is.
    pub absence: Option<Absence>,
}

/// Why a log gives nothing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// No error: it is read as soon as it is there.
    NotThere,
    /// Path and error. It is tried again.
    Unreadable(String),
}

/// One live log.
pub struct Follower {
    path: PathBuf,
    limits: Limits,
    ledger: Ledger,
    survey: Survey,
    survey_due: Option<Instant>,
    tail: Option<Tail>,
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
        Follower {
            path: path.to_owned(),
            limits,
            ledger: Ledger::new(start, positions.into()),
            survey: Survey::of(path),
            survey_due: None,
            tail: None,
        }
    }

    /// The active file, as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads about `budget` bytes (at most one chunk more; opening a file costs 4 KiB of it) and hands out
    /// each item in order. Never fails: what cannot be read is a gap, told once and tried again. `now` must
    /// not go back; it decides only when to list the directory and when to try again.
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
        let bytes_behind = self.ledger.behind() + self.tail.as_ref().map_or(0, Tail::bytes_behind);
        let reading = self.tail.as_ref().map(|tail| tail.path.clone());
        let absence = if self.tail.is_some() { None } else { self.survey.absence() };
        Progress { read_bytes, caught_up, bytes_behind, reading, absence }
    }

    fn step(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Step {
        let Some(tail) = &mut self.tail else {
            return if self.open_next(now, each) { Step::Again } else { Step::Idle };
        };
        let turn = tail.turn(each);
        self.ledger.set_position(tail.file, tail.position());
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
        if self.ledger.choose(&listing, Some(file)).is_none() {
            return Step::Idle;
        }
        self.finish(each);
        self.ledger.tell_broken_chain(file, &listing, each);
        Step::Again
    }

    /// Reads the file's unfinished last line as what it is, and lets the file go.
    fn finish(&mut self, each: &mut dyn FnMut(Item<'_>)) {
        let Some(mut tail) = self.tail.take() else { return };
        tail.finish(each);
        self.ledger.set_position(tail.file, tail.position());
        self.survey.trouble_is_over(&tail.path);
        if tail.packed {
            self.ledger.set_finished(tail.file);
        }
    }

    fn open_next(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> bool {
        for _ in 0..OPEN_TRIES {
            let Some(listing) = self.list(now, each) else { return false };
            match self.ledger.begin(&listing, each) {
                Beginning::NotYet => return false,
                Beginning::AtTheEnd => self.survey.forgive(),
                Beginning::Made => {}
            }
            self.ledger.tell_nameless(&listing, each);
            let Some((entry, file)) = self.ledger.choose(&listing, None) else { return false };
            let at = self.ledger.position(file);
            match Tail::open(&entry.member, file, at, self.limits) {
                Ok(tail) => {
                    if tail.position() < at {
                        let (to, detail) = (tail.position(), "the log is shorter than what was read of it");
                        self.ledger.set_position(file, to);
                        each(Item::Gap { file: Some(file), from: to, to, kind: GapKind::Truncated, detail });
                    }
                    self.ledger.take_up(entry, file, at);
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
        if own.member.is_live() && self.ledger.choose(&listing, Some(tail.file)).is_some_and(|(entry, _)| older(entry))
        {
            self.ledger.put_back(tail.file, tail.len(), tail.path.clone());
            self.tail = None;
        }
    }

    /// The set as it is now; tells what vanished unread since the last time. `None`: it cannot be listed.
    fn list(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Option<Vec<Entry>> {
        self.survey_due = Some(now + SURVEY_EVERY);
        let listing = self.survey.take(now, each)?;
        let held = self.tail.as_ref().map(|tail| tail.file);
        self.ledger.tell_vanished(&listing, held, each);
        Some(listing)
    }
}
