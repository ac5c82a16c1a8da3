//! The table of coverage keeps its word: every published detection stands in it once, what it names
//! is reported where the account is known, and what it calls *cold* is `low` or more from the
//! events alone.
//!
//! `fixtures/coverage/ids.txt` lists the ids; each line of `rows.jsonl` is `{"row": id, "event":
//! {...}}`. The events of one row are played in their order.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::Request;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokentrail::base::{Span, Time};
use tokentrail::detect::coverage::{By, ROWS};
use tokentrail::detect::{Policy, Severity, detectors};
use tokentrail::engine::Output;

fn fixture(name: &str) -> String {
    let path = format!(
        "{}/tests/fixtures/coverage/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
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
    let named = ROWS
        .iter()
        .filter_map(|(id, _, by)| by.detector().map(|(detector, _)| (id, detector)));
    let unknown: Vec<_> = named
        .filter(|(_, detector)| !known.contains(detector))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// A week of another account's and of this identity's ordinary requests before the events of a row,
/// so that the account and the cluster are known.
fn known_before(events: &[String]) -> Vec<String> {
    let first: Value = serde_json::from_str(&events[0]).expect("a JSON line");
    let time = first["stageTimestamp"]
        .as_str()
        .and_then(Time::parse)
        .expect("a time");
    let mut lines = Vec::new();
    for (day, turn) in (1..=8i64)
        .rev()
        .flat_map(|day| (0..6i64).map(move |turn| (day, turn)))
    {
        let at = time - Span::seconds(day * 86_400 - turn * 60);
        lines.push(ordinary(&first, at, day * 10 + turn));
        for n in 0..6 {
            let name = format!("neighbour-{n}");
            let mut other = Request::of_pod(
                &format!("quiet:{name}"),
                &name,
                &format!("10.251.9.{}", 10 + n),
            );
            other.agent = format!("{name}/v1");
            lines.push(stamped(&other.line(0), at));
        }
    }
    lines
}

/// What the identity of `event` does every day: it lists the limits of its namespace.
fn ordinary(event: &Value, at: Time, n: i64) -> String {
    let user = event["user"]["username"].as_str().unwrap_or_default();
    let namespace = user
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split(':').next());
    let namespace = namespace.unwrap_or("default");
    let mut line = event.clone();
    for key in ["requestObject", "responseObject", "impersonatedUser"] {
        line.as_object_mut().expect("an object").remove(key);
    }
    // The place of a row that is about its place is no place of every day.
    let is_public = line["sourceIPs"][0]
        .as_str()
        .is_some_and(|ip| ip.starts_with("203.0.113."));
    if is_public {
        line["sourceIPs"] = json!(["192.168.7.20"]);
    }
    line["auditID"] = json!(format!("ordinary-{n}"));
    line["verb"] = json!("list");
    line["stage"] = json!("ResponseComplete");
    line["requestURI"] = json!(format!("/api/v1/namespaces/{namespace}/limitranges"));
    line["objectRef"] =
        json!({"resource": "limitranges", "namespace": namespace, "apiVersion": "v1"});
    line["responseStatus"] = json!({"metadata": {}, "code": 200});
    line["annotations"] = json!({"authorization.k8s.io/decision": "allow"});
    stamped(&line.to_string(), at)
}

fn stamped(line: &str, at: Time) -> String {
    let mut event: Value = serde_json::from_str(line).expect("a JSON line");
    event["requestReceivedTimestamp"] = json!(at.to_string());
    event["stageTimestamp"] = json!(at.to_string());
    event.to_string()
}

/// What was said of a row's events, from an incident of `least` or more by the detector that the
/// table names.
fn broken(id: &str, by: &By, lines: &[String], least: Severity) -> Option<String> {
    let out = play(lines);
    let (detector, how) = by.detector().expect("a row by a detector");
    let incidents = common::last(&out);
    let is_it = |told: &tokentrail::incident::Told| {
        told.detector == detector && by_content(by, &told.title, &told.observed)
    };
    let loud = |incident: &&&tokentrail::incident::Incident| incident.severity >= least;
    if incidents
        .values()
        .filter(loud)
        .any(|incident| incident.findings.iter().any(is_it))
    {
        return None;
    }
    let in_words = |f: &tokentrail::incident::Told| {
        format!("{}: {}; {} ({})", f.detector, f.title, f.observed, f.weight)
    };
    let said: Vec<String> = incidents
        .values()
        .flat_map(|i| &i.findings)
        .map(in_words)
        .collect();
    Some(format!("{id}: not by {detector} ({how}), but: {said:?}"))
}

#[test]
fn what_the_table_calls_cold_is_told_from_the_events_alone() {
    let events = events();
    let cold = ROWS.iter().filter(|(.., by)| by.is_cold());
    let broken: Vec<String> = cold
        .filter_map(|(id, _, by)| broken(id, by, &events[*id], Severity::Low))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn what_the_table_names_is_reported_where_the_account_is_known() {
    let events = events();
    let of_events = ROWS.iter().filter(|(.., by)| by.is_of_events());
    let broken: Vec<String> = of_events
        .filter_map(|(id, _, by)| {
            let mut lines = known_before(&events[*id]);
            lines.extend(events[*id].iter().cloned());
            broken(id, by, &lines, Severity::Info)
        })
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The finding is about what the table says, and not about something else in the same event.
fn by_content(by: &By, title: &str, observed: &str) -> bool {
    match by {
        By::Deed(deed) => title == deed.title(),
        By::Act(act) => observed.contains(act.words()),
        _ => true,
    }
}

/// What the table leaves to the operator's rules, a rule can say.
#[test]
fn lists_of_the_operators_own_are_rules() {
    let event = &events()["LM-04"];
    for (condition, hits) in [
        (
            "event.origin_ip in ['192.0.2.254', '198.51.100.254']",
            false,
        ),
        ("!(event.user in ['ann', 'bea'])", true),
        (
            "event.origin_ip != '' && !(event.origin_ip in ['192.0.2.254'])",
            true,
        ),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!(
            "rules:\n  - id: listed\n    title: On a list\n    severity: medium\n    condition: \"{condition}\"\n"
        );
        std::fs::write(dir.path().join("own.yaml"), text).expect("a file");
        let loaded =
            tokentrail::config::rules::load(&[dir.path().to_owned()], std::path::Path::new(""));
        assert!(loaded.error().is_none(), "{:?}", loaded.checked);
        let policy = Policy {
            rules: std::sync::Arc::new(loaded.rules),
            ..Policy::default()
        };
        let out = common::run(&policy, event.iter().map(String::as_str));
        assert_eq!(
            out.findings.iter().any(|(id, _)| id == "listed"),
            hits,
            "{condition}"
        );
    }
}

#[test]
fn each_row_of_events_has_some_and_no_other_row() {
    let named: BTreeSet<&str> = ROWS
        .iter()
        .filter(|(.., by)| by.is_of_events())
        .map(|(id, ..)| *id)
        .collect();
    let events = events();
    let played: BTreeSet<&str> = events.keys().map(String::as_str).collect();
    assert_eq!(played, named);
}
