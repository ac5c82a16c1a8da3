//! Names that exist, JSON that Grafana takes, and the rules of grafana/dashboard-linter, without
//! any server.
//!
//! Refuses to parse PromQL: selectors are found by their braces, which the files of `dashboards/`
//! always write.

use super::files::{boards, list, panel_expressions, panels, rules, texts};
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use tokentrail::telemetry::metrics;

/// The units that panels may have, out of Grafana's list.
const UNITS: [&str; 8] = [
    "short",
    "none",
    "percentunit",
    "bytes",
    "Bps",
    "s",
    "cps",
    "dateTimeFromNow",
];

/// Names of series that the daemon serves.
fn served() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for spec in metrics::ALL {
        names.insert(spec.name.to_owned());
        if spec.kind == "histogram" {
            names.extend(["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", spec.name)));
        }
    }
    names
}

#[test]
fn every_metric_that_is_named_exists_and_nothing_else_begins_like_one() {
    let (served, word) = (
        served(),
        Regex::new(r"\b(?:tokentrail|process)_[a-z0-9_]*").unwrap(),
    );
    let mut wrong = Vec::new();
    for (name, text) in texts() {
        let found = word
            .find_iter(&text)
            .map(|m| m.as_str())
            .filter(|word| !served.contains(*word));
        wrong.extend(found.map(|word| format!("{name}: {word}")));
    }
    assert!(wrong.is_empty(), "not in the list of metrics: {wrong:#?}");
}

