//! Hours of the UTC day in which an account is active: for people to read, and to know machines by.
//!
//! Refuses to judge an hour: a job that moves by an hour is no attack.

use crate::base::Time;
use serde::{Deserialize, Serialize};

/// Hours that a person rests every day.
const SLEEP: u32 = 7;

#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Hours(u32);

impl Hours {
    pub fn note(&mut self, at: Time) {
        self.0 |= 1 << at.hour();
    }

    /// Whether it was never idle for as long as a person sleeps.
    #[must_use]
    pub fn are_round_the_clock(self) -> bool {
        let is_active = |hour: u32| self.0 & (1 << (hour % 24)) != 0;
        let rests = |from: u32| (from..from + SLEEP).all(|hour| !is_active(hour));
        !(0..24).any(rests)
    }

    /// Those of the 24 hours, from 0, that have ever been active.
    pub fn active(self) -> impl Iterator<Item = u32> {
        (0..24).filter(move |hour| self.0 & (1 << hour) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_idle_at_night_is_no_machine() {
        let of = |active: &[i64]| {
            let mut hours = Hours::default();
            active
                .iter()
                .for_each(|hour| hours.note(Time::from_seconds(hour * 3600)));
            hours.are_round_the_clock()
        };
        assert!(of(&[0, 6, 12, 18]), "a job every six hours");
        assert!(
            !of(&[7, 8, 9, 10, 12, 13, 16, 20, 23]),
            "awake from seven to midnight"
        );
        assert!(!of(&[22, 2]), "the night of another time zone");
    }
}
