//! What some inputs brought about, until a commit makes it durable.
//!
//! Refuses to bring anything about: the pump does.

use crate::base::{Digest, Time};
use crate::engine::{self, SourceIndex, StoredInput, camera};
use crate::event::decode::Malformed;
use crate::event::envelopes::{Carrier, Carriers};
use crate::history::Rows;
use crate::source::{GapKind, Trail};
use crate::store::{self, Advance};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Ticks that wait for something to be committed with.
const TICKS_AT_ONCE: usize = 64;

/// Malformed lines remembered of one batch, the newest: the store keeps no more.
const ASIDES_AT_MOST: usize = 10_000;
/// Pieces beside the events after which a batch is worth a commit.
const MANY_PIECES: usize = 8_192;

/// A malformed line, or item of a list.
pub struct Aside {
    pub seq: u64,
    pub file: Digest,
    pub from: u64,
    pub to: u64,
    pub reason: Malformed,
    pub digest: Digest,
    /// Time of the last event before it.
    pub time: Time,
}

/// A hole in what was read.
pub struct Hole {
    pub seq: u64,
    /// Zero where the hole has no file.
    pub file: Digest,
    pub from: u64,
    pub to: u64,
    pub kind: GapKind,
    pub detail: String,
    pub time: Time,
}

/// A line whose time is not believed.
pub struct Leapt {
    pub seq: u64,
    pub file: Digest,
    pub from: u64,
    pub to: u64,
    pub detail: String,
    pub time: Time,
}

impl Leapt {
    pub(super) fn as_row(&self) -> store::Gap<'_> {
        let Leapt {
            seq,
            file,
            from,
            to,
            ref detail,
            time,
        } = *self;
        store::Gap {
            seq,
            file,
            from,
            to,
            kind: camera::LEAP,
            detail,
            time,
        }
    }
}

impl Aside {
    pub(super) fn as_row(&self) -> store::Aside<'_> {
        let Aside {
            seq,
            file,
            from,
            to,
            reason,
            digest,
            time,
        } = *self;
        store::Aside {
            seq,
            file,
            from,
            to,
            reason: reason.reason(),
            digest,
            time,
        }
    }
}

impl Hole {
    pub(super) fn as_row(&self) -> store::Gap<'_> {
        let Hole {
            seq,
            file,
            from,
            to,
            kind,
            ref detail,
            time,
        } = *self;
        store::Gap {
            seq,
            file,
            from,
            to,
            kind: kind.as_str(),
            detail,
            time,
        }
    }
}

/// What some inputs brought about: everything that a commit and the metrics need.
#[derive(Default)]
pub struct Batch {
    pub out: engine::Output,
    pub advances: Vec<Advance>,
    pub asides: Vec<Aside>,
    pub holes: Vec<Hole>,
    /// Leaps that are told.
    pub leaps: Vec<Leapt>,
    /// Inputs that were no events, by seq.
    pub inputs: Vec<(u64, StoredInput)>,
    /// By the index of the log: its file read last.
    pub last_file: Vec<(SourceIndex, Digest)>,
    /// What the files read are known by; the reader gives it when it is time to commit.
    pub trails: Vec<(Digest, Trail)>,
    pub lines: u64,
    pub bytes: u64,
    pub events: u64,
    pub malformed: [u64; Malformed::ALL.len()],
    /// Lines by the carriers that they were, in the order of [`Carrier::ALL`].
    pub carriers: [u64; Carrier::ALL.len()],
    /// Records of carriers that by their own words are no audit events.
    pub foreign: u64,
    /// Events that a carrier cut off.
    pub cut: u64,
    /// Holes by kind, also those that are not told one by one.
    pub gaps: BTreeMap<GapKind, u64>,
    /// Files of commands that were taken: they go after the commit.
    pub commands: Vec<PathBuf>,
    /// The events, for those who keep a history.
    pub rows: Option<Rows>,
}

impl Batch {
    /// Whether a commit can wait: ticks alone are worth one now and then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.advances.is_empty()
            && self.holes.is_empty()
            && self.out.revisions.is_empty()
            && self.commands.is_empty()
            && self.inputs.len() < TICKS_AT_ONCE
    }

    /// Whether it holds so many pieces that it should be committed before more is read.
    #[must_use]
    pub fn is_heavy(&self) -> bool {
        self.asides.len() + self.holes.len() + self.inputs.len() + self.advances.len()
            >= MANY_PIECES
    }

    pub(super) fn count(&mut self, carriers: Carriers) {
        for carrier in carriers.iter() {
            self.carriers[carrier as usize] += 1;
        }
        self.foreign += u64::from(carriers.foreign);
        self.cut += u64::from(carriers.cut);
    }

    pub(super) fn set_aside(&mut self, aside: Aside) {
        if self.asides.len() >= ASIDES_AT_MOST * 2 {
            self.asides.drain(..ASIDES_AT_MOST);
        }
        self.asides.push(aside);
    }

    pub(super) fn advance(&mut self, source: SourceIndex, file: Digest, from: u64, to: u64) {
        match self.advances.last_mut() {
            Some(last) if last.file == file && last.to == from => last.to = to,
            _ => self.advances.push(Advance {
                file,
                from,
                to,
                first: true,
            }),
        }
        match self.last_file.iter_mut().find(|(s, _)| *s == source) {
            Some((_, last)) => *last = file,
            None => self.last_file.push((source, file)),
        }
    }
}
