//! The daily rollup: one file a day once the day is over, with the same sums whatever was joined,
//! came late or crashed.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokentrail::ask::{self, Answer, SqlLimits};
use tokentrail::base::{Digest, Span, Time};
use tokentrail::event::decode::{self, Limits};
use tokentrail::history::{History, Retention};
use tokentrail::history::{Place, ROW_GROUP_ROWS, Rows, Segment, SegmentKind};

const FOR_EVER: Retention = Retention {
    age: Span::seconds(i64::MAX / 2_000_000),
    bytes: u64::MAX,
};
const DAY: Span = Span::seconds(86_400);

/// 2026-03-02, at noon.
fn noon() -> Time {
    Time::parse("2026-03-02T12:00:00Z").unwrap()
}

/// A request of one of some accounts for one of some namespaces, so many seconds after noon.
fn line(account: usize, namespace: usize, seconds: i64) -> String {
    let time = noon() + Span::seconds(seconds);
    format!(
        "{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\",\"auditID\":\"{account}-{namespace}-{seconds}\",\
\"stage\":\"ResponseComplete\",\"requestURI\":\"/api/v1/namespaces/n{namespace}/pods\",\"verb\":\"list\",\"user\":{{\"username\":\
\"system:serviceaccount:shop:a{account}\"}},\"sourceIPs\":[\"10.0.0.1\"],\"userAgent\":\"app/v1\",\"objectRef\":{{\"resource\":\"pods\",\
\"namespace\":\"n{namespace}\",\"apiVersion\":\"v1\"}},\"responseStatus\":{{\"code\":200}},\"requestReceivedTimestamp\":\"{time}\",\
\"stageTimestamp\":\"{time}\"}}"
    )
}

/// Makes files of these lines, as a roll does.
fn roll(history: &mut History, lines: &[String], seq: &mut u64) {
    let mut rows = Rows::default();
    for line in lines {
        decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
            *seq += 1;
            let place = Place {
                seq: *seq,
                source: 0,
                file: Digest::of(b"a log"),
                offset: *seq,
                is_copy: false,
            };
            rows.push(event.unwrap(), None, place);
        });
    }
    let change = history.append(&mut rows).unwrap();
    history.committed(change).unwrap();
    due(history, noon(), &mut rows);
}

/// What is due at that time, committed; everything is rolled.
fn due(history: &mut History, now: Time, rows: &mut Rows) {
    let change = history.due(now, true, rows).unwrap();
    history.committed(change).unwrap();
}

fn files(history: &History) -> Vec<u64> {
    history
        .segments()
        .filter(|s| s.kind == SegmentKind::Rollup)
        .map(|s| s.rows)
        .collect()
}

#[derive(Default)]
struct Sums(BTreeMap<String, String>);

impl Answer for Sums {
    fn columns(&mut self, _: &[&str]) -> std::io::Result<()> {
        Ok(())
    }
    fn row(&mut self, values: &[tokentrail::ask::Value<'_>]) -> std::io::Result<()> {
        let (key, sums) = values.split_at(9);
        self.0.insert(format!("{key:?}"), format!("{sums:?}"));
        Ok(())
    }
}

/// What `operations_daily` says of each kind of request.
fn sums(dir: &Path) -> BTreeMap<String, String> {
    let statement = "SELECT principal, verb, api_group, resource, subresource, namespace, origin, agent, code, \
sum(count), min(first), max(last) FROM operations_daily GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9";
    let limits = SqlLimits {
        time: Duration::from_secs(60),
        memory_bytes: 1 << 30,
    };
    let mut sums = Sums::default();
    ask::query(dir, statement, limits, &mut sums).unwrap();
    sums.0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn joining_changes_no_sum(rolls in prop::collection::vec(prop::collection::vec((0_usize..3, 0_usize..4, -90_000_i64..90_000), 1..20), 2..6)) {
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
        let mut seq = 0;
        for events in rolls {
            let lines: Vec<String> = events.iter().map(|(a, n, seconds)| line(*a, *n, *seconds)).collect();
            roll(&mut history, &lines, &mut seq);
        }
        let before = sums(dir.path());
        due(&mut history, noon() + DAY + DAY + DAY, &mut Rows::default());
        prop_assert_eq!(sums(dir.path()), before);
        let mut days: Vec<Time> = history.segments().filter(|s| s.kind == SegmentKind::Rollup).map(|s| s.time_min).collect();
        let all = days.len();
        days.dedup_by_key(|time| time.day());
        prop_assert_eq!(days.len(), all, "a day has one file");
    }
}

#[test]
fn a_day_is_left_alone_until_its_grace_is_over_and_joined_again_when_an_event_comes_late() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let mut seq = 0;
    for account in 0..3 {
        roll(
            &mut history,
            &[line(account, 0, 1), line(0, 0, 2)],
            &mut seq,
        );
    }
    let end = Time::parse("2026-03-03T01:00:00Z").unwrap();
    due(&mut history, end, &mut Rows::default());
    assert_eq!(files(&history), [1, 2, 2], "an event may still come");
    due(&mut history, end + Span::seconds(1), &mut Rows::default());
    assert_eq!(files(&history), [3]);
    roll(&mut history, &[line(0, 0, 3)], &mut seq);
    assert_eq!(files(&history), [3, 1]);
    let before = sums(dir.path());
    due(&mut history, end + DAY, &mut Rows::default());
    assert_eq!((files(&history), sums(dir.path())), (vec![3], before));
}

