//! How long `run` takes to be ready on a large state, after a stop and after kill -9, and how long
//! it stops once a day to write a snapshot of that state.
//!
//! `cargo bench --bench start -- LOG [ACCOUNTS] [ROWS]`: LOG is an audit log of a day; the state
//! has a baseline for each of ACCOUNTS service accounts (100,000), taught by a line each, and a
//! history of ROWS events (10,000,000).

#[path = "asking/fill.rs"]
mod fill;
#[path = "../daemon/harness.rs"]
#[expect(dead_code, reason = "the tests use what this does not")]
mod harness;

use harness::{Daemon, Home};
use std::time::Instant;
use tokentrail::base::{Span, Time};
use tokentrail::engine::{Room, VERSION};
use tokentrail::history::Moment;
use tokentrail::history::{History, Retention};
use tokentrail::store::{Commit, Store};

const ROUNDS: usize = 5;
const FOR_EVER: Retention = Retention {
    age: Span::seconds(i64::MAX / 2_000_000),
    bytes: u64::MAX,
};

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let Some(log) = arguments.first() else {
        println!("skipped: no LOG given");
        return;
    };
    let number = |at: usize, default| {
        arguments
            .get(at)
            .map_or(default, |n| n.parse().expect("a number"))
    };
    let (accounts, rows) = (number(1, 100_000), number(2, 10_000_000));
    let text = std::fs::read_to_string(log).expect("a readable log");
    let home = Home::new();
    let lines = taught(&text, accounts);
    home.write_log(lines.concat().as_bytes());
    let mut daemon = Daemon::start(&home);
    daemon.wait_for_bytes(lines.iter().map(|line| line.len() as u64).sum());
    daemon.wait_until_caught_up();
    assert!(daemon.terminate());
    remember(&home, &text, rows);
    let known = home.query("SELECT count(DISTINCT principal) AS accounts FROM baselines");
    let events = home.query("SELECT sum(1) AS events FROM events");
    println!("{} {}", known.trim(), events.trim());
    write_snapshot(&home);
    let (mut stopped, mut killed) = (Vec::new(), Vec::new());
    for line in lines.iter().take(ROUNDS) {
        let mut daemon = started(&home, &mut stopped);
        home.append(line.as_bytes());
        daemon.wait_for_any_commit();
        daemon.kill();
        let mut daemon = started(&home, &mut killed);
        assert!(daemon.terminate());
    }
    for (after, mut times) in [("a stop", stopped), ("kill -9", killed)] {
        times.sort_by(f64::total_cmp);
        println!(
            "ready after {after}: median {:.2} s, most {:.2} s",
            times[ROUNDS / 2],
            times[ROUNDS - 1]
        );
    }
}

/// Not committed: the next start takes it away.
fn write_snapshot(home: &Home) {
    let store = Store::open(&home.state()).expect("a state");
    let recovered = store.load().expect("a state");
    let mut history =
        History::open(&home.state(), recovered.segments.clone(), FOR_EVER).expect("a history");
    let moment = Moment {
        seq: recovered.seq,
        time: Time::ZERO,
        engine: VERSION,
    };
    let rooms = Room::ALL.map(|room| room as u8);
    let begin = Instant::now();
    let change = history
        .snapshot(moment, &mut recovered.records_of(&rooms))
        .expect("room");
    let (records, bytes) = change
        .put
        .iter()
        .fold((0, 0), |(rows, bytes), s| (rows + s.rows, bytes + s.bytes));
    println!(
        "snapshot of {records} records: {:.2} s, {} MB",
        begin.elapsed().as_secs_f64(),
        bytes / 1_000_000
    );
}

fn started(home: &Home, times: &mut Vec<f64>) -> Daemon {
    let begin = Instant::now();
    let mut daemon = Daemon::start(home);
    daemon.wait_until_caught_up();
    times.push(begin.elapsed().as_secs_f64());
    daemon
}

/// A line of the log for each of so many accounts.
fn taught(text: &str, accounts: usize) -> Vec<String> {
    const USER: &str = "\"username\":\"system:serviceaccount:";
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(USER)).collect();
    let line = |n: usize| {
        let line = lines[n % lines.len()];
        let at = line.find(USER).map_or(0, |at| at + USER.len());
        let end = line[at..].find('"').map_or(line.len(), |end| at + end);
        format!("{}shop:account-{n}{}\n", &line[..at], &line[end..])
    };
    (0..accounts).map(line).collect()
}

/// Puts a history below what was committed: nothing of it is judged again at the start.
fn remember(home: &Home, text: &str, rows: usize) {
    let mut store = Store::open(&home.state()).expect("a state");
    let (seq, segments) = store
        .load()
        .map(|known| (known.seq, known.segments))
        .expect("a state");
    let mut history = History::open(&home.state(), segments, FOR_EVER).expect("a history");
    fill::fill(
        &mut history,
        text,
        rows,
        &|n| 1 + n as u64 % seq,
        &mut |change| {
            let _ = store
                .commit(&Commit {
                    seq,
                    history: Some(change),
                    ..Commit::default()
                })
                .expect("room");
        },
    );
}
