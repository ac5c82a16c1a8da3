//! History: audit events that can be asked, in files that any engine reads in place.
//!
//! New rows go to the head; the head is rolled into Parquet files by day. `docs/design/state.md`
//! says what is true when. Refuses to call a row history before the commit that names its segment,
//! and to delete a file before the commit that forgets it. Read next: `columns.rs`, then `roll.rs`.

pub mod bulk;
mod columns;
mod dictionary;
mod durable;
mod error;
mod export;
mod export_lines;
mod head;
mod join;
mod manifest;
mod parquet;
pub mod read;
mod roll;
mod rollup;
pub mod snapshot;
mod write;

pub use columns::{COLUMNS, Column, Kind};
pub use error::{HistoryError, is_full};
pub use export::{Exported, export};
pub use export_lines::export_lines;
pub use manifest::{MANIFEST, Manifest, Segment, SegmentKind, read as read_manifest};
pub use parquet::ROW_GROUP_ROWS;
pub use read::{Tape, events};
pub use rollup::COLUMNS as ROLLUP_COLUMNS;
pub use snapshot::Moment;
pub use write::{FACTS_VERSION, Place, Rows};

use crate::base::{Span, Time};
use error::damaged;
use head::Head;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where files of history lie, below the state directory.
const ROOTS: [&str; 3] = ["history", "rollup", "snapshots"];

/// How long history is kept: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Age of events, by their stage time.
    pub age: Span,
    /// Bytes of all event files together.
    pub bytes: u64,
}

/// The history of one state directory; its writer.
pub struct History {
    /// The state directory.
    dir: PathBuf,
    head: Option<Head>,
    /// What is committed, by id; the head among them.
    segments: BTreeMap<u64, Segment>,
    next_id: u64,
    retention: Retention,
    /// Files of the rollup that somebody else deleted; to be forgotten.
    deleted: Vec<u64>,
    /// When it was last looked at what days are over, by the events' own time.
    looked: Time,
}

/// What a commit has to record of history.
#[derive(Debug, Default)]
pub struct Change {
    pub put: Vec<Segment>,
    pub forget: Vec<u64>,
    /// Inputs that are no events, up to this seq, have no snapshot before them any more.
    pub forget_inputs: Option<u64>,
}

impl Change {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.forget.is_empty()
    }
}

impl History {
    /// Takes over what is committed: tails beyond it are cut, files that no commit names are
    /// deleted.
    ///
    /// # Errors
    /// `Damaged` if a committed file is missing or too short; `Io`, `DiskFull`.
    pub fn open(
        dir: &Path,
        segments: Vec<Segment>,
        retention: Retention,
    ) -> Result<History, HistoryError> {
        let mut segments: BTreeMap<u64, Segment> =
            segments.into_iter().map(|s| (s.id, s)).collect();
        let next_id = segments.keys().next_back().map_or(1, |id| id + 1);
        let is_deleted = |s: &Segment| {
            s.kind == SegmentKind::Rollup && dir.join(&s.path).try_exists().is_ok_and(|is| !is)
        };
        let deleted: Vec<u64> = segments
            .values()
            .filter(|s| is_deleted(s))
            .map(|s| s.id)
            .collect();
        for segment in deleted.iter().filter_map(|id| segments.remove(id)) {
            tracing::warn!(
                "{} was deleted: its day is not in the rollup any more",
                segment.path
            );
        }
        let history = History {
            dir: dir.to_owned(),
            head: None,
            segments,
            next_id,
            retention,
            looked: Time(i64::MIN),
            deleted,
        };
        history
            .tidy()
            .map_err(|error| history.failed(error, "open the history in"))?;
        Ok(history)
    }

