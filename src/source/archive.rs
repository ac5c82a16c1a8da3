//! Reads given files once, for `replay`: each log in its rotated order, several logs merged by stage time.
//!
//! Refuses to follow: what the files hold when they are reached is what is read.

use super::first::{self, LineHasher};
use super::input::{Input, Packing};
use super::lines::{Lines, Piece, What};
use super::rotated::{self, Member};
use super::tail::hand_out;
use super::{GapKind, Item, Limits, Positions, SourceError};
use crate::base::{Digest, Time};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

/// Finds the stage time in a line. Called only when several logs are merged.
pub type TimeOf<'a> = &'a dyn Fn(&[u8]) -> Option<Time>;

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

/// The logs of one replay.
pub struct Archive {
    logs: Vec<Log>,
    /// Logs with an item ready, by its time; ties go to the log named first.
    order: BinaryHeap<Reverse<(Time, usize)>>,
    begun: bool,
    shared: Shared,
    of_bytes: u64,
}

struct Shared {
    positions: HashMap<Digest, u64>,
    limits: Limits,
    unfinished: Vec<(PathBuf, u64)>,
}

struct Log {
    files: VecDeque<Member>,
    stdin: bool,
    open: Option<Open>,
    ready: Option<Ready>,
    time: Time,
    passed: u64,
}

struct Open {
    path: PathBuf,
    live: bool,
    input: Input,
    lines: Lines,
    file: Option<Digest>,
    /// Pieces up to here are consumed; only of a stream, which cannot be sought.
    consumed: u64,
    len: u64,
}

enum Ready {
    Piece(Piece),
    Broken { file: Option<Digest>, at: u64, detail: String },
}

impl Archive {
    /// Opens the logs named by `paths` (files, directories, `-`), to be read on from `positions`.
    ///
    /// # Errors
    /// A path that is missing, unreadable, or a directory without logs: before anything is read.
    pub fn open(paths: &[PathBuf], positions: impl Into<Positions>, limits: Limits) -> Result<Archive, SourceError> {
        let logs: Vec<Log> = rotated::group(paths)?.into_iter().map(Log::new).collect();
        for member in logs.iter().flat_map(|log| &log.files).filter(|member| member.path.is_file()) {
            let path = &member.path;
            File::open(path).map_err(|error| SourceError::Unreadable { path: path.clone(), error })?;
        }
        let of_bytes = logs.iter().flat_map(|log| &log.files).map(|member| member.stamp.len).sum();
        let positions = positions.into().offsets;
        let shared = Shared { positions, limits, unfinished: Vec::new() };
        Ok(Archive { logs, order: BinaryHeap::new(), begun: false, shared, of_bytes })
    }

    /// Hands out items worth about `budget` uncompressed bytes. A file that breaks off is a gap, and the
    /// next one follows.
    pub fn read(&mut self, budget: u64, time_of: TimeOf<'_>, each: &mut dyn FnMut(Item<'_>)) -> Done {
        let all = match self.logs.len() {
            0 => true,
            1 => self.read_one(budget, each),
            _ => self.merge(budget, time_of, each),
        };
        Done { bytes: self.logs.iter().map(Log::bytes).sum(), of_bytes: self.of_bytes, all }
    }

    /// Files under their active name whose last line has no end yet, with its bytes. They stay unread:
    /// the writer may complete them, and `run` reads on from there.
    #[must_use]
    pub fn unfinished(&self) -> &[(PathBuf, u64)] {
        &self.shared.unfinished
    }

    fn read_one(&mut self, budget: u64, each: &mut dyn FnMut(Item<'_>)) -> bool {
        let mut spent = 0;
        while spent < budget {
            if !self.logs[0].advance(&mut self.shared) {
                return true;
            }
            spent += self.logs[0].emit(each);
        }
        false
    }

    fn merge(&mut self, budget: u64, time_of: TimeOf<'_>, each: &mut dyn FnMut(Item<'_>)) -> bool {
        if !self.begun {
            self.begun = true;
            (0..self.logs.len()).for_each(|index| self.make_ready(index, time_of));
        }
        let mut spent = 0;
        while spent < budget {
            let Some(Reverse((_, index))) = self.order.pop() else { return true };
            spent += self.logs[index].emit(each);
            self.make_ready(index, time_of);
        }
        false
    }

    fn make_ready(&mut self, index: usize, time_of: TimeOf<'_>) {
        let log = &mut self.logs[index];
        if log.advance(&mut self.shared) {
            log.time = log.line().and_then(time_of).unwrap_or(log.time);
            self.order.push(Reverse((log.time, index)));
        }
    }
}

impl Log {
    fn new(log: rotated::Log) -> Log {
        let stdin = log.members.is_empty();
        Log { files: log.members.into(), stdin, open: None, ready: None, time: Time::ZERO, passed: 0 }
    }

    fn bytes(&self) -> u64 {
        self.passed + self.open.as_ref().map_or(0, |open| open.input.packed_position())
    }

