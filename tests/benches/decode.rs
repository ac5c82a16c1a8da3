//! What one event costs: serde_json into the borrowed struct, the scanner, and the whole door.
//!
//! `cargo bench --bench decode [-- <log file>]`: over the bundled sample, or over a log of your
//! own. Prints the ratio that the scanner earns.

use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::time::Instant;
use tokentrail::event::decode::{self, Limits};
use tokentrail::event::wire::WireEvent;

type Work = fn(&str);

const WORKS: [(&str, Work); 4] = [
    ("serde_json", |line| {
        black_box(serde_json::from_str::<WireEvent<'_>>(line).is_ok());
    }),
    ("scanner", |line| {
        black_box(decode::fast(line).is_some());
    }),
    ("door", |line| {
        decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
            black_box(event.is_ok());
        });
    }),
    ("door by serde_json", |line| {
        decode::line_by_reference(line.as_bytes(), &Limits::default(), &mut |_, event| {
            black_box(event.is_ok());
        });
    }),
];

/// Nanoseconds per line, the best of `rounds`.
fn measure(lines: &[&str], rounds: u32, work: Work) -> f64 {
    let round = || {
        let start = Instant::now();
        lines.iter().for_each(|line| work(black_box(line)));
        start.elapsed().as_secs_f64() * 1e9 / lines.len() as f64
    };
    (0..rounds).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn table(lines: &[&str], rounds: u32) {
    let bytes = lines.iter().map(|line| line.len()).sum::<usize>() as f64 / lines.len() as f64;
    let base = measure(lines, rounds, WORKS[0].1);
    println!("{} lines of {bytes:.0} bytes", lines.len());
    for (name, work) in WORKS {
        let ns = measure(lines, rounds, work);
        println!(
            "{name:>20}: {ns:7.0} ns/event, {:5.2} GB/s, {:4.1} x serde_json",
            bytes / ns,
            base / ns
        );
    }
}

fn main() {
    let named = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if let Some(path) = named {
        let text = std::fs::read_to_string(path).expect("a readable log");
        return table(&text.lines().collect::<Vec<_>>(), 5);
    }
    let lines: Vec<&str> = include_str!("../fixtures/audit/cluster.jsonl")
        .lines()
        .collect();
    table(&lines, 2000);
    let mut criterion = Criterion::default();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(
        lines.iter().map(|line| line.len() as u64).sum(),
    ));
    for (name, work) in WORKS {
        group.bench_function(name, |bench| {
            bench.iter(|| lines.iter().for_each(|line| work(line)));
        });
    }
    group.finish();
}
