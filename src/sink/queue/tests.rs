//! The queue under outages, limits and restarts; time and lots are arguments.

use super::super::note::tests::note;
use super::*;
use crate::detect::Severity;

const DAY: Duration = Duration::from_secs(86_400);

fn route() -> Route {
    Route {
        min_severity: Severity::Info,
        detectors: vec![],
        namespaces: vec![],
        every_revision: false,
    }
}

fn queue(keep: Keep) -> Queue {
    Queue::new(route(), keep, None, 0, Vec::new())
}

fn wide() -> Keep {
    Keep {
        notices: 1000,
        bytes: 1 << 20,
        age: DAY,
    }
}

fn sent(queue: &mut Queue, now: Instant) -> Arc<Note> {
    match queue.next(now) {
        Step::Send(Parcel::Notice { note, .. }) => note,
        other => panic!("{other:?}"),
    }
}

fn retry() -> Outcome {
    Outcome::Retry {
        why: "no answer".to_owned(),
        asked: None,
    }
}

#[test]
fn after_an_hours_outage_everything_arrives_once_and_in_order() {
    let start = Instant::now();
    let hour = Duration::from_secs(3600);
    let (mut queue, mut now, mut row, mut lot) = (queue(wide()), start, 0, 7u64);
    let (mut received, mut tries) = (Vec::new(), 0);
    while now < start + 2 * hour {
        let second = (now - start).as_secs();
        if second.is_multiple_of(60) && second < 3600 {
            queue.push(row, note(row as u8, 1, "open", "medium", true), now);
            row += 1;
        }
        while let Step::Send(Parcel::Notice { note, .. }) = queue.next(now) {
            lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if now < start + hour {
                tries += 1;
                queue.answered(&retry(), now, lot);
            } else {
                received.push(note.id.clone());
                queue.answered(&Outcome::Delivered, now, lot);
            }
        }
        now += Duration::from_secs(1);
    }
    let expected: Vec<String> = (0..60).map(|n| Digest([n; 16]).to_string()).collect();
    assert_eq!(received, expected);
    assert!((30..90).contains(&tries), "{tries} tries in an hour");
    assert_eq!((queue.next_row(), queue.depth()), (60, 0));
    let tally = queue.take_tally();
    assert_eq!(
        (tally.delivered, tally.failed, tally.dropped),
        (60, tries, 0)
    );
}

#[test]
fn the_cursor_waits_for_the_oldest_and_passes_what_is_not_wanted() {
    let now = Instant::now();
    let mut queue = queue(wide());
    queue.push(0, note(1, 1, "open", "low", false), now);
    assert_eq!(queue.next_row(), 1);
    queue.push(1, note(1, 2, "updated", "medium", true), now);
    queue.push(2, note(1, 3, "updated", "medium", false), now);
    assert_eq!((queue.next_row(), queue.depth()), (1, 1));
    let _ = sent(&mut queue, now);
    assert_eq!(queue.next_row(), 1);
    queue.answered(&Outcome::Delivered, now, 0);
    assert_eq!((queue.next_row(), queue.next(now)), (3, Step::Idle));
}

#[test]
fn who_heard_of_the_beginning_hears_of_the_end_and_nobody_else() {
    let now = Instant::now();
    let mut queue = queue(wide());
    // The end is below the threshold of telling, because the settings changed meanwhile.
    queue.push(0, note(1, 1, "open", "medium", true), now);
    queue.push(1, note(1, 2, "resolved", "medium", false), now);
    queue.push(2, note(2, 1, "resolved", "high", true), now);
    queue.push(3, note(3, 1, "open", "high", true), now);
    queue.push(4, note(3, 2, "resolved", "high", true), now);
    assert_eq!(
        sent(&mut queue, now).key(),
        note(1, 1, "open", "medium", true).key()
    );
    queue.answered(&Outcome::Delivered, now, 0);
    assert!(sent(&mut queue, now).is_over());
    queue.answered(&Outcome::Delivered, now, 0);
    assert_eq!(sent(&mut queue, now).id, Digest([3; 16]).to_string());
    queue.answered(&Outcome::Refused { why: String::new() }, now, 0);
    assert_eq!(
        queue.next(now),
        Step::Idle,
        "the receiver refused the beginning"
    );
    assert_eq!((queue.next_row(), queue.take_tally().refused), (5, 1));
}

#[test]
fn what_is_too_many_or_too_old_is_dropped_and_counted_and_its_end_stays_owed() {
    let now = Instant::now();
    let mut queue = queue(Keep {
        notices: 2,
        age: Duration::from_secs(60),
        ..wide()
    });
    queue.push(0, note(1, 1, "open", "medium", true), now);
    let _ = sent(&mut queue, now);
    queue.answered(&Outcome::Delivered, now, 0);
    queue.push(1, note(1, 2, "resolved", "medium", true), now);
    for row in 2..5 {
        queue.push(row, note(row as u8, 1, "open", "medium", true), now);
    }
    assert_eq!(
        (queue.next_row(), queue.depth(), queue.take_tally().dropped),
        (3, 2, 2)
    );
    let owed = queue.take_changed()[&Digest([1; 16])].clone().unwrap();
    assert!(owed.is_over());
    let later = now + Duration::from_secs(61);
    assert!(sent(&mut queue, later).is_over());
    queue.answered(&Outcome::Delivered, later, 0);
    assert_eq!(
        (
            queue.next(later),
            queue.next_row(),
            queue.take_tally().dropped
        ),
        (Step::Idle, 5, 2)
    );
    assert_eq!(queue.take_changed()[&Digest([1; 16])], None);
}

