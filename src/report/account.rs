//! What is normal for one account: for people a page, for machines an object.
//!
//! Refuses to print a byte of the log that was not cleaned.

use super::{Style, moment, severity};
use crate::base::remembered::{Remembered, Seen};
use crate::base::text::{self, counted};
use crate::daemon::rewind::account::{Next, Normal};
use serde_json::{Value, json};
use std::fmt::Write;

/// Values of a dimension shown to people, those of most days first; JSON has all.
const SHOWN: usize = 8;

/// The dimensions by the words of the rule language, and what is remembered in each.
fn dimensions(known: &Normal) -> [(&'static str, &Remembered); 6] {
    let account = &known.account;
    [
        ("operations", &account.operations),
        ("programs", &account.agents),
        ("origins", &account.origins),
        ("networks", &account.networks),
        ("other namespaces", &account.reach),
        ("refused", &account.denials),
    ]
}

/// For people.
#[must_use]
pub fn account(known: &Normal, style: Style) -> String {
    let mut out = format!("{}\n{}\n", text::name(&known.principal), known.maturity);
    let days = known.account.days_before(known.now);
    for (name, memory) in dimensions(known)
        .into_iter()
        .filter(|(_, memory)| !memory.is_empty())
    {
        let begun = memory.novelty().days_before(known.now);
        let of = counted(days.into(), "day");
        let _ = writeln!(
            out,
            "\n{name}: {} known, something new on {begun} of {of}",
            memory.len()
        );
        let mut values: Vec<(&str, &Seen)> = memory.iter().collect();
        values.sort_by_key(|(what, seen)| (std::cmp::Reverse(seen.days), *what));
        for (what, seen) in values.iter().take(SHOWN) {
            let _ = writeln!(
                out,
                "  {:>8}  {}  {}",
                on_days(seen),
                moment(seen.last()),
                text::name(what)
            );
        }
        if values.len() > SHOWN {
            let _ = writeln!(
                out,
                "  and {}, with -o json",
                counted((values.len() - SHOWN) as u64, "more value")
            );
        }
    }
    practices(known, &mut out);
    let _ = writeln!(out, "\nwhat would be told next, from where it is at home:");
    for next in &known.next {
        let told = if next.tells { "told" } else { "not told" };
        let (what, program) = (next.what, text::name(&next.program));
        let whose = if next.is_own_program {
            "its own program"
        } else {
            "another program"
        };
        let score = next.score.to_string();
        let _ = writeln!(
            out,
            "  {} {score:>5} bits, {told:8}  {what} with {program} ({whose})",
            severity(next.severity, style)
        );
    }
    out
}

/// Acts that an intruder wins by, as far as the account does them.
fn practices(known: &Normal, out: &mut String) {
    let all = &known.account.practices;
    if all.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\nacts that matter: {} known (docs/detectors/gains.md lists the keys)",
        all.len()
    );
    for (key, practice) in all.iter() {
        let objects = counted(practice.objects.into(), "object");
        let new = practice.new_objects.days_before(known.now);
        let _ = writeln!(
            out,
            "  {:>8}  {}  {key}: {objects}, new ones on {}",
            on_days(&practice.seen),
            moment(practice.seen.last()),
            counted(new.into(), "day")
        );
    }
}

fn on_days(seen: &Seen) -> String {
    counted(seen.days.into(), "day")
}

/// For machines: one object.
#[must_use]
pub fn account_json(known: &Normal) -> String {
    let values = |memory: &Remembered| -> Value {
        let one = |(what, seen): (&str, &Seen)| {
            json!({
                "value": text::name(what), "days": seen.days,
                "first": seen.first().to_string(), "last": seen.last().to_string(),
            })
        };
        memory.iter().map(one).collect()
    };
    let dimension = |(name, memory): (&str, &Remembered)| json!({ "dimension": name, "days_with_news": memory.novelty().days_before(known.now), "values": values(memory) });
    let practice = |(key, practice): (&str, &crate::baseline::features::practices::Practice)| {
        json!({
            "key": key, "days": practice.seen.days, "objects": practice.objects, "namespaces": practice.places,
            "days_with_new_objects": practice.new_objects.days_before(known.now),
            "days_with_new_namespaces": practice.new_places.days_before(known.now),
            "first": practice.seen.first().to_string(), "last": practice.seen.last().to_string(),
        })
    };
    let next = |next: &Next| {
        json!({
            "what": next.what, "program": text::name(&next.program), "own_program": next.is_own_program,
            "score": next.score.0, "severity": next.severity.label(), "told": next.tells,
        })
    };
    let maturity = &known.maturity;
    let object = json!({
        "principal": text::name(&known.principal), "now": known.now.to_string(), "mature": maturity.mature,
        "since": maturity.since.to_string(), "days": maturity.days, "events": maturity.events,
        "dimensions": dimensions(known).into_iter().map(dimension).collect::<Vec<_>>(),
        "acts": known.account.practices.iter().map(practice).collect::<Vec<_>>(),
        "next": known.next.iter().map(next).collect::<Vec<_>>(),
    });
    format!("{object}\n")
}
