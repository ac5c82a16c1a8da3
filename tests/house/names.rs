//! Nothing of the labelled recording is known to the program: what it finds there, it must find by
//! judging.
//!
//! Skips, and says so, where the recording is not beside the repository.

use super::rust;
use regex::Regex;
use std::collections::BTreeSet;

/// The words of the recording that nobody would write by chance.
fn telling_words(labels: &str) -> BTreeSet<String> {
    let address = Regex::new(r"\b\d{1,3}(?:\.\d{1,3}){3}\b").expect("a regex");
    let mut words = BTreeSet::new();
    for line in labels.lines().filter(|line| !line.trim().is_empty()) {
        words.extend(address.find_iter(line).map(|m| m.as_str().to_owned()));
        let label: serde_json::Value = serde_json::from_str(line).expect("a label is JSON");
        let list = |key: &str| {
            label[key]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|v| v.as_str())
                .collect::<Vec<_>>()
        };
        for key in [
            "audit_ids",
            "effect_audit_ids",
            "cleanup_audit_ids",
            "rightful_audit_ids",
        ] {
            words.extend(list(key).iter().map(|id| (*id).to_owned()));
        }
        for principal in list("principals")
            .into_iter()
            .chain(list("effect_principals"))
        {
            words.extend(names_of(principal));
        }
    }
    words
}

/// The ways to write a principal; none for those that every cluster has.
fn names_of(principal: &str) -> Vec<String> {
    if let Some(account) = principal.strip_prefix("system:serviceaccount:") {
        return match account.split_once(':') {
            Some(("kube-system", _) | (_, "default")) | None => Vec::new(),
            Some((namespace, name)) => vec![account.to_owned(), format!("{namespace}/{name}")],
        };
    }
    if let Some(node) = principal.strip_prefix("system:node:") {
        return vec![node.to_owned()];
    }
    if matches!(principal, "" | "*") || principal.starts_with("system:") || principal == "default" {
        return Vec::new();
    }
    vec![principal.to_owned()]
}

/// Whether `word` stands in `text` as a word of its own.
fn says(text: &str, word: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    text.match_indices(word).any(|(at, _)| {
        let after = &text[at + word.len()..];
        !inside(text[..at].chars().next_back()) && !inside(after.chars().next())
    })
}

#[test]
fn the_program_knows_no_name_of_the_recording() {
    let path = rust::root().join("../shared/corpus/cluster/labels.jsonl");
    let Ok(labels) = std::fs::read_to_string(&path) else {
        crate::skipped::because(&format!("{} is not there", path.display()));
        return;
    };
    let words = telling_words(&labels);
    assert!(words.len() > 100, "the labels were not understood");
    let mut found = Vec::new();
    for path in rust::below("src").into_iter().chain(rust::below("config")) {
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).into_owned();
        found.extend(
            words
                .iter()
                .filter(|word| says(&text, word))
                .map(|word| format!("{}: {word}", path.display())),
        );
    }
    assert!(
        found.is_empty(),
        "words of the recording:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_name_is_seen_and_an_ordinary_word_is_not() {
    let label = r#"{"title":"used from 192.0.2.9","audit_ids":["0b1c"],"principals":["system:serviceaccount:n:a",
        "system:serviceaccount:kube-system:x","system:serviceaccount:n:default","system:masters","carol","*",""]}"#;
    let words: Vec<String> = telling_words(&label.replace('\n', ""))
        .into_iter()
        .collect();
    assert_eq!(words, ["0b1c", "192.0.2.9", "carol", "n/a", "n:a"]);
    assert!(says("system:serviceaccount:n:a", "n:a") && says("(192.0.2.9)", "192.0.2.9"));
    assert!(!says("192.0.2.90", "192.0.2.9") && !says("carols", "carol"));
}