    fn line(&self) -> Option<&[u8]> {
        match (&self.ready, &self.open) {
            (Some(Ready::Piece(Piece { what: What::Line(line), .. })), Some(open)) => Some(open.lines.bytes(line)),
            _ => None,
        }
    }

    /// Hands out what is ready; its bytes.
    fn emit(&mut self, each: &mut dyn FnMut(Item<'_>)) -> u64 {
        match (self.ready.take(), &self.open) {
            (Some(Ready::Piece(piece)), Some(open)) => {
                hand_out(open.file, &open.lines, &piece, each);
                piece.to - piece.from
            }
            (Some(Ready::Broken { file, at, detail }), _) => {
                each(Item::Gap { file, from: at, to: at, kind: GapKind::Unreadable, detail: &detail });
                0
            }
            _ => 0,
        }
    }

    /// Makes the next item ready. False: the log is at its end.
    fn advance(&mut self, shared: &mut Shared) -> bool {
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
                if open.accept(&piece, shared) {
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
                    None => self.close(shared),
                },
                Err(error) => {
                    let detail = format!("{}: {error}", open.path.display());
                    self.ready = Some(Ready::Broken { file: open.file, at: open.lines.position(), detail });
                    self.close(shared);
                    return true;
                }
            }
        }
    }

    fn close(&mut self, shared: &mut Shared) {
        let Some(open) = self.open.take() else { return };
        self.passed += open.len;
        if let Some(file) = open.file {
            // The same file may be given again under another name.
            shared.positions.insert(file, open.lines.position().max(open.consumed));
        }
    }

    fn open_next(&mut self, shared: &Shared) -> Result<bool, Ready> {
        if std::mem::take(&mut self.stdin) {
            let broken = |error: io::Error| broken("standard input", &error);
            self.open = Some(Open::stream(Box::new(io::stdin()), "-".into(), shared).map_err(broken)?);
            return Ok(true);
        }
        let Some(member) = self.files.pop_front() else { return Ok(false) };
        let name = member.path.display().to_string();
        match Open::member(member, shared).map_err(|error| broken(&name, &error))? {
            Ok(open) => self.open = Some(open),
            Err(len) => self.passed += len,
        }
        Ok(true)
    }
}

fn broken(name: &str, error: &io::Error) -> Ready {
    Ready::Broken { file: None, at: 0, detail: format!("{name}: {error}") }
}

impl Open {
    /// Opens a file; `Err(len)` if it is consumed.
    fn member(member: Member, shared: &Shared) -> io::Result<Result<Open, u64>> {
        let fd = File::open(&member.path)?;
        let meta = fd.metadata()?;
        if !meta.is_file() {
            return Open::stream(Box::new(fd), member.path, shared).map(Ok);
        }
        let (len, packing, live) = (meta.len(), Packing::of_file(&fd)?, member.is_live());
        // A broken beginning is met again, and told, when the lines are read.
        let file = first::of_file(&fd, !live).ok().flatten().map(|(file, _)| file);
        let at = file.and_then(|file| shared.positions.get(&file).copied()).unwrap_or(0);
        let consumed = match packing {
            Packing::Plain => at >= len,
            Packing::Gzip => at > 0 && u64::from(first::gzip_length(&fd, len)?) == at & u64::from(u32::MAX),
            Packing::Zstd => false,
        };
        if consumed {
            return Ok(Err(len));
        }
        let mut input = Input::of_file(fd)?;
        let lines = match &mut input {
            Input::Plain(plain) => {
                plain.seek(SeekFrom::Start(at))?;
                Lines::new(shared.limits, at)
            }
            _ => Lines::skipping_to(shared.limits, at),
        };
        Ok(Ok(Open { path: member.path, live, input, lines, file, consumed: 0, len }))
    }

    fn stream(stream: Box<dyn io::Read + Send>, path: PathBuf, shared: &Shared) -> io::Result<Open> {
        let (input, lines) = (Input::of_stream(stream)?, Lines::new(shared.limits, 0));
        Ok(Open { path, live: false, input, lines, file: None, consumed: 0, len: 0 })
    }

    /// Is the piece to be handed out? The first line gives a file its name.
    fn accept(&mut self, piece: &Piece, shared: &Shared) -> bool {
        if self.file.is_none() {
            self.file = match &piece.what {
                What::Line(line) if line.is_empty() => None,
                What::Line(line) => Some(LineHasher::digest(self.lines.bytes(line))),
                What::TooLong(digest) => Some(*digest),
                What::Nul | What::Torn(_) => None,
            };
            self.consumed = self.file.and_then(|file| shared.positions.get(&file).copied()).unwrap_or(0);
        }
        piece.to > self.consumed
    }

    /// The unfinished last line, if it is to be read.
    fn last(&mut self, shared: &mut Shared) -> Option<Piece> {
        let at = self.lines.position();
        let piece = self.lines.finish()?;
        if self.live && !matches!(piece.what, What::Line(_)) {
            // What stays unread must not count as consumed when the file is closed.
            self.lines = Lines::new(shared.limits, at);
            shared.unfinished.push((self.path.clone(), piece.to - piece.from));
            return None;
        }
        self.accept(&piece, shared).then_some(piece)
    }
}
