//! The files that a replay was given: which are read, which are copies of others, and which are no
//! logs.
//!
//! Refuses to leave anything out without a note.

use super::first::{self, Head};
use super::input::{Input, Packing};
use super::named;
use super::rotated::{self, Member};
use super::same::{Relation, relate};
use super::trail::{ALIKE, alike};
use super::{Positions, SourceError};
use crate::base::{Digest, Time};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Notes of one sort that are kept; the rest is counted.
const NOTES_AT_MOST: usize = 1000;
/// Bytes after the beginning by which most files that begin alike differ.
const NEXT: usize = 192;

/// What people should know of the files besides their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Files under their active name whose last line has no end yet, with its bytes. They stay
    /// unread: the writer may complete them, and `run` reads on from there.
    pub unfinished: Vec<(PathBuf, u64)>,
    /// Files whose content another one holds, and that one.
    pub copies: Vec<(PathBuf, PathBuf)>,
    /// Files that were made UTF-8 of.
    pub utf16: Vec<PathBuf>,
    /// What lies in a given directory and is not read, and why not.
    pub passed_over: Vec<(PathBuf, String)>,
    /// Notes beyond the limit.
    pub more: u64,
}

impl Notes {
    pub(super) fn push<T>(list: fn(&mut Notes) -> &mut Vec<T>, notes: &mut Notes, note: T) {
        let list = list(notes);
        if list.len() < NOTES_AT_MOST {
            list.push(note);
        } else {
            notes.more += 1;
        }
    }
}

/// One file to be read.
#[derive(Debug)]
pub(super) struct Given {
    pub path: PathBuf,
    /// It may still grow under its name.
    pub live: bool,
    /// Not of what cannot be sought, nor of what breaks off at once.
    pub file: Option<Digest>,
    pub since: Time,
    /// Bytes on the disk.
    pub len: u64,
}

/// The files of one log, oldest first; none is standard input.
pub(super) type Log = VecDeque<Given>;

/// Which identities are taken by which file of the replay.
struct Claims<'a> {
    positions: &'a Positions,
    taken: HashMap<Digest, Claim>,
    /// Files that turned out to be copies of later ones.
    dropped: Vec<PathBuf>,
}

struct Claim {
    path: PathBuf,
    end: u64,
    next: Option<Vec<u8>>,
}

/// The logs named by `paths`, oldest files first, each file once.
///
/// # Errors
/// As [`named::group`]; a file that cannot be opened or is known to be no log, if it was named
/// itself.
pub(super) fn open(
    paths: &[PathBuf],
    positions: &Positions,
    notes: &mut Notes,
) -> Result<Vec<Log>, SourceError> {
    let groups = named::group(paths, notes)?;
    let mut claims = Claims {
        positions,
        taken: HashMap::new(),
        dropped: Vec::new(),
    };
    let mut logs = Vec::with_capacity(groups.len());
    for group in groups {
        let stdin = group.members.is_empty();
        let mut heads = Vec::with_capacity(group.members.len());
        for member in group.members {
            if let Some(head) = head_of(&member, notes)? {
                heads.push((member, head));
            }
        }
        rotated::by_content(&mut heads, |(member, head)| {
            (member, head.and_then(|head: Head| head.since))
        });
        let mut log = Log::with_capacity(heads.len());
        for (member, head) in heads {
            let file = match head.map(|head| claims.claim(&member.path, head, notes)) {
                Some(None) => continue,
                Some(file) => file,
                None => None,
            };
            let since = head.and_then(|head: Head| head.since).unwrap_or(Time::ZERO);
            let (live, len) = (member.is_live(), member.stamp.len);
            log.push_back(Given {
                path: member.path,
                live,
                file,
                since,
                len,
            });
        }
        if stdin || !log.is_empty() {
            logs.push((log, stdin));
        }
    }
    let mut dropped = claims.dropped;
    dropped.sort_unstable();
    for (log, _) in &mut logs {
        log.retain(|given| dropped.binary_search(&given.path).is_err());
    }
    Ok(logs
        .into_iter()
        .filter(|(log, stdin)| *stdin || !log.is_empty())
        .map(|(log, _)| log)
        .collect())
}

/// How a file of a log begins. `None`: it is no log, and was not named itself.
fn head_of(member: &Member, notes: &mut Notes) -> Result<Option<Option<Head>>, SourceError> {
    let path = member.path.clone();
    match look(member) {
        Ok(head) => Ok(Some(head)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let why = error.to_string();
            if member.is_named {
                return Err(SourceError::Refused { path, why });
            }
            Notes::push(|notes| &mut notes.passed_over, notes, (path, why));
            Ok(None)
        }
        Err(error) => Err(SourceError::Unreadable { path, error }),
    }
}

