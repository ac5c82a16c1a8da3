//! What time it is, by the events alone.
//!
//! Refuses a single event's word for a leap: one that is more than an hour ahead moves the clock only
//! when the next event of its source agrees within an hour.

use super::input::SourceIndex;
use crate::base::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const LEAP: Span = Span::seconds(3600);

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Clock {
    now: Time,
    /// A second event agreed with the first within an hour; until then the next one may correct it.
    confirmed: bool,
    /// The leap that the last event of a source proposed.
    proposed: BTreeMap<SourceIndex, Time>,
}

impl Clock {
    /// The greatest accepted stage time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Takes the stage time of one event.
    pub fn hear(&mut self, source: SourceIndex, at: Time) {
        if !self.confirmed {
            self.confirmed = self.now != Time::ZERO && at.since(self.now).0.abs() <= LEAP.0;
            self.now = if self.confirmed { self.now.max(at) } else { at };
            return;
        }
        if at.since(self.now) <= LEAP {
            self.now = self.now.max(at);
            if !self.proposed.is_empty() {
                self.proposed.remove(&source);
            }
            return;
        }
        match self.proposed.insert(source, at) {
            Some(before) if at.since(before).0.abs() <= LEAP.0 => {
                self.now = at.max(before);
                self.proposed.remove(&source);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_needs_a_second_witness() {
        let mut clock = Clock::default();
        let t = |s: i64| Time::from_seconds(1_000_000 + s);
        clock.hear(0, t(0));
        clock.hear(0, t(0));
        clock.hear(0, t(90_000));
        assert_eq!(clock.now(), t(0), "one event may lie");
        clock.hear(0, t(5));
        clock.hear(0, t(90_001));
        assert_eq!(clock.now(), t(5), "the witness must be the next event");
        clock.hear(0, t(90_002));
        assert_eq!(clock.now(), t(90_002));
    }

    #[test]
    fn a_first_event_from_the_future_does_not_stop_time() {
        let mut clock = Clock::default();
        clock.hear(0, Time::from_seconds(4_000_000_000));
        clock.hear(0, Time::from_seconds(1_000_000));
        clock.hear(0, Time::from_seconds(1_000_001));
        assert_eq!(clock.now(), Time::from_seconds(1_000_001));
    }

    #[test]
    fn disorder_never_turns_it_back() {
        let mut clock = Clock::default();
        clock.hear(0, Time::from_seconds(1000));
        clock.hear(1, Time::from_seconds(990));
        assert_eq!(clock.now(), Time::from_seconds(1000));
    }
}
