//! Which file is this? A file is its first audit event and what stands before it: the name, the
//! inode and the packing may all change. Files that begin alike and go on differently are told
//! apart by [`super::trail`].
//!
//! Refuses to trust the inode: it is reused, and only saves reading a first line again.

use super::Limits;
use super::input::Input;
use super::lines::{Lines, Piece, What};
use crate::base::{Digest, Time};
use crate::event::decode;
use memchr::memmem;
use sha2::{Digest as _, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// SHA-256 of a line that may arrive in parts, cut to 16 bytes. Plain, so that an operator can
/// check it: `head -n 1 audit.log | tr -d '\n' | sha256sum | cut -c 1-32`.
#[derive(Default)]
pub struct LineHasher(Sha256);

impl LineHasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[must_use]
    pub fn finish(self) -> Digest {
        let mut out = [0; 16];
        out.copy_from_slice(&self.0.finalize()[..16]);
        Digest(out)
    }

    #[must_use]
    pub fn digest(line: &[u8]) -> Digest {
        let mut hasher = LineHasher::default();
        hasher.update(line);
        hasher.finish()
    }
}

/// What stands in every audit event, and in no banner.
const EVENT: &[u8] = b"\"auditID\"";
/// Lines and bytes before the first event that count for the identity; a log without one is known
/// by its first line.
const BANNER_LINES: u32 = 64;
const BANNER_BYTES: u64 = 256 << 10;

/// How a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The identity: of the first audit event and what stands before it.
    pub file: Digest,
    /// The digest of the first line alone, if that is no event: the file's identity as long as no
    /// event followed it.
    pub early: Option<Digest>,
    /// The offset after the lines of the identity.
    pub end: u64,
    /// When its first event was, if it has one.
    pub since: Option<Time>,
}

/// How the input begins; blank lines do not count. `None`: it has no complete line yet. In a
/// `finished` file complete JSON without a line end is a line too; a torn line is not, for the
/// first bytes of all lines are alike.
///
/// # Errors
/// What reading the input says.
pub fn head(input: &mut dyn Read, finished: bool) -> io::Result<Option<Head>> {
    let mut lines = Lines::new(
        Limits {
            chunk: 16 << 10,
            ..Limits::default()
        },
        0,
    );
    let mut banner = Banner::default();
    loop {
        let read = lines.fill(input)?;
        while let Some(piece) = lines.next_piece() {
            if let Some(head) = banner.take(&lines, &piece) {
                return Ok(Some(head));
            }
        }
        if read == 0 {
            let tail = lines.finish().filter(|_| finished);
            let last = tail.filter(|tail| matches!(tail.what, What::Line(_)));
            return Ok(last
                .and_then(|last| banner.take(&lines, &last))
                .or_else(|| banner.early_head()));
        }
    }
}

/// The lines before the first event.
#[derive(Default)]
struct Banner {
    lines: u32,
    hasher: LineHasher,
    first: Option<(Digest, u64)>,
}

impl Banner {
    fn early_head(&self) -> Option<Head> {
        self.first.map(|(file, end)| Head {
            file,
            early: None,
            end,
            since: None,
        })
    }

    /// The head, once it is complete.
    fn take(&mut self, lines: &Lines, piece: &Piece) -> Option<Head> {
        let (bytes, digest) = match &piece.what {
            What::Line(line) if line.is_empty() => return None,
            What::Line(line) => (lines.bytes(line), None),
            What::TooLong(digest) => (&digest.0[..], Some(*digest)),
            What::Nul | What::Torn(_) => return None,
        };
        let early = self.first.map(|(file, _)| file);
        // What is too long to be looked into tells files apart as an event does.
        if digest.is_some() || memmem::find(bytes, EVENT).is_some() {
            let file = match (early, digest) {
                (None, Some(digest)) => digest,
                (None, None) => LineHasher::digest(bytes),
                (Some(_), _) => {
                    self.hasher.update(bytes);
                    std::mem::take(&mut self.hasher).finish()
                }
            };
            let since = if digest.is_none() {
                time_of(bytes)
            } else {
                None
            };
            return Some(Head {
                file,
                early,
                end: piece.to,
                since,
            });
        }
        self.first = self
            .first
            .or_else(|| Some((LineHasher::digest(bytes), piece.to)));
        self.hasher.update(bytes);
        self.hasher.update(b"\n");
        self.lines += 1;
        if self.lines >= BANNER_LINES || piece.to >= BANNER_BYTES {
            self.early_head()
        } else {
            None
        }
    }
}

/// The time of the first event in a line.
fn time_of(line: &[u8]) -> Option<Time> {
    let mut time = None;
    decode::line(line, &decode::Limits::default(), &mut |_, event| {
        time = time.or(event.ok().map(|event| event.time));
    });
    time
}

/// [`head`] of a file, whatever its packing; leaves the descriptor at its beginning.
pub(super) fn of_file(file: &File, finished: bool) -> io::Result<Option<Head>> {
    let mut seek = file;
    seek.seek(SeekFrom::Start(0))?;
    let first = head(&mut Input::of_file(file.try_clone()?)?, finished)?;
    seek.seek(SeekFrom::Start(0))?;
    Ok(first)
}

/// What tells that a path still names the same file with the same content, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    pub dev: u64,
    pub ino: u64,
    pub len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub fn of(meta: &Metadata) -> Stamp {
        Stamp {
            dev: meta.dev(),
            ino: meta.ino(),
            len: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    pub fn at(path: &Path) -> io::Result<Stamp> {
        std::fs::metadata(path).map(|meta| Stamp::of(&meta))
    }

    /// When its content last changed.
    pub fn modified(&self) -> Time {
        Time(
            self.modified
                .0
                .saturating_mul(1_000_000)
                .saturating_add(self.modified.1 / 1000),
        )
    }

    pub fn same_inode(&self, other: &Stamp) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }
}

/// The uncompressed length a gzip file claims, modulo 2^32: enough to pass over one already read.
pub(super) fn gzip_length(file: &File, len: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, len.saturating_sub(4))?;
    Ok(u32::from_le_bytes(bytes))
}

/// Whether a line ends at `from` or after it.
pub(super) fn has_line_end(file: &File, from: u64) -> io::Result<bool> {
    let (mut block, mut at) = (vec![0; 64 << 10], from);
    loop {
        let read = file.read_at(&mut block, at)?;
        if read == 0 || memchr::memchr(b'\n', &block[..read]).is_some() {
            return Ok(read > 0);
        }
        at += read as u64;
    }
}

/// The offset after the last complete line within the first `len` bytes.
pub(super) fn last_line_end(file: &File, len: u64) -> io::Result<u64> {
    let mut block = vec![0; 64 << 10];
    let mut end = len;
    while end > 0 {
        let from = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - from) as usize];
        file.read_exact_at(part, from)?;
        if let Some(i) = super::lines::after_last_newline(part) {
            return Ok(from + i as u64);
        }
        end = from;
    }
    Ok(0)
}
