//! One file of a log, held open and read to its end, whatever happens to its name meanwhile.
//!
//! Refuses to decide what comes next: that is the follower's.

use super::first::{self, Stamp};
use super::input::{Input, Packing};
use super::lines::{Lines, Piece, What};
use super::rotated::Member;
use super::{GapKind, Item, Limits};
use crate::base::Digest;
use crate::base::text::counted;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of the first line that are compared at every read, to see a cut in place at once.
const HEAD: u64 = 16 << 10;

pub(super) struct Tail {
    pub path: PathBuf,
    pub file: Digest,
    /// It had the active name when opened, so it may still grow.
    pub live: bool,
    /// Its name went to another file, or away: what it holds now is all that it will.
    pub detached: bool,
    pub packed: bool,
    fd: File,
    stamp: Stamp,
    head: Vec<u8>,
    input: Input,
    lines: Lines,
}

/// What one read brought.
pub(super) enum Turn {
    Read(u64),
    /// Nothing more, for now or for ever.
    End,
    /// The content was cut in place under our hands.
    Cut,
    Broken(io::Error),
}

/// Why a listed file was not opened.
pub(super) enum NotOpened {
    /// It is not what was listed any more: list again.
    Moved,
    Failed(io::Error),
}

impl From<io::Error> for NotOpened {
    fn from(error: io::Error) -> NotOpened {
        if super::rotated::is_absent(&error) { NotOpened::Moved } else { NotOpened::Failed(error) }
    }
}

impl Tail {
    /// Opens a listed file that is known as `file`, to be read on from its offset `at`; a live one that has
    /// become shorter, from the end of its last complete line.
    pub fn open(member: &Member, file: Digest, at: u64, limits: Limits) -> Result<Tail, NotOpened> {
        let fd = File::open(&member.path)?;
        let stamp = Stamp::of(&fd.metadata()?);
        let Some((digest, line_end)) = first::of_file(&fd, !member.is_live())? else {
            return Err(NotOpened::Moved);
        };
        if !stamp.same_inode(&member.stamp) || digest != file {
            return Err(NotOpened::Moved);
        }
        let packed = Packing::of_file(&fd)? != Packing::Plain;
        let shrunk = member.is_live() && !packed && at > stamp.len;
        let at = if shrunk { first::last_line_end(&fd, stamp.len)? } else { at };
        let mut input = Input::of_file(fd.try_clone()?)?;
        let lines = match &mut input {
            Input::Plain(plain) => {
                plain.seek(SeekFrom::Start(at))?;
                Lines::new(limits, at)
            }
            _ => Lines::skipping_to(limits, at),
        };
        let mut head = vec![0; if packed { 0 } else { line_end.min(HEAD) as usize }];
        fd.read_exact_at(&mut head, 0)?;
        let (path, live) = (member.path.clone(), member.is_live() && !packed);
        Ok(Tail { path, file, live, detached: false, packed, fd, stamp, head, input, lines })
    }

    /// Everything before this offset has been handed out.
    pub fn position(&self) -> u64 {
        self.lines.position()
    }

    /// Reads once and hands out what became complete.
    pub fn turn(&mut self, each: &mut dyn FnMut(Item<'_>)) -> Turn {
        let read = match self.lines.fill(&mut self.input) {
            Ok(read) => read,
            Err(error) => return Turn::Broken(error),
        };
        // After the read, so that nothing is handed out of a buffer that mixes old content and new.
        if self.live && self.is_cut() {
            return Turn::Cut;
        }
        while let Some(piece) = self.lines.next_piece() {
            hand_out(Some(self.file), &self.lines, &piece, each);
        }
        if read == 0 { Turn::End } else { Turn::Read(read as u64) }
    }

    /// The file is over: what is left without an end will not get one.
    pub fn finish(&mut self, each: &mut dyn FnMut(Item<'_>)) {
        if let Some(piece) = self.lines.finish() {
            hand_out(Some(self.file), &self.lines, &piece, each);
        }
    }

    /// Shorter than what was read of it, or beginning with another line.
    fn is_cut(&self) -> bool {
        let mut now = vec![0; self.head.len()];
        let same = self.fd.read_exact_at(&mut now, 0).is_ok() && now == self.head;
        !same || self.len() < self.lines.read_to()
    }

    /// Bytes of the file as it lies on the disk.
    pub fn len(&self) -> u64 {
        self.fd.metadata().map_or(0, |meta| meta.len())
    }

    /// Does `path` name another file than this one, or none?
    pub fn lost_name(&self, path: &Path) -> bool {
        Stamp::at(path).map_or(true, |now| !now.same_inode(&self.stamp))
    }

    /// Bytes left to read; of a packed file, as they lie on the disk.
    pub fn bytes_behind(&self) -> u64 {
        let done = if self.packed { self.input.packed_position() } else { self.position() };
        self.len().saturating_sub(done)
    }
}

/// Turns a piece of a file into the item the caller sees. Lines of a file without a name are not handed out.
pub(super) fn hand_out(file: Option<Digest>, lines: &Lines, piece: &Piece, each: &mut dyn FnMut(Item<'_>)) {
    let (from, to) = (piece.from, piece.to);
    let gap = |kind, detail: &str, each: &mut dyn FnMut(Item<'_>)| {
        each(Item::Gap { file, from, to, kind, detail });
    };
    match (&piece.what, file) {
        (What::Line(line), Some(file)) => each(Item::Line { file, from, to, bytes: lines.bytes(line) }),
        (What::TooLong(digest), Some(file)) => each(Item::TooLong { file, from, to, digest: *digest }),
        (What::Line(_) | What::TooLong(_), None) => {}
        (What::Nul, _) => gap(GapKind::Nul, &counted(to - from, "NUL byte"), each),
        (What::Torn(digest), _) => {
            gap(GapKind::Torn, &format!("{} bytes of a line without an end, digest {digest}", to - from), each);
        }
    }
}
