//! The documents agree with the tree: dependencies, links, files that are named.

use super::rust;
use regex::Regex;
use std::collections::BTreeSet;

fn read(name: &str) -> String {
    std::fs::read_to_string(rust::root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The keys of `[dependencies]` and `[dev-dependencies]`.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
        } else if let (true, Some((name, _))) = (inside, line.split_once('=')) {
            let name = name.trim();
            if !name.starts_with('#') {
                names.insert(name.split('.').next().unwrap_or(name).to_owned());
            }
        }
    }
    names
}

/// The rows ``| `name` | what for |`` under the heading that contains "dependency".
fn explained(document: &str) -> BTreeSet<String> {
    let section = document
        .split("\n## ")
        .find(|s| s.lines().next().is_some_and(|h| h.contains("dependency")));
    let rows = section
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.filter(|(_, what_for)| what_for.trim_end_matches(" |").ends_with('.'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn every_dependency_has_a_sentence_and_every_sentence_a_dependency() {
    assert_eq!(
        explained(&read("CONTRIBUTING.md")),
        dependencies(&read("Cargo.toml"))
    );
}

#[test]
fn links_of_documents_lead_to_files() {
    let link = Regex::new(r"\]\(([^)#]+)(?:#[^)]*)?\)").expect("a regex");
    let mut dead = Vec::new();
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "docs/audit-policy.md",
    ] {
        let folder = rust::root()
            .join(name)
            .parent()
            .expect("a folder")
            .to_path_buf();
        for found in link.captures_iter(&read(name)) {
            let to = &found[1];
            if !to.contains("://") && !folder.join(to).exists() {
                dead.push(format!("{name}: {to}"));
            }
        }
    }
    assert!(dead.is_empty(), "dead links: {dead:#?}");
}

#[test]
fn the_map_is_short_enough_to_read() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines <= 200, "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn the_audit_policy_of_the_page_is_the_file() {
    let (page, file) = (read("docs/audit-policy.md"), read("docs/audit-policy.yaml"));
    assert!(
        page.contains("audit-policy.yaml"),
        "the page does not lead to the file"
    );
    assert!(
        !file.contains("- ResponseStarted"),
        "a 401 has only the stage ResponseStarted: never omit it"
    );
}
