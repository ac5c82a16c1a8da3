//! Follows one live log through rotation, truncation, deletion and our own restarts.
//!
//! Two questions are asked again and again: does the held descriptor give more, and, once it has
//! ended, which listed file is the oldest that is not consumed? Everything else follows from
//! identities.
//!
//! Refuses to wait, to read the clock, and to commit: it only says what was read.

use super::first;
use super::ledger::{Beginning, Ledger};
use super::naming::{Naming, Others};
use super::shared::Shared;
use super::survey::{Entry, Survey};
use super::tail::{NotOpened, Tail, Turn};
use super::trail::Trail;
use super::{GapKind, Item, Limits, Positions};
use crate::base::Digest;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// While nothing calls for a listing, the directory is still listed this often.
const SURVEY_EVERY: Duration = Duration::from_secs(10);
/// Charged to the budget for each step that reads nothing, so that a poll always ends.
const STEP_COST: u64 = 4 << 10;
/// Listings until the chosen file is still what was listed when it is opened.
const OPEN_TRIES: usize = 8;

/// A first line takes no longer to be written.
const NAMELESS: Duration = Duration::from_secs(60);
/// Files that were looked for which are remembered.
const SOUGHT_AT_MOST: usize = 1024;

const REMOVED: &str = "the log was removed while the API server writes to it: its lines are read as long as this process \
runs, and no restart finds them again; restart the API server, so that it makes a new file";
const SHORTER: &str = "the log is shorter than what was read of it";
const PUT_BACK: &str =
    "the log was put back to an earlier state: it is read on from where it differs";

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
    /// There are bytes, and none of them ends a line; `stuck`: for longer than a write takes, or
    /// too many for a line.
    NoLine { stuck: bool },
    /// Another follower reads the same log under this path.
    ReadAs(PathBuf),
}

/// One live log.
pub struct Follower {
    path: PathBuf,
    limits: Limits,
    ledger: Ledger,
    survey: Survey,
    naming: Naming,
    shared: Shared,
    me: u32,
    /// Since when the active file has had bytes and no line, and whether that was told.
    nameless: Option<(Instant, bool)>,
    /// The path under which another follower reads the active file.
    twin: Option<PathBuf>,
    /// Files that were looked for everywhere.
    sought: Vec<Digest>,
    survey_due: Option<Instant>,
    tail: Option<Tail>,
}

enum Step {
    Read(u64),
    Again,
    Idle,
}

impl Follower {
    /// A follower of the log whose active file is `path`, which need not exist. Touches nothing
    /// yet.
    #[must_use]
    pub fn open(
        path: &Path,
        start: Start,
        positions: impl Into<Positions>,
        limits: Limits,
    ) -> Follower {
        Follower::beside(&Shared::default(), path, start, positions, limits)
    }

    /// As [`Follower::open`], beside the followers of other logs: a log that is named twice is read
    /// by one of them.
    #[must_use]
    pub fn beside(
        shared: &Shared,
        path: &Path,
        start: Start,
        positions: impl Into<Positions>,
        limits: Limits,
    ) -> Follower {
        Follower {
            path: path.to_owned(),
            limits,
            ledger: Ledger::new(start, positions.into()),
            survey: Survey::of(path),
            naming: Naming::default(),
            me: shared.join(),
            nameless: None,
            twin: None,
            sought: Vec::new(),
            shared: shared.clone(),
            survey_due: None,
            tail: None,
        }
    }

    /// The active file, as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode of the file that is held open.
    #[must_use]
    pub fn held(&self) -> Option<(u64, u64)> {
        self.tail
            .as_ref()
            .map(|tail| (tail.stamp.dev, tail.stamp.ino))
    }

    /// What files are known by, as far as it changed since the last call: it is committed with the
    /// positions.
    pub fn take_trails(&mut self) -> Vec<(Digest, Trail)> {
        self.ledger.take_trails()
    }

