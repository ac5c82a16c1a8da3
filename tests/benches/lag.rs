//! How far the daemon is behind a log that grows at 10,000 events a second: from the write of a
//! byte to the commit that makes what it said durable.
//!
//! `cargo bench --bench lag [SECONDS]`

#[path = "../daemon/harness.rs"]
#[expect(dead_code, reason = "the tests use what this does not")]
mod harness;

use harness::{Daemon, Home, sample};
use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

const EVENTS_A_SECOND: usize = 10_000;
/// An API server's log file is flushed with every event; so many go into one write here.
const EVENTS_A_WRITE: usize = 50;

fn main() {
    let seconds = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .next()
        .unwrap_or(10);
    let home = Home::new();
    home.write_log(b"");
    let mut daemon = Daemon::start(&home);
    let sample = sample();
    let mut lines = sample.split_inclusive(|b| *b == b'\n').cycle();
    let mut log = OpenOptions::new().append(true).open(home.log()).unwrap();
    let begun = Instant::now();
    // When so many bytes had been written.
    let mut written: Vec<(u64, Instant)> = vec![(0, begun)];
    let mut lags = Vec::new();
    for n in 0..seconds * EVENTS_A_SECOND / EVENTS_A_WRITE {
        let due =
            begun + Duration::from_secs_f64((n * EVENTS_A_WRITE) as f64 / EVENTS_A_SECOND as f64);
        while Instant::now() < due {
            std::thread::yield_now();
        }
        let chunk: Vec<u8> = lines
            .by_ref()
            .take(EVENTS_A_WRITE)
            .flatten()
            .copied()
            .collect();
        log.write_all(&chunk).unwrap();
        let total = written.last().unwrap().0 + chunk.len() as u64;
        written.push((total, Instant::now()));
        if n % 20 == 19 {
            let done = daemon.metric("tokentrail_bytes_read_total") as u64;
            let oldest_unread = written
                .iter()
                .find(|(bytes, _)| *bytes > done)
                .map_or(begun, |(_, at)| *at);
            let behind = written.last().unwrap().0 > done;
            lags.push(if behind {
                oldest_unread.elapsed()
            } else {
                Duration::ZERO
            });
        }
    }
    lags.sort_unstable();
    println!(
        "{} events a second for {seconds} s: lag median {:?}, most {:?} ({} samples)",
        (written.len() - 1) * EVENTS_A_WRITE / seconds,
        lags[lags.len() / 2],
        lags[lags.len() - 1],
        lags.len()
    );
    daemon.terminate();
}
