//! Reads given files once, for `replay`: each log in its rotated order, several logs merged by
//! stage time.
//!
//! Refuses to follow: what the files hold when they are reached is what is read.

pub use super::given::Notes;

use super::given::{self};
use super::lines::{Piece, What};
use super::opened::Open;
use super::tail::{Holes, remember};
use super::trail::Trail;
use super::{GapKind, Item, Limits, Positions, SourceError};
use crate::base::{Digest, Time};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashSet};
use std::io::{self};
use std::path::PathBuf;

/// Finds the stage time in a line. Called only when several logs are merged.
pub type TimeOf<'a> = &'a dyn Fn(&[u8]) -> Option<Time>;

/// Charged to the budget for what reads nothing, so that a step always ends.
const STEP_COST: u64 = 4 << 10;

/// How far a replay has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Bytes of the files passed, as they lie on the disk; standard input counts nothing.
    pub bytes: u64,
    /// Bytes of all files given.
    pub of_bytes: u64,
    /// Everything has been handed out.
    pub all: bool,
}

/// Logs whose files are open at once: more are read one after the other, though their times
/// overlap.
const OPEN_AT_MOST: usize = 256;
/// Beyond so many logs each is read in smaller pieces: every open one has a buffer.
const MANY: usize = 8;
const SMALL_CHUNK: usize = 32 << 10;

/// The logs of one replay.
pub struct Archive {
    logs: Vec<Log>,
    /// Logs with an item ready, by its time; ties go to the log named first.
    order: BinaryHeap<Reverse<(Time, usize)>>,
    /// Logs that are not open, by the time of their first event.
    waiting: BinaryHeap<Reverse<(Time, usize)>>,
    shared: Shared,
    passed: u64,
    of_bytes: u64,
}

pub(super) struct Shared {
    pub positions: Positions,
    pub limits: Limits,
    pub notes: Notes,
    /// Identities of the files of this replay: what comes through a pipe must not take one of them.
    pub given: HashSet<Digest>,
    pub fresh: BTreeSet<Digest>,
}

struct Log {
    files: given::Log,
    stdin: bool,
    open: Option<Box<Open>>,
    ready: Option<Ready>,
    holes: Holes,
    time: Time,
    passed: u64,
}

enum Ready {
    Piece(Piece),
    Broken {
        file: Option<Digest>,
        at: u64,
        detail: String,
    },
}

impl Archive {
    /// Whether these are several logs, and not one in several files.
    #[must_use]
    pub fn has_several(&self) -> bool {
        self.logs.len() > 1
    }

    /// Opens the logs named by `paths` (files, directories, `-`), to be read on from `positions`.
    ///
    /// # Errors
    /// A path that is missing, unreadable, known to be no log, or directories without logs: before
    /// anything is read.
    pub fn open(
        paths: &[PathBuf],
        positions: impl Into<Positions>,
        limits: Limits,
    ) -> Result<Archive, SourceError> {
        let (positions, mut notes) = (positions.into(), Notes::default());
        let logs: Vec<Log> = given::open(paths, &positions, &mut notes)?
            .into_iter()
            .map(Log::new)
            .collect();
        let of_bytes = logs
            .iter()
            .flat_map(|log| &log.files)
            .map(|given| given.len)
            .sum();
        let chunk = if logs.len() > MANY {
            limits.chunk.min(SMALL_CHUNK)
        } else {
            limits.chunk
        };
        let limits = Limits { chunk, ..limits };
        let begin = |log: &Log| log.files.front().map_or(Time::ZERO, |given| given.since);
        let waiting = logs
            .iter()
            .enumerate()
            .map(|(index, log)| Reverse((begin(log), index)))
            .collect();
        let given = logs
            .iter()
            .flat_map(|log| &log.files)
            .filter_map(|given| given.file)
            .collect();
        let shared = Shared {
            positions,
            limits,
            notes,
            given,
            fresh: BTreeSet::new(),
        };
        Ok(Archive {
            logs,
            order: BinaryHeap::new(),
            waiting,
            shared,
            passed: 0,
            of_bytes,
        })
    }