    fn tidy(&self) -> io::Result<()> {
        for name in ROOTS {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(self.dir.join(name))?;
        }
        for segment in self.segments.values() {
            let path = self.dir.join(&segment.path);
            let len = match fs::metadata(&path) {
                Ok(meta) => meta.len(),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    return Err(damaged(&format!("{} is missing", segment.path)));
                }
                Err(e) => return Err(e),
            };
            match segment.kind {
                _ if len < segment.bytes => {
                    return Err(damaged(&format!(
                        "{} is shorter than what was committed",
                        segment.path
                    )));
                }
                SegmentKind::Head if len > segment.bytes => {
                    let file = OpenOptions::new().write(true).open(&path)?;
                    file.set_len(segment.bytes)?;
                    file.sync_all()?;
                }
                _ => {}
            }
        }
        let live: HashSet<PathBuf> = self
            .segments
            .values()
            .map(|s| self.dir.join(&s.path))
            .collect();
        for path in ours(&self.dir)? {
            if !live.contains(&path) {
                fs::remove_file(&path)?;
            }
        }
        manifest::publish(&self.dir, self.segments.values())
    }

    /// Writes the rows that wait to the head, or, when there are enough of them, all to a file.
    /// They are history once the change is committed and told to [`History::committed`].
    ///
    /// # Errors
    /// `DiskFull`, `Io`: the history has to be opened again, as after a crash.
    pub fn append(&mut self, rows: &mut Rows) -> Result<Change, HistoryError> {
        if rows.none_waits() {
            return Ok(Change::default());
        }
        let is_file = self.can_roll_unwritten(rows);
        let appended = if is_file {
            self.roll_unwritten(rows)
        } else {
            self.append_to_head(rows)
        };
        appended.map_err(|error| self.failed(error, "append to the history in"))
    }

    fn append_to_head(&mut self, rows: &mut Rows) -> io::Result<Change> {
        let mut head = match self.head.take() {
            Some(head) => head,
            None => {
                let head = Head::create(&self.dir, self.next_id)?;
                self.next_id += 1;
                head
            }
        };
        head.append(rows)?;
        let put = vec![head.segment.clone()];
        self.head = Some(head);
        Ok(Change {
            put,
            ..Change::default()
        })
    }

    /// The change is durable: readers learn of it, and files that it forgot are deleted.
    ///
    /// # Errors
    /// `DiskFull`, `Io`.
    pub fn committed(&mut self, change: Change) -> Result<(), HistoryError> {
        if change.is_empty() {
            return Ok(());
        }
        let forgotten: Vec<Segment> = change
            .forget
            .iter()
            .filter_map(|id| self.segments.remove(id))
            .collect();
        self.segments
            .extend(change.put.into_iter().map(|s| (s.id, s)));
        let done = manifest::publish(&self.dir, self.segments.values()).and_then(|()| {
            let gone = |s: &Segment| match fs::remove_file(self.dir.join(&s.path)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            };
            forgotten.iter().try_for_each(gone)
        });
        done.map_err(|error| self.failed(error, "publish the history of"))
    }

    /// Whether a replay of what comes would find no snapshot to begin from: there is none yet, it
    /// is of another engine, or of another day.
    #[must_use]
    pub fn wants_snapshot(&self, now: Time, engine: u32) -> bool {
        let last = self
            .segments
            .values()
            .rfind(|s| s.kind == SegmentKind::Snapshot);
        last.is_none_or(|s| s.engine != engine || s.time_max.day() != now.day())
    }

    /// Writes a snapshot of the records, which come in the order of (room, key).
    ///
    /// # Errors
    /// `DiskFull`, `Io`; whatever reading the records brings.
    pub fn snapshot(
        &mut self,
        moment: Moment,
        records: &mut dyn Iterator<Item = io::Result<snapshot::Row>>,
    ) -> Result<Change, HistoryError> {
        let written = snapshot::write(&self.dir, self.next_id, moment, records);
        let segment =
            written.map_err(|error| self.failed(error, "write a snapshot to the history in"))?;
        self.next_id += 1;
        Ok(Change {
            put: vec![segment],
            ..Change::default()
        })
    }

    /// The committed segments, oldest id first.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.values()
    }

    fn failed(&self, error: io::Error, doing: &'static str) -> HistoryError {
        HistoryError::new(&self.dir, doing, error)
    }
}

/// Every file below [`ROOTS`] that has a name as ours do.
fn ours(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for name in ROOTS {
        let mut directories = vec![dir.join(name)];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory)? {
                let path = entry?.path();
                let extension = path.extension().and_then(|e| e.to_str());
                if path.is_dir() {
                    directories.push(path);
                } else if matches!(extension, Some("parquet" | "arrow" | "zst" | "tmp")) {
                    found.push(path);
                }
            }
        }
    }
    Ok(found)
}
