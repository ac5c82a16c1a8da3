//! Items of a source through decoder and engine, into a batch that can be made durable.
//!
//! Refuses to keep a line: what could not be read is remembered by place, length, reason and
//! digest.

use super::Lookups;
use crate::base::{Digest, Span, Time};
use crate::config::Found;
use crate::engine::{self, Engine, Input, Request, SourceIndex, StoredInput, camera};
use crate::event::decode::{self, Malformed};
use crate::event::{AuditEvent, origin};
use crate::history::{Place, Rows};
use crate::source::{GapKind, Item, Trail};
use crate::store::{self, Advance};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

/// Ticks that wait for something to be committed with.
const TICKS_AT_ONCE: usize = 64;

/// Torn lines and runs of NUL bytes of one log that are told one by one; then every one whose
/// number is a power of two, with what lies between. A file can hold a million.
const TOLD_ONE_BY_ONE: u64 = 256;
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
    /// Of those that are told.
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

    fn set_aside(&mut self, aside: Aside) {
        if self.asides.len() >= ASIDES_AT_MOST * 2 {
            self.asides.drain(..ASIDES_AT_MOST);
        }
        self.asides.push(aside);
    }

    fn advance(&mut self, source: SourceIndex, file: Digest, from: u64, to: u64) {
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

/// A server that handed a request on records it later than the one that answered it: so much later,
/// at most.
const HANDED_ON_WITHIN: Span = Span::seconds(2);
/// Lines that are held at once, and in a row without one that was handed on: then these are no such
/// servers.
const HELD_MAX: usize = 4096;
const HELD_IN_VAIN_MAX: u32 = 256;

/// A line of a request that another log may tell better: what came through a proxy.
struct Held {
    source: SourceIndex,
    file: Digest,
    from: u64,
    to: u64,
    bytes: Vec<u8>,
    time: Time,
}

/// The engine and the batch that it is filling.
pub struct Pump {
    pub engine: Engine,
    pub batch: Batch,
    /// Whether several logs are read: one of them may be of an aggregated API server.
    pub holds: bool,
    /// Several logs come merged by time; else a held line waits until [`Pump::settle`].
    pub merged: bool,
    /// The newest time of each log.
    latest: BTreeMap<SourceIndex, Time>,
    held: VecDeque<Held>,
    held_in_vain: u32,
    /// Logs of which lines were held.
    holders: BTreeSet<SourceIndex>,
    /// The greatest time of a line that was held.
    held_time: Time,
    limits: decode::Limits,
    /// Is there a history that wants the events?
    pub keeps_history: bool,
    /// Whose networks public origins are in.
    pub geoip: Lookups,
    crowds: BTreeMap<(SourceIndex, GapKind), Crowd>,
}

/// Holes of one kind in one log since the process began.
#[derive(Clone, Copy, Default)]
struct Crowd {
    count: u64,
    untold: u64,
    untold_bytes: u64,
}

impl Crowd {
    /// Takes note of a hole; the words to add when it is told, `None` if it is not.
    fn take(&mut self, kind: GapKind, bytes: u64) -> Option<String> {
        self.count += 1;
        let small = matches!(kind, GapKind::Nul | GapKind::Torn);
        if small && self.count > TOLD_ONE_BY_ONE && !self.count.is_power_of_two() {
            self.untold += 1;
            self.untold_bytes += bytes;
            return None;
        }
        let Crowd {
            untold,
            untold_bytes,
            ..
        } = std::mem::replace(
            self,
            Crowd {
                count: self.count,
                ..Crowd::default()
            },
        );
        Some(if untold > 0 {
            format!("; {untold} more holes before it, {untold_bytes} bytes")
        } else {
            String::new()
        })
    }
}

impl Pump {
    #[must_use]
    pub fn new(engine: Engine, limits: decode::Limits) -> Pump {
        Pump {
            engine,
            batch: Batch::default(),
            holds: false,
            merged: false,
            latest: BTreeMap::new(),
            held: VecDeque::new(),
            held_in_vain: 0,
            holders: BTreeSet::new(),
            held_time: Time::ZERO,
            limits,
            keeps_history: false,
            geoip: Lookups::default(),
            crowds: BTreeMap::new(),
        }
    }

    /// Takes one item of the log with this index.
    pub fn take(&mut self, source: SourceIndex, item: &Item<'_>) {
        match *item {
            Item::Line {
                file,
                from,
                to,
                bytes,
            } => {
                self.batch.lines += 1;
                self.batch.bytes += to - from;
                if !self.hold(source, file, from, to, bytes) {
                    self.line(source, file, from, to, bytes);
                }
                let passed = self.engine.now().max(self.held_time) - HANDED_ON_WITHIN;
                self.release(if self.merged { passed } else { Time(i64::MIN) });
                self.batch.advance(source, file, from, to);
            }
            Item::TooLong {
                file,
                from,
                to,
                digest,
            } => {
                self.batch.malformed[Malformed::TooLong as usize] += 1;
                self.unread(source, Malformed::TooLong, digest);
                let (seq, time) = (self.engine.seq(), self.engine.now());
                self.batch.set_aside(Aside {
                    seq,
                    file,
                    from,
                    to,
                    reason: Malformed::TooLong,
                    digest,
                    time,
                });
                self.batch.advance(source, file, from, to);
            }
            Item::Gap {
                file,
                from,
                to,
                kind,
                detail,
            } => {
                self.gap(source, file, from, to, kind, detail);
                if let Some(file) = file {
                    self.batch.advance(source, file, from, to);
                }
            }
            Item::Begin { file, from, to } => self.batch.advance(source, file, from, to),
        }
    }

    /// The time of the last event of a log, so that logs can be read side by side.
    #[must_use]
    pub fn latest(&self, source: SourceIndex) -> Time {
        self.latest.get(&source).copied().unwrap_or(Time::ZERO)
    }

    /// Whether lines of this log were held last.
    #[must_use]
    pub fn holds_of(&self, source: SourceIndex) -> bool {
        self.holders.contains(&source)
    }

    /// Whether more of this log may tell what was held of another one.
    #[must_use]
    pub fn waits_for(&self, source: SourceIndex) -> bool {
        let is_behind = self.latest(source) <= self.held_time + HANDED_ON_WITHIN;
        is_behind && !self.held.is_empty() && !self.held.iter().any(|held| held.source == source)
    }

    /// Takes the lines that were held: before a commit, which their places are part of.
    pub fn settle(&mut self) {
        self.release(Time(i64::MAX));
        self.held_time = Time::ZERO;
    }

    fn release(&mut self, until: Time) {
        while self
            .held
            .front()
            .is_some_and(|held| held.time <= until || self.held.len() > HELD_MAX)
            && let Some(Held {
                source,
                file,
                from,
                to,
                bytes,
                ..
            }) = self.held.pop_front()
        {
            self.line(source, file, from, to, &bytes);
            let request = self.engine.request();
            let was_in_vain = !(request.is_copy || request.is_relayed);
            self.held_in_vain = if was_in_vain {
                self.held_in_vain.saturating_add(1)
            } else {
                0
            };
        }
    }

    /// Whether this line waits until the log of the server that handed the request on was read,
    /// too. That one says where it came from, and the order of several logs is that of reading
    /// them.
    fn hold(
        &mut self,
        source: SourceIndex,
        file: Digest,
        from: u64,
        to: u64,
        bytes: &[u8],
    ) -> bool {
        if !self.holds || self.held_in_vain >= HELD_IN_VAIN_MAX || !may_be_handed_on(bytes) {
            return false;
        }
        let mut time = None;
        decode::line(bytes, &self.limits, &mut |n, event| {
            time = event
                .ok()
                .filter(|event| n == 0 && event.source_ips.len() > 1)
                .map(|event| event.time);
        });
        let Some(time) = time else { return false };
        self.held_time = self.held_time.max(time);
        self.latest.insert(source, time);
        self.holders.insert(source);
        self.held.push_back(Held {
            source,
            file,
            from,
            to,
            bytes: bytes.to_vec(),
            time,
        });
        true
    }

    /// Takes an input that stands in no log.
    pub fn tell(&mut self, input: StoredInput) {
        self.engine.step(input.as_input(), &mut self.batch.out);
        self.batch.inputs.push((self.engine.seq(), input));
    }

    fn line(&mut self, source: SourceIndex, file: Digest, from: u64, to: u64, bytes: &[u8]) {
        let Pump {
            engine,
            batch,
            limits,
            keeps_history,
            geoip,
            latest,
            ..
        } = self;
        let Batch {
            out,
            leaps,
            events,
            malformed,
            rows,
            inputs,
            ..
        } = batch;
        let mut asides = Vec::new();
        let mut rows = keeps_history.then(|| rows.get_or_insert_default());
        decode::line(bytes, limits, &mut |_, event| match event {
            Ok(event) => {
                *events += 1;
                latest.insert(source, event.time);
                let caller =
                    origin::caller(&event.source_ips, &engine.policy().network.trusted_proxies);
                let geo = caller.and_then(|ip| geoip.find(ip)).map(Found::as_geo);
                let located = geo.as_ref().map(|geo| AuditEvent {
                    geo: Some(geo),
                    ..event.clone()
                });
                let event = located.as_ref().unwrap_or(event);
                engine.step(Input::Event { source, event }, out);
                let time = engine.now();
                leaps.extend(out.leaps.drain(..).map(|(seq, detail)| Leapt {
                    seq,
                    file,
                    from,
                    to,
                    detail,
                    time,
                }));
                if let Some(rows) = &mut rows {
                    let (
                        seq,
                        Request {
                            received, is_copy, ..
                        },
                    ) = (engine.seq(), engine.request());
                    let place = Place {
                        seq,
                        source,
                        file,
                        offset: from,
                        is_copy,
                    };
                    let first = (received != event.received).then(|| AuditEvent {
                        received,
                        ..event.clone()
                    });
                    rows.push(first.as_ref().unwrap_or(event), engine.caller(event), place);
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
                asides.push(Aside {
                    seq,
                    file,
                    from,
                    to,
                    reason,
                    digest,
                    time,
                });
            }
        });
        asides.into_iter().for_each(|aside| batch.set_aside(aside));
    }

    fn unread(&mut self, source: SourceIndex, reason: Malformed, digest: Digest) {
        if let Some(input) = unread(&self.engine, source, reason, digest) {
            self.tell(input);
        }
    }

    fn gap(
        &mut self,
        source: SourceIndex,
        file: Option<Digest>,
        from: u64,
        to: u64,
        kind: GapKind,
        detail: &str,
    ) {
        *self.batch.gaps.entry(kind).or_default() += 1;
        let crowd = self.crowds.entry((source, kind)).or_default();
        let Some(more) = crowd.take(kind, to.saturating_sub(from)) else {
            return;
        };
        let detail = format!("{detail}{more}");
        let name = file.unwrap_or_default();
        let digest = Digest::of_parts(&[
            b"gap",
            kind.as_str().as_bytes(),
            &name.0,
            &from.to_le_bytes(),
            &to.to_le_bytes(),
        ]);
        self.tell(StoredInput::Gap {
            source,
            kind: kind.as_str().to_owned(),
            detail: detail.clone(),
            digest,
        });
        let (seq, time) = (self.engine.seq(), self.engine.now());
        self.batch.holes.push(Hole {
            seq,
            file: name,
            from,
            to,
            kind,
            detail,
            time,
        });
    }
}

/// Whether `sourceIPs` have several entries, as servers write them; most lines have one, and need
/// no second look.
fn may_be_handed_on(bytes: &[u8]) -> bool {
    const KEY: &[u8] = br#""sourceIPs":["#;
    let Some(at) = memchr::memmem::find(bytes, KEY) else {
        return false;
    };
    let list = &bytes[at + KEY.len()..];
    memchr::memchr2(b',', b']', list).is_some_and(|end| list[end] == b',')
}

/// What the engine wants to hear of a line that cannot be read.
fn unread(
    engine: &Engine,
    source: SourceIndex,
    reason: Malformed,
    digest: Digest,
) -> Option<StoredInput> {
    let reason = reason.reason();
    engine
        .wants_unread(source, reason)
        .then(|| StoredInput::Unread {
            source,
            reason: reason.to_owned(),
            digest,
        })
}
