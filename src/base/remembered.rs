//! A bounded memory of values: which, since when, how often, on how many days, and how often a new
//! one comes.
//!
//! Cannot be flushed by a flood: when it is full a newcomer can only displace a value that was seen
//! on one day, the weakest first, so that a flood of inventions displaces other inventions and
//! nothing that is habit. What finds no place is counted. Nothing that was known becomes wholly new
//! again: a value that returns after a long time counts half the days that it was seen on.

use super::{Time, text};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Longest value kept, in bytes; a longer one is cut at a character border (and so merges with its
/// like).
pub const LONGEST_VALUE: usize = 128;

/// What is known of one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Seconds since 1970.
    first: u32,
    last: u32,
    /// Saturating.
    pub count: u32,
    /// Distinct UTC days, saturating.
    pub days: u16,
}

impl Seen {
    /// One sighting.
    #[must_use]
    pub fn new(at: Time) -> Seen {
        let s = at.stored_seconds();
        Seen {
            first: s,
            last: s,
            count: 1,
            days: 1,
        }
    }

    #[must_use]
    pub fn first(&self) -> Time {
        Time::from_seconds(i64::from(self.first))
    }

    #[must_use]
    pub fn last(&self) -> Time {
        Time::from_seconds(i64::from(self.last))
    }

    /// One more sighting; days that ended before `horizon` count half.
    pub fn again(&mut self, at: Time, horizon: Time) {
        let s = at.stored_seconds();
        if self.last() < horizon {
            self.days = (self.days / 2).max(1);
        }
        self.count = self.count.saturating_add(1);
        if s / 86_400 > self.last / 86_400 {
            self.days = self.days.saturating_add(1);
        }
        self.last = self.last.max(s);
        self.first = self.first.min(s);
    }

    /// Weakest first: fewest days, then long ago, then seldom.
    fn strength(&self) -> (u16, u32, u32) {
        (self.days, self.last, self.count)
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Entry {
    what: SmolStr,
    seen: Seen,
}

/// Values in order of their text, so that equal memories have equal bytes.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Remembered {
    entries: Vec<Entry>,
    /// Values that found no place, saturating.
    pub refused: u32,
    novelty: Novelty,
    /// Where the last value stood that was noted: clients repeat themselves.
    #[serde(skip)]
    hint: Hint,
}

/// A place to look first. It says nothing about what is remembered, so all are equal.
#[derive(Clone, Copy, Debug, Default)]
struct Hint(u16);

impl PartialEq for Hint {
    fn eq(&self, _: &Hint) -> bool {
        true
    }
}

/// On how many days a value came that was not known, saturating.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Novelty {
    days: u16,
    /// The last of them, in days since 1970, saturating (2149).
    last: u16,
}

impl Novelty {
    /// Counts the day of `at`.
    pub fn note(&mut self, at: Time) {
        let day = day_of(at);
        if self.days == 0 || day > self.last {
            self.days = self.days.saturating_add(1);
            self.last = day;
        }
    }

    /// Days before today that brought something new, without the first: on its first day everything
    /// is new.
    #[must_use]
    pub fn days_before(&self, now: Time) -> u32 {
        let today = u32::from(self.days > 0 && self.last == day_of(now));
        u32::from(self.days)
            .saturating_sub(today)
            .saturating_sub(u32::from(u32::from(self.days) > today))
    }
}

fn day_of(at: Time) -> u16 {
    u16::try_from(at.stored_seconds() / 86_400).unwrap_or(u16::MAX)
}

impl Remembered {
    /// What is known of `what`.
    #[must_use]
    pub fn get(&self, what: &str) -> Option<&Seen> {
        let at = self.position(cut(what)).ok()?;
        Some(&self.entries[at].seen)
    }

    /// How often new values come.
    #[must_use]
    pub fn novelty(&self) -> Novelty {
        self.novelty
    }

    /// Remembers one more sighting; at most `limit` values are kept. A value that was not seen
    /// since `horizon` counts half its days, and is the first to go.
    pub fn note(&mut self, what: &str, at: Time, horizon: Time, limit: usize) {
        let what = cut(what);
        match self.position(what) {
            Ok(i) => {
                self.entries[i].seen.again(at, horizon);
                self.hint = Hint(u16::try_from(i).unwrap_or(0));
            }
            Err(i) if self.entries.len() < limit => self.insert(i, what, at),
            Err(_) => match self.weakest(horizon) {
                Some(weak) => {
                    self.entries.remove(weak);
                    let i = self.position(what).unwrap_or_else(|i| i);
                    self.insert(i, what, at);
                }
                None => {
                    self.refused = self.refused.saturating_add(1);
                    self.novelty.note(at);
                }
            },
        }
    }

