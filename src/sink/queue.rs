//! What one sink still has to be told, in the order of the outbox: a state machine without clock,
//! chance or network.
//!
//! Refuses to send a notice before the one ahead of it is delivered, refused or dropped, and to
//! forget silently: what is dropped is counted, and an end that was dropped stays owed to whoever
//! heard of the beginning.

use super::note::Note;
use super::route::Route;
use super::schedule::Schedule;
use crate::base::Digest;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Most incidents that a sink remembers having told of; of more, the one seen longest ago is
/// forgotten.
pub const TOLD_MAX: usize = 4096;

/// Most rows of the outbox, wanted or not, that may lie behind a notice that waits: the outbox is
/// bounded, and one receiver that is never there must not fill it.
pub const ROWS_BEHIND_MAX: u64 = 50_000;

/// What may wait; beyond it the oldest is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    pub notices: usize,
    pub bytes: usize,
    pub age: Duration,
}

/// What to do next.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    Send(Parcel),
    /// Nothing before then.
    Wait(Instant),
    /// Nothing until there are rows.
    Idle,
}

/// What is sent at once.
#[derive(Clone, PartialEq, Debug)]
pub enum Parcel {
    /// A revision, and the one that the receiver heard of last.
    Notice {
        note: Arc<Note>,
        before: Option<Arc<Note>>,
    },
    /// All incidents that go on, for receivers that forget.
    Refresh(Vec<Arc<Note>>),
}

/// How a parcel fared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Delivered,
    /// It may work later.
    Retry {
        why: String,
        asked: Option<Duration>,
    },
    /// It will never work.
    Refused {
        why: String,
    },
}

/// Counts since they were last taken.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    pub delivered: u64,
    /// Tries that failed and are repeated.
    pub failed: u64,
    /// Refused by the receiver for good.
    pub refused: u64,
    /// Too old, or too many.
    pub dropped: u64,
}

impl Tally {
    #[must_use]
    pub fn plus(self, more: Tally) -> Tally {
        Tally {
            delivered: self.delivered + more.delivered,
            failed: self.failed + more.failed,
            refused: self.refused + more.refused,
            dropped: self.dropped + more.dropped,
        }
    }
}

struct Waiting {
    row: u64,
    note: Arc<Note>,
    since: Instant,
}

pub struct Queue {
    route: Route,
    keep: Keep,
    /// How often incidents that go on are sent again.
    refresh: Option<Duration>,
    refresh_at: Option<Instant>,
    schedule: Schedule,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// What the receiver heard of last, by incident. A resolved one is an end that it is owed.
    told: BTreeMap<Digest, Arc<Note>>,
    changed: BTreeMap<Digest, Option<Arc<Note>>>,
    in_flight: Option<Parcel>,
    /// Where the receiver keeps what is on its way.
    handle: Option<String>,
    /// The row to come.
    seen: u64,
    tally: Tally,
}

impl Queue {
    /// Goes on from a committed row and from what was told then.
    #[must_use]
    pub fn new(
        route: Route,
        keep: Keep,
        refresh: Option<Duration>,
        next_row: u64,
        told: Vec<Arc<Note>>,
    ) -> Queue {
        let told = told
            .into_iter()
            .filter_map(|note| Some((note.digest()?, note)))
            .collect();
        Queue {
            route,
            keep,
            refresh,
            refresh_at: None,
            schedule: Schedule::default(),
            waiting: VecDeque::new(),
            bytes: 0,
            told,
            changed: BTreeMap::new(),
            in_flight: None,
            handle: None,
            seen: next_row,
            tally: Tally::default(),
        }
    }

    /// Takes a committed row.
    pub fn push(&mut self, row: u64, note: Arc<Note>, now: Instant) {
        self.seen = row + 1;
        let known = note.digest().is_some_and(|id| self.told.contains_key(&id))
            || self.waiting.iter().any(|w| w.note.id == note.id);
        if if note.is_over() {
            known
        } else {
            self.route.wants(&note, known)
        } {
            self.bytes += note.line.len();
            self.waiting.push_back(Waiting {
                row,
                note,
                since: now,
            });
        }
        self.drop_what_is_over(now);
    }

    /// All rows below it are done, or given up.
    #[must_use]
    pub fn next_row(&self) -> u64 {
        self.waiting
            .front()
            .map_or(self.seen, |w| w.row)
            .max(self.first_row())
    }

    fn first_row(&self) -> u64 {
        self.seen.saturating_sub(ROWS_BEHIND_MAX)
    }

    #[must_use]
    pub fn depth(&self) -> usize {
        self.waiting.len()
    }

    /// What to do now; a parcel has to be [answered](Queue::answered) before the next.
    pub fn next(&mut self, now: Instant) -> Step {
        self.drop_what_is_over(now);
        if let Some(until) = self.schedule.pause(now) {
            return Step::Wait(until);
        }
        self.pass_ends_of_the_unheard();
        let parcel = self
            .owed()
            .or_else(|| self.refreshed(now))
            .or_else(|| self.first());
        match (parcel, self.refresh_at) {
            (Some(parcel), _) => {
                self.in_flight = Some(parcel.clone());
                Step::Send(parcel)
            }
            (None, Some(at)) => Step::Wait(at),
            (None, None) => Step::Idle,
        }
    }