#[test]
fn a_restart_goes_on_from_the_cursor_with_what_was_told() {
    let now = Instant::now();
    let told = note(1, 1, "open", "medium", true);
    let every = Duration::from_secs(60);
    let mut queue = Queue::new(route(), wide(), Some(every), 7, vec![told.clone()]);
    assert_eq!(
        queue.next(now),
        Step::Send(Parcel::Refresh(vec![told.clone()])),
        "nobody knows how long we were away"
    );
    queue.answered(&Outcome::Delivered, now, 0);
    assert_eq!(queue.next(now), Step::Wait(now + every));
    let higher = note(1, 2, "updated", "high", true);
    queue.push(7, higher.clone(), now);
    assert_eq!(
        queue.next(now),
        Step::Send(Parcel::Notice {
            note: higher.clone(),
            before: Some(told)
        })
    );
    queue.answered(&Outcome::Delivered, now, 0);
    assert_eq!(
        queue.next(now + every),
        Step::Send(Parcel::Refresh(vec![higher]))
    );
    queue.answered(&retry(), now + every, 0);
    assert!(matches!(queue.next(now + every), Step::Wait(_)));
}

#[test]
fn who_did_not_hear_of_an_incident_is_told_with_the_next_revision() {
    let now = Instant::now();
    let mut queue = Queue::new(
        Route {
            detectors: vec!["enumeration".to_owned()],
            ..route()
        },
        wide(),
        None,
        0,
        vec![],
    );
    let joined = |revision| {
        let base = note(1, revision, "updated", "medium", false);
        let mut row: serde_json::Value = serde_json::from_slice(&base.line).unwrap();
        row["detectors"] = serde_json::json!(["test", "enumeration"]);
        row["notice"]["reason"] = "nothing_new".into();
        Arc::new(Note::read(row.to_string().as_bytes()).unwrap())
    };
    queue.push(0, note(1, 1, "open", "medium", true), now);
    assert_eq!(queue.next(now), Step::Idle, "its detector has not spoken");
    queue.push(1, joined(2), now);
    assert_eq!(sent(&mut queue, now).revision, 2);
    queue.answered(&Outcome::Delivered, now, 0);
    queue.push(2, joined(3), now);
    assert_eq!(queue.next(now), Step::Idle, "nobody is told twice");
}

#[test]
fn where_the_receiver_keeps_an_incident_is_remembered_over_revisions_and_restarts() {
    let now = Instant::now();
    let mut queue = queue(wide());
    queue.push(0, note(1, 1, "open", "medium", true), now);
    let _ = sent(&mut queue, now);
    queue.kept_at(Some("C1 1.2".to_owned()));
    queue.answered(&Outcome::Delivered, now, 0);
    let told = queue
        .take_changed()
        .remove(&Digest([1; 16]))
        .unwrap()
        .unwrap();
    let again = Note::read(&told.line).unwrap();
    let mut queue = Queue::new(route(), wide(), None, 1, vec![Arc::new(again)]);
    queue.push(1, note(1, 2, "updated", "high", true), now);
    let Step::Send(Parcel::Notice { before, .. }) = queue.next(now) else {
        panic!("nothing to send")
    };
    assert_eq!(before.unwrap().handle.as_deref(), Some("C1 1.2"));
    queue.answered(&Outcome::Delivered, now, 0);
    let told = queue
        .take_changed()
        .remove(&Digest([1; 16]))
        .unwrap()
        .unwrap();
    assert_eq!((told.revision, told.handle.as_deref()), (2, Some("C1 1.2")));
}

#[test]
fn a_receiver_that_is_never_there_does_not_hold_the_outbox_back() {
    let now = Instant::now();
    let mut queue = queue(wide());
    queue.push(0, note(1, 1, "open", "high", true), now);
    queue.push(1, note(2, 1, "open", "high", true), now);
    assert!(matches!(queue.next(now), Step::Send(_)));
    let unwanted = note(3, 1, "open", "low", false);
    for row in 2..=ROWS_BEHIND_MAX + 2 {
        queue.push(row, unwanted.clone(), now);
    }
    // What is on its way may arrive; the next one is given up, and said to be.
    assert_eq!((queue.depth(), queue.next_row()), (1, 3));
    assert_eq!(queue.take_tally().dropped, 1);
    queue.answered(&Outcome::Delivered, now, 0);
    assert_eq!((queue.depth(), queue.next_row()), (0, ROWS_BEHIND_MAX + 3));
}
