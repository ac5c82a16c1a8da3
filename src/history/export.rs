//! Event files of a window, copied out with their sums: evidence that can be checked with
//! `sha256sum -c`.
//!
//! Refuses to copy a file whose content is not what was committed, and to write into a directory
//! that has anything in it.

use crate::base::Time;
use crate::history::manifest::{self, MANIFEST, Manifest, Segment, SegmentKind};
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// What was exported, and what could not be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Events of the window that stand in the head only, which is not Parquet yet.
    pub rows_left_in_head: u64,
}

/// Copies each event file of the state `dir` that has events between `since` and `until` to `out`,
/// whole, under the same path, and writes `SHA256SUMS` and the manifest of what was copied beside
/// them.
///
/// # Errors
/// `out` is not empty or cannot be written; a file is not what was committed (`InvalidData`, naming
/// it).
pub fn export(
    dir: &Path,
    out: &Path,
    since: Option<Time>,
    until: Option<Time>,
) -> io::Result<Exported> {
    begin(out)?;
    let mut exported = Exported::default();
    let mut copied = Vec::new();
    let mut sums = create(&out.join("SHA256SUMS"))?;
    for segment in manifest::read(dir)?.segments {
        let is_early = since.is_some_and(|since| segment.time_max < since);
        let is_late = until.is_some_and(|until| segment.time_min > until);
        match segment.kind {
            _ if is_early || is_late => {}
            SegmentKind::Rollup | SegmentKind::Snapshot => {}
            SegmentKind::Head => exported.rows_left_in_head += segment.rows,
            SegmentKind::Events => {
                copy(dir, out, &segment)?;
                writeln!(sums, "{}  {}", segment.sha256, segment.path)?;
                exported.files += 1;
                exported.rows += segment.rows;
                exported.bytes += segment.bytes;
                copied.push(segment);
            }
        }
    }
    sums.sync_all()?;
    let manifest = serde_json::to_vec(&Manifest {
        version: 1,
        segments: copied,
    })?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(out.join("history"))?;
    let mut file = create(&out.join(MANIFEST))?;
    file.write_all(&manifest)?;
    file.sync_all()?;
    Ok(exported)
}

/// Makes the directory, which has to be new or empty.
pub(super) fn begin(out: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(out)?;
    if fs::read_dir(out)?.next().is_some() {
        return Err(io::Error::other(format!(
            "{} is not empty: name a new directory",
            out.display()
        )));
    }
    Ok(())
}

pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn copy(dir: &Path, out: &Path, segment: &Segment) -> io::Result<()> {
    let to = out.join(&segment.path);
    if let Some(parent) = to.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let (mut from, mut to) = (File::open(dir.join(&segment.path))?, create(&to)?);
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = from.read(&mut block)?;
        if read == 0 {
            break;
        }
        hash.update(&block[..read]);
        to.write_all(&block[..read])?;
    }
    to.sync_all()?;
    if crate::history::durable::hex(hash) != segment.sha256 {
        let text = format!(
            "{} is not what was committed: its SHA-256 differs",
            segment.path
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(())
}