    /// Hands out items worth about `budget` uncompressed bytes. A file that breaks off is a gap,
    /// and the next one follows.
    pub fn read(
        &mut self,
        budget: u64,
        time_of: TimeOf<'_>,
        each: &mut dyn FnMut(Item<'_>),
    ) -> Done {
        let all = match self.logs.len() {
            0 => true,
            1 => self.read_one(budget, each),
            _ => self.merge(budget, time_of, each),
        };
        let open = self
            .order
            .iter()
            .map(|Reverse((_, index))| self.logs[*index].bytes());
        let bytes = if self.logs.len() == 1 {
            self.logs[0].bytes()
        } else {
            self.passed + open.sum::<u64>()
        };
        Done {
            bytes,
            of_bytes: self.of_bytes,
            all,
        }
    }

    /// What is to be said of the files; of those read so far, what reading them showed.
    #[must_use]
    pub fn notes(&self) -> &Notes {
        &self.shared.notes
    }

    /// What files are known by, as far as it changed since the last call: it is committed with the
    /// positions.
    pub fn take_trails(&mut self) -> Vec<(Digest, Trail)> {
        let open = self.logs.iter().filter_map(|log| log.open.as_deref());
        let mut trails: Vec<_> = open
            .filter_map(|open| Some((open.file?, open.trail.clone())))
            .collect();
        for file in std::mem::take(&mut self.shared.fresh) {
            trails.extend(
                self.shared
                    .positions
                    .trails
                    .remove(&file)
                    .map(|trail| (file, trail)),
            );
        }
        trails.retain(|(_, trail)| !trail.is_empty());
        trails
    }

    fn read_one(&mut self, budget: u64, each: &mut dyn FnMut(Item<'_>)) -> bool {
        let mut spent = 0;
        while spent < budget {
            if !self.logs[0].advance(&mut self.shared, each) {
                return true;
            }
            spent += self.logs[0].emit(each);
        }
        false
    }

    fn merge(&mut self, budget: u64, time_of: TimeOf<'_>, each: &mut dyn FnMut(Item<'_>)) -> bool {
        let mut spent = 0;
        while spent < budget {
            while let Some(Reverse((begin, index))) = self.waiting.peek().copied() {
                let is_due = self
                    .order
                    .peek()
                    .is_none_or(|Reverse(next)| (begin, index) <= *next);
                if !is_due || self.order.len() >= OPEN_AT_MOST {
                    break;
                }
                self.waiting.pop();
                spent += STEP_COST;
                self.make_ready(index, time_of, each);
            }
            let Some(Reverse((_, index))) = self.order.pop() else {
                return self.waiting.is_empty();
            };
            spent += self.logs[index].emit(each);
            self.make_ready(index, time_of, each);
        }
        false
    }

    fn make_ready(&mut self, index: usize, time_of: TimeOf<'_>, each: &mut dyn FnMut(Item<'_>)) {
        let log = &mut self.logs[index];
        if log.advance(&mut self.shared, each) {
            log.time = log.line().and_then(time_of).unwrap_or(log.time);
            self.order.push(Reverse((log.time, index)));
        } else {
            self.passed += log.bytes();
        }
    }
}

impl Log {
    fn new(files: given::Log) -> Log {
        let stdin = files.is_empty();
        let holes = Holes::default();
        Log {
            files,
            stdin,
            open: None,
            ready: None,
            holes,
            time: Time::ZERO,
            passed: 0,
        }
    }

    fn bytes(&self) -> u64 {
        self.passed
            + self
                .open
                .as_ref()
                .map_or(0, |open| open.input.packed_position())
    }

    fn line(&self) -> Option<&[u8]> {
        match (&self.ready, &self.open) {
            (
                Some(Ready::Piece(Piece {
                    what: What::Line(line),
                    ..
                })),
                Some(open),
            ) => Some(open.lines.bytes(line)),
            _ => None,
        }
    }

    /// Hands out what is ready; its bytes.
    fn emit(&mut self, each: &mut dyn FnMut(Item<'_>)) -> u64 {
        match (self.ready.take(), &mut self.open) {
            (Some(Ready::Piece(piece)), Some(open)) => {
                remember(&mut open.trail, &open.lines, &piece);
                self.holes.hand_out(open.file, &open.lines, &piece, each);
                piece.to - piece.from
            }
            (Some(Ready::Broken { file, at, detail }), _) => {
                self.holes.tell(each);
                each(Item::Gap {
                    file,
                    from: at,
                    to: at,
                    kind: GapKind::Unreadable,
                    detail: &detail,
                });
                STEP_COST
            }
            _ => 0,
        }
    }

    /// Makes the next item ready. False: the log is at its end.
    fn advance(&mut self, shared: &mut Shared, each: &mut dyn FnMut(Item<'_>)) -> bool {
        loop {
            let Some(open) = &mut self.open else {
                match self.open_next(shared) {
                    Ok(true) => continue,
                    Ok(false) => return false,
                    Err(broken) => self.ready = Some(broken),
                }
                return true;
            };
            if let Some(piece) = open.lines.next_piece() {
                if open.accept(&piece) {
                    self.ready = Some(Ready::Piece(piece));
                    return true;
                }
                continue;
            }
            match open.lines.fill(&mut open.input) {
                Ok(1..) => {}
                Ok(0) => match open.last(shared) {
                    Some(piece) => {
                        self.ready = Some(Ready::Piece(piece));
                        return true;
                    }
                    None => self.close(shared, each),
                },
                Err(error) => {
                    let detail = format!("{}: {error}", open.path.display());
                    self.ready = Some(Ready::Broken {
                        file: open.file,
                        at: open.lines.position(),
                        detail,
                    });
                    self.close(shared, each);
                    return true;
                }
            }
        }
    }

    fn close(&mut self, shared: &mut Shared, each: &mut dyn FnMut(Item<'_>)) {
        self.holes.tell(each);
        let Some(open) = self.open.take() else { return };
        self.passed += open.len;
        if open.input.is_utf16() {
            Notes::push(|notes| &mut notes.utf16, &mut shared.notes, open.path);
        }
        if let Some(file) = open.file {
            shared.positions.trails.insert(file, open.trail);
            shared.fresh.insert(file);
        }
    }

    fn open_next(&mut self, shared: &mut Shared) -> Result<bool, Ready> {
        if std::mem::take(&mut self.stdin) {
            let broken = |error: io::Error| broken("standard input", &error);
            self.open = Some(Box::new(
                Open::stream(Box::new(io::stdin()), "-".into(), shared).map_err(broken)?,
            ));
            return Ok(true);
        }
        let Some(given) = self.files.pop_front() else {
            return Ok(false);
        };
        let name = given.path.display().to_string();
        match Open::member(given, shared).map_err(|error| broken(&name, &error))? {
            Ok(open) => self.open = Some(Box::new(open)),
            Err(len) => self.passed += len,
        }
        Ok(true)
    }
}

fn broken(name: &str, error: &io::Error) -> Ready {
    Ready::Broken {
        file: None,
        at: 0,
        detail: format!("{name}: {error}"),
    }
}
