//! The `--incidents` file: JSON lines, every revision of every incident exactly once, over kills at
//! any point.
//!
//! Refuses to append anywhere but at a committed cursor, to truncate, to overwrite, and to guess
//! after a failed write. The rule and its one exception stand in `docs/design/state.md`; finding
//! one's place again is in `incidents_file/resume.rs`.

mod resume;
#[cfg(test)]
mod tests;

use resume::Place;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An outbox row: its number, and a JSON line without newline.
pub type Row = (u64, Vec<u8>);

/// How far delivery has come: all rows below `next_row` are in the file, in its first `file_bytes`
/// bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    pub next_row: u64,
    pub file_bytes: u64,
}

/// What a call of [`IncidentsFile::deliver`] came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Delivery {
    /// All rows are in the file, and durable. Commit the cursor.
    Done(Cursor),
    /// The file is not as we left it (rotated, replaced, written to). Nothing was appended. Commit
    /// the cursor, then deliver the same rows again.
    Moved(Cursor),
}

/// Errors of the incidents file. After any of them it has to be opened again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    #[error("cannot {doing} the incidents file {path:?}: {source}")]
    Io {
        path: PathBuf,
        doing: &'static str,
        source: io::Error,
    },
    #[error("the incidents file {path:?} had a failed write: open it again")]
    Broken { path: PathBuf },
    #[error(
        "row {given} was to be appended to the incidents file {path:?}, where row {expected} comes next"
    )]
    OutOfOrder {
        path: PathBuf,
        given: u64,
        expected: u64,
    },
}

/// The open file. One writer; others may read, rotate and append.
#[derive(Debug)]
pub struct IncidentsFile {
    path: PathBuf,
    /// `None` after a failure.
    file: Option<File>,
    place: Place,
}

impl IncidentsFile {
    /// Opens the file (made with mode 0600 if there is none) and finds which of the pending rows it
    /// already holds.
    ///
    /// `committed` is the stored cursor, `None` if nothing was ever delivered: rows begin at 0
    /// then. `pending` are all outbox rows from the cursor on, in order. **Commit the returned
    /// cursor before the first [`IncidentsFile::deliver`]**.
    ///
    /// # Errors
    /// `Io` if the file cannot be opened, read or synced; `OutOfOrder` if a pending row is missing.
    pub fn open(
        path: &Path,
        committed: Option<Cursor>,
        pending: &[Row],
    ) -> Result<(IncidentsFile, Cursor), SinkError> {
        let failed = |doing| {
            move |source| SinkError::Io {
                path: path.to_owned(),
                doing,
                source,
            }
        };
        let begin = committed.map_or(0, |c| c.next_row);
        in_order(path, begin, pending)?;
        let mut file = open_or_create(path).map_err(failed("open"))?;
        let place = match committed {
            Some(cursor) => resume::find(&mut file, cursor, pending),
            None => at_end(&mut file, begin),
        };
        let place = place.map_err(failed("read"))?;
        // What is found may still be in memory only, and its rows leave the outbox with the cursor.
        file.sync_data().map_err(failed("sync"))?;
        let cursor = place.cursor;
        Ok((
            IncidentsFile {
                path: path.to_owned(),
                file: Some(file),
                place,
            },
            cursor,
        ))
    }

    /// Appends the rows, the first of which is the cursor's, and makes them durable.
    ///
    /// # Errors
    /// `Io`: a part of the rows may be in the file, opening it again finds out. `OutOfOrder`,
    /// `Broken`.
    pub fn deliver(&mut self, rows: &[Row]) -> Result<Delivery, SinkError> {
        let Some(mut file) = self.file.take() else {
            return Err(SinkError::Broken {
                path: self.path.clone(),
            });
        };
        in_order(&self.path, self.place.cursor.next_row, rows)?;
        if self
            .still_ours(&file)
            .map_err(|e| self.failed("check", e))?
        {
            self.append(&mut file, rows)
                .map_err(|e| self.failed("append to", e))?;
            self.file = Some(file);
            return Ok(Delivery::Done(self.place.cursor));
        }
        let mut file = open_or_create(&self.path).map_err(|e| self.failed("reopen", e))?;
        self.place =
            at_end(&mut file, self.place.cursor.next_row).map_err(|e| self.failed("read", e))?;
        self.file = Some(file);
        Ok(Delivery::Moved(self.place.cursor))
    }

    /// Whether the path still leads to our file, and nobody else wrote to it or cut it.
    fn still_ours(&self, file: &File) -> io::Result<bool> {
        let ours = file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(there) => {
                let same = (there.dev(), there.ino()) == (ours.dev(), ours.ino());
                Ok(same && ours.len() == self.place.file_bytes)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn append(&mut self, file: &mut File, rows: &[Row]) -> io::Result<()> {
        let Some(((_, first), others)) = rows.split_first() else {
            return Ok(());
        };
        let mut bytes =
            Vec::with_capacity(rows.iter().map(|(_, row)| row.len() + 1).sum::<usize>() + 1);
        if self.place.is_mid_line {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(first.get(self.place.torn_bytes..).unwrap_or_default());
        for (_, row) in others {
            bytes.push(b'\n');
            bytes.extend_from_slice(row);
        }
        bytes.push(b'\n');
        file.write_all(&bytes)?;
        file.sync_data()?;
        let file_bytes = self.place.file_bytes + bytes.len() as u64;
        self.place = Place::clean(Cursor {
            next_row: self.place.cursor.next_row + rows.len() as u64,
            file_bytes,
        });
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> SinkError {
        SinkError::Io {
            path: self.path.clone(),
            doing,
            source,
        }
    }
}

fn in_order(path: &Path, begin: u64, rows: &[Row]) -> Result<(), SinkError> {
    match (begin..)
        .zip(rows)
        .find(|(expected, (given, _))| expected != given)
    {
        Some((expected, (given, _))) => Err(SinkError::OutOfOrder {
            path: path.to_owned(),
            given: *given,
            expected,
        }),
        None => Ok(()),
    }
}

/// A new file is durable only when its directory is. A pipe or a terminal cannot be read again
/// after a crash.
fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    match options.open(path) {
        Ok(file) if file.metadata()?.is_file() => return Ok(file),
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let file = options.create(true).open(path)?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

/// The place after everything that others wrote.
fn at_end(file: &mut File, next_row: u64) -> io::Result<Place> {
    let file_bytes = file.metadata()?.len();
    let mut last = [b'\n'];
    if file_bytes > 0 {
        file.seek(SeekFrom::Start(file_bytes - 1))?;
        file.read_exact(&mut last)?;
    }
    Ok(Place {
        is_mid_line: last != [b'\n'],
        ..Place::clean(Cursor {
            next_row,
            file_bytes,
        })
    })
}