/// How a file begins; a broken beginning is met again, and told, when its lines are read.
fn look(member: &Member) -> io::Result<Option<Head>> {
    if !member.path.is_file() {
        return Ok(None);
    }
    let file = File::open(&member.path)?;
    Packing::of_file(&file)?;
    match first::of_file(&file, true) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData && is_refusal(&error) => {
            Err(error)
        }
        other => Ok(other.unwrap_or(None)),
    }
}

/// Decoders say `InvalidData`, too, of what is damaged; their errors carry another cause.
fn is_refusal(error: &io::Error) -> bool {
    error.to_string().starts_with("it is ")
}

impl Claims<'_> {
    /// The identity of a file; `None` if an earlier one holds all of it. An earlier one that this
    /// one holds is dropped.
    fn claim(&mut self, path: &Path, head: Head, notes: &mut Notes) -> Option<Digest> {
        let early = head.early.filter(|early| {
            let known = self
                .positions
                .trails
                .get(early)
                .is_some_and(|trail| !trail.is_empty());
            known && self.holds(path, *early) && !self.taken.contains_key(early)
        });
        let claim = |end| Claim {
            path: path.to_owned(),
            end,
            next: None,
        };
        if let Some(early) = early {
            self.taken.insert(early, claim(head.end));
            return Some(early);
        }
        let mut next = None;
        for candidate in (0..ALIKE).map(|nth| alike(head.file, nth)) {
            let Some(other) = self.taken.get_mut(&candidate) else {
                if !self.holds(path, candidate) {
                    continue;
                }
                self.taken.insert(candidate, claim(head.end));
                return Some(candidate);
            };
            let ours = next.get_or_insert_with(|| after(path, head.end));
            let (end, their_path) = (other.end, &other.path);
            let theirs = other.next.get_or_insert_with(|| after(their_path, end));
            let common = ours.len().min(theirs.len());
            if ours[..common] != theirs[..common] {
                continue;
            }
            match relate(&other.path, path) {
                Ok(Some(Relation::FirstIsPart)) => {
                    let shorter = std::mem::replace(&mut other.path, path.to_owned());
                    other.next = None;
                    self.dropped.push(shorter.clone());
                    Notes::push(|notes| &mut notes.copies, notes, (shorter, path.to_owned()));
                    return Some(candidate);
                }
                Ok(Some(_)) => {
                    let copy = (path.to_owned(), other.path.clone());
                    Notes::push(|notes| &mut notes.copies, notes, copy);
                    return None;
                }
                Ok(None) | Err(_) => {}
            }
        }
        None
    }

    /// Whether what the state has of this identity stands in the file.
    fn holds(&self, path: &Path, candidate: Digest) -> bool {
        let Some(trail) = self.positions.trails.get(&candidate) else {
            return true;
        };
        let Ok(file) = File::open(path) else {
            return true;
        };
        let (Ok(meta), Ok(packing)) = (file.metadata(), Packing::of_file(&file)) else {
            return true;
        };
        match packing {
            Packing::Plain => trail.is_in_file(&file, meta.len()),
            Packing::Gzip if self.is_consumed(&file, meta.len(), candidate) => true,
            _ => Input::of_file(file).map_or(true, |mut input| trail.is_in(&mut input)),
        }
    }

    /// Whether a file was read to its end. The length that gzip claims is believed, so that such
    /// files are passed over without unpacking them.
    fn is_consumed(&self, file: &File, len: u64, candidate: Digest) -> bool {
        let at = self.positions.offsets.get(&candidate).copied().unwrap_or(0);
        at > 0
            && first::gzip_length(file, len)
                .is_ok_and(|claimed| u64::from(claimed) == at & u64::from(u32::MAX))
    }
}

/// The bytes after the beginning of a file, unpacked.
fn after(path: &Path, end: u64) -> Vec<u8> {
    let mut next = Vec::with_capacity(NEXT);
    if let Ok(mut input) = File::open(path).and_then(Input::of_file) {
        let skipped = io::copy(&mut input.by_ref().take(end), &mut io::sink());
        if skipped.is_ok_and(|skipped| skipped == end) {
            let _ = input.take(NEXT as u64).read_to_end(&mut next);
        }
    }
    next
}
