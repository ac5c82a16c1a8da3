//! Reads `dashboards/`: boards, panels, rules, and their expressions.
//!
//! Refuses to understand PromQL: that is for Prometheus.

use serde_json::Value;
use std::path::{Path, PathBuf};

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards")
}

pub fn rules_file() -> PathBuf {
    folder().join("rules/tokentrail.rules.yaml")
}

/// Name and text of every file, those of `rules/` too.
pub fn texts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for dir in [folder(), folder().join("rules")] {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Name and content of every dashboard.
pub fn boards() -> Vec<(String, Value)> {
    let json = texts()
        .into_iter()
        .filter(|(name, _)| name.ends_with(".json"));
    json.map(|(name, text)| {
        let board = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name.trim_end_matches(".json").to_owned(), board)
    })
    .collect()
}

pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The panels of a board that show data.
pub fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    list(board, "panels")
        .iter()
        .filter(|p| p["type"] != "row" && p["type"] != "text")
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub struct Expression {
    /// `board: panel`, or the name of a rule.
    pub place: String,
    pub text: String,
}

/// The expressions of panels, as Grafana writes them.
pub fn panel_expressions() -> Vec<Expression> {
    let mut found = Vec::new();
    for (name, board) in boards() {
        for panel in panels(&board) {
            for target in list(panel, "targets") {
                let place = format!("{name}: {}", panel["title"].as_str().unwrap());
                found.push(Expression {
                    place,
                    text: target["expr"].as_str().unwrap().to_owned(),
                });
            }
        }
    }
    found
}

/// As Grafana sends it when everything is chosen, an hour is shown, and a minute is a step.
pub fn substituted(expression: &Expression) -> Expression {
    let mut text = expression.text.clone();
    for (variable, value) in [
        ("$__rate_interval", "1m"),
        ("$__range", "1h"),
        ("$job", ".+"),
        ("$instance", ".+"),
    ] {
        text = text.replace(variable, value);
    }
    text = text.replace("$detector", ".+");
    assert!(
        !text.contains('$'),
        "a variable that this test does not know: {text}"
    );
    Expression {
        place: expression.place.clone(),
        text,
    }
}

/// The rules that have `kind`: `alert` or `record`.
pub fn rules(kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(rules_file()).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let all = list(&file, "groups")
        .iter()
        .flat_map(|group| list(group, "rules"));
    all.filter(|rule| rule[kind].is_string()).cloned().collect()
}

pub fn rule_expressions(kind: &str) -> Vec<Expression> {
    let text = |rule: &Value, key: &str| rule[key].as_str().unwrap().to_owned();
    rules(kind)
        .iter()
        .map(|rule| Expression {
            place: text(rule, kind),
            text: text(rule, "expr"),
        })
        .collect()
}