    /// Takes `what` for known on at least `days` days: somebody who may say so said so. When all
    /// others are habit, the weakest of them gives way.
    pub fn teach(&mut self, what: &str, at: Time, horizon: Time, limit: usize, days: u16) {
        let what = cut(what);
        if self.position(what).is_err()
            && self.entries.len() >= limit.max(1)
            && self.weakest(horizon).is_none()
        {
            let strengths = self.entries.iter().enumerate();
            if let Some((weak, _)) = strengths.min_by_key(|(_, e)| e.seen.strength()) {
                self.entries.remove(weak);
            }
        }
        self.note(what, at, horizon, limit);
        if let Ok(i) = self.position(what) {
            self.entries[i].seen.days = self.entries[i].seen.days.max(days);
        }
    }

    fn insert(&mut self, i: usize, what: &str, at: Time) {
        self.novelty.note(at);
        // Grow by eighths, not doubles: a hundred thousand accounts pay for every empty place.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(1 + self.entries.len() / 8);
        }
        self.entries.insert(
            i,
            Entry {
                what: what.into(),
                seen: Seen::new(at),
            },
        );
    }

    fn position(&self, what: &str) -> Result<usize, usize> {
        let hint = usize::from(self.hint.0);
        if self
            .entries
            .get(hint)
            .is_some_and(|entry| entry.what == what)
        {
            return Ok(hint);
        }
        self.entries.binary_search_by(|e| e.what.as_str().cmp(what))
    }

    /// The first to go: what is forgotten, then what was seen on one day only; `None` if all is
    /// habit.
    fn weakest(&self, horizon: Time) -> Option<usize> {
        let rank = |e: &Entry| (e.seen.last() >= horizon, e.seen.strength());
        let weak = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| e.seen.days <= 1 || e.seen.last() < horizon);
        weak.min_by_key(|(_, e)| rank(e)).map(|(i, _)| i)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All values in order of their text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Seen)> {
        self.entries.iter().map(|e| (e.what.as_str(), &e.seen))
    }

    /// Up to `n` values that are seen most, for sentences about what is usual.
    #[must_use]
    pub fn most(&self, n: usize) -> Vec<&str> {
        let mut all: Vec<&Entry> = self.entries.iter().collect();
        all.sort_by(|a, b| {
            b.seen
                .count
                .cmp(&a.seen.count)
                .then_with(|| a.what.cmp(&b.what))
        });
        all.into_iter().take(n).map(|e| e.what.as_str()).collect()
    }
}

/// At most [`LONGEST_VALUE`] bytes of `text`.
#[must_use]
pub fn cut(text: &str) -> &str {
    text::cut(text, LONGEST_VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVER: Time = Time::ZERO;

    fn day(n: i64) -> Time {
        Time::from_seconds(n * 86_400)
    }

    #[test]
    fn a_flood_of_inventions_displaces_no_habit() {
        let mut memory = Remembered::default();
        for d in 1..4 {
            memory.note("habit", day(d), EVER, 4);
        }
        for n in 0..1000 {
            memory.note(&format!("invention {n}"), day(5), EVER, 4);
        }
        assert_eq!(memory.get("habit").unwrap().days, 3);
        assert_eq!(memory.len(), 4);
    }

    #[test]
    fn habits_that_fill_it_keep_their_places() {
        let mut memory = Remembered::default();
        for d in 1..3 {
            memory.note("a", day(d), EVER, 2);
            memory.note("b", day(d), EVER, 2);
        }
        memory.note("c", day(3), EVER, 2);
        assert_eq!((memory.get("c"), memory.refused), (None, 1));
    }

    #[test]
    fn what_is_taught_is_habit_even_where_all_is() {
        let mut memory = Remembered::default();
        for d in 1..4 {
            memory.note("a", day(d), EVER, 2);
            memory.note("b", day(d + 1), EVER, 2);
        }
        memory.teach("c", day(5), EVER, 2, 5);
        assert_eq!(memory.get("c").map(|s| s.days), Some(5));
        assert_eq!((memory.get("a"), memory.len()), (None, 2));
    }

    #[test]
    fn what_returns_after_a_long_time_counts_half_its_days() {
        let mut memory = Remembered::default();
        for d in 1..5 {
            memory.note("a", day(d), EVER, 8);
        }
        memory.note("a", day(90), day(55), 8);
        assert_eq!(memory.get("a").map(|s| (s.count, s.days)), Some((5, 3)));
    }

    #[test]
    fn days_that_bring_something_new_are_counted_without_the_first() {
        let mut memory = Remembered::default();
        let counted: Vec<u32> = (1..5)
            .map(|d| {
                memory.note(&d.to_string(), day(d), EVER, 2);
                memory.novelty().days_before(day(d))
            })
            .collect();
        assert_eq!(
            counted,
            [0, 0, 1, 2],
            "neither the first day nor today counts"
        );
        assert_eq!(memory.novelty().days_before(day(9)), 3);
    }
}
