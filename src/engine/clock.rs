//! What time it is, by the events alone.
//!
//! Refuses the word of a few events, and of one log against the others. Each log has a time of its
//! own, which leaps only when the bulk of its events does; now is the greatest of them that the
//! bulk of the logs does not contradict.

use super::input::SourceIndex;
use crate::base::text::{self, counted};
use crate::base::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Ahead of its log by more, an event moves no clock.
const LEAP: Span = Span::seconds(3600);
/// By more, logs contradict each other: catching up, one may be hours behind another.
const APART: Span = Span::seconds(86_400);
/// By more, an event would make baselines forget: it is judged as of now until the bulk agrees.
const FAR: Span = Span::seconds(7 * 86_400);
/// So many events more than speak against it agree on a leap.
const BULK: u32 = 64;
/// So many do if nothing spoke against it and they are an hour apart: a log with few events.
const FEW: u32 = 3;

/// What one event's time means.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Heard {
    /// As of when the event is judged: its own time, unless it is far ahead.
    pub at: Time,
    /// What its log, or the others, contradict: told once an hour.
    pub leap: Option<Leap>,
}

/// Events that stand ahead of what the others say.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Leap {
    pub source: SourceIndex,
    /// The time that the others had reached.
    pub from: Time,
    /// The first time that leapt.
    pub to: Time,
    /// 0: it is not known how many.
    pub events: u32,
}

impl Leap {
    /// One sentence for people; `at` and `audit_id` are those of the event that tells it.
    #[must_use]
    pub fn words(&self, at: Time, audit_id: &str) -> String {
        let (
            Leap {
                source,
                from,
                to,
                events,
            },
            audit_id,
        ) = (self, text::name(audit_id));
        let (which, place) = match events {
            0 => ("events".to_owned(), "the lines before audit id"),
            _ if at == *to => (counted((*events).into(), "event"), "audit id"),
            _ => (
                counted((*events).into(), "event"),
                "the lines before audit id",
            ),
        };
        format!(
            "log {source}: {which} of {to} or later, {} ahead of {from}, which the bulk of events had reached ({place} \
             {audit_id}): until the bulk agrees, they move no clock; is the clock of an API server wrong?",
            to.since(*from),
        )
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Clock {
    now: Time,
    voices: BTreeMap<SourceIndex, Voice>,
}

/// The time of one log.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Voice {
    now: Time,
    /// A second event agreed with the first within an hour; until then the next one may correct it.
    confirmed: bool,
    /// Events ahead, less those that were not, since the first of them.
    ahead: u32,
    first_ahead: Time,
    /// The greatest times ahead, in rising order.
    top: [Time; FEW as usize],
    /// An event was not ahead since the first that was.
    denied: bool,
    /// Events more than [`APART`] behind, less those that were not.
    behind: u32,
    /// The greatest time of any log when this one spoke last.
    witnessed: Time,
    /// By its own time, when a leap of this log was last told.
    told: Option<Time>,
    /// It is told that the log as a whole stands ahead.
    told_apart: bool,
}

impl Clock {
    /// The greatest accepted stage time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Whether more than one log spoke.
    #[must_use]
    pub fn hears_several(&self) -> bool {
        self.voices.len() > 1
    }

    /// Whether no event is ahead of its log: then none was judged after now.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.voices.values().all(|voice| voice.ahead == 0)
    }

    /// Takes the stage time of one event.
    pub fn hear(&mut self, source: SourceIndex, at: Time) -> Heard {
        let before = self.now;
        let voice = self.voices.entry(source).or_default();
        let mut leap = voice.hear(at).map(|(from, to, events)| Leap {
            source,
            from,
            to,
            events,
        });
        let reached = voice.now;
        if self.voices.len() == 1 {
            self.now = reached;
        } else {
            let greatest = self
                .voices
                .values()
                .map(|voice| voice.now)
                .max()
                .unwrap_or(reached);
            if let Some(voice) = self.voices.get_mut(&source) {
                voice.witnessed = greatest;
            }
            self.now = self.agreed(greatest);
            leap = leap.or_else(|| self.contradicted(source, at));
        }
        let is_far = before != Time::ZERO && at.since(self.now) > FAR;
        Heard {
            at: if is_far { self.now } else { at },
            leap,
        }
    }

