//! Items of a source through decoder and engine, into a batch that can be made durable.
//!
//! Refuses to keep a line: what could not be read is remembered by place, length, reason and digest.

use super::Lookups;
use crate::base::{Digest, Time};
use crate::config::Found;
use crate::engine::{self, Engine, Input, SourceIndex, StoredInput};
use crate::event::decode::{self, Malformed};
use crate::event::{AuditEvent, origin};
use crate::source::{GapKind, Item};
use crate::store::history::{Place, Rows};
use crate::store::{self, Advance};
use std::path::PathBuf;

/// Ticks that wait for something to be committed with.
const TICKS_AT_ONCE: usize = 64;

/// A malformed line, or item of a list.
pub struct Aside {
    pub seq: u64,
    pub file: Digest,
    pub from: u64,
    pub to: u64,
    pub reason: Malformed,
    pub digest: Digest,
    /// Of the last event before it.
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

impl Aside {
    pub(super) fn as_row(&self) -> store::Aside<'_> {
        let Aside { seq, file, from, to, reason, digest, time } = *self;
        store::Aside { seq, file, from, to, reason: reason.reason(), digest, time }
    }
}

impl Hole {
    pub(super) fn as_row(&self) -> store::Gap<'_> {
        let Hole { seq, file, from, to, kind, ref detail, time } = *self;
        store::Gap { seq, file, from, to, kind: kind.as_str(), detail, time }
    }
}

/// What some inputs brought about: everything that a commit and the metrics need.
#[derive(Default)]
pub struct Batch {
    pub out: engine::Output,
    pub advances: Vec<Advance>,
    pub asides: Vec<Aside>,
    pub holes: Vec<Hole>,
    /// Inputs that were no events, by seq.
    pub inputs: Vec<(u64, StoredInput)>,
    /// By the index of the log: its file read last.
    pub last_file: Vec<(SourceIndex, Digest)>,
    pub lines: u64,
    pub bytes: u64,
    pub events: u64,
    pub malformed: [u64; Malformed::ALL.len()],
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

    fn advance(&mut self, source: SourceIndex, file: Digest, from: u64, to: u64) {
        match self.advances.last_mut() {
            Some(last) if last.file == file && last.to == from => last.to = to,
            _ => self.advances.push(Advance { file, from, to, first: true }),
        }
        match self.last_file.iter_mut().find(|(s, _)| *s == source) {
            Some((_, last)) => *last = file,
            None => self.last_file.push((source, file)),
        }
    }
}

/// The engine and the batch that it is filling.
pub struct Pump {
    pub engine: Engine,
    pub batch: Batch,
    limits: decode::Limits,
    /// Is there a history that wants the events?
    pub keeps_history: bool,
    /// Whose networks public origins are in.
    pub geoip: Lookups,
}

impl Pump {
    #[must_use]
    pub fn new(engine: Engine, limits: decode::Limits) -> Pump {
        Pump { engine, batch: Batch::default(), limits, keeps_history: false, geoip: Lookups::default() }
    }

    /// Takes one item of the log with this index.
    pub fn take(&mut self, source: SourceIndex, item: &Item<'_>) {
        match *item {
            Item::Line { file, from, to, bytes } => {
                self.line(source, file, from, to, bytes);
                self.batch.advance(source, file, from, to);
            }
            Item::TooLong { file, from, to, digest } => {
                self.batch.malformed[Malformed::TooLong as usize] += 1;
                self.unread(source, Malformed::TooLong, digest);
                let (seq, time) = (self.engine.seq(), self.engine.now());
                self.batch.asides.push(Aside { seq, file, from, to, reason: Malformed::TooLong, digest, time });
                self.batch.advance(source, file, from, to);
            }
            Item::Gap { file, from, to, kind, detail } => {
                self.gap(source, file, from, to, kind, detail);
                if let Some(file) = file {
                    self.batch.advance(source, file, from, to);
                }
            }
            Item::Begin { file, from, to } => self.batch.advance(source, file, from, to),
        }
    }

    /// Takes an input that stands in no log.
    pub fn tell(&mut self, input: StoredInput) {
        self.engine.step(input.as_input(), &mut self.batch.out);
        self.batch.inputs.push((self.engine.seq(), input));
    }

    fn line(&mut self, source: SourceIndex, file: Digest, from: u64, to: u64, bytes: &[u8]) {
        let Pump { engine, batch, limits, keeps_history, geoip } = self;
        batch.lines += 1;
        batch.bytes += to - from;
        let Batch { out, asides, events, malformed, rows, inputs, .. } = batch;
        let mut rows = keeps_history.then(|| rows.get_or_insert_default());
        decode::line(bytes, limits, &mut |_, event| match event {
            Ok(event) => {
                *events += 1;
                let caller = origin::caller(&event.source_ips, &engine.policy().network.trusted_proxies);
                let geo = caller.and_then(|ip| geoip.find(ip)).map(Found::as_geo);
                let located = geo.as_ref().map(|geo| AuditEvent { geo: Some(geo), ..event.clone() });
                let event = located.as_ref().unwrap_or(event);
                engine.step(Input::Event { source, event }, out);
                if let Some(rows) = &mut rows {
                    rows.push(event, caller, Place { seq: engine.seq(), source, file, offset: from });
                }
            }
            Err(reason) => {
                malformed[reason as usize] += 1;
                let digest = Digest::of(bytes);
                if let Some(input) = unread(engine, source, reason, digest) {
                    engine.step(input.as_input(), out);
                    inputs.push((engine.seq(), input));
                }
                let (seq, time) = (engine.seq(), engine.now());
                asides.push(Aside { seq, file, from, to, reason, digest, time });
            }
        });
    }

    fn unread(&mut self, source: SourceIndex, reason: Malformed, digest: Digest) {
        if let Some(input) = unread(&self.engine, source, reason, digest) {
            self.tell(input);
        }
    }

    fn gap(&mut self, source: SourceIndex, file: Option<Digest>, from: u64, to: u64, kind: GapKind, detail: &str) {
        let name = file.unwrap_or_default();
        let digest =
            Digest::of_parts(&[b"gap", kind.as_str().as_bytes(), &name.0, &from.to_le_bytes(), &to.to_le_bytes()]);
        self.tell(StoredInput::Gap { source, kind: kind.as_str().to_owned(), detail: detail.to_owned(), digest });
        let (seq, time) = (self.engine.seq(), self.engine.now());
        self.batch.holes.push(Hole { seq, file: name, from, to, kind, detail: detail.to_owned(), time });
    }
}

/// What the engine wants to hear of a line that cannot be read.
fn unread(engine: &Engine, source: SourceIndex, reason: Malformed, digest: Digest) -> Option<StoredInput> {
    let reason = reason.reason();
    engine.wants_unread(source, reason).then(|| StoredInput::Unread { source, reason: reason.to_owned(), digest })
}
