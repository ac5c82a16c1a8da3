//! Wrong clocks, pauses and logs with few events, second by second.

use super::*;

const YEAR: i64 = 365 * 86_400;

fn t(seconds: i64) -> Time {
    Time::from_seconds(1_000_000_000 + seconds)
}

/// A clock that heard a hundred events of these logs, a second apart.
fn settled(sources: &[SourceIndex]) -> Clock {
    let mut clock = Clock::default();
    (-99..=0).for_each(|s| {
        sources
            .iter()
            .for_each(|source| _ = clock.hear(*source, t(s)));
    });
    clock
}

#[test]
fn a_burst_of_a_year_ahead_moves_nothing_and_is_told_once() {
    let mut clock = settled(&[0]);
    let heard: Vec<Heard> = (0..40).map(|s| clock.hear(0, t(YEAR + s))).collect();
    assert_eq!(clock.now(), t(0));
    assert!(
        heard.iter().all(|heard| heard.at == t(0)),
        "judged as of now"
    );
    assert_eq!(
        heard[0].leap,
        Some(Leap {
            source: 0,
            from: t(0),
            to: t(YEAR),
            events: 1
        })
    );
    assert!(heard[1..].iter().all(|heard| heard.leap.is_none()));
    assert_eq!(
        clock.hear(0, t(1)),
        Heard {
            at: t(1),
            leap: None
        }
    );
    assert_eq!(clock.now(), t(1));
}

#[test]
fn one_server_of_three_in_one_log_moves_nothing() {
    let mut clock = settled(&[0]);
    for s in 1..10_000 {
        let at = if s % 3 == 0 { t(YEAR + s) } else { t(s) };
        clock.hear(0, at);
        assert!(clock.now() <= t(s), "after {s} events");
    }
    assert_eq!(clock.now(), t(9_998));
}

#[test]
fn one_log_of_two_moves_nothing_whichever_is_read_first() {
    for wrong_first in [true, false] {
        let mut clock = Clock::default();
        let mut told = 0;
        for turn in 0..20 {
            let mut read = |source, ahead| {
                for s in 0..3000 {
                    told += u32::from(
                        clock
                            .hear(source, t(ahead + turn * 3000 + s))
                            .leap
                            .is_some(),
                    );
                }
            };
            if wrong_first {
                read(1, YEAR);
            }
            read(0, 0);
            if !wrong_first {
                read(1, YEAR);
            }
        }
        assert_eq!(clock.now(), t(59_999));
        assert!((1..=2).contains(&told), "told {told} times");
    }
}

#[test]
fn a_leap_of_hours_that_is_taken_back_is_told() {
    let mut clock = settled(&[0]);
    assert_eq!(clock.hear(0, t(5 * 3600)).leap, None, "it may be a pause");
    assert_eq!(
        clock.hear(0, t(5 * 3600 + 1)),
        Heard {
            at: t(5 * 3600 + 1),
            leap: None
        }
    );
    assert_eq!(
        clock.hear(0, t(2)).leap,
        Some(Leap {
            source: 0,
            from: t(0),
            to: t(5 * 3600),
            events: 2
        })
    );
    assert_eq!(clock.now(), t(2));
}

#[test]
fn a_pause_ends_when_the_bulk_agrees() {
    let mut clock = settled(&[0]);
    (0..i64::from(BULK)).for_each(|s| _ = clock.hear(0, t(5 * 3600 + s)));
    assert!(clock.now() > t(5 * 3600));
    let mut few = settled(&[0]);
    (1..=FEW.into()).for_each(|n| _ = few.hear(0, t(n * 7200)));
    assert_eq!(few.now(), t(7200), "few events, far from each other");
}

#[test]
fn a_time_that_the_bulk_never_had_is_left_again() {
    let mut clock = settled(&[0]);
    (0..200).for_each(|s| _ = clock.hear(0, t(YEAR + s)));
    assert!(clock.now() > t(YEAR));
    (1..100).for_each(|s| _ = clock.hear(0, t(s)));
    assert_eq!(clock.now(), t(99));
    let mut clock = Clock::default();
    (0..200).for_each(|s| _ = clock.hear(0, t(YEAR + s)));
    let told: Vec<Leap> = (1..100).filter_map(|s| clock.hear(0, t(s)).leap).collect();
    assert_eq!(
        (told.len(), clock.now()),
        (1, t(99)),
        "nor one that it had from the first"
    );
}

#[test]
fn a_log_that_ended_does_not_hold_the_others() {
    let mut clock = settled(&[0, 1]);
    (1..10 * 1440).for_each(|minute| _ = clock.hear(0, t(minute * 60)));
    assert_eq!(clock.now(), t((10 * 1440 - 1) * 60));
}

#[test]
fn a_log_hours_behind_is_catching_up() {
    let mut clock = settled(&[0, 1]);
    (1..300).for_each(|minute| _ = clock.hear(0, t(minute * 60)));
    (1..300).for_each(|minute| {
        assert_eq!(
            clock.hear(1, t(minute * 60)),
            Heard {
                at: t(minute * 60),
                leap: None
            }
        );
    });
    assert_eq!(clock.now(), t(299 * 60));
}

#[test]
fn a_first_event_from_the_future_does_not_stop_time() {
    let mut clock = Clock::default();
    [4_000_000_000, 1_000_000, 1_000_001]
        .iter()
        .for_each(|s| _ = clock.hear(0, Time::from_seconds(*s)));
    assert_eq!(clock.now(), Time::from_seconds(1_000_001));
}

#[test]
fn disorder_never_turns_it_back() {
    let mut clock = Clock::default();
    clock.hear(0, t(1000));
    clock.hear(1, t(990));
    assert_eq!(clock.now(), t(1000));
}
