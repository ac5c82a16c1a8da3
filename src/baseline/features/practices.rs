//! The kinds of act that matter and that an account does: on how many days, at how many objects,
//! how often it begins new ones.
//!
//! Refuses to know what an act is worth: that is asked of the policy when one is judged. Kinds are
//! the short keys of `detect::deed::Deed` and `detect::acts::Act`.

use crate::base::Time;
use crate::base::remembered::{Novelty, Seen};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Most kinds of act remembered of one account; the one that was seen on the fewest days goes
/// first.
pub const LIMIT: usize = 96;
/// Most objects, places and programs of all kinds of act remembered of one account.
pub const OBJECTS_LIMIT: usize = 160;

/// One kind of act of one account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Practice {
    key: SmolStr,
    pub seen: Seen,
    /// Distinct objects, and distinct namespaces, saturating.
    pub objects: u16,
    pub places: u16,
    /// On how many days an object, or a namespace, came that this kind of act was not done to
    /// before.
    pub new_objects: Novelty,
    pub new_places: Novelty,
    /// Requests of the day that was seen last, and of the busiest day before it; saturating.
    pub today: u16,
    pub busiest: u16,
    /// Objects of the day that was seen last that were new.
    pub new_today: u16,
}

/// What an act is new in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct New {
    pub object: bool,
    pub place: bool,
}

/// Kinds of act in the order of their keys.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Practices {
    all: Vec<Practice>,
    novelty: Novelty,
}

impl Practices {
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Practice> {
        self.position(key).ok().map(|at| &self.all[at])
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// On how many days the account began another kind of act.
    #[must_use]
    pub fn novelty(&self) -> Novelty {
        self.novelty
    }

    /// All kinds, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Practice)> {
        self.all
            .iter()
            .map(|practice| (practice.key.as_str(), practice))
    }

    /// Remembers one more act; true if its kind was not known.
    pub fn note(&mut self, key: &str, new: New, at: Time, horizon: Time) -> bool {
        match self.position(key) {
            Ok(i) => {
                self.all[i].again(new, at, horizon);
                false
            }
            Err(i) => {
                self.insert(i, Practice::new(key, at));
                self.novelty.note(at);
                true
            }
        }
    }

    /// Takes a kind of act for known on at least `days` days.
    pub fn teach(&mut self, key: &str, at: Time, days: u16) {
        self.note(key, New::default(), at, Time::ZERO);
        if let Ok(i) = self.position(key) {
            let seen = &mut self.all[i].seen;
            seen.days = seen.days.max(days);
        }
    }

    fn insert(&mut self, i: usize, practice: Practice) {
        if self.all.len() < LIMIT {
            self.all.reserve_exact(1);
            self.all.insert(i, practice);
            return;
        }
        let weakest = self
            .all
            .iter()
            .enumerate()
            .min_by_key(|(_, p)| (p.seen.days, p.seen.last()));
        if let Some(weak) = weakest.map(|(weak, _)| weak) {
            self.all.remove(weak);
            let i = self.position(&practice.key).unwrap_or_else(|i| i);
            self.all.insert(i, practice);
        }
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.all
            .binary_search_by(|practice| practice.key.as_str().cmp(key))
    }
}

impl Practice {
    fn new(key: &str, at: Time) -> Practice {
        let mut novelty = Novelty::default();
        novelty.note(at);
        Practice {
            key: key.into(),
            seen: Seen::new(at),
            objects: 1,
            places: 1,
            new_objects: novelty,
            new_places: novelty,
            today: 1,
            busiest: 0,
            new_today: 0,
        }
    }

    /// Whether it was done on the day of `now`.
    #[must_use]
    pub fn is_today(&self, now: Time) -> bool {
        self.seen.last().day() == now.day()
    }

    fn again(&mut self, new: New, at: Time, horizon: Time) {
        if at.day() > self.seen.last().day() {
            self.busiest = self.busiest.max(self.today);
            (self.today, self.new_today) = (0, 0);
        }
        self.today = self.today.saturating_add(1);
        self.seen.again(at, horizon);
        if new.object {
            self.objects = self.objects.saturating_add(1);
            self.new_today = self.new_today.saturating_add(1);
            self.new_objects.note(at);
        }
        if new.place {
            self.places = self.places.saturating_add(1);
            self.new_places.note(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Time {
        Time::from_seconds(n * 86_400)
    }

    #[test]
    fn a_flood_of_kinds_displaces_no_habit() {
        let mut practices = Practices::default();
        for d in 1..4 {
            practices.note("habit", New::default(), day(d), Time::ZERO);
        }
        for n in 0..500 {
            practices.note(&format!("kind {n}"), New::default(), day(5), Time::ZERO);
        }
        assert_eq!(practices.get("habit").map(|p| p.seen.days), Some(3));
        assert_eq!(practices.len(), LIMIT);
    }

    #[test]
    fn the_busiest_day_is_one_before_the_last() {
        let mut practices = Practices::default();
        for (d, times) in [(1, 3), (2, 5), (3, 2)] {
            for _ in 0..times {
                practices.note("a", New::default(), day(d), Time::ZERO);
            }
        }
        assert_eq!(
            practices.get("a").map(|p| (p.today, p.busiest)),
            Some((2, 5))
        );
    }
}
