//! Each detector against its fixture: it speaks of the hit, and not of the near miss.
//!
//! A fixture is `fixtures/detectors/<id with underscores>.jsonl`. Its first line says how grave the
//! gravest finding of the hit is: `{"severity": "high"}`. Every other line is `{"in": "both" |
//! "hit" | "near miss", "event": {...}}`, in the order of time. With `"days": 8` it is repeated at
//! the same time on each of the 8 days before, with `"times": 20` so often on each of them, a
//! second apart: that is how a baseline is made. What is found in this history does not count. To
//! add a detector, copy the fixture of one that is like it.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tokentrail::base::{Span, Time};
use tokentrail::detect::{Policy, Severity, detectors};
use tokentrail::engine::{Engine, Output};
use tokentrail::incident::{Incident, respond};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/detectors")
}

/// The lines of one case in the order of time, histories written out: whether it is history, and
/// the line.
fn lines(fixture: &[Value], case: &str) -> Vec<(bool, String)> {
    let mut timed: Vec<(i64, usize, bool, String)> = Vec::new();
    for (n, row) in fixture
        .iter()
        .enumerate()
        .filter(|(_, row)| row["in"] == "both" || row["in"] == case)
    {
        let at = row["event"]["stageTimestamp"]
            .as_str()
            .and_then(Time::parse)
            .expect("a stageTimestamp");
        let (days, times) = (
            row["days"].as_i64().unwrap_or(0),
            row["times"].as_i64().unwrap_or(1),
        );
        for (day, time) in (days.min(1)..=days).flat_map(|d| (0..times).map(move |t| (d, t))) {
            let moved = at - Span::seconds(day * 86_400) + Span::seconds(time);
            let mut event = row["event"].clone();
            event["stageTimestamp"] = moved.to_string().into();
            event["requestReceivedTimestamp"] = moved.to_string().into();
            if days > 0 || times > 1 {
                event["auditID"] =
                    format!("{}-{day}-{time}", event["auditID"].as_str().unwrap_or("")).into();
            }
            timed.push((moved.0, n, days > 0, event.to_string()));
        }
    }
    timed.sort();
    timed
        .into_iter()
        .map(|(_, _, history, line)| (history, line))
        .collect()
}

#[test]
fn each_detector_speaks_of_its_hit_and_not_of_the_near_miss() {
    let mut wrong = Vec::new();
    for detector in detectors::ALL {
        let id = detector.meta.id;
        let path = folder().join(format!("{}.jsonl", id.replace('-', "_")));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{id} needs {}: {e}", path.display()));
        let rows: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).expect("a JSON line"))
            .collect();
        let gravest = |case: &str| -> Option<Severity> {
            let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
            for (history, line) in lines(&rows[1..], case) {
                common::feed(&mut engine, 0, &line, &mut out);
                if history {
                    out.findings.clear();
                }
            }
            out.findings
                .iter()
                .filter(|(d, _)| *d == id)
                .map(|(_, severity)| *severity)
                .max()
        };
        let expected = rows[0]["severity"].as_str().expect("a severity");
        let (hit, near_miss) = (gravest("hit"), gravest("near miss"));
        if hit.is_none_or(|severity| severity.to_string() != expected) || near_miss.is_some() {
            wrong.push(format!(
                "{id}: the hit is {hit:?} and not {expected}, the near miss {near_miss:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The steps of the gravest incident of a fixture's hit.
fn steps(id: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder().join(format!("{}.jsonl", id.replace('-', "_"))))
        .expect("a fixture");
    let rows: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).expect("a JSON line"))
        .collect();
    let lines: Vec<String> = lines(&rows[1..], "hit")
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    let out = common::run(&Policy::default(), lines.iter().map(String::as_str));
    let of = |i: &&Incident| i.detectors.iter().any(|d| d == id);
    let gravest = common::last(&out)
        .into_values()
        .filter(of)
        .max_by_key(|i| i.severity)
        .unwrap_or_else(|| panic!("{id}: no incident"));
    respond::steps(gravest)
}

#[test]
fn the_first_steps_fit_the_incident_and_destroy_evidence_last() {
    for (id, wanted, unwanted) in [
        (
            "token-secret-made",
            "kubectl delete secrets stay-key -n shelf",
            "field-selector",
        ),
        (
            "legacy-token",
            "kubectl delete secret stock-key -n shelf",
            "kubectl delete pod",
        ),
        (
            "minted-credential",
            "kubectl delete serviceaccount stock -n shelf",
            "field-selector",
        ),
        (
            "anonymous-access",
            "tokentrail who --from 192.0.2.7",
            "kubectl delete pod",
        ),
        (
            "unauthenticated-burst",
            "tokentrail who --from 192.0.2.77",
            "kubectl",
        ),
        (
            "credential-in-two-places",
            "quarantine=true",
            "field-selector",
        ),
        ("sensitive-operation", "tokentrail t", "field-selector"),
        ("dangerous-request", "kubectl delete ", "field-selector"),
    ] {
        let steps = steps(id);
        let has = |word: &str| steps.iter().any(|step| step.contains(word));
        assert!(has(wanted) && !has(unwanted), "{id}: {steps:#?}");
        assert!(
            steps[0].starts_with("tokentrail explain "),
            "{id}: {steps:#?}"
        );
        let ends = |step: &String| step.contains("kubectl delete ");
        let first = steps.iter().position(ends).unwrap_or(steps.len());
        assert!(steps[first..].iter().all(ends), "{id}: {steps:#?}");
    }
}

#[test]
fn every_fixture_belongs_to_a_detector() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the fixtures")
        .map(|f| {
            f.expect("an entry")
                .file_name()
                .to_string_lossy()
                .replace(".jsonl", "")
                .replace('_', "-")
        })
        .collect();
    let registry: BTreeSet<String> = detectors::ALL
        .iter()
        .map(|d| d.meta.id.to_owned())
        .collect();
    assert_eq!(files, registry);
}
