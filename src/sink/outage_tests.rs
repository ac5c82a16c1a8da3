//! An outage of an hour for every kind of sink, with time as an argument: all arrives once it is
//! over, once, in order.

use super::every_tests::{receivers, texts};
use super::http::tests::answer;
use super::note::{Note, tests::note};
use super::queue::{Outcome, Parcel, Queue, Step};
use super::receiver::Receiver;
use crate::base::{Span, Time};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// How this kind of receiver says that it cannot take anything now: with no answer, a status, or in
/// a body.
fn trouble(name: &str, receiver: &Receiver, nth: u64) -> Outcome {
    let silent = Outcome::Retry {
        why: "no answer".to_owned(),
        asked: None,
    };
    let body = match name.split(' ').next().unwrap() {
        "splunk" => r#"{"text":"Server is busy","code":9}"#,
        "elasticsearch" => {
            r#"{"errors":true,"items":[{"create":{"status":429,"error":{"reason":"full"}}}]}"#
        }
        "slack" => r#"{"ok":false,"error":"ratelimited"}"#,
        "syslog" | "file" | "stdout" => return silent,
        _ => {
            return if nth.is_multiple_of(2) {
                silent
            } else {
                receiver.judge(&answer(503, "busy"))
            };
        }
    };
    match nth % 3 {
        0 => silent,
        1 => receiver.judge(&answer(429, "slow down")),
        _ => receiver.judge(&answer(200, body)),
    }
}

fn well(name: &str, receiver: &Receiver) -> Outcome {
    let body = match name.split(' ').next().unwrap() {
        "splunk" => r#"{"text":"Success","code":0}"#,
        "elasticsearch" => r#"{"errors":false,"items":[{"create":{"status":201}}]}"#,
        "slack" => r#"{"ok":true,"channel":"C1","ts":"1.2"}"#,
        "syslog" | "file" | "stdout" => return Outcome::Delivered,
        _ => "ok",
    };
    receiver.judge(&answer(200, body))
}

/// Twenty incidents that open, escalate and end, one revision a minute, all during the outage.
fn story() -> Vec<Arc<Note>> {
    let of = |id| {
        [
            (1, "open", "medium"),
            (2, "updated", "high"),
            (3, "resolved", "high"),
        ]
        .map(|(revision, status, severity)| note(id, revision, status, severity, true))
    };
    (0..20).flat_map(of).collect()
}

/// What a receiver would tell copies apart by: the texts, but for the times of sending in them.
fn identity(receiver: &Receiver, parcel: &Parcel, now: Time) -> Vec<String> {
    let Ok(message) = receiver.message(parcel, now) else {
        panic!("no message")
    };
    let clock = |text: String| {
        text.replace(&now.to_string(), "NOW")
            .replace(&(now + Span::seconds(240)).to_string(), "THEN")
    };
    texts(&message).into_iter().map(clock).collect()
}

#[test]
fn after_an_hour_every_kind_of_sink_gets_everything_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for (name, receiver) in receivers(dir.path()) {
        let (begun, story) = (Instant::now(), story());
        let settings = &receiver.settings;
        let mut queue = Queue::new(
            settings.route(),
            settings.keep(),
            receiver.refresh(),
            0,
            Vec::new(),
        );
        let wall = Time::parse("2026-01-02T03:04:05Z").unwrap();
        let (mut taken, mut tries, mut first) = (Vec::new(), 0, None);
        for second in 0..2 * HOUR.as_secs() {
            let now = begun + Duration::from_secs(second);
            let clock = wall + Span::seconds(i64::try_from(second).unwrap());
            let due = story
                .get(usize::try_from(second / 60).unwrap())
                .filter(|_| second.is_multiple_of(60));
            if let Some(note) = due {
                queue.push(second / 60, note.clone(), now);
            }
            while let Step::Send(parcel) = queue.next(now) {
                let sent = identity(&receiver, &parcel, clock);
                if second < HOUR.as_secs() {
                    tries += 1;
                    if matches!(parcel, Parcel::Notice { .. }) {
                        assert_eq!(
                            first.get_or_insert(sent.clone()),
                            &sent,
                            "{name}: tried under another key"
                        );
                    }
                    let outcome = trouble(&name, &receiver, tries);
                    assert!(
                        matches!(outcome, Outcome::Retry { .. }),
                        "{name}: {outcome:?}"
                    );
                    queue.answered(&outcome, now, tries * 7);
                    continue;
                }
                assert_eq!(well(&name, &receiver), Outcome::Delivered, "{name}");
                if let Parcel::Notice { note, .. } = &parcel {
                    assert!(
                        sent.iter().all(|text| text.contains(&note.id)),
                        "{name}: {sent:?}"
                    );
                    taken.push(note.key());
                }
                queue.answered(&Outcome::Delivered, now, 0);
            }
        }
        let expected: Vec<String> = story.iter().map(|note| note.key()).collect();
        assert_eq!(taken, expected, "{name}");
        assert!(
            (20..200).contains(&tries),
            "{name}: {tries} tries in an hour"
        );
        let tally = queue.take_tally();
        assert_eq!(
            (tally.delivered, tally.refused, tally.dropped),
            (60, 0, 0),
            "{name}"
        );
        assert_eq!((queue.next_row(), queue.depth()), (60, 0), "{name}");
        assert!(
            queue.take_changed().values().all(Option::is_none),
            "{name}: something is owed still"
        );
    }
}
