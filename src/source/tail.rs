//! One file of a log, held open and read to its end, whatever happens to its name meanwhile.
//!
//! Refuses to decide what comes next: that is the follower's.

use super::first::{self, Head, Stamp};
use super::input::{Input, Packing};
use super::lines::{Lines, Piece, What};
use super::survey::Entry;
use super::trail::{Trail, Verdict};
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
    /// It was told that nothing names the file any more.
    pub told_removed: bool,
    pub packed: bool,
    /// As it was when it was opened.
    pub stamp: Stamp,
    fd: File,
    head: Vec<u8>,
    input: Input,
    lines: Lines,
    holes: Holes,
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
        if super::rotated::is_absent(&error) {
            NotOpened::Moved
        } else {
            NotOpened::Failed(error)
        }
    }
}

impl Tail {
    /// Opens a listed file, to be read on from its offset `at`; a live one that has become shorter,
    /// or was put back to an earlier state, from where it leaves what was read.
    pub fn open(
        entry: &Entry,
        file: Digest,
        at: u64,
        trail: &Trail,
        limits: Limits,
    ) -> Result<Tail, NotOpened> {
        let member = &entry.member;
        let fd = File::open(&member.path)?;
        let stamp = Stamp::of(&fd.metadata()?);
        let Some(head) = first::of_file(&fd, !member.is_live())? else {
            return Err(NotOpened::Moved);
        };
        let is_known = |before: Head| (before.file, before.early).eq(&(head.file, head.early));
        // A banner may have got its first event since it was listed.
        let is_early = |before: Head| head.early == Some(before.file);
        if !stamp.same_inode(&member.stamp)
            || !entry
                .head
                .is_some_and(|before| is_known(before) || is_early(before))
        {
            return Err(NotOpened::Moved);
        }
        let packed = Packing::of_file(&fd)? != Packing::Plain;
        let at = if member.is_live() && !packed {
            begin(&fd, stamp.len, at, trail)?
        } else {
            at
        };
        let mut input = Input::of_file(fd.try_clone()?)?;
        let lines = match input.as_plain() {
            Some(plain) => {
                plain.seek(SeekFrom::Start(at))?;
                Lines::new(limits, at)
            }
            None => Lines::skipping_to(limits, at),
        };
        let mut bytes = vec![
            0;
            if packed {
                0
            } else {
                head.end.min(HEAD) as usize
            }
        ];
        fd.read_exact_at(&mut bytes, 0)?;
        let (path, live) = (member.path.clone(), member.is_live() && !packed);
        Ok(Tail {
            path,
            file,
            live,
            detached: false,
            told_removed: false,
            packed,
            fd,
            stamp,
            head: bytes,
            input,
            lines,
            holes: Holes::default(),
        })
    }

    /// Everything before this offset has been handed out.
    pub fn position(&self) -> u64 {
        // A hole is handed out when it has ended, however its bytes arrive.
        self.holes
            .open
            .as_ref()
            .map_or(self.lines.position(), |hole| hole.from)
    }

