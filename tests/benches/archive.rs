//! How fast a log becomes lines, and an archive of one log hands them out, by the size of a read.
//!
//! `cargo bench --bench archive [-- LOG]`: over the bundled sample, or over a log of your own.

use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;
use tokentrail::source::lines::{Lines, What};
use tokentrail::source::{Archive, Limits, Positions};

const READS: [usize; 5] = [64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20];

fn main() {
    let named = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let path = named.map_or(
        PathBuf::from("tests/fixtures/audit/cluster.jsonl"),
        PathBuf::from,
    );
    for chunk in READS {
        let limits = Limits {
            chunk,
            ..Limits::default()
        };
        let began = Instant::now();
        let mut file = File::open(&path).expect("a readable log");
        let mut lines = Lines::new(limits, 0);
        let mut count = 0;
        while lines.fill(&mut file).expect("a readable log") > 0 {
            while let Some(piece) = lines.next_piece() {
                count += u64::from(matches!(piece.what, What::Line(_)));
            }
        }
        let raw = lines.position() as f64 / began.elapsed().as_secs_f64() / 1e9;
        let began = Instant::now();
        let mut archive = Archive::open(std::slice::from_ref(&path), Positions::default(), limits)
            .expect("a readable log");
        let mut bytes = 0;
        while !archive
            .read(1 << 20, &|_| None, &mut |item| {
                bytes = item.position().map_or(bytes, |p| p.1);
            })
            .all
        {}
        let whole = bytes as f64 / began.elapsed().as_secs_f64() / 1e9;
        println!("reads of {chunk}: {count} lines, lines {raw:.2} GB/s, archive {whole:.2} GB/s");
    }
}
