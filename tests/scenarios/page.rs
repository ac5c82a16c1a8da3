//! `docs/detectors/scenarios.md`: which attack is told by what.
//!
//! Refuses what the tests beside it do not prove: it prints their expectations.

use super::benign::LookAlike;
use super::{Expect, Scenario};
use std::fmt::Write;

const INTRO: &str = "# Attack scenarios

<!-- Generated from tests/scenarios: UPDATE_REFERENCE=1 cargo test --release --test scenarios -->

Attacks on and with service accounts, as published tools and reports make them, and what tells them. Each is played as
audit events of the shape that a real kube-apiserver 1.36 writes: once after eight days of a cluster's work (*known*),
once alone into an empty state (*first day*). Told means: one incident names the attack's requests by audit id, is at
least so severe, has at least these detectors, and at most three in ten of its requests are somebody else's.

| attack | | known | first day |
|---|---|---|---|
";

const DAILY: &str = "
## What only looks like an attack

Each of these is played every day from an empty state on, with what is particular of it after eight days, and stays
below `medium`, the severity that wakes people, all the time.

| | daily life | |
|---|---|---|
";

pub fn markdown<'s>(
    scenarios: impl Iterator<Item = &'s Scenario>,
    look_alikes: &[LookAlike],
) -> String {
    let mut out = INTRO.to_owned();
    let (mut all, mut known, mut cold) = (0, 0, 0);
    for scenario in scenarios {
        all += 1;
        known += usize::from(matches!(scenario.known, Expect::Told(..)));
        cold += usize::from(matches!(scenario.cold, Expect::Told(..)));
        let (first, second) = (cell(&scenario.known), cell(&scenario.cold));
        let _ = writeln!(
            out,
            "| {} | {} | {first} | {second} |",
            scenario.id, scenario.title
        );
    }
    let _ = writeln!(
        out,
        "\n{all} attacks: {known} told where the cluster is known, {cold} on the first day."
    );
    out.push_str(DAILY);
    for look_alike in look_alikes {
        let by = if look_alike.declared.is_empty() {
            ""
        } else {
            "needs an [exemption](../rules.md)"
        };
        let _ = writeln!(out, "| {} | {} | {by} |", look_alike.id, look_alike.title);
    }
    out
}

fn cell(expect: &Expect) -> String {
    match expect {
        Expect::Told(detectors, floor) => {
            let links: Vec<String> = detectors.iter().map(|d| format!("[{d}]({d}.md)")).collect();
            format!("{floor}: {}", links.join(", "))
        }
        Expect::Missed(why) => format!("not told: {why}"),
    }
}
