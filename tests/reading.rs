//! Twenty incidents as people read them: each has to say who, what, why now, how bad and what next,
//! without the manual.
//!
//! They are those of the bundled log, the gravest first. Whoever changes a sentence sees here how
//! it reads among others: `UPDATE_REFERENCE=1 cargo test --release --test reading`, then read the
//! whole file.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use std::collections::BTreeMap;
use tokentrail::detect::Policy;
use tokentrail::incident::{Kind, Revision};
use tokentrail::report::{Style, block};

const PAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/reading/incidents.txt"
);
const SAMPLE: &[u8] = include_bytes!("fixtures/sample/audit.log.zst");
const READ: usize = 20;

fn incidents() -> Vec<Revision> {
    let log = zstd::decode_all(SAMPLE).expect("the bundled log");
    let log = String::from_utf8(log).expect("UTF-8");
    let out = common::run(&Policy::default(), log.lines());
    let last: BTreeMap<_, _> = out
        .revisions
        .into_iter()
        .map(|r| (r.incident.id, r))
        .collect();
    let mut threats: Vec<Revision> = last
        .into_values()
        .filter(|r| r.incident.kind == Kind::Threat)
        .collect();
    threats.sort_by_key(|r| (std::cmp::Reverse(r.incident.score()), r.incident.id));
    threats.truncate(READ);
    threats
}

#[test]
fn twenty_incidents_read_as_they_did() {
    let told: String = incidents()
        .iter()
        .map(|revision| block(revision, Style::Plain))
        .collect();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(std::path::Path::new(PAGE).parent().expect("a folder"))
            .expect("a folder");
        std::fs::write(PAGE, &told).expect("a page that can be written");
    }
    let there = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        there == told,
        "{PAGE} is out of date: UPDATE_REFERENCE=1 cargo test --release --test reading"
    );
}

/// What no incident may say, whatever it is about.
#[test]
fn no_incident_contradicts_or_repeats_itself() {
    for revision in incidents() {
        for told in &revision.incident.findings {
            assert_ne!(told.expected, told.observed, "{}", told.title);
            assert!(
                !told.expected.is_empty() && !told.observed.is_empty(),
                "{}",
                told.title
            );
            assert!(!told.observed.contains("not known to"), "{}", told.observed);
        }
        let why = revision.incident.why();
        assert!(why.contains(revision.incident.severity.label()), "{why}");
    }
}
