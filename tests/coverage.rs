//! The table of coverage keeps its word: every published detection stands in it once, and what it calls
//! *cold* is told from the events alone.
//!
//! `fixtures/coverage/ids.txt` lists the ids; each line of `rows.jsonl` is `{"row": id, "event": {...}}`. The
//! events of one row, in their order, meet an empty state, and must give an incident of `low` or more that names
//! the detector which the table names.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokentrail::detect::coverage::{By, ROWS};
use tokentrail::detect::{Policy, Severity, detectors};
use tokentrail::engine::Output;

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/coverage/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The events of each row.
fn events() -> BTreeMap<String, Vec<String>> {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in fixture("rows.jsonl").lines() {
        let line: Value = serde_json::from_str(line).expect("a JSON line");
        let row = line["row"].as_str().expect("a row").to_owned();
        rows.entry(row).or_default().push(line["event"].to_string());
    }
    rows
}

fn play(lines: &[String]) -> Output {
    common::run(&Policy::default(), lines.iter().map(String::as_str))
}

#[test]
fn every_published_detection_stands_in_the_table_once() {
    let text = fixture("ids.txt");
    let ids: Vec<&str> = text.split_whitespace().collect();
    let mut table: Vec<&str> = ROWS.iter().map(|(id, ..)| *id).collect();
    table.sort_unstable();
    assert_eq!(table, ids);
}

#[test]
fn every_detector_named_is_one() {
    let known: BTreeSet<&str> = detectors::ALL.iter().map(|d| d.meta.id).collect();
    let named = ROWS.iter().filter_map(|(id, _, by)| by.detector().map(|(detector, _)| (id, detector)));
    let unknown: Vec<_> = named.filter(|(_, detector)| !known.contains(detector)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn what_the_table_calls_cold_is_told_from_the_events_alone() {
    let events = events();
    let mut broken = Vec::new();
    for (id, _, by) in ROWS.iter().filter(|(.., by)| by.is_cold()) {
        let Some(lines) = events.get(*id) else {
            broken.push(format!("{id}: no event in rows.jsonl"));
            continue;
        };
        let out = play(lines);
        let (detector, how) = by.detector().expect("a cold row has one");
        let told = |f: &&tokentrail::incident::Told| {
            f.detector == detector && f.severity >= Severity::Low && by_content(by, &f.title, &f.observed)
        };
        let incidents = common::last(&out);
        if !incidents.values().any(|i| i.severity >= Severity::Low && i.findings.iter().any(|f| told(&f))) {
            let said: Vec<String> = incidents
                .values()
                .flat_map(|i| &i.findings)
                .map(|f| format!("{}: {}; {}", f.detector, f.title, f.observed))
                .collect();
            broken.push(format!("{id}: not by {detector} ({how}), but: {said:?}"));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The finding is about what the table says, and not about something else in the same event.
fn by_content(by: &By, title: &str, observed: &str) -> bool {
    match by {
        By::Kind(kind) => title.contains(kind.words()),
        By::Act(act) => observed.contains(act.words()),
        _ => true,
    }
}

/// What the table leaves to the operator's rules, a rule can say.
#[test]
fn lists_of_the_operators_own_are_rules() {
    let event = &events()["LM-04"];
    for (condition, hits) in [
        ("event.origin_ip in ['192.0.2.254', '198.51.100.254']", false),
        ("!(event.user in ['ann', 'bea'])", true),
        ("event.origin_ip != '' && !(event.origin_ip in ['192.0.2.254'])", true),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!(
            "rules:\n  - id: listed\n    title: On a list\n    severity: medium\n    condition: \"{condition}\"\n"
        );
        std::fs::write(dir.path().join("own.yaml"), text).expect("a file");
        let loaded = tokentrail::config::rules::load(&[dir.path().to_owned()], std::path::Path::new(""));
        assert!(loaded.error().is_none(), "{:?}", loaded.checked);
        let policy = Policy { rules: std::sync::Arc::new(loaded.rules), ..Policy::default() };
        let out = common::run(&policy, event.iter().map(String::as_str));
        assert_eq!(out.findings.iter().any(|(id, _)| id == "listed"), hits, "{condition}");
    }
}

#[test]
fn no_event_is_left_of_a_row_that_is_not_cold() {
    let cold: BTreeSet<&str> = ROWS.iter().filter(|(.., by)| by.is_cold()).map(|(id, ..)| *id).collect();
    let left: Vec<String> = events().into_keys().filter(|row| !cold.contains(row.as_str())).collect();
    assert!(left.is_empty(), "{left:?}");
}
