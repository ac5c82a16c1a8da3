//! Items of a source through decoder and engine, into a batch that can be made durable.
//!
//! Refuses to keep a line: what could not be read is remembered by place, length, reason and
//! digest.

use super::Lookups;
use super::batch::{Aside, Batch, Hole, Leapt};
use crate::base::{Digest, Span, Time};
use crate::config::Found;
use crate::engine::{Engine, Input, Request, SourceIndex, StoredInput};
use crate::event::decode::{self, Malformed};
use crate::event::{AuditEvent, origin};
use crate::history::Place;
use crate::source::{GapKind, Item};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Torn lines and runs of NUL bytes of one log that are told one by one; then every one whose
/// number is a power of two, with what lies between. A file can hold a million.
const TOLD_ONE_BY_ONE: u64 = 256;
/// A server that handed a request on records it later than the one that answered it: so much later,
/// at most.
const HANDED_ON_WITHIN: Span = Span::seconds(2);
/// Lines that are held at once, and in a row without one that was handed on: then these are no such
/// servers.
const HELD_MAX: usize = 4096;
const HELD_IN_VAIN_MAX: u32 = 256;

/// Where a line stands.
#[derive(Clone, Copy)]
struct LineAt {
    source: SourceIndex,
    file: Digest,
    from: u64,
    to: u64,
}

/// A line of a request that another log may tell better: what came through a proxy.
struct Held {
    at: LineAt,
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
                let at = LineAt {
                    source,
                    file,
                    from,
                    to,
                };
                if !self.hold(at, bytes) {
                    self.line(at, bytes);
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
        is_behind && !self.held.is_empty() && !self.held.iter().any(|held| held.at.source == source)
    }

    /// Takes the lines that were held: before a commit, which their places are part of.
    pub fn settle(&mut self) {
        self.release(Time(i64::MAX));
        self.held_time = Time::ZERO;
    }

    fn release(&mut self, until: Time) {
        while let Some(held) = self.next_held(until) {
            self.line(held.at, &held.bytes);
            let request = self.engine.request();
            let was_in_vain = !(request.is_copy || request.is_relayed);
            self.held_in_vain = if was_in_vain {
                self.held_in_vain.saturating_add(1)
            } else {
                0
            };
        }
    }

    /// The oldest line that was held, if it is of that time or too many are held.
    fn next_held(&mut self, until: Time) -> Option<Held> {
        let is_over = self.held.len() > HELD_MAX;
        let is_due = self.held.front().is_some_and(|held| held.time <= until);
        if is_over || is_due {
            self.held.pop_front()
        } else {
            None
        }
    }

    /// Whether this line waits until the log of the server that handed the request on was read,
    /// too. That one says where it came from, and the order of several logs is that of reading
    /// them.
    fn hold(&mut self, at: LineAt, bytes: &[u8]) -> bool {
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
        self.latest.insert(at.source, time);
        self.holders.insert(at.source);
        self.held.push_back(Held {
            at,
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

    fn line(&mut self, at: LineAt, bytes: &[u8]) {
        let Pump {
            engine,
            batch,
            limits,
            keeps_history,
            geoip,
            latest,
            ..
        } = self;
        if *keeps_history {
            batch.rows.get_or_insert_default();
        }
        let carriers = decode::line(bytes, limits, &mut |_, event| match event {
            Ok(event) => {
                latest.insert(at.source, event.time);
                let proxies = &engine.policy().network.trusted_proxies;
                let caller = origin::caller(&event.source_ips, proxies);
                let geo = caller.and_then(|ip| geoip.find(ip)).map(Found::as_geo);
                match &geo {
                    Some(geo) => {
                        let geo = Some(geo);
                        let located = AuditEvent {
                            geo,
                            ..event.clone()
                        };
                        take_event(engine, batch, at, &located);
                    }
                    None => take_event(engine, batch, at, event),
                }
            }
            Err(reason) => take_malformed(engine, batch, at, reason, Digest::of(bytes)),
        });
        batch.count(carriers);
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

/// Judges an event, and keeps it for those who keep a history.
fn take_event(engine: &mut Engine, batch: &mut Batch, at: LineAt, event: &AuditEvent<'_>) {
    batch.events += 1;
    let source = at.source;
    engine.step(Input::Event { source, event }, &mut batch.out);
    let time = engine.now();
    let leaps = batch.out.leaps.drain(..);
    batch.leaps.extend(leaps.map(|(seq, detail)| Leapt {
        seq,
        file: at.file,
        from: at.from,
        to: at.to,
        detail,
        time,
    }));
    let Some(rows) = &mut batch.rows else {
        return;
    };
    let Request {
        received, is_copy, ..
    } = engine.request();
    let place = Place {
        seq: engine.seq(),
        source,
        file: at.file,
        offset: at.from,
        is_copy,
    };
    // What two servers recorded of one request has one time of receipt.
    let first = (received != event.received).then(|| AuditEvent {
        received,
        ..event.clone()
    });
    rows.push(first.as_ref().unwrap_or(event), engine.caller(event), place);
}

/// Sets a line aside that could not be read, and tells of it.
fn take_malformed(
    engine: &mut Engine,
    batch: &mut Batch,
    at: LineAt,
    reason: Malformed,
    digest: Digest,
) {
    batch.malformed[reason as usize] += 1;
    if let Some(input) = unread(engine, at.source, reason, digest) {
        engine.step(input.as_input(), &mut batch.out);
        batch.inputs.push((engine.seq(), input));
    }
    batch.set_aside(Aside {
        seq: engine.seq(),
        file: at.file,
        from: at.from,
        to: at.to,
        reason,
        digest,
        time: engine.now(),
    });
}