    /// Forgets the logs that are none of these: they say nothing against the others any more.
    pub fn follow(&mut self, followed: &[SourceIndex]) {
        self.voices.retain(|source, _| followed.contains(source));
    }

    /// The greatest time of a log, unless as many logs have spoken since it ran away as agree with
    /// it.
    fn agreed(&self, greatest: Time) -> Time {
        let sure = self.voices.values().any(|voice| voice.confirmed);
        let voices = || {
            self.voices
                .values()
                .filter(move |voice| voice.confirmed || !sure)
        };
        let top = voices().map(|voice| voice.now).max().unwrap_or(greatest);
        let agree = voices()
            .filter(|voice| top.since(voice.now) <= APART)
            .count();
        let against = || voices().filter(|voice| voice.contradicts(top));
        if against().count() < agree {
            return top;
        }
        against().map(|voice| voice.now).max().unwrap_or(top)
    }

    /// A log as a whole that stands ahead of the others.
    fn contradicted(&mut self, source: SourceIndex, at: Time) -> Option<Leap> {
        let now = self.now;
        let voice = self.voices.get_mut(&source)?;
        if at.since(now) <= APART {
            voice.told_apart = false;
            return None;
        }
        let is_news = !std::mem::replace(&mut voice.told_apart, true) && voice.tell(now);
        is_news.then_some(Leap {
            source,
            from: now,
            to: at,
            events: 1,
        })
    }
}

impl Voice {
    /// Returns a leap that has to be told: from when, to when, by how many events.
    fn hear(&mut self, at: Time) -> Option<(Time, Time, u32)> {
        if !self.confirmed {
            self.confirmed = self.now != Time::ZERO && at.since(self.now).0.abs() <= LEAP.0;
            self.now = if self.confirmed { self.now.max(at) } else { at };
            return None;
        }
        if at.since(self.now) > LEAP {
            return self.leap(at);
        }
        let is_news = self.ahead > 0 && self.tell(self.now);
        let leap = is_news.then_some((self.now, self.first_ahead, self.ahead));
        self.denied = true;
        self.ahead = self.ahead.saturating_sub(1);
        if self.ahead == 0 {
            self.settle();
        }
        if self.now.since(at) <= APART {
            self.behind = self.behind.saturating_sub(1);
            self.now = self.now.max(at);
        } else {
            self.behind += 1;
            if self.behind >= BULK {
                // The bulk never was where the clock is.
                let left = std::mem::replace(&mut self.now, at);
                self.behind = 0;
                self.settle();
                return self.tell(at).then_some((at, left, 0));
            }
        }
        leap
    }

    fn leap(&mut self, at: Time) -> Option<(Time, Time, u32)> {
        if self.ahead == 0 {
            self.settle();
            self.first_ahead = at;
        }
        self.ahead += 1;
        let [least, ..] = &mut self.top;
        *least = at.max(*least);
        self.top.sort_unstable();
        let [least, .., greatest] = self.top;
        let in_time = !self.denied && self.ahead >= FEW && greatest.since(least) >= LEAP;
        let from = self.now;
        if in_time || self.ahead >= BULK {
            self.now = least;
            self.ahead = self
                .top
                .iter()
                .filter(|top| top.since(least) > LEAP)
                .count() as u32;
            self.top
                .iter_mut()
                .filter(|top| top.since(least) <= LEAP)
                .for_each(|top| *top = Time::ZERO);
            self.top.sort_unstable();
            (self.denied, self.behind) = (false, 0);
            return None;
        }
        // A log that pauses for a day goes on a day later; what goes on before that is told by the
        // next event.
        let is_news = at.since(from) > FAR && self.tell(from);
        is_news.then_some((from, at, self.ahead))
    }

    /// Whether a leap at `now` is told: the first of an hour.
    fn tell(&mut self, now: Time) -> bool {
        let is_news = self
            .told
            .is_none_or(|told| now.since(told).0.abs() >= LEAP.0);
        if is_news {
            self.told = Some(now);
        }
        is_news
    }

    fn settle(&mut self) {
        (self.ahead, self.top, self.denied) = (0, [Time::ZERO; FEW as usize], false);
    }

    /// Whether this log spoke when that time was heard, and was far behind it.
    fn contradicts(&self, top: Time) -> bool {
        top.since(self.now) > APART && self.witnessed.since(self.now) > APART
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
