//! Which files are one log? Those beside it that are named after it, oldest first.
//!
//! Refuses to open a file: names and metadata only.

use super::SourceError;
use super::first::Stamp;
use super::name::{Name, Rank};
use std::io;
use std::path::{Path, PathBuf};

/// One file of a set, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub path: PathBuf,
    pub name: Name,
    pub stamp: Stamp,
}

impl Member {
    /// May it still grow under this name?
    pub fn is_live(&self) -> bool {
        self.name.rank == Rank::Active && !self.name.packed
    }

    fn at(path: PathBuf) -> io::Result<Member> {
        let name = Name::parse(&path.file_name().unwrap_or_default().to_string_lossy());
        Ok(Member { stamp: Stamp::at(&path)?, name, path })
    }
}

/// The rotated set of an active path, oldest first. Empty if nothing, or not even the directory, is there.
///
/// # Errors
/// The directory exists but cannot be listed.
pub(super) fn set_of(active: &Path) -> io::Result<Vec<Member>> {
    let base = active.file_name().unwrap_or_default().to_string_lossy();
    let wanted = |name: &Name| *name.base == *base;
    Ok(in_order(list(&directory_of(active), &wanted)?))
}

/// Whether each of these can be followed: the paths of logs that are written to, which need not exist yet.
///
/// # Errors
/// One is a directory or a file that is finished by its name, or two are the same.
pub fn check(active: &[PathBuf]) -> Result<(), SourceError> {
    // A path that is not there yet is what it is called.
    let known: Vec<PathBuf> =
        active.iter().map(|path| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone())).collect();
    for (nth, path) in active.iter().enumerate() {
        let name = Name::parse(&path.file_name().unwrap_or_default().to_string_lossy());
        let path = path.clone();
        match (name.packed, name.rank) {
            _ if path.is_dir() => return Err(SourceError::Directory { path }),
            _ if known[..nth].contains(&known[nth]) => return Err(SourceError::Twice { path }),
            (false, Rank::Active) => {}
            (packed, _) => {
                let what = if packed { "compressed" } else { "rotated" };
                return Err(SourceError::Finished { active: path.with_file_name(name.base), path, what });
            }
        }
    }
    Ok(())
}

/// The directory a path lies in; `.` for a bare name.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn list(directory: &Path, wanted: &dyn Fn(&Name) -> bool) -> io::Result<Vec<Member>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        other => other?,
    };
    let mut members = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.') && wanted(&Name::parse(name))) else {
            continue;
        };
        match Member::at(directory.join(name)) {
            Ok(member) if member.path.is_file() => members.push(member),
            Ok(_) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(members)
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Oldest first. While `x.log.gz` is being written `x.log` is still there, and is the whole one.
fn in_order(mut members: Vec<Member>) -> Vec<Member> {
    members.sort_by(|a, b| (&a.name.rank, a.name.packed, &a.path).cmp(&(&b.name.rank, b.name.packed, &b.path)));
    members.dedup_by(|later, kept| later.name.rank == kept.name.rank);
    members
}

/// One log of a `replay`: its files, oldest first. No members: standard input.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub directory: PathBuf,
    pub base: String,
    pub members: Vec<Member>,
}

/// Groups paths into logs: the files of one rotated set in one directory are one log. A directory stands
/// for the audit logs in it, `-` for standard input.
///
/// # Errors
/// A path that is missing or cannot be looked at; a directory without logs.
pub(super) fn group(paths: &[PathBuf]) -> Result<Vec<Log>, SourceError> {
    let mut logs: Vec<Log> = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if !logs.iter().any(|log| log.members.is_empty()) {
                logs.push(Log { directory: PathBuf::new(), base: "-".to_owned(), members: Vec::new() });
            }
            continue;
        }
        for member in members_of(path)? {
            let directory = directory_of(&member.path);
            match logs.iter_mut().find(|log| log.directory == directory && log.base == member.name.base) {
                Some(log) => log.members.push(member),
                None => logs.push(Log { directory, base: member.name.base.clone(), members: vec![member] }),
            }
        }
    }
    for log in &mut logs {
        log.members = in_order(std::mem::take(&mut log.members));
    }
    Ok(logs)
}

fn members_of(path: &Path) -> Result<Vec<Member>, SourceError> {
    let fail = |error: io::Error| match is_absent(&error) {
        true => SourceError::Missing { path: path.to_owned() },
        false => SourceError::Unreadable { path: path.to_owned(), error },
    };
    if !std::fs::metadata(path).map_err(fail)?.is_dir() {
        return Ok(vec![Member::at(path.to_owned()).map_err(fail)?]);
    }
    let mut found = in_order_by_log(list(path, &is_log).map_err(fail)?);
    // Beside audit logs lie other things: with one name that says so, the rest are not meant.
    if found.iter().any(|member| member.name.base.contains("audit")) {
        found.retain(|member| member.name.base.contains("audit"));
    }
    if found.is_empty() { Err(SourceError::NoLogs { path: path.to_owned() }) } else { Ok(found) }
}

fn is_log(name: &Name) -> bool {
    let extension = Path::new(&name.base).extension().and_then(|e| e.to_str());
    name.rank != Rank::Active || matches!(extension, Some("log" | "json" | "jsonl" | "ndjson"))
}

fn in_order_by_log(mut members: Vec<Member>) -> Vec<Member> {
    members.sort_by(|a, b| (&a.name.base, &a.name.rank).cmp(&(&b.name.base, &b.name.rank)));
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_ordered_and_the_plain_file_wins() {
        let dir = tempfile::tempdir().unwrap();
        let old = "audit-2026-08-22T10-11-12.345.log";
        let new = "audit-2026-08-22T10-11-12.346.log";
        for name in ["audit.log", new, &format!("{new}.gz"), &format!("{old}.gz"), "other.log", "audit.log.d"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let set = set_of(&dir.path().join("audit.log")).unwrap();
        let names: Vec<_> = set.iter().map(|m| m.path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, [&format!("{old}.gz"), new, "audit.log"]);
        assert!(set_of(&dir.path().join("no/audit.log")).unwrap().is_empty());
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
        assert!(refused(&[path("a.log"), path("b.log")]).starts_with(&*path("b.log").to_string_lossy()));
        check(&[path("a.log"), path("later.log")]).unwrap();
    }

    #[test]
    fn paths_become_logs() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            std::fs::write(dir.path().join(name), "x").unwrap();
            dir.path().join(name)
        };
        let paths = [make("a.log.1"), make("b.log"), make("a.log.2.gz"), PathBuf::from("-"), make("a.log")];
        let logs = group(&paths).unwrap();
        let sizes: Vec<_> = logs.iter().map(|log| (log.base.as_str(), log.members.len())).collect();
        assert_eq!(sizes, [("a.log", 3), ("b.log", 1), ("-", 0)]);
        assert!(logs[0].members[0].name.packed);
        make("README.md");
        assert_eq!(group(&[dir.path().to_owned()]).unwrap().len(), 2);
        let missing = group(&[dir.path().join("c.log")]).unwrap_err();
        assert!(missing.to_string().contains("c.log"), "{missing}");
    }
}
