//! What history consists of: its segments, as they stand in the state database, and as
//! `manifest.json` names them.
//!
//! Refuses to be a second truth: `manifest.json` is written after the commit, for those who read in
//! place.

use crate::base::Time;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::Path;

/// One file of history. Paths are relative to the state directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub id: u64,
    pub kind: SegmentKind,
    pub path: String,
    /// Bytes that are committed; a head may be longer, and that tail does not count.
    pub bytes: u64,
    pub rows: u64,
    pub time_min: Time,
    pub time_max: Time,
    pub seq_min: u64,
    pub seq_max: u64,
    /// SHA-256 of the file, in hexadecimal; empty for a head, which still grows.
    pub sha256: String,
    /// [`crate::engine::VERSION`] of the engine whose records a snapshot holds; 0 for other kinds.
    #[serde(default)]
    pub engine: u32,
}

impl Segment {
    /// The error with the file that it is about.
    pub(super) fn named(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentKind {
    /// An Arrow IPC stream that grows.
    Head,
    /// A Parquet file of events of one day.
    Events,
    /// A Parquet file of the daily rollup.
    Rollup,
    /// The engine's records as of `seq_max`, at `time_max`.
    Snapshot,
}

/// `manifest.json`: the live set, as of one commit.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this file's form: 1.
    pub version: u32,
    pub segments: Vec<Segment>,
}

/// Below the state directory.
pub const MANIFEST: &str = "history/manifest.json";

/// Replaces the manifest as a whole: a reader sees the old one or the new one.
pub(super) fn publish<'a>(
    dir: &Path,
    segments: impl Iterator<Item = &'a Segment>,
) -> io::Result<()> {
    let manifest = Manifest {
        version: 1,
        segments: segments.cloned().collect(),
    };
    let mut file = tempfile::Builder::new()
        .prefix("manifest-")
        .suffix(".tmp")
        .tempfile_in(dir.join("history"))?;
    file.write_all(&serde_json::to_vec(&manifest)?)?;
    file.persist(dir.join(MANIFEST))?;
    Ok(())
}

/// The manifest of a state directory.
///
/// # Errors
/// It is not there, or not ours.
pub fn read(dir: &Path) -> io::Result<Manifest> {
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(dir.join(MANIFEST))?)?;
    if manifest.version != 1 {
        let text = format!(
            "history/manifest.json has version {}, this program knows 1",
            manifest.version
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(manifest)
}
