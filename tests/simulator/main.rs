//! The simulator: the real session on a simulated clock, log directory, disk and delivery, all
//! driven by one seed.
//!
//! A run is a world (`world.rs`) in which requests are written, logs rotate and vanish, disks fill
//! and forget, the process dies, receivers do not answer and settings change; then everything is
//! looked at (`check.rs`). Refuses to wait and to use threads or chance of its own:
//! `TOKENTRAIL_SEED=N cargo test --release --test simulator asked_for` repeats a run.

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

mod chance;
mod check;
mod disk;
mod evidence;
mod ground;
mod server;
mod world;

use evidence::Evidence;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokentrail::engine::Room;
use world::World;

const SEED: &str = "TOKENTRAIL_SEED";
/// What every change must pass.
const SEEDS: Range<u64> = 0..24;
const STEPS: usize = 600;
/// For a slow machine: seeds beyond it are left out, and said to be.
const TIME: Duration = Duration::from_secs(45);

/// What befell a run, and what came of it: what is wrong is told with how to repeat it.
fn run(seed: u64) -> (World, Result<Evidence, String>) {
    let mut world = World::new(seed);
    let gone = (0..STEPS).try_for_each(|_| world.step());
    let looked = gone
        .and_then(|()| world.end())
        .and_then(|evidence| check::check(&evidence).map(|()| evidence));
    let repeat =
        format!("{SEED}={seed} cargo test --release --test simulator asked_for -- --nocapture");
    (
        world,
        looked.map_err(|wrong| format!("{wrong}\n  repeat it: {repeat}")),
    )
}

/// Runs seeds one after the other, as long as there is time.
fn run_all(seeds: Range<u64>, time: Duration) {
    let begun = Instant::now();
    let (mut runs, mut lines, mut crashes, mut gaps, mut told) = (0, 0, 0, 0, 0);
    let mut failed = Vec::new();
    for seed in seeds.clone().take_while(|_| begun.elapsed() < time) {
        let (world, came_to) = run(seed);
        runs += 1;
        crashes += world.crashes;
        match came_to {
            Ok(evidence) => {
                lines += evidence.written.len();
                gaps += evidence.gaps.len();
                told += evidence.file.lines().count();
            }
            Err(wrong) => failed.push(wrong),
        }
    }
    let of = seeds.end - seeds.start;
    println!(
        "{runs} of {of} seeds: {lines} lines, {crashes} crashes, {gaps} gaps, {told} revisions told"
    );
    assert!(
        failed.is_empty(),
        "{} of {runs} seeds:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(
        crashes > runs && gaps > 0 && told > 0,
        "too little happened to prove anything"
    );
}

#[test]
fn whatever_befalls_it_comes_to_the_same() {
    run_all(SEEDS, TIME);
}

/// What `TOKENTRAIL_SEED` asks for: `7`, with everything that befalls it, or `100..400`.
#[test]
fn asked_for() {
    let Ok(asked) = std::env::var(SEED) else {
        return;
    };
    let number = |text: &str| {
        text.parse()
            .unwrap_or_else(|_| panic!("{SEED}={asked}: neither N nor N..M"))
    };
    if let Some((from, to)) = asked.split_once("..") {
        return run_all(number(from)..number(to), Duration::MAX);
    }
    let (world, came_to) = run(number(&asked));
    println!("{}", world.story.join("\n"));
    if let Err(wrong) = came_to {
        panic!("{wrong}");
    }
}

#[test]
fn a_seed_is_a_run() {
    let essence = |seed| {
        let evidence = run(seed).1.unwrap();
        (
            evidence.events,
            evidence.inputs,
            evidence.gaps,
            evidence.file,
            evidence.heard,
        )
    };
    assert!(essence(SEEDS.start) == essence(SEEDS.start));
}

type Lie<'a> = &'a dyn Fn(&mut Evidence);

/// A checker that cannot fail proves nothing: each of these lies must be found.
#[test]
fn every_lie_is_found() {
    // A run in which nothing may be lost, so that no lie has an excuse, and with a gap that one can
    // be told about.
    let may_be_lied_about = |evidence: &Evidence| !evidence.rough && !evidence.gaps.is_empty();
    let truth = SEEDS
        .filter_map(|seed| run(seed).1.ok())
        .find(may_be_lied_about)
        .unwrap();
    let middle = truth.events.len() / 2;
    let lies: [(&str, Lie<'_>); 17] = [
        ("an event is lost", &|e| {
            drop((e.events.remove(middle), e.rows -= 1));
        }),
        ("the last event is lost", &|e| {
            drop((e.events.pop(), e.rows -= 1));
        }),
        ("an event is there twice", &|e| {
            let (seq, id) = e.events[middle].clone();
            e.events.insert(middle, (seq, id));
            e.rows += 1;
        }),
        ("a file is there twice", &|e| e.rows += 1),
        ("two events changed places", &|e| {
            let other = e.events[middle + 1..]
                .iter()
                .position(|(_, id)| *id != e.events[middle].1)
                .unwrap();
            let (a, b) = (
                e.events[middle].1.clone(),
                e.events[middle + 1 + other].1.clone(),
            );
            (e.events[middle].1, e.events[middle + 1 + other].1) = (b, a);
        }),
        ("an event was never written", &|e| {
            e.events[middle].1 = "made-up".into();
        }),
        ("a malformed line is forgotten", &|e| drop(e.asides.pop())),
        ("a malformed line is set aside twice", &|e| {
            e.asides.extend(e.asides.clone().pop());
        }),
        ("a gap is forgotten", &|e| drop(e.gaps.pop())),
        ("a gap is told that is none", &|e| {
            let mut gap = e.gaps[0].clone();
            gap.kind = "lost".into();
            e.gaps.push(gap);
        }),
        ("a baseline differs by a byte", &|e| {
            let value = e
                .records
                .iter_mut()
                .find(|((room, _), _)| *room == Room::Account as u8)
                .unwrap()
                .1;
            value.push(0);
        }),
        ("a baseline is missing", &|e| drop(e.records.pop_last())),
        ("an incident is missing", &|e| drop(e.incidents.pop_first())),
        ("a revision is told twice", &|e| {
            let last = e.file.lines().last().unwrap().to_owned();
            e.file += &format!("{last}\n");
        }),
        ("a revision is not told", &|e| {
            e.file = e.file.split_once('\n').unwrap().1.to_owned();
        }),
        ("a sink missed one", &|e| {
            let first = e.heard["all"][0].clone();
            e.heard.get_mut("all").unwrap().retain(|key| *key != first);
        }),
        ("a notice still waits", &|e| e.waiting = 1),
    ];
    for (what, lie) in lies {
        let mut evidence = truth.clone();
        lie(&mut evidence);
        assert!(check::check(&evidence).is_err(), "not found: {what}");
    }
}
