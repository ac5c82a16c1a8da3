//! `docs/detectors/calibration.md`: of incidents that weigh so much, how many are attacks, and what
//! thresholds give.
//!
//! Refuses the seeds of the page of the clusters: a threshold is not tested on what it was chosen
//! from.

use super::record::{Incident, MEND, Record, Truth};
use super::tally::STEP;
use super::{CALIBRATION, SEEDS, days};
use std::fmt::Write;
use tokentrail::detect::Severity;

/// How much rarer attacks may be than here.
const RARER: f64 = 10.0;

/// Incidents by what they turned out to be.
#[derive(Default)]
struct Counts {
    attacks: usize,
    related: usize,
    benign: usize,
}

impl Counts {
    fn of<'r>(incidents: impl Iterator<Item = &'r Incident>) -> Counts {
        let mut counts = Counts::default();
        for incident in incidents {
            match incident.truth {
                Truth::Attack => counts.attacks += incident.count,
                Truth::Related => counts.related += incident.count,
                Truth::False => counts.benign += incident.count,
            }
        }
        counts
    }

    /// The share of attacks, of a hundred, were there so many times fewer of them.
    fn share(&self, rarer: f64) -> String {
        let attacks = self.attacks as f64 / rarer;
        let all = attacks + self.benign as f64;
        if all > 0.0 {
            format!("{:.0} %", attacks * 100.0 / all)
        } else {
            String::new()
        }
    }
}

pub fn markdown(records: &[Record]) -> String {
    let days = CALIBRATION.map(days).sum::<i64>();
    let attacks = records
        .iter()
        .map(|record| record.attacks.len())
        .sum::<usize>();
    let threats = || {
        records
            .iter()
            .flat_map(|record| &record.incidents)
            .filter(|incident| incident.kind == "threat")
    };
    let mut out = format!(
        "# Calibration

<!-- Generated from tests/scenarios: {MEND} -->

What a score is worth: of the incidents of [random clusters](clusters.md) with so much of it, how many name an attack. The
clusters are those of seeds {} to {}, {} days of them: none that the page of the clusters is made of (seeds {} to {}), so
that thresholds are not tested on what they were chosen from.

There are {attacks} attacks in them, {:.1} in 1,000 days of a cluster. That is far more than a cluster sees, so every share
is also given for a tenth of them. What follows from an attack, or a person who debugs, is *related* and in no share.

## By score

| score | attacks | related | nothing | attacks among them | at a tenth |
|---|---|---|---|---|---|
",
        CALIBRATION.start,
        CALIBRATION.end - 1,
        days,
        SEEDS.start,
        SEEDS.end - 1,
        attacks as f64 * 1_000.0 / days as f64,
    );
    let most = threats().map(|incident| incident.score).max().unwrap_or(0);
    for from in (0..=most).step_by(STEP as usize) {
        let counts = Counts::of(threats().filter(|incident| incident.score == from));
        if counts.attacks + counts.related + counts.benign > 0 {
            let _ = writeln!(
                out,
                "| {from} to {} | {} |",
                from + STEP - 1,
                cells(&counts)
            );
        }
    }
    out.push_str("\n## By threshold\n\n| told from | attacks | related | nothing | attacks among them | at a tenth | nothing, in 1,000 days | attacks told |\n|---|---|---|---|---|---|---|---|\n");
    for floor in [
        Severity::Info,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ] {
        let counts = Counts::of(threats().filter(|incident| incident.severity >= floor));
        let all = records
            .iter()
            .flat_map(|record| &record.attacks)
            .filter(|attack| attack.can_be_told);
        let (mut can, mut told) = (0, 0);
        for attack in all {
            can += 1;
            told += usize::from(attack.severity >= Some(floor));
        }
        let noise = counts.benign as f64 * 1_000.0 / days as f64;
        let _ = writeln!(
            out,
            "| `{floor}` | {} | {noise:.1} | {told} of {can} |",
            cells(&counts)
        );
    }
    out
}

fn cells(counts: &Counts) -> String {
    let Counts {
        attacks,
        related,
        benign,
    } = counts;
    format!(
        "{attacks} | {related} | {benign} | {} | {}",
        counts.share(1.0),
        counts.share(RARER)
    )
}
