//! Reads given files once, for `replay`: each log in its rotated order, several logs merged by
//! stage time.
//!
//! Refuses to follow: what the files hold when they are reached is what is read.

pub use super::given::Notes;

use super::first;
use super::given::{self, Given};
use super::input::{Input, Packing};
use super::lines::{Lines, Piece, What};
use super::tail::{Holes, remember};
use super::trail::{ALIKE, Trail, alike};
use super::{GapKind, Item, Limits, Positions, SourceError};
use crate::base::{Digest, Time};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashSet};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
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

struct Shared {
    positions: Positions,
    limits: Limits,
    notes: Notes,
    /// Identities of the files of this replay: what comes through a pipe must not take one of them.
    given: HashSet<Digest>,
    fresh: BTreeSet<Digest>,
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

struct Open {
    path: PathBuf,
    live: bool,
    input: Input,
    lines: Lines,
    file: Option<Digest>,
    trail: Trail,
    /// Pieces up to here are consumed; only of a stream, which cannot be sought.
    consumed: u64,
    len: u64,
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

impl Open {
    /// Opens a file; `Err(len)` if it is consumed.
    fn member(given: Given, shared: &mut Shared) -> io::Result<Result<Open, u64>> {
        let Given {
            path, live, file, ..
        } = given;
        let fd = File::open(&path)?;
        let meta = fd.metadata()?;
        if !meta.is_file() {
            return Open::stream(Box::new(fd), path, shared).map(Ok);
        }
        let (len, packing) = (meta.len(), Packing::of_file(&fd)?);
        let at = file
            .and_then(|file| shared.positions.offsets.get(&file).copied())
            .unwrap_or(0);
        let consumed = match packing {
            Packing::Plain => at >= len,
            Packing::Gzip => {
                at > 0 && u64::from(first::gzip_length(&fd, len)?) == at & u64::from(u32::MAX)
            }
            _ => false,
        };
        if consumed {
            return Ok(Err(len));
        }
        let trail = file
            .and_then(|file| shared.positions.trails.remove(&file))
            .unwrap_or_default();
        let mut input = Input::of_file(fd)?;
        let lines = match input.as_plain() {
            Some(plain) => {
                plain.seek(SeekFrom::Start(at))?;
                Lines::new(shared.limits, at)
            }
            None => Lines::skipping_to(shared.limits, at),
        };
        Ok(Ok(Open {
            path,
            live,
            input,
            lines,
            file,
            trail,
            consumed: 0,
            len,
        }))
    }

    /// Opens what cannot be sought. Its beginning is read for its name, and then again for its
    /// lines.
    fn stream(
        stream: Box<dyn io::Read + Send>,
        path: PathBuf,
        shared: &mut Shared,
    ) -> io::Result<Open> {
        let mut input = Input::of_stream(stream)?;
        let mut beginning = Vec::new();
        // What breaks off at once is told when the lines are read.
        let head = first::head(
            &mut Copied {
                input: &mut input,
                copy: &mut beginning,
            },
            true,
        )
        .ok()
        .flatten();
        input.put_back(beginning);
        let file = head.map(|head| {
            let names = (0..ALIKE).map(|nth| alike(head.file, nth));
            let is_free = |name: &Digest| !shared.given.contains(name);
            names.into_iter().find(is_free).unwrap_or(head.file)
        });
        shared.given.extend(file);
        let known = file.and_then(|file| shared.positions.offsets.get(&file).copied());
        let (lines, consumed) = (Lines::new(shared.limits, 0), known.unwrap_or(0));
        Ok(Open {
            path,
            live: false,
            input,
            lines,
            file,
            trail: Trail::default(),
            consumed,
            len: 0,
        })
    }

    /// Is the piece to be handed out?
    fn accept(&self, piece: &Piece) -> bool {
        piece.to > self.consumed
    }

    /// The unfinished last line, if it is to be read.
    fn last(&mut self, shared: &mut Shared) -> Option<Piece> {
        let at = self.lines.position();
        let piece = self.lines.finish()?;
        if self.live && !matches!(piece.what, What::Line(_)) {
            // What stays unread must not count as consumed when the file is closed.
            self.lines = Lines::new(shared.limits, at);
            let note = (self.path.clone(), piece.to - piece.from);
            Notes::push(|notes| &mut notes.unfinished, &mut shared.notes, note);
            return None;
        }
        self.accept(&piece).then_some(piece)
    }
}

/// Keeps what is read.
struct Copied<'a> {
    input: &'a mut Input,
    copy: &'a mut Vec<u8>,
}

impl io::Read for Copied<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buf)?;
        self.copy.extend_from_slice(&buf[..read]);
        Ok(read)
    }
}
