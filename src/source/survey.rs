//! What lies on the disk now: the rotated set with the identity of each file, and what could not be
//! read.
//!
//! Refuses to read further than a first line, and to read the same first line twice.

use super::first::{self, Head, Stamp};
use super::input::Packing;
use super::name::shape;
use super::rotated::{self, Member, Pattern};
use super::{Absence, GapKind, Item};
use crate::base::Digest;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file that cannot be read is tried again after this, then after twice as long, and so on.
const RETRY: Duration = Duration::from_secs(30);
const RETRY_AT_MOST: Duration = Duration::from_secs(3600);
/// Patterns of names that are learned.
const PATTERNS_AT_MOST: usize = 16;
/// Listings until one holds still: a rename or a packing in between can hide a file from one of
/// them.
const LISTINGS: usize = 32;

/// One file as surveyed.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub member: Member,
    /// `None`: it has no complete line yet, or could not be read.
    pub head: Option<Head>,
    /// The identity that [`super::naming`] gave it.
    pub file: Option<Digest>,
    /// The path under which another follower has read all of it.
    pub twin: Option<PathBuf>,
    /// Uncompressed bytes: exact when plain, modulo 2^32 for gzip, unknown for zstd.
    pub len: Option<u64>,
    pub packing: Packing,
    /// It could not be read, now or at the last attempt.
    pub troubled: bool,
    /// The trouble began while the log was being read: its lines are due even if newer ones have
    /// been read.
    pub owed: bool,
    /// The plain file that it is packed from is still there.
    is_made: bool,
}

impl Entry {
    fn unknown(member: Member) -> Entry {
        Entry {
            member,
            head: None,
            file: None,
            twin: None,
            len: None,
            packing: Packing::Plain,
            troubled: false,
            owed: false,
            is_made: false,
        }
    }

    /// Bytes after `position`; of a packed file of unknown length, its bytes on the disk.
    pub fn bytes_after(&self, position: u64) -> u64 {
        self.len
            .unwrap_or(self.member.stamp.len)
            .saturating_sub(position)
    }
}

/// Why a live file is not read that holds documents over several lines.
const DOCUMENTS: &str = "it is JSON over several lines; the API server writes one event a line: name its own file, or \
                         `replay` this one";
/// Why a live file is not read that a shell has made UTF-16 of.
const UTF16: &str =
    "it is UTF-16 text; the API server writes UTF-8: name its own file, or `replay` this one";

struct Trouble {
    why: String,
    stamp: Option<Stamp>,
    retry_at: Instant,
    wait: Duration,
    owed: bool,
}

#[derive(Clone, Copy)]
struct Known {
    stamp: Stamp,
    head: Option<Head>,
    len: Option<u64>,
    packing: Packing,
}

/// Lists the set of one active path, again and again.
pub(super) struct Survey {
    active: PathBuf,
    known: HashMap<PathBuf, Known>,
    troubles: HashMap<PathBuf, Trouble>,
    /// Where and under what names rotated files were met that the log's own name does not lead to.
    patterns: Vec<Pattern>,
}

impl Survey {
    pub fn of(active: &Path) -> Survey {
        Survey {
            active: active.to_owned(),
            known: HashMap::new(),
            troubles: HashMap::new(),
            patterns: Vec::new(),
        }
    }

