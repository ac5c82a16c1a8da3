//! A bounded memory of values: which, since when, how often, on how many days.
//!
//! Refuses to be washed: when it is full a newcomer can only displace a value that was seen on one
//! day, the weakest first, so that a flood of inventions displaces other inventions and nothing that
//! is habit. What finds no place is counted.

use super::{Time, text};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Longest value kept, in bytes; a longer one is cut at a character border (and so merges with its like).
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
    fn new(at: Time) -> Seen {
        let s = at.stored_seconds();
        Seen { first: s, last: s, count: 1, days: 1 }
    }

    #[must_use]
    pub fn first(&self) -> Time {
        Time::from_seconds(i64::from(self.first))
    }

    #[must_use]
    pub fn last(&self) -> Time {
        Time::from_seconds(i64::from(self.last))
    }

    fn again(&mut self, at: Time) {
        let s = at.stored_seconds();
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
}

impl Remembered {
    /// What is known of `what`; a value not seen since `horizon` is forgotten.
    #[must_use]
    pub fn get(&self, what: &str, horizon: Time) -> Option<&Seen> {
        let at = self.position(cut(what)).ok()?;
        let seen = &self.entries[at].seen;
        (seen.last() >= horizon).then_some(seen)
    }

    /// Remembers one more sighting; at most `limit` values are kept.
    pub fn note(&mut self, what: &str, at: Time, horizon: Time, limit: usize) {
        let what = cut(what);
        match self.position(what) {
            Ok(i) => {
                let seen = &mut self.entries[i].seen;
                if seen.last() < horizon { *seen = Seen::new(at) } else { seen.again(at) }
            }
            Err(i) if self.entries.len() < limit => self.insert(i, what, at),
            Err(_) => match self.weakest(horizon) {
                Some(weak) => {
                    self.entries.remove(weak);
                    let i = self.position(what).unwrap_or_else(|i| i);
                    self.insert(i, what, at);
                }
                None => self.refused = self.refused.saturating_add(1),
            },
        }
    }

    /// Takes `what` for known on at least `days` days: somebody who may say so said so. When all others are habit, the
    /// weakest of them gives way.
    pub fn teach(&mut self, what: &str, at: Time, horizon: Time, limit: usize, days: u16) {
        let what = cut(what);
        if self.position(what).is_err() && self.entries.len() >= limit.max(1) && self.weakest(horizon).is_none() {
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
        // Grow by eighths, not doubles: a hundred thousand accounts pay for every empty place.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(1 + self.entries.len() / 8);
        }
        self.entries.insert(i, Entry { what: what.into(), seen: Seen::new(at) });
    }

    fn position(&self, what: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|e| e.what.as_str().cmp(what))
    }

    /// The first to go: what is forgotten, then what was seen on one day only; `None` if all is habit.
    fn weakest(&self, horizon: Time) -> Option<usize> {
        let rank = |e: &Entry| (e.seen.last() >= horizon, e.seen.strength());
        let weak = self.entries.iter().enumerate().filter(|(_, e)| e.seen.days <= 1 || e.seen.last() < horizon);
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
        all.sort_by(|a, b| b.seen.count.cmp(&a.seen.count).then_with(|| a.what.cmp(&b.what)));
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
        assert_eq!(memory.get("habit", EVER).unwrap().days, 3);
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
        assert_eq!((memory.get("c", EVER), memory.refused), (None, 1));
    }

    #[test]
    fn what_is_taught_is_habit_even_where_all_is() {
        let mut memory = Remembered::default();
        for d in 1..4 {
            memory.note("a", day(d), EVER, 2);
            memory.note("b", day(d + 1), EVER, 2);
        }
        memory.teach("c", day(5), EVER, 2, 5);
        assert_eq!(memory.get("c", EVER).map(|s| s.days), Some(5));
        assert_eq!((memory.get("a", EVER), memory.len()), (None, 2));
    }

    #[test]
    fn what_is_long_unseen_is_forgotten_and_begins_anew() {
        let mut memory = Remembered::default();
        memory.note("a", day(1), EVER, 8);
        memory.note("a", day(2), EVER, 8);
        assert!(memory.get("a", day(3)).is_none());
        memory.note("a", day(9), day(3), 8);
        assert_eq!(memory.get("a", EVER).map(|s| (s.count, s.days)), Some((1, 1)));
    }
}