    /// Reads about `budget` bytes (at most one chunk more; opening a file costs 4 KiB of it) and
    /// hands out each item in order. Never fails: what cannot be read is a gap, told once and tried
    /// again. `now` must not go back; it decides only when to list the directory and when to try
    /// again.
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
        let nameless = if self.tail.is_some() {
            None
        } else {
            self.survey.nameless()
        };
        let stuck = self.is_stuck(nameless, now, each);
        let bytes_behind = self.ledger.behind()
            + self
                .tail
                .as_ref()
                .map_or(nameless.unwrap_or(0), Tail::bytes_behind);
        let reading = self.tail.as_ref().map(|tail| tail.path.clone());
        let absence = match (&self.tail, &self.twin, nameless) {
            (Some(_), ..) => None,
            (None, Some(twin), _) => Some(Absence::ReadAs(twin.clone())),
            (None, None, Some(_)) => Some(Absence::NoLine { stuck }),
            (None, None, None) => self.survey.absence(),
        };
        Progress {
            read_bytes,
            caught_up,
            bytes_behind,
            reading,
            absence,
        }
    }

    /// Tells once of bytes without a first line that nobody is about to complete.
    fn is_stuck(
        &mut self,
        nameless: Option<u64>,
        now: Instant,
        each: &mut dyn FnMut(Item<'_>),
    ) -> bool {
        let Some(bytes) = nameless else {
            self.nameless = None;
            return false;
        };
        let (since, told) = self.nameless.get_or_insert((now, false));
        let stuck = bytes > self.limits.max_line as u64 || now.duration_since(*since) >= NAMELESS;
        if stuck && !std::mem::replace(told, true) {
            let detail = format!(
                "{}: {bytes} bytes, and not one of them ends a line",
                self.path.display()
            );
            each(Item::Gap {
                file: None,
                from: 0,
                to: bytes,
                kind: GapKind::Unreadable,
                detail: &detail,
            });
        }
        stuck
    }

    fn step(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Step {
        let Some(tail) = &mut self.tail else {
            return if self.open_next(now, each) {
                Step::Again
            } else {
                Step::Idle
            };
        };
        if let Some(position) = self.shared.advance(
            self.me,
            tail.file,
            tail.position(),
            self.ledger.trail_mut(tail.file),
        ) {
            // Its copy under another name is longer, and was read there.
            self.ledger.set_position(tail.file, position);
            self.tail = None;
            return Step::Again;
        }
        let turn = tail.turn(self.ledger.trail_mut(tail.file), each);
        self.ledger.set_position(tail.file, tail.position());
        self.shared.advance(
            self.me,
            tail.file,
            tail.position(),
            self.ledger.trail_mut(tail.file),
        );
        match turn {
            Turn::Read(bytes) => {
                if tail.detached && !tail.told_removed && tail.is_removed() && !self.path.exists() {
                    tail.told_removed = true;
                    let (file, to) = (Some(tail.file), tail.position());
                    each(Item::Gap {
                        file,
                        from: to,
                        to,
                        kind: GapKind::Removed,
                        detail: REMOVED,
                    });
                }
                Step::Read(bytes)
            }
            Turn::End => self.at_end(now, each),
            Turn::Cut => {
                let (file, at) = (tail.file, tail.position());
                self.tail = None;
                let detail = "the log was cut in place";
                each(Item::Gap {
                    file: Some(file),
                    from: at,
                    to: at,
                    kind: GapKind::Truncated,
                    detail,
                });
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
        let Some(tail) = &mut self.tail else {
            return Step::Again;
        };
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
        let Some(listing) = self.list(now, each) else {
            return Step::Idle;
        };
        if listing
            .iter()
            .any(|entry| entry.file == Some(file) && entry.member.is_live())
        {
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
        let Some(mut tail) = self.tail.take() else {
            return;
        };
        tail.finish(self.ledger.trail_mut(tail.file), each);
        self.ledger.set_position(tail.file, tail.position());
        self.shared.advance(
            self.me,
            tail.file,
            tail.position(),
            self.ledger.trail_mut(tail.file),
        );
        self.survey.trouble_is_over(&tail.path);
        if tail.packed {
            self.ledger.set_finished(tail.file);
        }
    }

    fn open_next(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> bool {
        for _ in 0..OPEN_TRIES {
            let Some(listing) = self.list(now, each) else {
                return false;
            };
            match self.ledger.begin(&listing, each) {
                Beginning::NotYet => return false,
                Beginning::AtTheEnd => self.survey.forgive(),
                Beginning::Made => {}
            }
            self.ledger.tell_nameless(&listing, each);
            let Some((entry, file)) = self.ledger.choose(&listing, None) else {
                return false;
            };
            let place = (&*entry.member.path, entry.member.stamp);
            if let Some((position, trail)) =
                self.shared
                    .take(self.me, file, place, self.ledger.position(file))
            {
                self.ledger.take_over(file, position, trail);
            }
            let at = self.ledger.position(file);
            match Tail::open(entry, file, at, self.ledger.trail_mut(file), self.limits) {
                Ok(tail) => {
                    if tail.position() < at {
                        let shorter = tail.len() < at;
                        let (to, detail) =
                            (tail.position(), if shorter { SHORTER } else { PUT_BACK });
                        self.ledger.set_position(file, to);
                        self.ledger.trail_mut(file).cut(to);
                        each(Item::Gap {
                            file: Some(file),
                            from: to,
                            to,
                            kind: GapKind::Truncated,
                            detail,
                        });
                    }
                    self.ledger.take_up(entry, file, at);
                    self.tail = Some(tail);
                    return true;
                }
                Err(NotOpened::Moved) => {}
                Err(NotOpened::Failed(error)) => {
                    let (path, stamp) = (&entry.member.path, Some(entry.member.stamp));
                    self.survey
                        .trouble(path, stamp, &error, Some((file, at)), now, each);
                }
            }
        }
        false
    }

    /// A file that is older than the one being followed may have become readable, or have been
    /// written to.
    fn look_again(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) {
        let Some(listing) = self.list(now, each) else {
            return;
        };
        let Some(tail) = self
            .tail
            .as_ref()
            .filter(|tail| tail.live && !tail.detached)
        else {
            return;
        };
        let Some(own) = listing.iter().find(|entry| entry.file == Some(tail.file)) else {
            return;
        };
        // Listings are in order, oldest first.
        let older = |entry: &Entry| std::ptr::from_ref(entry) < std::ptr::from_ref(own);
        if own.member.is_live()
            && self
                .ledger
                .choose(&listing, Some(tail.file))
                .is_some_and(|(entry, _)| older(entry))
        {
            self.ledger
                .put_back(tail.file, tail.len(), tail.path.clone());
            self.tail = None;
        }
    }

    fn named(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Option<Vec<Entry>> {
        let listing = self.survey.take(now, each)?;
        let others = Others {
            shared: &self.shared,
            me: self.me,
        };
        Some(self.naming.name(listing, &self.ledger, &others))
    }

    /// Looks for files under names that are not known. True: one is found, and those like it are
    /// listed from now on.
    fn search(&mut self, missing: &[Digest]) -> bool {
        if self.sought.len() >= SOUGHT_AT_MOST {
            self.sought.clear();
        }
        self.sought.extend(missing);
        let others = Others {
            shared: &self.shared,
            me: self.me,
        };
        let around = self
            .naming
            .name(self.survey.neighbours(), &self.ledger, &others);
        let mut found = false;
        for entry in around
            .iter()
            .filter(|entry| entry.file.is_some_and(|file| missing.contains(&file)))
        {
            self.survey.learn(&entry.member.path);
            self.sought.retain(|file| entry.file != Some(*file));
            found = true;
        }
        found
    }

    /// The set as it is now; tells what vanished unread since the last time. `None`: it cannot be
    /// listed.
    fn list(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Option<Vec<Entry>> {
        self.survey_due = Some(now + SURVEY_EVERY);
        let mut listing = self.named(now, each)?;
        let held = self
            .tail
            .as_ref()
            .filter(|tail| tail.detached || !tail.live)
            .map(|tail| tail.file);
        let missing = self.ledger.missing(&listing, held);
        if missing.iter().any(|file| !self.sought.contains(file)) && self.search(&missing) {
            listing = self.named(now, each)?;
        }
        let held = self.tail.as_ref().map(|tail| tail.file);
        self.ledger.tell_vanished(&listing, held, each);
        let active = listing.iter().find(|entry| entry.member.is_live());
        self.twin = active.and_then(|entry| entry.twin.clone());
        Some(listing)
    }
}
