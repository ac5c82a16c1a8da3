//! One file or stream of an archive while it is read.
//!
//! Refuses to read again what was committed.

use super::archive::Shared;
use super::first;
use super::given::{Given, Notes};
use super::input::{Input, Packing};
use super::lines::{Lines, Piece, What};
use super::trail::{ALIKE, Trail, alike};
use crate::base::Digest;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

pub(super) struct Open {
    pub path: PathBuf,
    pub live: bool,
    pub input: Input,
    pub lines: Lines,
    pub file: Option<Digest>,
    pub trail: Trail,
    /// Pieces up to here are consumed; only of a stream, which cannot be sought.
    pub consumed: u64,
    pub len: u64,
}

impl Open {
    /// Opens a file; `Err(len)` if it is consumed.
    pub fn member(given: Given, shared: &mut Shared) -> io::Result<Result<Open, u64>> {
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
    pub fn stream(
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
    pub fn accept(&self, piece: &Piece) -> bool {
        piece.to > self.consumed
    }

    /// The unfinished last line, if it is to be read.
    pub fn last(&mut self, shared: &mut Shared) -> Option<Piece> {
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
