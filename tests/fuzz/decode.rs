//! A fuzz run of the decoders on stable Rust: real lines, damaged by a seeded dice, for some
//! seconds.
//!
//! `cargo test --release --test fuzz_decode -- [seconds] [seed]`. Two seconds without arguments, so
//! that it is part of every test run; a failure prints the seed that repeats it.

mod mutate;
mod oracle;

use std::time::{Duration, Instant};

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let seconds = numbers.first().copied().unwrap_or(2);
    let first = numbers.get(1).copied().unwrap_or(1);
    let lines: Vec<&[u8]> = [
        include_bytes!("../fixtures/audit/cluster.jsonl").as_slice(),
        include_bytes!("../fixtures/audit/public.jsonl"),
        include_bytes!("../fixtures/audit/list.jsonl"),
        include_bytes!("../fixtures/audit/carriers.jsonl"),
    ]
    .iter()
    .flat_map(|file| file.split(|&b| b == b'\n'))
    .filter(|line| !line.is_empty())
    .collect();

    let (end, mut seed, mut read) = (Instant::now() + Duration::from_secs(seconds), first, 0_u64);
    // Wounded lines that the scanner still reads are the interesting ones: they are wounded again.
    let mut pool: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
    while Instant::now() < end {
        let mut dice = mutate::Dice(seed);
        let at = dice.below(pool.len());
        let line = mutate::wound(&pool[at], &mut dice);
        let outcome = std::panic::catch_unwind(|| oracle::agree(&line));
        match outcome {
            Ok(true) => {
                read += 1;
                let slot = lines.len() + dice.below(512);
                if line.len() < 1 << 13 {
                    if slot < pool.len() {
                        pool[slot] = line;
                    } else {
                        pool.push(line);
                    }
                }
            }
            Ok(false) => {}
            Err(panic) => {
                eprintln!(
                    "fuzz_decode: seed {seed} (run began at {first}); line: {:?}",
                    String::from_utf8_lossy(&line)
                );
                std::panic::resume_unwind(panic);
            }
        }
        seed += 1;
    }
    println!(
        "fuzz_decode: {} executions, {read} read by the scanner, {seconds} s, seeds {first}..{seed}",
        seed - first
    );
}
