//! A file that appears whole or not at all: written beside its place, synced, renamed; its sum
//! taken on the way.
//!
//! Refuses to replace a file that a commit may name: ids are never used twice.

use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(super) struct Durable {
    out: File,
    hash: Sha256,
    bytes: u64,
    unfinished: PathBuf,
    whole: PathBuf,
}

impl Durable {
    /// Begins the file `path` below `dir`.
    pub fn create(dir: &Path, path: &str) -> io::Result<Durable> {
        let whole = dir.join(path);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(whole.parent().unwrap_or(dir))?;
        let unfinished = dir.join(format!("{path}.tmp"));
        let out = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        Ok(Durable {
            out,
            hash: Sha256::new(),
            bytes: 0,
            unfinished,
            whole,
        })
    }

    /// Makes it durable under its name; returns its length and its SHA-256, in hexadecimal.
    pub fn finish(self) -> io::Result<(u64, String)> {
        self.out.sync_all()?;
        fs::rename(&self.unfinished, &self.whole)?;
        // The directory of the day may be new.
        for directory in self.whole.ancestors().skip(1).take(2) {
            // The parent of a bare name is where we are.
            let is_here = directory.as_os_str().is_empty();
            File::open(if is_here { Path::new(".") } else { directory })?.sync_all()?;
        }
        Ok((self.bytes, hex(self.hash)))
    }
}

impl Write for Durable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// As `sha256sum` prints it.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
