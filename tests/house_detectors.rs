//! Totality of the detectors: the registry, the folder of sources and the folder of fixtures are
//! one list.

use std::collections::BTreeSet;
use std::path::Path;

/// File names without their endings; `mod.rs` and helpers that start with `_` aside.
fn stems(folder: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let names = entries.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let stems = names.map(|name| name.split('.').next().unwrap_or_default().to_owned());
    stems
        .filter(|stem| stem != "mod" && stem != "README" && !stem.starts_with('_'))
        .collect()
}

fn registered() -> BTreeSet<String> {
    tokentrail::detect::detectors::ALL
        .iter()
        .map(|detector| detector.meta.id.replace('-', "_"))
        .collect()
}

#[test]
fn every_detector_is_a_file_and_every_file_a_detector() {
    assert_eq!(registered(), stems("src/detect/detectors"));
    assert_eq!(
        registered().len(),
        tokentrail::detect::detectors::ALL.len(),
        "an id is used twice"
    );
}

#[test]
fn every_detector_has_a_fixture_and_every_fixture_a_detector() {
    assert_eq!(registered(), stems("tests/fixtures/detectors"));
}

#[test]
fn every_detector_explains_itself_in_the_fixed_sections() {
    let sections = [
        "What it sees",
        "Why it matters",
        "How it decides",
        "When it is wrong",
        "Tuning",
        "Respond",
    ];
    for detector in tokentrail::detect::detectors::ALL {
        let headings: Vec<&str> = detector
            .source
            .lines()
            .filter_map(|line| line.strip_prefix("//! # "))
            .collect();
        assert_eq!(headings, sections, "{}", detector.meta.id);
    }
}
