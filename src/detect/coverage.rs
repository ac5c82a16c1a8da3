//! Which published detection is covered by what, or why it is not: the page
//! `docs/detectors/coverage.md`.
//!
//! Refuses claims without proof: `tests/coverage.rs` plays events of each row.

mod rows;

pub use rows::ROWS;

use super::acts::Act;
use super::deed::{Deed, Reach};
use crate::base::Bits;
use std::fmt::Write;

/// One published detection: its id, what it detects, what covers it.
pub type Row = (&'static str, &'static str, By);

#[derive(Clone, Copy, Debug)]
pub enum By {
    /// `sensitive-operation`, by what the operation does.
    Deed(Deed),
    /// `dangerous-request`, by this act.
    Act(Act),
    /// This detector, from events alone, where the account is known.
    Seen(&'static str, &'static str),
    /// This detector, from events alone.
    Alone(&'static str, &'static str),
    /// This detector, which needs to know the account: its own fixture has the history that this
    /// takes.
    Known(&'static str, &'static str),
    /// Another part of the program, and how: its page.
    Part(&'static str, &'static str),
    /// Nothing does, and why.
    Not(&'static str),
}

impl By {
    /// The detector's id, and by what it covers the row.
    #[must_use]
    pub fn detector(self) -> Option<(&'static str, &'static str)> {
        match self {
            By::Deed(deed) => Some(("sensitive-operation", deed.title())),
            By::Act(act) => Some(("dangerous-request", act.words())),
            By::Alone(detector, how) | By::Seen(detector, how) | By::Known(detector, how) => {
                Some((detector, how))
            }
            By::Part(..) | By::Not(_) => None,
        }
    }

    /// Whether events alone suffice, where nothing is known of the account: `low` or more.
    #[must_use]
    pub fn is_cold(self) -> bool {
        match self {
            By::Deed(deed) => deed.gain(Reach::Own) >= GRAVE,
            By::Act(act) => act.gain() >= GRAVE,
            By::Alone(..) => true,
            By::Seen(..) | By::Known(..) | By::Part(..) | By::Not(_) => false,
        }
    }

    /// Whether events of its own show it; the others need a past of another kind.
    #[must_use]
    pub fn is_of_events(self) -> bool {
        matches!(
            self,
            By::Deed(_) | By::Act(_) | By::Seen(..) | By::Alone(..)
        )
    }
}

/// Who does what wins so much for the first time in an empty state is `low`.
const GRAVE: Bits = Bits::whole(10);

const INTRO: &str = "# Coverage

<!-- Generated from the detectors: UPDATE_REFERENCE=1 cargo test --test reference -->

What other auditors of Kubernetes audit logs publish as detections, one row each: what covers it here, or why
nothing does. A row marked *cold* is `low` or more from the events alone, on the first day with an empty state; the
others are reported, with a weight of evidence, once the account is known. `tests/coverage.rs` plays events of each
both ways. What stands in
request bodies takes audit level `Request`, as each detector's page says; [the recommended policy](../audit-policy.md)
leaves out those of ConfigMaps, and so CA-09, because whoever reads the log would hold what stands in them.

| row | what it detects | detector | by | cold |
|---|---|---|---|---|
";

/// The page as Markdown.
#[must_use]
pub fn page() -> String {
    let mut out = INTRO.to_owned();
    for (id, what, by) in ROWS {
        let _ = match (by.detector(), by) {
            (Some((detector, how)), _) => {
                let cold = if by.is_cold() { "yes" } else { "" };
                writeln!(
                    out,
                    "| {id} | {what} | [{detector}]({detector}.md) | {how} | {cold} |"
                )
            }
            (None, By::Part(part, how)) => {
                writeln!(out, "| {id} | {what} | [{part}](../{part}.md) | {how} | |")
            }
            (None, By::Not(why)) => writeln!(out, "| {id} | {what} | none | {why} | |"),
            (None, _) => Ok(()),
        };
    }
    let covered = ROWS
        .iter()
        .filter(|(_, _, by)| by.detector().is_some())
        .count();
    let cold = ROWS.iter().filter(|(_, _, by)| by.is_cold()).count();
    let parts = ROWS
        .iter()
        .filter(|(_, _, by)| matches!(by, By::Part(..)))
        .count();
    let _ = writeln!(
        out,
        "\n{} rows: {covered} by detectors, {cold} of them cold; {parts} by other parts; {} not.",
        ROWS.len(),
        ROWS.len() - covered - parts
    );
    out
}
