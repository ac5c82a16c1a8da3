//! A file of JSON lines that rotates itself by size.
//!
//! Refuses to split a line over two files, to lose one while it rotates, and to leave half a line
//! behind: what a full disk cut short is taken back.

use super::destination::{Carrier, Destination, Message};
use super::format::Format;
use super::note::Note;
use super::settings::Wrong;
use crate::base::Time;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Most bytes of a torn line that are looked at.
const TAIL: u64 = 16 << 20;

/// The settings, which are all that there is: the file is opened anew for each line, so that others
/// may move it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotated {
    /// The file; made with mode 0600. Older ones have `.1`, `.2` ... behind their names.
    pub path: PathBuf,
    /// How an incident is written: `tokentrail`, `ecs`, `ocsf` or `falco`.
    #[serde(default)]
    pub format: Format,
    /// The size in bytes that no file exceeds, unless one line alone does.
    #[serde(default = "rotate_bytes")]
    pub rotate_bytes: u64,
    /// How many older files are kept.
    #[serde(default = "keep_files")]
    pub keep_files: u32,
    /// Also revisions that people are not told of.
    #[serde(default)]
    pub every_revision: bool,
}

fn rotate_bytes() -> u64 {
    100 << 20
}

fn keep_files() -> u32 {
    10
}

impl Destination for Rotated {
    fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        if !self.path.is_absolute() || self.path.file_name().is_none() {
            found.push((
                "file.path",
                "it is not an absolute path of a file",
                "write it as /var/log/tokentrail/x.jsonl",
            ));
        }
        if self.rotate_bytes < 1 << 16 {
            found.push((
                "file.rotate_bytes",
                "it is too small",
                "set 65536 or more; the default is 104857600",
            ));
        }
        if !(1..=1000).contains(&self.keep_files) {
            found.push((
                "file.keep_files",
                "it is out of range",
                "set 1 to 1000; the default is 10",
            ));
        }
        found
    }

    fn notice(&self, note: &Note, _: Option<&Note>, _: Time) -> Result<Message, String> {
        Ok(Message::Line(self.format.line(note)))
    }

    fn carrier(&self) -> Carrier {
        Carrier::File(self.clone())
    }

    fn every_revision(&self) -> bool {
        self.every_revision
    }
}

impl Rotated {
    /// Appends a line, durably, on a thread of its own: a slow disk holds up no other sink.
    ///
    /// # Errors
    /// A sentence: it may work later.
    pub(super) async fn append(&self, line: Vec<u8>) -> Result<(), String> {
        let file = self.clone();
        let written = tokio::task::spawn_blocking(move || file.write(&line));
        let failed =
            |e: &dyn std::fmt::Display| format!("{} cannot be written: {e}", self.path.display());
        written
            .await
            .map_err(|e| failed(&e))?
            .map_err(|e| failed(&e))
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut file = open(&self.path)?;
        let mut size = mend(&mut file)?;
        let line = [line, b"\n"].concat();
        if size > 0 && size + line.len() as u64 > self.rotate_bytes {
            self.rotate()?;
            file = open(&self.path)?;
            size = mend(&mut file)?;
        }
        let written = file.write_all(&line).and_then(|()| file.sync_data());
        if written.is_err() {
            // It is sent again as a whole; half of it would be a line that nobody can read.
            file.set_len(size)?;
        }
        written
    }

    /// Renames from the oldest on, so that no file is written over before it has moved.
    fn rotate(&self) -> io::Result<()> {
        for number in (0..self.keep_files).rev() {
            match std::fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
        }
        let folder = self
            .path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Takes back half a line at the end, which a crash left, and says how long the file is then. Half
/// a line of somebody else is an error.
fn mend(file: &mut File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(size.saturating_sub(1)))?;
    let mut last = [0; 1];
    if size == 0 || (file.read(&mut last)? == 1 && last == *b"\n") {
        return Ok(size);
    }
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let torn = tail
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    if tail.get(torn) != Some(&b'{') || (torn == 0 && from > 0) {
        return Err(io::Error::other(
            "its last line has no end and is not ours; name another file",
        ));
    }
    let whole = from + torn as u64;
    file.set_len(whole)?;
    Ok(whole)
}

#[cfg(test)]
mod tests;