    /// Reads once and hands out what became complete.
    pub fn turn(&mut self, trail: &mut Trail, each: &mut dyn FnMut(Item<'_>)) -> Turn {
        let read = match self.lines.fill(&mut self.input) {
            Ok(read) => read,
            Err(error) => return Turn::Broken(error),
        };
        // After the read, so that nothing is handed out of a buffer that mixes old content and new.
        if self.live && (self.is_cut() || !trail.last_holds(&self.fd)) {
            return Turn::Cut;
        }
        while let Some(piece) = self.lines.next_piece() {
            remember(trail, &self.lines, &piece);
            self.holes
                .hand_out(Some(self.file), &self.lines, &piece, each);
        }
        if read == 0 {
            Turn::End
        } else {
            Turn::Read(read as u64)
        }
    }

    /// The file is over: what is left without an end will not get one.
    pub fn finish(&mut self, trail: &mut Trail, each: &mut dyn FnMut(Item<'_>)) {
        if let Some(piece) = self.lines.finish() {
            remember(trail, &self.lines, &piece);
            self.holes
                .hand_out(Some(self.file), &self.lines, &piece, each);
        }
        self.holes.tell(each);
    }

    /// Nothing on the disk names it any more.
    pub fn is_removed(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.fd.metadata().is_ok_and(|meta| meta.nlink() == 0)
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
        let done = if self.packed {
            self.input.packed_position()
        } else {
            self.position()
        };
        self.len().saturating_sub(done)
    }
}

/// Where to read on in a live file of which `at` bytes were read.
fn begin(fd: &File, len: u64, at: u64, trail: &Trail) -> io::Result<u64> {
    match trail.judge(fd) {
        Verdict::Leaves(leaves) => Ok(leaves.min(at)),
        Verdict::Same if at > len => first::last_line_end(fd, len),
        Verdict::Same => Ok(at),
    }
}

/// Keeps what a line is known by.
pub(super) fn remember(trail: &mut Trail, lines: &Lines, piece: &Piece) {
    if let What::Line(line) = &piece.what {
        trail.push(piece.from + line.len() as u64, lines.bytes(line));
    }
}

/// Turns pieces of a file into the items the caller sees. Holes side by side are one: garbage with
/// NUL bytes in it falls into as many pieces as it has bytes. Lines of a file without a name are
/// not handed out.
#[derive(Default)]
pub(super) struct Holes {
    open: Option<Hole>,
}

struct Hole {
    file: Option<Digest>,
    from: u64,
    to: u64,
    nuls: u64,
    /// The digest of the only torn line in it.
    digest: Option<Digest>,
    torn: u64,
}

impl Holes {
    pub fn hand_out(
        &mut self,
        file: Option<Digest>,
        lines: &Lines,
        piece: &Piece,
        each: &mut dyn FnMut(Item<'_>),
    ) {
        let (from, to) = (piece.from, piece.to);
        if let What::Nul | What::Torn(_) = piece.what {
            if self
                .open
                .as_ref()
                .is_some_and(|hole| hole.to != from || hole.file != file)
            {
                self.tell(each);
            }
            let hole = self.open.get_or_insert(Hole {
                file,
                from,
                to,
                nuls: 0,
                digest: None,
                torn: 0,
            });
            hole.to = to;
            match piece.what {
                What::Torn(digest) => (hole.torn, hole.digest) = (hole.torn + 1, Some(digest)),
                _ => hole.nuls += to - from,
            }
            return;
        }
        self.tell(each);
        match (&piece.what, file) {
            (What::Line(line), Some(file)) => each(Item::Line {
                file,
                from,
                to,
                bytes: lines.bytes(line),
            }),
            (What::TooLong(digest), Some(file)) => each(Item::TooLong {
                file,
                from,
                to,
                digest: *digest,
            }),
            _ => {}
        }
    }

    /// Hands out the hole that is open.
    pub fn tell(&mut self, each: &mut dyn FnMut(Item<'_>)) {
        let Some(Hole {
            file,
            from,
            to,
            nuls,
            digest,
            torn,
        }) = self.open.take()
        else {
            return;
        };
        let (kind, detail) = match (torn, digest) {
            (1, Some(digest)) if nuls == 0 => (
                GapKind::Torn,
                format!(
                    "{} bytes of a line without an end, digest {digest}",
                    to - from
                ),
            ),
            (0, _) => (GapKind::Nul, counted(nuls, "NUL byte")),
            (1, _) => (
                GapKind::Torn,
                format!(
                    "{} bytes of a line without an end, among {}",
                    to - from - nuls,
                    counted(nuls, "NUL byte")
                ),
            ),
            _ => (
                GapKind::Torn,
                format!("{} bytes that are no lines, {nuls} of them NUL", to - from),
            ),
        };
        each(Item::Gap {
            file,
            from,
            to,
            kind,
            detail: &detail,
        });
    }
}
