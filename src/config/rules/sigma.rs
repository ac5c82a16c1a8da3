//! Rules in Sigma's form, as SigmaHQ publishes them for `product: kubernetes, service: audit`.
//!
//! Refuses to guess: an unknown modifier is an error, and a field that no audit event has makes its
//! test false and is named. Source of the form: the Sigma specification 2.

use super::sigma_condition;
use super::sigma_value::{self, Note};
use super::{Checked, Loaded, Verdict, file, keep_rule};
use crate::config::error::ConfigError;
use crate::detect::rule::{Condition, Expr, Rule, never};
use crate::detect::{Severity, Tactic};
use serde::Deserialize;
use serde_json::{Map, Value};
use smol_str::SmolStr;
use std::path::Path;

#[derive(Deserialize)]
struct Written {
    title: String,
    id: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    logsource: LogSource,
    detection: Map<String, Value>,
    #[serde(default)]
    level: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LogSource {
    product: String,
    service: String,
}

/// What is wrong: the key that it is wrong with, and the words.
pub(super) struct Wrong {
    pub key: String,
    pub what: String,
    pub remedy: String,
}

impl Wrong {
    pub(super) fn new(key: &str, what: impl Into<String>, remedy: &str) -> Wrong {
        Wrong {
            key: key.to_owned(),
            what: what.into(),
            remedy: remedy.to_owned(),
        }
    }
}

/// Told by the two keys that every Sigma rule has at its beginning of a line, and no file of ours.
pub(super) fn is_sigma(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|l| l.starts_with(key));
    has("detection:") && has("logsource:")
}

/// A file may hold several rules, each a YAML document.
pub(super) fn load(path: &Path, text: &str, loaded: &mut Loaded) {
    for (lines_before, document) in documents(text) {
        let first = loaded.checked.len();
        load_one(path, document, loaded);
        for (line, _) in loaded.checked[first..]
            .iter_mut()
            .filter_map(|c| c.place.as_mut())
        {
            *line += lines_before;
        }
    }
}

/// The documents that say something, and the lines before each. Text inside a rule is indented, so
/// a line that begins with the marker is one.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let is_marker = |line: &str| {
        line.strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n', '\r']))
    };
    let mut found = Vec::new();
    let (mut begin, mut at, mut lines_before) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if is_marker(line) {
            found.push((lines_before, &text[begin..at]));
            (begin, lines_before) = (at + line.len(), number + 1);
        }
        at += line.len();
    }
    found.push((lines_before, &text[begin..]));
    found.retain(|(_, document)| !document.lines().all(crate::config::place::is_blank));
    found
}

fn load_one(path: &Path, text: &str, loaded: &mut Loaded) {
    let options = serde_saphyr::options! { with_snippet: false };
    let written: Written = match serde_saphyr::from_str_with_options(text, options) {
        Ok(written) => written,
        Err(error) => {
            for problem in ConfigError::yaml(path, text, &error).problems {
                let remedy = "it has to be one Sigma rule with title, id and detection";
                loaded.wrong(path, problem.place, "file", problem.what, remedy);
            }
            return;
        }
    };
    let checked = |place, verdict| Checked {
        file: path.to_owned(),
        place,
        kind: "sigma rule",
        id: written.id.clone(),
        verdict,
    };
    let mut notes = Vec::new();
    match rule(&written, &mut notes) {
        Ok(rule) => {
            let verdict = verdict(&rule.condition.0, &notes);
            let place = notes
                .first()
                .map_or_else(|| key_place(text, "id"), |n: &Note| key_place(text, &n.key));
            keep_rule(loaded, rule);
            loaded.checked.push(checked(place, verdict));
        }
        Err(Wrong { key, what, remedy }) => {
            loaded.checked.push(checked(
                key_place(text, &key),
                Verdict::Wrong { what, remedy },
            ));
        }
    }
}

