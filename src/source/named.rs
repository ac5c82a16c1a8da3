//! Which files and logs do the paths of a replay mean? A directory stands for the audit logs in it.
//!
//! Refuses to pass over a file of a directory without a note; looks into those whose names say
//! nothing.

use super::SourceError;
use super::first;
use super::given::Notes;
use super::name::{Name, Rank};
use super::rotated::{Member, directory_of, in_order, is_absent, other_kind};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Why files of a directory are not read.
const NO_LOG: &str = "it does not begin like an audit log; name the file itself to have it read";
const HIDDEN: &str = "a hidden file; name it to have it read";
const SUBDIRECTORY: &str = "a directory; name it to have its logs read";
const NO_LOGS: &str = "this directory holds no audit log";
const EMPTY: &str = "an empty file";

/// One log of a `replay`: its files, oldest first by their names. No members: standard input.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub members: Vec<Member>,
}

/// Groups paths into logs: the files of one rotated set in one directory are one log; `-` is
/// standard input. A path that is given twice counts once.
///
/// # Errors
/// A path that is missing or cannot be looked at; no path has a log.
pub(super) fn group(paths: &[PathBuf], notes: &mut Notes) -> Result<Vec<Log>, SourceError> {
    let mut logs: Vec<Log> = Vec::new();
    let mut places: HashMap<(PathBuf, String), usize> = HashMap::new();
    let (mut seen, mut stdin, mut empty) = (BTreeSet::new(), false, Vec::new());
    for path in paths {
        if path.as_os_str() == "-" {
            if !std::mem::replace(&mut stdin, true) {
                logs.push(Log::default());
            }
            continue;
        }
        let members = members_of(path, notes)?;
        if members.is_empty() {
            empty.push(path);
        }
        for member in members {
            if !seen.insert(member.path.clone()) {
                continue;
            }
            let place = (directory_of(&member.path), member.name.base.clone());
            let index = *places.entry(place).or_insert_with(|| {
                logs.push(Log::default());
                logs.len() - 1
            });
            logs[index].members.push(member);
        }
    }
    if let (true, Some(path)) = (logs.is_empty(), empty.first()) {
        return Err(SourceError::NoLogs {
            path: path.to_path_buf(),
        });
    }
    for path in empty {
        Notes::push(
            |notes| &mut notes.passed_over,
            notes,
            (path.clone(), NO_LOGS.to_owned()),
        );
    }
    for log in &mut logs {
        log.members = in_order(std::mem::take(&mut log.members));
    }
    Ok(logs)
}

/// The file itself, or the audit logs in the directory.
fn members_of(path: &Path, notes: &mut Notes) -> Result<Vec<Member>, SourceError> {
    let fail = |error: io::Error| match is_absent(&error) {
        true => SourceError::Missing {
            path: path.to_owned(),
        },
        false => SourceError::Unreadable {
            path: path.to_owned(),
            error,
        },
    };
    if !std::fs::metadata(path).map_err(fail)?.is_dir() {
        return Ok(vec![Member {
            is_named: true,
            ..Member::at(path.to_owned()).map_err(fail)?
        }]);
    }
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        entries.push(entry.map_err(fail)?.path());
    }
    entries.sort_unstable();
    let mut logs = Vec::new();
    let mut pass_over = |path: PathBuf, why: &str| {
        Notes::push(
            |notes| &mut notes.passed_over,
            notes,
            (path, why.to_owned()),
        );
    };
    for path in entries {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            pass_over(path, HIDDEN);
        } else if path.is_dir() {
            pass_over(path, SUBDIRECTORY);
        } else if let Some(what) = other_kind(&path) {
            pass_over(path, what);
        } else {
            match Member::at(path.clone()) {
                Ok(member) => logs.push(member),
                Err(error) => pass_over(path, &error.to_string()),
            }
        }
    }
    let is_named_so = |member: &Member| is_log(&member.name);
    // Beside audit logs lie other things: with one name that says so, of the rest only what begins
    // like one is meant.
    let says_so = logs
        .iter()
        .any(|member| is_named_so(member) && member.name.base.contains("audit"));
    let mut kept = Vec::with_capacity(logs.len());
    for member in logs {
        let meant = is_named_so(&member) && (!says_so || member.name.base.contains("audit"));
        if meant || begins_like_one(&member.path) {
            kept.push(member);
        } else {
            let why = if member.stamp.len == 0 { EMPTY } else { NO_LOG };
            pass_over(member.path, why);
        }
    }
    kept.sort_by(|a, b| (&a.name.base, &a.name.rank).cmp(&(&b.name.base, &b.name.rank)));
    Ok(kept)
}

fn is_log(name: &Name) -> bool {
    let extension = Path::new(&name.base).extension().and_then(|e| e.to_str());
    name.rank != Rank::Active || matches!(extension, Some("log" | "json" | "jsonl" | "ndjson"))
}

/// Whether there is an audit event near the beginning. What is known to be no log is told as that.
fn begins_like_one(path: &Path) -> bool {
    match File::open(path).and_then(|file| first::of_file(&file, true)) {
        Ok(head) => head.is_some_and(|head| head.since.is_some()),
        Err(error) => error.kind() == io::ErrorKind::InvalidData,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_logs() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            std::fs::write(dir.path().join(name), "x").unwrap();
            dir.path().join(name)
        };
        let paths = [
            make("a.log.1"),
            make("b.log"),
            make("a.log.2.gz"),
            PathBuf::from("-"),
            make("a.log"),
        ];
        let mut notes = Notes::default();
        let logs = group(&paths, &mut notes).unwrap();
        let base = |log: &Log| {
            log.members
                .first()
                .map_or("-".to_owned(), |member| member.name.base.clone())
        };
        let sizes: Vec<_> = logs
            .iter()
            .map(|log| (base(log), log.members.len()))
            .collect();
        assert_eq!(
            sizes,
            [
                ("a.log".to_owned(), 3),
                ("b.log".to_owned(), 1),
                ("-".to_owned(), 0)
            ]
        );
        assert!(logs[0].members[0].name.packed);
        make("README.md");
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        let given = [
            dir.path().to_owned(),
            dir.path().join("empty"),
            dir.path().join("a.log"),
        ];
        assert_eq!(group(&given, &mut notes).unwrap().len(), 2);
        let passed: Vec<_> = notes
            .passed_over
            .iter()
            .map(|(path, _)| path.file_name().unwrap())
            .collect();
        assert_eq!(passed, ["empty", "README.md", "empty"]);
        assert!(
            group(&given[1..2], &mut notes)
                .unwrap_err()
                .to_string()
                .contains("holds no audit log")
        );
        let missing = group(&[dir.path().join("c.log")], &mut notes).unwrap_err();
        assert!(missing.to_string().contains("c.log"), "{missing}");
    }
}
