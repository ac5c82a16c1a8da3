//! Which files are one log? Those beside it that are named after it, oldest first.
//!
//! Refuses to open a file: names and metadata only.

use super::SourceError;
use super::first::Stamp;
use super::name::{Name, Rank, shape};
use crate::base::Time;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// One file of a set, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub path: PathBuf,
    pub name: Name,
    pub stamp: Stamp,
    /// Not found in a directory, but given itself.
    pub is_named: bool,
}

impl Member {
    /// May it still grow under this name?
    pub fn is_live(&self) -> bool {
        self.name.rank == Rank::Active && !self.name.packed
    }

    pub(super) fn at(path: PathBuf) -> io::Result<Member> {
        let name = Name::parse(&path.file_name().unwrap_or_default().to_string_lossy());
        Ok(Member {
            stamp: Stamp::at(&path)?,
            name,
            path,
            is_named: false,
        })
    }
}

/// The rotated set of an active path, oldest first by their names. Empty if nothing, or not even
/// the directory, is there.
///
/// # Errors
/// The directory exists but cannot be listed.
pub(super) fn set_of(active: &Path, also: &[Pattern]) -> io::Result<Vec<Member>> {
    let base = active.file_name().unwrap_or_default().to_string_lossy();
    let own = |name: &str| {
        if *name == *base {
            return Some(Name::active(name));
        }
        Some(Name::parse(name)).filter(|name| *name.base == *base && !is_active_name(name))
    };
    let mut members = list(&directory_of(active), &own)?;
    for pattern in also {
        let alike = |name: &str| {
            (shape(name) == pattern.shape && *name != *base).then(|| Name::other(name))
        };
        let found = list(&pattern.directory, &alike)?;
        members.extend(
            found
                .into_iter()
                .filter(|found| members.iter().all(|m| m.path != found.path))
                .collect::<Vec<_>>(),
        );
    }
    Ok(in_order(members))
}

fn is_active_name(name: &Name) -> bool {
    name.rank == Rank::Active && !name.packed
}

/// Names of rotated files as they were met, where they were met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub directory: PathBuf,
    pub shape: String,
}

/// Directories and files that a search looks at.
const DIRECTORIES: usize = 64;
const SEARCHED: usize = 4096;

/// What may be a rotated file of this log under another name or in another directory: beside it,
/// below its directory, and in the directories beside that one. Its name must hold the log's.
pub(super) fn neighbours(active: &Path) -> Vec<Member> {
    let own = directory_of(active);
    let base = active.file_name().unwrap_or_default().to_string_lossy();
    let stem = base
        .split('.')
        .next()
        .filter(|stem| !stem.is_empty())
        .unwrap_or(&base);
    let subdirectories = |of: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(of).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect();
        found.sort_unstable();
        found
    };
    let mut directories = vec![own.clone()];
    directories.extend(subdirectories(&own));
    let canonical = std::fs::canonicalize(&own).ok();
    let beside = subdirectories(&own.join(".."));
    directories.extend(
        beside
            .into_iter()
            .filter(|path| std::fs::canonicalize(path).ok() != canonical),
    );
    directories.truncate(DIRECTORIES);
    let mut members: Vec<Member> = Vec::new();
    for directory in directories {
        let wanted =
            |name: &str| (*name != *base && name.contains(stem)).then(|| Name::other(name));
        members.extend(list(&directory, &wanted).unwrap_or_default());
    }
    members.truncate(SEARCHED);
    members
}

