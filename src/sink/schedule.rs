//! When to try again: exponential backoff with jitter, and what the receiver asks for.
//!
//! Refuses to read a clock or to draw lots: both come in as arguments, so that an hour is simulated
//! in no time.

use std::time::{Duration, Instant};

/// The first pause; each failure doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause of our own: an hour's outage ends at most so long before we notice.
const LONGEST: Duration = Duration::from_secs(120);
/// The longest pause that a receiver can ask for: it must not be able to silence us.
const ASKED_MAX: Duration = Duration::from_secs(3600);

/// The state of retrying one receiver.
#[derive(Clone, Copy, Default, Debug)]
pub struct Schedule {
    failures: u32,
    not_before: Option<Instant>,
}

impl Schedule {
    /// Until when nothing may be sent; `None` if something may be.
    #[must_use]
    pub fn pause(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|until| *until > now)
    }

    pub fn succeeded(&mut self) {
        *self = Schedule::default();
    }

    /// A try failed. `asked` is the receiver's Retry-After, `lot` any random number: half of the
    /// pause is drawn, so that many daemons do not come back in the same second.
    pub fn failed(&mut self, now: Instant, asked: Option<Duration>, lot: u64) {
        let whole = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX);
        let drawn = Duration::from_millis(half + lot % (half + 1));
        self.not_before = Some(now + drawn.max(asked.unwrap_or_default().min(ASKED_MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_drawn_from_the_upper_half() {
        let now = Instant::now();
        for (lot, of) in [(0, 2), (u64::MAX / 2, 1)] {
            let mut schedule = Schedule::default();
            let mut pauses = Vec::new();
            for _ in 0..10 {
                schedule.failed(now, None, lot);
                pauses.push(schedule.pause(now).unwrap() - now);
            }
            let whole = [1, 2, 4, 8, 16, 32, 64, 120, 120, 120].map(Duration::from_secs);
            let within =
                |(pause, whole): (&Duration, &Duration)| *pause >= *whole / 2 && *pause <= *whole;
            assert!(pauses.iter().zip(&whole).all(within), "{pauses:?}");
            assert!(of == 1 || pauses[9] == Duration::from_secs(60));
        }
    }

    #[test]
    fn the_receiver_may_ask_for_longer_but_not_for_ever() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.failed(now, Some(Duration::from_secs(30)), 0);
        assert_eq!(schedule.pause(now), Some(now + Duration::from_secs(30)));
        assert_eq!(schedule.pause(now + Duration::from_secs(30)), None);
        schedule.failed(now, Some(Duration::from_secs(1 << 40)), 0);
        assert_eq!(schedule.pause(now), Some(now + ASKED_MAX));
        schedule.succeeded();
        assert_eq!(schedule.pause(now), None);
    }
}
