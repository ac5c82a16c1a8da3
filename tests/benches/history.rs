//! What history costs: CPU beside a serde_json decode of the same lines, bytes an event, memory while a file is rolled.
//!
//! `cargo bench --bench history -- LOG`: LOG is an audit log of at least some hundred thousand lines. Prints CPU time
//! (user and system) of this process, which other processes disturb less than the clock.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use tokentrail::base::{Digest, Span, Time};
use tokentrail::event::decode::{self, Limits};
use tokentrail::event::wire::WireEvent;
use tokentrail::store::history::{Place, ROW_GROUP_ROWS, Rows, SegmentKind};
use tokentrail::store::{History, Retention};

/// Events of a commit: a replay fills a file at once, a daemon with ten thousand events a second commits each second.
const REPLAY_BATCH: usize = ROW_GROUP_ROWS;
const DAEMON_BATCH: usize = 10_000;
/// Of which the median counts: what the kernel takes for pages differs from one to the next.
const ROUNDS: usize = 5;
const FOR_EVER: Retention = Retention { age: Span::seconds(i64::MAX / 2_000_000), bytes: u64::MAX };

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let sample = PathBuf::from("tests/fixtures/audit/cluster.jsonl");
    let log = arguments.next().map_or(sample, PathBuf::from);
    let text = std::fs::read_to_string(&log).expect("a readable log");
    let lines: Vec<&str> = text.lines().collect();
    let (mut bytes, mut rounds) = (0, [const { Vec::new() }; 4]);
    for _ in 0..ROUNDS {
        let serde = cost(|| {
            lines.iter().for_each(|line| {
                black_box(serde_json::from_str::<WireEvent<'_>>(line).is_ok());
            });
        });
        let door = cost(|| {
            lines.iter().for_each(|line| {
                decoded(line, &mut |event| {
                    black_box(event.time);
                });
            });
        });
        let [replay, daemon] = [REPLAY_BATCH, DAEMON_BATCH].map(|batch| {
            let dir = tempfile::tempdir().expect("a directory");
            cost(|| bytes = keep(dir.path(), &lines, lines.len(), batch)) - door
        });
        rounds.iter_mut().zip([serde, door, replay, daemon]).for_each(|(costs, cost)| costs.push(cost));
    }
    let [serde, door, replay, daemon] = rounds.map(median);
    let events = lines.len() as f64;
    println!("{} events, nanoseconds of CPU an event:", lines.len());
    println!("{:>28}: {:7.0}", "serde_json", serde / events);
    println!("{:>28}: {:7.0}", "our decoder", door / events);
    for (name, history) in [("history, as of a replay", replay), ("history, as of a daemon", daemon)] {
        println!("{name:>28}: {:7.0} = {:.2} x serde_json", history / events, history / serde);
    }
    println!("{:>28}: {:7.1} bytes an event", "event files", bytes as f64 / events);
    println!("{:>28}: {:7} MiB, the log of {} MiB in it", "peak memory", status("VmHWM") >> 20, text.len() >> 20);
}

fn decoded(line: &str, each: &mut dyn FnMut(&tokentrail::event::AuditEvent<'_>)) {
    decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
        if let Ok(event) = event {
            each(event);
        }
    });
}

/// Keeps so many events, the lines again and again; bytes of the event files.
fn keep(dir: &Path, lines: &[&str], events: usize, batch: usize) -> u64 {
    let mut history = History::open(dir, Vec::new(), FOR_EVER).expect("a history");
    let (mut rows, mut now, file) = (Rows::default(), Time::ZERO, Digest::of(b"a log"));
    for seq in 0..events {
        let later = Span::seconds(86_400 * (seq / lines.len()) as i64);
        decoded(lines[seq % lines.len()], &mut |event| {
            let mut event = event.clone();
            event.time = event.time + later;
            event.received = event.received + later;
            now = now.max(event.time);
            let origin = event.source_ips.last().copied();
            let (seq, offset) = (seq as u64, 1400 * seq as u64);
            rows.push(&event, origin, Place { seq, source: 0, file, offset });
        });
        if seq % batch == batch - 1 || seq == events - 1 {
            let change = history.append(&mut rows).expect("room");
            history.committed(change).expect("room");
            let change = history.due(now, seq == events - 1, &mut rows).expect("room");
            history.committed(change).expect("room");
        }
    }
    history.segments().filter(|s| s.kind == SegmentKind::Events).map(|s| s.bytes).sum()
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// Nanoseconds of CPU.
fn cost(work: impl FnOnce()) -> f64 {
    let before = cpu();
    work();
    (cpu() - before) * 1e9
}

/// Seconds of CPU of this process: the clock ticks of `/proc/self/stat`, which Linux counts in hundredths.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
}