/// Whether each of these can be followed: the paths of logs that are written to, which need not
/// exist yet.
///
/// # Errors
/// One is a directory or a file that is finished by its name, or two are the same.
pub fn check(active: &[PathBuf]) -> Result<(), SourceError> {
    // A path that is not there yet is what it is called.
    let known: Vec<PathBuf> = active
        .iter()
        .map(|path| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
        .collect();
    let inodes: Vec<_> = active
        .iter()
        .map(|path| Stamp::at(path).ok().map(|stamp| (stamp.dev, stamp.ino)))
        .collect();
    for (nth, path) in active.iter().enumerate() {
        let name = Name::parse(&path.file_name().unwrap_or_default().to_string_lossy());
        let path = path.clone();
        match (name.packed, name.rank) {
            _ if path.is_dir() => return Err(SourceError::Directory { path }),
            _ if let Some(other) = (0..nth).find(|other| {
                known[*other] == known[nth]
                    || (inodes[nth].is_some() && inodes[*other] == inodes[nth])
            }) =>
            {
                return Err(SourceError::Twice {
                    other: active[other].clone(),
                    path,
                });
            }
            _ if path.as_os_str() == "-" => {
                return Err(SourceError::Unfollowable { path, what: STDIN });
            }
            _ if other_kind(&path).is_some() => {
                return Err(SourceError::Unfollowable {
                    what: other_kind(&path).unwrap_or_default(),
                    path,
                });
            }
            _ if !path.exists() && path.to_string_lossy().contains(['*', '?', '[']) => {
                return Err(SourceError::Pattern { path });
            }
            (false, Rank::Active) => {}
            _ if !name.surely && !path.with_file_name(&name.base).exists() => {}
            (packed, _) => {
                let what = if packed { "compressed" } else { "rotated" };
                return Err(SourceError::Finished {
                    active: path.with_file_name(name.base),
                    path,
                    what,
                });
            }
        }
    }
    Ok(())
}

const STDIN: &str = "standard input ends with this process, and a restart could not read on in it";

/// What is at a path that is there, and is neither a file nor a directory.
pub(super) fn other_kind(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let kind = std::fs::metadata(path).ok()?.file_type();
    match kind {
        _ if kind.is_file() || kind.is_dir() => None,
        _ if kind.is_fifo() => Some(
            "this is a named pipe: what was read from it could not be read again after a restart",
        ),
        _ if kind.is_socket() => Some("this is a socket"),
        _ => Some("this is a device"),
    }
}

/// The directory a path lies in; `.` for a bare name.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn list(directory: &Path, wanted: &dyn Fn(&str) -> Option<Name>) -> io::Result<Vec<Member>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        other => other?,
    };
    let mut members = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name
            .to_str()
            .filter(|name| !name.starts_with('.'))
            .and_then(wanted)
        else {
            continue;
        };
        match Member::at(entry.path()) {
            Ok(member) if member.path.is_file() => members.push(Member { name, ..member }),
            Ok(_) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(members)
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Oldest first, a packed file before the plain one of its name.
pub(super) fn in_order(mut members: Vec<Member>) -> Vec<Member> {
    members.sort_by(|a, b| {
        (&a.name.rank, !a.name.packed, &a.path).cmp(&(&b.name.rank, !b.name.packed, &b.path))
    });
    members
}

/// Puts files in the order of their content where their names do not say it: names of one pattern
/// do.
pub(super) fn by_content<T>(items: &mut [T], describe: impl Fn(&T) -> (&Member, Option<Time>)) {
    let patterns: BTreeSet<String> = items
        .iter()
        .map(|item| describe(item).0)
        .filter(|member| !member.is_live())
        .map(|member| match &member.name.rank {
            Rank::Stamped(stamp, number) => {
                format!("{}.{}", digits_alike(stamp), u8::from(number.0 > 0))
            }
            Rank::Numbered(_) => "number".to_owned(),
            Rank::Active => "packed".to_owned(),
        })
        .collect();
    if patterns.len() > 1 || patterns.contains(".0") {
        items.sort_by_key(|item| {
            let (member, since) = describe(item);
            (member.is_live(), since.unwrap_or(member.stamp.modified()))
        });
    }
}

fn digits_alike(stamp: &str) -> String {
    stamp
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_ordered() {
        let dir = tempfile::tempdir().unwrap();
        let old = "audit-2026-08-22T10-11-12.345.log";
        let new = "audit-2026-08-22T10-11-12.346.log";
        for name in [
            "audit.log",
            new,
            &format!("{new}.gz"),
            &format!("{old}.gz"),
            "other.log",
            "audit.log.d",
        ] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let set = set_of(&dir.path().join("audit.log"), &[]).unwrap();
        let names: Vec<_> = set
            .iter()
            .map(|m| m.path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [&format!("{old}.gz"), &format!("{new}.gz"), new, "audit.log"]
        );
        assert!(
            set_of(&dir.path().join("no/audit.log"), &[])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn what_nobody_writes_to_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a.log"), "x").unwrap();
        std::os::unix::fs::symlink(path("a.log"), path("b.log")).unwrap();
        let refused = |paths: &[PathBuf]| check(paths).unwrap_err().to_string();
        assert!(refused(&[dir.path().to_owned()]).contains("is a directory"));
        assert!(refused(&[path("a.log.gz")]).contains("a.log, the log that"));
        assert!(refused(&[path("a-2026-08-22T10-11-12.345.log")]).contains("a rotated file"));
        assert!(
            refused(&[path("a.log"), path("b.log")]).starts_with(&*path("b.log").to_string_lossy())
        );
        check(&[path("a.log"), path("later.log")]).unwrap();
    }
}