#[test]
fn every_label_value_that_is_chosen_exists() {
    let matcher =
        Regex::new(r#"\b(detector|severity|kind|maturity|reason|outcome)=~?"([^"$]+)""#).unwrap();
    for expression in panel_expressions() {
        for found in matcher.captures_iter(&expression.text) {
            let labels = metrics::ALL
                .iter()
                .filter(|spec| expression.text.contains(spec.name))
                .flat_map(|s| s.labels);
            let known: Vec<_> = labels
                .filter(|l| l.name == &found[1])
                .flat_map(|l| (l.values)())
                .collect();
            let unknown: Vec<_> = found[2]
                .split('|')
                .filter(|value| !known.contains(value))
                .collect();
            assert!(
                unknown.is_empty(),
                "{}: no {} is {unknown:?}",
                expression.place,
                &found[1]
            );
        }
    }
}

#[test]
fn dashboards_are_told_apart_and_lead_to_each_other() {
    let boards = boards();
    let uids: BTreeSet<&str> = boards
        .iter()
        .map(|(_, b)| b["uid"].as_str().unwrap())
        .collect();
    assert_eq!((boards.len(), uids.len()), (3, 3));
    for (name, board) in &boards {
        let uid = board["uid"].as_str().unwrap();
        assert_eq!(uid, format!("tokentrail-{name}"));
        let linked: BTreeSet<&str> = list(board, "links")
            .iter()
            .map(|link| {
                link["url"]
                    .as_str()
                    .unwrap()
                    .strip_prefix("/d/")
                    .expect("a link by uid")
            })
            .collect();
        assert_eq!(
            linked,
            uids.iter().copied().filter(|other| *other != uid).collect(),
            "{name}"
        );
        let tags = list(board, "tags");
        assert!(
            !tags.is_empty() && tags.iter().all(|tag| !tag.as_str().unwrap().contains('_')),
            "{name}"
        );
        let ids: BTreeSet<_> = list(board, "panels")
            .iter()
            .map(|p| p["id"].as_u64().unwrap())
            .collect();
        assert_eq!(
            ids.len(),
            list(board, "panels").len(),
            "{name}: ids of panels"
        );
    }
}

/// uneditable, template-datasource, template-job, template-instance,
/// template-on-time-change-reload, template-unused.
fn lint_board(name: &str, board: &Value) {
    assert_eq!(board["editable"], false, "{name}");
    assert!(board["schemaVersion"].as_u64().unwrap() >= 41, "{name}");
    let variables = list(&board["templating"], "list");
    let of = |variable: &str| {
        variables
            .iter()
            .find(|v| v["name"] == variable)
            .expect("a variable")
    };
    let source = of("datasource");
    for (key, value) in [
        ("type", "datasource"),
        ("query", "prometheus"),
        ("label", "Data source"),
    ] {
        assert_eq!(source[key], value, "{name}: {key} of the data source");
    }
    let text = board.to_string();
    for variable in variables.iter().filter(|v| v["type"] == "textbox") {
        assert!(
            text.contains(&format!("${{{}:", variable["name"].as_str().unwrap())),
            "{name}: {variable} is not used"
        );
    }
    for variable in variables.iter().filter(|v| v["type"] == "query") {
        let name = variable["name"].as_str().unwrap();
        assert_eq!(variable["datasource"]["uid"], "${datasource}", "{name}");
        assert!(
            variable["multi"] == true && variable["allValue"] == ".+",
            "{name}"
        );
        assert_eq!(
            variable["refresh"], 2,
            "{name}: reload when the time changes"
        );
        assert!(
            text.contains(&format!("\\\"${name}\\\"")),
            "{name} is not used"
        );
    }
    assert!(
        of("job")["label"] == "Job" && of("instance")["label"] == "Instance",
        "{name}"
    );
}

/// panel-datasource, panel-title-description, panel-units, panel-no-targets.
fn lint_panel(name: &str, panel: &Value) {
    let said = |key: &str| panel[key].as_str().is_some_and(|text| !text.is_empty());
    assert!(said("title") && said("description"), "{name}: {panel}");
    let title = &panel["title"];
    let unit = panel["fieldConfig"]["defaults"]["unit"]
        .as_str()
        .unwrap_or_default();
    assert!(UNITS.contains(&unit), "{name}: {title}: unit {unit:?}");
    assert!(!list(panel, "targets").is_empty(), "{name}: {title}");
    let sources = list(panel, "targets")
        .iter()
        .chain([panel])
        .map(|v| &v["datasource"]["uid"]);
    assert!(
        sources.into_iter().all(|uid| uid == "${datasource}"),
        "{name}: {title}"
    );
}

#[test]
fn dashboards_keep_the_rules_of_the_linter() {
    for (name, board) in boards() {
        lint_board(&name, &board);
        panels(&board).for_each(|panel| lint_panel(&name, panel));
    }
}

/// target-job, target-instance, target-rate-interval, target-counter-agg, target-histogram.
#[test]
fn expressions_keep_the_rules_of_the_linter() {
    let selector =
        Regex::new(r"\b(?:up|(?:tokentrail|process)_[a-z0-9_]+)\b(\{[^}]*\})?(\[[^\]]*\])?")
            .unwrap();
    for expression in panel_expressions() {
        let (place, text) = (&expression.place, &expression.text);
        let mut found = 0;
        for part in selector.captures_iter(text) {
            let whole = part.get(0).unwrap();
            let (before, matchers) = (
                &text[..whole.start()],
                part.get(1).map_or("", |m| m.as_str()),
            );
            assert!(
                matchers.starts_with(r#"{job=~"$job", instance=~"$instance""#),
                "{place}: {text}"
            );
            let range = part.get(2).map(|m| m.as_str());
            if before.ends_with("rate(") {
                assert_eq!(range, Some("[$__rate_interval]"), "{place}");
            }
            if whole.as_str().contains("_total{") {
                assert!(
                    before.ends_with("rate(") || before.ends_with("increase("),
                    "{place}: a bare counter"
                );
            }
            assert!(
                !whole.as_str().contains("_bucket{") || before.contains("histogram_quantile("),
                "{place}"
            );
            found += 1;
        }
        assert!(found > 0, "{place}: no selector in {text}");
    }
}

#[test]
fn every_alert_says_what_it_means_and_what_to_do_and_is_tested() {
    let tests = texts()
        .into_iter()
        .find(|(name, _)| name == "tokentrail.rules.test.yaml")
        .unwrap()
        .1;
    let alerts = rules("alert");
    assert!(alerts.len() > 15, "the rules were not found");
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        let text = |key: &str| alert["annotations"][key].as_str().unwrap_or_default();
        assert!(!text("summary").is_empty(), "{name}");
        assert!(
            text("description").contains("Meaning: ") && text("description").contains("To do: "),
            "{name}"
        );
        assert!(
            ["critical", "warning", "info"]
                .contains(&alert["labels"]["severity"].as_str().unwrap()),
            "{name}"
        );
        assert!(
            tests.contains(&format!(
                "ALERTS{{alertname=\"{name}\", alertstate=\"firing\", severity="
            )),
            "{name}"
        );
    }
}