fn verdict(condition: &Expr, notes: &[Note]) -> Verdict {
    let mut all: Vec<&str> = notes.iter().map(|n| n.what.as_str()).collect();
    all.dedup();
    match (never(condition), all.is_empty()) {
        (Some(why), true) => Verdict::Never(why),
        (Some(_), false) => Verdict::Never(all.join("; ")),
        (None, true) => Verdict::Fine,
        (None, false) => Verdict::Partly(all.join("; ")),
    }
}

/// Where a key stands first in the file; conditions are a value of theirs.
fn key_place(text: &str, key: &str) -> Option<(usize, usize)> {
    text.lines().enumerate().find_map(|(number, line)| {
        let begins = line.trim_start_matches([' ', '-']);
        let rest = begins.trim_start_matches(['\'', '"']).strip_prefix(key)?;
        rest.trim_start_matches(['\'', '"'])
            .starts_with(':')
            .then(|| (number + 1, line.len() - begins.len() + 1))
    })
}

fn rule(written: &Written, notes: &mut Vec<Note>) -> Result<Rule, Wrong> {
    if !file::is_id(&written.id) {
        return Err(Wrong::new(
            "id",
            "the id cannot be used",
            "use the UUID of the published rule",
        ));
    }
    if written.title.trim().is_empty() {
        return Err(Wrong::new(
            "title",
            "the title is empty",
            "say what the rule finds",
        ));
    }
    let LogSource { product, service } = &written.logsource;
    let ours = product == "kubernetes" && (service.is_empty() || service == "audit");
    let condition = if ours {
        condition(&written.detection, notes)?
    } else {
        let what = format!("it is for logs of {product} {service}, not of kubernetes audit");
        notes.push(Note {
            key: "logsource".to_owned(),
            what,
        });
        Expr::Bool(false)
    };
    Ok(Rule {
        id: written.id.as_str().into(),
        title: written.title.trim().into(),
        severity: severity(&written.level)?,
        tactic: written
            .tags
            .iter()
            .find_map(|tag| tactic(tag))
            .unwrap_or(Tactic::Unnamed),
        techniques: written
            .tags
            .iter()
            .filter_map(|tag| technique(tag))
            .collect(),
        respond: Vec::new(),
        condition: Condition::new(condition),
    })
}

fn severity(level: &str) -> Result<Severity, Wrong> {
    match level {
        "informational" => Ok(Severity::Info),
        "" => Ok(Severity::Medium),
        other => Severity::parse(other).ok_or_else(|| {
            Wrong::new(
                "level",
                "the level is not known",
                "use informational, low, medium, high or critical",
            )
        }),
    }
}

/// `attack.t1552.007`.
fn technique(tag: &str) -> Option<SmolStr> {
    let id = tag.strip_prefix("attack.")?.to_ascii_uppercase();
    file::is_technique(&id).then(|| id.into())
}

/// `attack.privilege-escalation`; older rules write an underscore.
fn tactic(tag: &str) -> Option<Tactic> {
    let name = tag.strip_prefix("attack.")?.replace('_', "-");
    serde_json::from_value(Value::String(name)).ok()
}

fn condition(detection: &Map<String, Value>, notes: &mut Vec<Note>) -> Result<Expr, Wrong> {
    let mut selections = Vec::new();
    for (name, value) in detection
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "condition" | "timeframe"))
    {
        selections.push((name.as_str(), sigma_value::selection(name, value, notes)?));
    }
    let one = |text: &Value| match text {
        Value::String(text) => sigma_condition::parse(text, &selections),
        _ => Err(Wrong::new(
            "condition",
            "the condition is no text",
            "write `condition: selection`",
        )),
    };
    match detection.get("condition") {
        Some(Value::Array(any)) => Ok(Expr::Or(any.iter().map(one).collect::<Result<_, _>>()?)),
        Some(text) => one(text),
        None => Err(Wrong::new(
            "detection",
            "there is no condition",
            "write `condition: selection`",
        )),
    }
}