#[test]
fn a_join_that_was_not_committed_is_as_if_it_never_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let mut seq = 0;
    roll(&mut history, &[line(0, 0, 1)], &mut seq);
    roll(&mut history, &[line(0, 0, 2)], &mut seq);
    let (committed, before): (Vec<Segment>, _) =
        (history.segments().cloned().collect(), sums(dir.path()));
    let change = history
        .due(noon() + DAY, true, &mut Rows::default())
        .unwrap();
    assert_eq!(
        change.forget.len(),
        4,
        "two files of events, two of the rollup"
    );
    drop(history);
    let mut history = History::open(dir.path(), committed, FOR_EVER).unwrap();
    assert_eq!(
        (files(&history), sums(dir.path())),
        (vec![1, 1], before.clone())
    );
    // Committed, and killed before what it forgot was deleted.
    let change = history
        .due(noon() + DAY, true, &mut Rows::default())
        .unwrap();
    let live = history
        .segments()
        .filter(|s| !change.forget.contains(&s.id))
        .chain(&change.put)
        .cloned()
        .collect();
    drop(history);
    let history = History::open(dir.path(), live, FOR_EVER).unwrap();
    assert_eq!((files(&history), sums(dir.path())), (vec![1], before));
}

#[test]
fn a_damaged_file_is_left_alone_and_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let mut seq = 0;
    for second in 1..4 {
        roll(&mut history, &[line(0, 0, second)], &mut seq);
    }
    let victim = history
        .segments()
        .find(|s| s.kind == SegmentKind::Rollup)
        .unwrap()
        .path
        .clone();
    let mut bytes = std::fs::read(dir.path().join(&victim)).unwrap();
    let end = bytes.len() - 9;
    bytes[4..end].fill(0);
    std::fs::write(dir.path().join(&victim), bytes).unwrap();
    due(&mut history, noon() + DAY, &mut Rows::default());
    assert_eq!(files(&history), [1, 1, 1]);
    let events = history
        .segments()
        .filter(|s| s.kind == SegmentKind::Events)
        .count();
    assert_eq!(events, 1, "what is whole is joined");
}

/// Kinds of requests are the client's to choose: a file of the rollup has an end, and is then not
/// read again.
#[test]
fn a_file_of_a_row_group_is_not_joined_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let (mut seq, half) = (0, ROW_GROUP_ROWS / 2);
    for from in [0, half + 9, 2 * half + 9] {
        let lines: Vec<String> = (from..from + half)
            .map(|namespace| line(0, namespace, 1))
            .collect();
        roll(&mut history, &lines, &mut seq);
    }
    roll(&mut history, &[line(0, 0, 2)], &mut seq);
    due(&mut history, noon() + DAY, &mut Rows::default());
    let joined = [2 * half as u64, half as u64 + 1];
    assert_eq!(files(&history), joined);
    roll(&mut history, &[line(0, 0, 2)], &mut seq);
    let full = history
        .segments()
        .find(|s| s.kind == SegmentKind::Rollup)
        .cloned();
    due(&mut history, noon() + DAY + DAY, &mut Rows::default());
    assert_eq!(files(&history), joined);
    assert_eq!(
        history
            .segments()
            .find(|s| s.kind == SegmentKind::Rollup)
            .cloned(),
        full
    );
}

/// Requests may be of any length: few rows can be more than should be in memory at once.
#[test]
fn files_of_long_requests_are_joined_as_far_as_they_fit_into_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let (mut seq, mut file) = (0, 0);
    let mut roll_long = |history: &mut History| {
        file += 1;
        let long = |n: usize| format!("/pods?labelSelector={file}-{n}-{}\"", "x".repeat(60_000));
        let lines: Vec<String> = (0..1000)
            .map(|n| line(0, 0, 1).replacen("/pods\"", &long(n), 1))
            .collect();
        roll(history, &lines, &mut seq);
    };
    (0..3).for_each(|_| roll_long(&mut history));
    due(&mut history, noon() + DAY, &mut Rows::default());
    let mut rows: Vec<u64> = history
        .segments()
        .filter(|s| s.kind == SegmentKind::Events)
        .map(|s| s.rows)
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, [1000, 2000]);
}
