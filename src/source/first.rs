//! Which file is this? A file is its first line: the name, the inode and the packing may all change.
//!
//! Refuses to trust the inode: it is reused, and only saves reading a first line again.

use super::Limits;
use super::input::Input;
use super::lines::{Lines, What};
use crate::base::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// SHA-256 of a line that may arrive in parts, cut to 16 bytes. Plain, so that an operator can check it:
/// `head -n 1 audit.log | tr -d '\n' | sha256sum | cut -c 1-32`.
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

/// The digest of the first complete line that is not blank, and the offset of its end. `None`: there is no
/// such line yet. In a `finished` file complete JSON without a line end is a line too; a torn line is not,
/// for the first bytes of all lines are alike.
///
/// # Errors
/// What reading the input says.
pub fn first_line(input: &mut dyn Read, finished: bool) -> io::Result<Option<(Digest, u64)>> {
    let mut lines = Lines::new(Limits { chunk: 16 << 10, ..Limits::default() }, 0);
    loop {
        let read = lines.fill(input)?;
        while let Some(piece) = lines.next_piece() {
            match piece.what {
                What::Line(line) if line.is_empty() => {}
                What::Line(line) => return Ok(Some((LineHasher::digest(lines.bytes(&line)), piece.to))),
                What::TooLong(digest) => return Ok(Some((digest, piece.to))),
                What::Nul | What::Torn(_) => {}
            }
        }
        if read > 0 {
            continue;
        }
        let tail = lines.finish().filter(|_| finished);
        return Ok(tail.and_then(|tail| match tail.what {
            What::Line(line) => Some((LineHasher::digest(lines.bytes(&line)), tail.to)),
            What::TooLong(_) | What::Nul | What::Torn(_) => None,
        }));
    }
}

/// [`first_line`] of a file, whatever its packing; leaves the descriptor at its beginning.
pub(super) fn of_file(file: &File, finished: bool) -> io::Result<Option<(Digest, u64)>> {
    let mut seek = file;
    seek.seek(SeekFrom::Start(0))?;
    let first = first_line(&mut Input::of_file(file.try_clone()?)?, finished)?;
    seek.seek(SeekFrom::Start(0))?;
    Ok(first)
}

/// What tells that a path still names the same file with the same content, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