    /// The set as it is now, oldest first; `None` if it cannot be listed, or never holds still.
    /// What is newly unreadable is told once.
    pub fn take(&mut self, now: Instant, each: &mut dyn FnMut(Item<'_>)) -> Option<Vec<Entry>> {
        for _ in 0..LISTINGS {
            let members = match self.list() {
                Ok(members) => members?,
                Err(error) => {
                    let directory = rotated::directory_of(&self.active);
                    self.trouble(&directory, None, &error, None, now, each);
                    return None;
                }
            };
            let here = |path: &PathBuf| members.iter().any(|member| member.path == *path);
            self.known.retain(|path, _| here(path));
            self.troubles.retain(|path, _| here(path));
            let plain: Vec<PathBuf> = members
                .iter()
                .filter(|member| !member.name.packed)
                .map(|member| member.path.clone())
                .collect();
            let entries: Option<Vec<Entry>> = members
                .into_iter()
                .map(|member| {
                    // While `x.log.gz` is being written `x.log` is still there, and is the whole
                    // one.
                    let is_made =
                        member.name.packed && plain.contains(&member.path.with_extension(""));
                    self.look_at(member, is_made, now, each)
                })
                .collect();
            if let Some(mut entries) = entries {
                entries.retain(|entry| entry.head.is_some() || entry.troubled || !entry.is_made);
                rotated::by_content(&mut entries, |entry| {
                    (&entry.member, entry.head.and_then(|head| head.since))
                });
                return Some(entries);
            }
        }
        None
    }

    /// `None`: no two listings in a row agreed.
    fn list(&self) -> io::Result<Option<Vec<Member>>> {
        let mut before = rotated::set_of(&self.active, &self.patterns)?;
        for _ in 1..LISTINGS {
            let again = rotated::set_of(&self.active, &self.patterns)?;
            let key = |member: &Member| (member.path.clone(), member.stamp.dev, member.stamp.ino);
            if again.iter().map(key).eq(before.iter().map(key)) {
                return Ok(Some(again));
            }
            before = again;
        }
        Ok(None)
    }

    /// `None`: the path names another file by now, or none. To leave it out would be to call it
    /// lost.
    fn look_at(
        &mut self,
        member: Member,
        is_made: bool,
        now: Instant,
        each: &mut dyn FnMut(Item<'_>),
    ) -> Option<Entry> {
        let trouble = self.troubles.get(&member.path);
        let (mut troubled, owed) = (trouble.is_some(), trouble.is_some_and(|t| t.owed));
        if trouble.is_some_and(|t| t.stamp == Some(member.stamp) && now < t.retry_at) {
            return Some(Entry {
                troubled,
                owed,
                ..Entry::unknown(member)
            });
        }
        let known = match self
            .known
            .get(&member.path)
            .filter(|known| known.stamp == member.stamp)
        {
            Some(known) => Ok(*known),
            None => identify(&member, self.known.get(&member.path)),
        };
        match known {
            Ok(known) if !known.stamp.same_inode(&member.stamp) => None,
            Ok(known) => {
                self.known.insert(member.path.clone(), known);
                let Known {
                    head, len, packing, ..
                } = known;
                Some(Entry {
                    head,
                    len,
                    packing,
                    troubled,
                    owed,
                    is_made,
                    ..Entry::unknown(member)
                })
            }
            Err(error) if rotated::is_absent(&error) => None,
            Err(_) if is_made => Some(Entry {
                is_made,
                ..Entry::unknown(member)
            }),
            Err(error) => {
                self.trouble(&member.path, Some(member.stamp), &error, None, now, each);
                troubled = true;
                Some(Entry {
                    troubled,
                    owed,
                    ..Entry::unknown(member)
                })
            }
        }
    }

    /// Files that may be this log's under names and in directories that are not known yet, with
    /// what they begin like.
    pub fn neighbours(&self) -> Vec<Entry> {
        let look = |member: Member| {
            let Known {
                head, len, packing, ..
            } = identify(&member, None).ok()?;
            head.map(|head| Entry {
                head: Some(head),
                len,
                packing,
                ..Entry::unknown(member)
            })
        };
        rotated::neighbours(&self.active)
            .into_iter()
            .filter_map(look)
            .collect()
    }

    /// Files like this one are of the log from now on.
    pub fn learn(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let pattern = Pattern {
            directory: rotated::directory_of(path),
            shape: shape(&name),
        };
        if !self.patterns.contains(&pattern) && self.patterns.len() < PATTERNS_AT_MOST {
            self.patterns.push(pattern);
        }
    }

    /// Remembers that a path cannot be read (past `at`, if it is known), and tells so the first
    /// time.
    pub fn trouble(
        &mut self,
        path: &Path,
        stamp: Option<Stamp>,
        error: &io::Error,
        at: Option<(Digest, u64)>,
        now: Instant,
        each: &mut dyn FnMut(Item<'_>),
    ) {
        let before = self.troubles.get(path);
        let detail = format!("{}: {error}", path.display());
        if before.is_none() {
            let (file, offset) = (at.map(|at| at.0), at.map_or(0, |at| at.1));
            each(Item::Gap {
                file,
                from: offset,
                to: offset,
                kind: GapKind::Unreadable,
                detail: &detail,
            });
        }
        let wait = before.map_or(RETRY, |t| (t.wait * 2).min(RETRY_AT_MOST));
        let owed = before.is_none_or(|t| t.owed);
        self.troubles.insert(
            path.to_owned(),
            Trouble {
                why: detail,
                stamp,
                retry_at: now + wait,
                wait,
                owed,
            },
        );
    }

    /// Why the active file gives nothing, as of the last listing.
    pub fn absence(&self) -> Option<Absence> {
        let trouble = self
            .troubles
            .get(&self.active)
            .or_else(|| self.troubles.get(&rotated::directory_of(&self.active)));
        match trouble {
            Some(trouble) => Some(Absence::Unreadable(trouble.why.clone())),
            None if self.known.contains_key(&self.active) => None,
            None => Some(match rotated::other_kind(&self.active) {
                Some(what) => Absence::Unreadable(format!("{}: {what}", self.active.display())),
                None => Absence::NotThere,
            }),
        }
    }

    /// Bytes of the active file if not one line of it is complete.
    pub fn nameless(&self) -> Option<u64> {
        self.known
            .get(&self.active)
            .filter(|known| known.head.is_none() && known.stamp.len > 0)
            .map(|k| k.stamp.len)
    }

    /// The path could be read after all.
    pub fn trouble_is_over(&mut self, path: &Path) {
        self.troubles.remove(path);
    }

    /// No unreadable file is owed: they lie before the chosen beginning.
    pub fn forgive(&mut self) {
        self.troubles
            .values_mut()
            .for_each(|trouble| trouble.owed = false);
    }
}

/// Looks into a file; `before` is what it was when it was last looked into.
fn identify(member: &Member, before: Option<&Known>) -> io::Result<Known> {
    let fd = File::open(&member.path)?;
    let stamp = Stamp::of(&fd.metadata()?);
    let packing = Packing::of_file(&fd)?;
    let len = match packing {
        Packing::Plain => Some(stamp.len),
        Packing::Gzip => Some(u64::from(first::gzip_length(&fd, stamp.len)?)),
        Packing::Utf16 { .. } if member.is_live() => return Err(io::Error::other(UTF16)),
        Packing::Documents if member.is_live() => return Err(io::Error::other(DOCUMENTS)),
        _ => None,
    };
    // A long beginning without a line end must not be read again and again while it grows. What is
    // shorter now is another file, for the number of a deleted inode is given away again.
    let has_grown = |known: &&Known| {
        known.head.is_none()
            && known.stamp.same_inode(&stamp)
            && known.stamp.len <= stamp.len
            && member.is_live()
    };
    let from = before.filter(has_grown).map_or(0, |known| known.stamp.len);
    let head = match packing {
        Packing::Plain if from > 0 && !first::has_line_end(&fd, from)? => None,
        _ => first::of_file(&fd, !member.is_live())?,
    };
    Ok(Known {
        stamp,
        head,
        len,
        packing,
    })
}