    /// Where the receiver keeps what is on its way: it comes back with what was told before.
    pub fn kept_at(&mut self, handle: Option<String>) {
        self.handle = handle;
    }

    /// How the parcel on its way fared. `lot` is any random number.
    pub fn answered(&mut self, outcome: &Outcome, now: Instant, lot: u64) {
        let (parcel, handle) = (self.in_flight.take(), self.handle.take());
        let Some(parcel) = parcel else { return };
        if let Outcome::Retry { asked, .. } = outcome {
            self.tally.failed += 1;
            self.schedule.failed(now, *asked, lot);
            return;
        }
        self.schedule.succeeded();
        let Parcel::Notice { note, .. } = parcel else {
            self.refresh_at = self.refresh.map(|every| now + every);
            self.tally.refused += u64::from(*outcome != Outcome::Delivered);
            return;
        };
        if self
            .waiting
            .front()
            .is_some_and(|w| w.note.key() == note.key())
        {
            self.pop(0);
        }
        let delivered = *outcome == Outcome::Delivered;
        self.tally.delivered += u64::from(delivered);
        self.tally.refused += u64::from(!delivered);
        if note.is_over() {
            // An end that the receiver refuses would be owed for ever.
            self.remember(&note, None);
        } else if delivered {
            let kept = handle.map(|handle| Arc::new(note.with_handle(&handle)));
            self.remember(&note, Some(kept.unwrap_or_else(|| note.clone())));
            self.refresh_at = self.refresh_at.or(self.refresh.map(|every| now + every));
        }
    }

    /// Counts since the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// What the receiver heard of last, where that changed since the last call; `None` where it
    /// heard the end.
    pub fn take_changed(&mut self) -> BTreeMap<Digest, Option<Arc<Note>>> {
        std::mem::take(&mut self.changed)
    }

    fn owed(&self) -> Option<Parcel> {
        let note = self.told.values().find(|note| note.is_over())?.clone();
        Some(Parcel::Notice { note, before: None })
    }

    fn first(&self) -> Option<Parcel> {
        let note = self.waiting.front()?.note.clone();
        let before = note.digest().and_then(|id| self.told.get(&id).cloned());
        Some(Parcel::Notice { note, before })
    }

    /// Everything that goes on, when it is time; after a start at once, since nobody knows how long
    /// we were away.
    fn refreshed(&mut self, now: Instant) -> Option<Parcel> {
        let every = self.refresh?;
        let due = self.refresh_at.is_none_or(|at| at <= now);
        if due {
            self.refresh_at = Some(now + every);
        }
        due.then(|| Parcel::Refresh(self.told.values().cloned().collect()))
    }

    /// The end of what was refused or dropped is no news.
    fn pass_ends_of_the_unheard(&mut self) {
        while let Some(first) = self.waiting.front() {
            let told = first
                .note
                .digest()
                .is_some_and(|id| self.told.contains_key(&id));
            if !first.note.is_over() || told {
                return;
            }
            self.pop(0);
        }
    }

    fn drop_what_is_over(&mut self, now: Instant) {
        // What is on its way may have arrived already.
        let first = usize::from(matches!(self.in_flight, Some(Parcel::Notice { .. })));
        while let Some(oldest) = self.waiting.get(first) {
            let aged = now.saturating_duration_since(oldest.since) > self.keep.age;
            let behind = oldest.row < self.first_row();
            if !aged
                && !behind
                && self.waiting.len() <= self.keep.notices
                && self.bytes <= self.keep.bytes
            {
                return;
            }
            let note = oldest.note.clone();
            self.pop(first);
            self.tally.dropped += 1;
            let told = note.digest().is_some_and(|id| self.told.contains_key(&id));
            if note.is_over() && told {
                self.remember(&note, Some(note.clone()));
            }
        }
    }

    fn pop(&mut self, at: usize) {
        if let Some(gone) = self.waiting.remove(at) {
            self.bytes -= gone.note.line.len();
        }
    }

    fn remember(&mut self, note: &Note, last: Option<Arc<Note>>) {
        let Some(id) = note.digest() else { return };
        let handle = self.told.get(&id).and_then(|before| before.handle.clone());
        let last = last.map(|last| match (&last.handle, handle) {
            (None, Some(handle)) => Arc::new(last.with_handle(&handle)),
            _ => last,
        });
        match &last {
            Some(note) => self.told.insert(id, note.clone()),
            None => self.told.remove(&id),
        };
        self.changed.insert(id, last);
        if self.told.len() > TOLD_MAX {
            let oldest = self
                .told
                .iter()
                .min_by_key(|(_, note)| &note.last_seen)
                .map(|(id, _)| *id);
            if let Some(id) = oldest {
                self.told.remove(&id);
                self.changed.insert(id, None);
                self.tally.dropped += 1;
            }
        }
    }
}
