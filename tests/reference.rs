//! The reference pages say what the code says: `UPDATE_REFERENCE=1` writes them anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tokentrail::detect::{detectors, reference};

fn pages() -> Vec<(String, String)> {
    let mut pages = reference::pages();
    pages.push((
        "docs/reference/config.md".to_owned(),
        tokentrail::config::reference::markdown(),
    ));
    pages.push((
        "docs/reference/rules.md".to_owned(),
        tokentrail::detect::rule::reference::markdown(),
    ));
    pages.push((
        "docs/reference/cli.md".to_owned(),
        tokentrail::cli::reference::markdown(),
    ));
    pages.push((
        "docs/reference/api.md".to_owned(),
        tokentrail::api::reference(),
    ));
    pages.push((
        "docs/reference/metrics.md".to_owned(),
        tokentrail::telemetry::reference::markdown(),
    ));
    pages
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn every_page_is_what_the_code_says() {
    for (path, content) in pages() {
        let file = root().join(&path);
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &content).unwrap();
        }
        let there = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            there == content,
            "{path} is out of date: UPDATE_REFERENCE=1 cargo test --test reference"
        );
    }
}

#[test]
fn no_page_is_left_of_a_detector_that_is_gone() {
    let mut known: BTreeSet<PathBuf> = pages()
        .into_iter()
        .map(|(path, _)| root().join(path))
        .collect();
    // Made and checked by `tests/scenarios`.
    known.extend(
        ["scenarios", "clusters", "calibration"]
            .map(|page| root().join(format!("docs/detectors/{page}.md"))),
    );
    // Written by hand, and checked below.
    known.insert(root().join("docs/detectors/visibility.md"));
    for entry in std::fs::read_dir(root().join("docs/detectors")).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            known.contains(&path),
            "{} belongs to no detector",
            path.display()
        );
    }
}

#[test]
fn every_detector_is_described_in_the_six_sections_and_each_says_something() {
    for detector in detectors::ALL {
        assert_eq!(
            reference::sections(detector),
            reference::SECTIONS,
            "{}",
            detector.meta.id
        );
        let doc = reference::doc(detector);
        for section in doc.split("# ").skip(1) {
            let said = section.split_once('\n').map_or("", |(_, rest)| rest.trim());
            assert!(!said.is_empty(), "{}: {section}", detector.meta.id);
        }
    }
}

#[test]
fn every_tunable_is_a_setting() {
    let settings = tokentrail::config::reference::markdown();
    for detector in detectors::ALL {
        for tunable in detector.meta.tunables {
            assert!(
                settings.contains(&format!("| `{tunable}` |")),
                "{}: {tunable}",
                detector.meta.id
            );
        }
    }
}

#[test]
fn every_setting_says_what_it_means() {
    for row in tokentrail::config::reference::markdown()
        .lines()
        .filter(|l| l.starts_with("| `"))
    {
        assert!(!row.ends_with("|  |"), "{row}");
    }
}

#[test]
fn every_field_of_an_incident_is_explained() {
    use tokentrail::engine::{Engine, Input, Output};
    let (mut engine, mut out) = (
        Engine::new(tokentrail::detect::Policy::default()),
        Output::default(),
    );
    let gap = tokentrail::engine::Gap {
        kind: "lost",
        detail: "",
        digest: tokentrail::base::Digest::default(),
    };
    // So many wait for an event that has a time.
    (0..16).for_each(|_| engine.step(Input::Gap { source: 0, gap }, &mut out));
    let revision = out.revisions.first().expect("a gap is an incident");
    let json = tokentrail::incident::to_json(&revision.incident, Some(revision.notice));
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
    let page = std::fs::read_to_string(root().join("docs/incidents.md")).unwrap();
    for field in object.keys() {
        assert!(
            page.contains(&format!("`{field}`")),
            "docs/incidents.md says nothing of {field}"
        );
    }
}

/// What could not be seen has no detector whose file is its manual.
#[test]
fn every_kind_of_visibility_has_its_section() {
    let page =
        std::fs::read_to_string(root().join("docs/detectors/visibility.md")).expect("the page");
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    for id in tokentrail::engine::camera::ALL {
        let section = sections
            .iter()
            .find(|section| section.lines().next() == Some(id));
        let section = section.unwrap_or_else(|| panic!("{id} has no section"));
        for part in [
            "Why it matters",
            "How it decides",
            "When it is wrong",
            "Tuning",
            "Respond",
        ] {
            assert!(section.contains(&format!("- **{part}**: ")), "{id}: {part}");
        }
    }
    assert_eq!(sections.len(), tokentrail::engine::camera::ALL.len());
}
