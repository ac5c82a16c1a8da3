//! What was sent and could not be kept: how much, of what time, at which levels, and why.
//!
//! Refuses to forget it: it waits in a file of its own until the log says so, and that file needs
//! no more room than it has.

use super::marks::gap_line;
use crate::base::Time;
use crate::base::text::counted;
use crate::event::decode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const NAME: &str = "losses";
/// The file is always so long, so that it can be written where nothing else can.
const BYTES: usize = 4096;

/// Why events were not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// No space was left on the disk.
    Disk,
    /// The spool had reached its limit, with nothing in it that was read.
    Limit,
    /// The disk did not answer for so long that senders had to be relieved.
    Slow,
    /// One request was larger than is accepted.
    Large,
}

impl Why {
    fn words(self) -> &'static str {
        match self {
            Why::Disk => "the disk was full",
            Why::Limit => "the spool had reached its limit before it was read",
            Why::Slow => "the disk did not answer",
            Why::Large => "a request was larger than is accepted",
        }
    }
}

/// Events that were sent and not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// That could be counted.
    pub events: u64,
    /// Requests of which nobody knows how many events they held.
    pub requests: u64,
    /// The first and the last stage time, where one is known.
    pub times: Option<(i64, i64)>,
    /// Events by level.
    pub levels: BTreeMap<String, u64>,
    pub why: Vec<Why>,
}

impl Losses {
    /// Counts lines that were not stored.
    #[must_use]
    pub fn of(lines: &[u8], why: Why) -> Losses {
        let mut losses = Losses {
            why: vec![why],
            ..Losses::default()
        };
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            decode::line(line, &decode::Limits::default(), &mut |_, event| {
                losses.events += 1;
                let Ok(event) = event else { return };
                let (first, last) = losses.times.unwrap_or((event.time.0, event.time.0));
                losses.times = Some((first.min(event.time.0), last.max(event.time.0)));
                *losses
                    .levels
                    .entry(format!("{:?}", event.level))
                    .or_default() += 1;
            });
        }
        losses
    }

    /// Counts a request that was not read.
    #[must_use]
    pub fn of_request(why: Why) -> Losses {
        Losses {
            requests: 1,
            why: vec![why],
            ..Losses::default()
        }
    }

    fn is_empty(&self) -> bool {
        self.events == 0 && self.requests == 0
    }

    fn add(&mut self, more: Losses) {
        self.events += more.events;
        self.requests += more.requests;
        self.times = match (self.times, more.times) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        more.levels
            .into_iter()
            .for_each(|(level, count)| *self.levels.entry(level).or_default() += count);
        self.why.extend(more.why);
        self.why.sort_unstable();
        self.why.dedup();
    }

    /// One sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let mut what = Vec::new();
        if self.events > 0 {
            what.push(counted(self.events, "audit event"));
        }
        if self.requests > 0 {
            what.push(format!(
                "{} with audit events",
                counted(self.requests, "request")
            ));
        }
        let times = self.times.map_or_else(String::new, |(first, last)| {
            format!("; stage times {} to {}", Time(first), Time(last))
        });
        let levels: Vec<String> = self
            .levels
            .iter()
            .map(|(level, count)| format!("{level} {count}"))
            .collect();
        let levels = if levels.is_empty() {
            String::new()
        } else {
            format!("; levels {}", levels.join(", "))
        };
        let why: Vec<&str> = self.why.iter().map(|why| why.words()).collect();
        format!(
            "{} came and could not be kept: {}{times}{levels}",
            what.join(" and "),
            why.join(", ")
        )
    }
}

/// What waits to be told.
#[derive(Default, Serialize, Deserialize)]
struct Pending {
    number: u64,
    losses: Losses,
}

pub(super) struct Ledger {
    file: File,
    pending: Pending,
    /// What the log says already, once it is synced.
    telling: Losses,
    is_kept: bool,
    total: u64,
}

impl Ledger {
    /// `last_told` is the number of the last gap that the log tells of.
    pub fn open(dir: &Path, last_told: u64) -> io::Result<Ledger> {
        let path = dir.join(NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let mut bytes = vec![0; BYTES];
        let read = file.read_at(&mut bytes, 0)?;
        let mut pending: Pending =
            serde_json::from_slice(bytes[..read].trim_ascii_end()).unwrap_or_default();
        if pending.number <= last_told {
            pending = Pending {
                number: last_told + 1,
                losses: Losses::default(),
            };
        }
        let mut ledger = Ledger {
            file,
            pending,
            telling: Losses::default(),
            is_kept: false,
            total: 0,
        };
        ledger.keep()?;
        Ok(ledger)
    }

    pub fn add(&mut self, losses: Losses) {
        if losses.is_empty() {
            return;
        }
        self.total += losses.events;
        self.is_kept = false;
        self.pending.losses.add(losses);
    }

    /// Events that were lost since it was opened.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What the log has to say, if it has.
    pub fn line(&mut self) -> Option<Vec<u8>> {
        if self.pending.losses.is_empty() {
            return None;
        }
        self.telling = std::mem::take(&mut self.pending.losses);
        let line = gap_line(self.pending.number, &self.telling.words());
        Some(line)
    }

    /// The log says it, durably.
    pub fn told(&mut self) {
        self.telling = Losses::default();
        self.pending.number += 1;
        self.is_kept = false;
    }

    /// Makes durable what is not told yet.
    pub fn keep(&mut self) -> io::Result<()> {
        // What could not be told waits with what came since.
        let untold = std::mem::take(&mut self.telling);
        if !untold.is_empty() {
            self.pending.losses.add(untold);
        }
        if self.is_kept {
            return Ok(());
        }
        let mut bytes = serde_json::to_vec(&self.pending)?;
        bytes.resize(BYTES.max(bytes.len()), b' ');
        let written = self
            .file
            .write_all_at(&bytes, 0)
            .and_then(|()| self.file.sync_data());
        match written {
            // A file system that copies on write: it is known until this process ends.
            Err(error) if super::is_full(&error) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                self.is_kept = true;
                Ok(())
            }
        }
    }
}
