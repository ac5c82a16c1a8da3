//! What history costs: CPU beside a serde_json decode of the same lines, bytes an event, memory
//! while a file is rolled.
//!
//! `cargo bench --bench history -- LOG`: LOG is an audit log of at least some hundred thousand
//! lines. Prints CPU time (user and system) of its one thread. The ways take turns every ten
//! thousand lines, so that what other processes take from the machine is taken from all of them.

use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::path::PathBuf;
use tokentrail::base::{Digest, Span, Time};
use tokentrail::event::decode::{self, Limits};
use tokentrail::event::wire::WireEvent;
use tokentrail::history::{History, Retention};
use tokentrail::history::{Place, ROW_GROUP_ROWS, Rows, SegmentKind};

/// Lines of a turn. A daemon with ten thousand events a second commits so many at once.
const TURN: usize = 10_000;
const ROUNDS: usize = 3;
const FOR_EVER: Retention = Retention {
    age: Span::seconds(i64::MAX / 2_000_000),
    bytes: u64::MAX,
};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'));
    let sample = PathBuf::from("tests/fixtures/audit/cluster.jsonl");
    let log = arguments.next().map_or(sample, PathBuf::from);
    let text = std::fs::read_to_string(&log).expect("a readable log");
    let lines: Vec<&str> = text.lines().collect();
    let events = lines.len() as f64;
    println!("{} events, nanoseconds of CPU an event:", lines.len());
    println!(
        "{:>12} {:>8} {:>22} {:>22}",
        "serde_json", "decoder", "history of a replay", "history of a daemon"
    );
    let (mut replay, mut daemon) = (Keeper::new(ROW_GROUP_ROWS), Keeper::new(TURN));
    for _ in 0..ROUNDS {
        let [serde, door, replay, daemon] =
            round(&lines, &mut replay, &mut daemon).map(|cost| cost / events);
        let [replay, daemon] = [replay, daemon].map(|cost| cost - door);
        let [replay, daemon] =
            [replay, daemon].map(|cost| format!("{cost:.0} = {:.2} x serde", cost / serde));
        println!("{serde:12.0} {door:8.0} {replay:>22} {daemon:>22}");
    }
    println!(
        "event files: {:.1} bytes an event",
        replay.bytes() as f64 / (events * ROUNDS as f64)
    );
    println!(
        "head of the daemon: at most {:.0} bytes an event",
        daemon.head
    );
    println!(
        "peak memory: {} MiB, the log of {} MiB in it",
        status("VmHWM") >> 20,
        text.len() >> 20
    );
}

/// Nanoseconds of all lines: a serde_json decode; ours; ours and the history that a replay keeps;
/// that of a daemon.
fn round(lines: &[&str], replay: &mut Keeper, daemon: &mut Keeper) -> [f64; 4] {
    let mut costs = [0.0; 4];
    for (turn, lines) in lines.chunks(TURN).enumerate() {
        // Whoever is first finds the lines in no cache.
        for way in (0..4).map(|n| (n + turn) % 4) {
            costs[way] += cost(|| match way {
                0 => lines.iter().for_each(|line| {
                    black_box(serde_json::from_str::<WireEvent<'_>>(line).is_ok());
                }),
                1 => lines.iter().for_each(|line| {
                    decoded(line, &mut |event| {
                        black_box(event.time);
                    });
                }),
                2 => replay.keep(lines),
                _ => daemon.keep(lines),
            });
        }
    }
    costs[2] += cost(|| replay.commit(true));
    costs[3] += cost(|| daemon.commit(true));
    costs
}

fn decoded(line: &str, each: &mut dyn FnMut(&tokentrail::event::AuditEvent<'_>)) {
    decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
        if let Ok(event) = event {
            each(event);
        }
    });
}

/// Keeps a history in a directory of its own.
struct Keeper {
    _dir: tempfile::TempDir,
    history: History,
    rows: Rows,
    batch: usize,
    seq: u64,
    now: Time,
    /// Bytes an event of the largest head.
    head: f64,
}

impl Keeper {
    fn new(batch: usize) -> Keeper {
        let dir = tempfile::tempdir().expect("a directory");
        let history = History::open(dir.path(), Vec::new(), FOR_EVER).expect("a history");
        Keeper {
            _dir: dir,
            history,
            rows: Rows::default(),
            batch,
            seq: 0,
            now: Time::ZERO,
            head: 0.0,
        }
    }

    fn keep(&mut self, lines: &[&str]) {
        let file = Digest::of(b"a log");
        for line in lines {
            let Keeper { rows, seq, now, .. } = self;
            decoded(line, &mut |event| {
                *now = (*now).max(event.time);
                let origin = event.source_ips.last().copied();
                rows.push(
                    event,
                    origin,
                    Place {
                        seq: *seq,
                        source: 0,
                        file,
                        offset: 1400 * *seq,
                        is_copy: false,
                    },
                );
                *seq += 1;
            });
            if self.rows.since_roll().is_multiple_of(self.batch) {
                self.commit(false);
            }
        }
    }

    fn commit(&mut self, at_end: bool) {
        let change = self.history.append(&mut self.rows).expect("room");
        self.history.committed(change).expect("room");
        let heads = self
            .history
            .segments()
            .filter(|s| s.kind == SegmentKind::Head);
        self.head = heads
            .map(|s| s.bytes as f64 / s.rows as f64)
            .fold(self.head, f64::max);
        let change = self
            .history
            .due(self.now, at_end, &mut self.rows)
            .expect("room");
        self.history.committed(change).expect("room");
    }

    /// Of the event files.
    fn bytes(&self) -> u64 {
        self.history
            .segments()
            .filter(|s| s.kind == SegmentKind::Events)
            .map(|s| s.bytes)
            .sum()
    }
}

/// Nanoseconds of CPU of this thread.
fn cost(work: impl FnOnce()) -> f64 {
    let before = cpu();
    work();
    cpu() - before
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .unwrap_or("0");
    line.split_whitespace()
        .next()
        .and_then(|kb| kb.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}
