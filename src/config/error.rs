//! What is wrong with a settings file, in sentences: where, which setting, what to do.
//!
//! Refuses to quote values from the file: one may be a pasted secret.

use super::place;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where it is another file than the settings: a rule file.
    pub file: Option<PathBuf>,
    /// Path of the setting, such as `incidents.quiet_seconds`; empty where the whole file is meant.
    pub field: String,
    /// What is wrong, without a full stop.
    pub what: String,
    /// What to do, without a full stop.
    pub remedy: String,
    /// Line and column from 1, where known.
    pub place: Option<(usize, usize)>,
}

/// Why a settings file was refused: everything that is wrong with it, in the order of the checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    pub file: PathBuf,
    pub problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn file(file: &Path, what: String, remedy: &str) -> ConfigError {
        let problem = Problem {
            file: None,
            field: String::new(),
            what,
            remedy: remedy.to_owned(),
            place: None,
        };
        ConfigError {
            file: file.to_owned(),
            problems: vec![problem],
        }
    }

    pub(super) fn settings(file: &Path, text: &str, mut problems: Vec<Problem>) -> ConfigError {
        for problem in &mut problems {
            problem.place = place::of(text, &problem.field);
        }
        ConfigError {
            file: file.to_owned(),
            problems,
        }
    }

    pub(in crate::config) fn yaml(
        file: &Path,
        text: &str,
        error: &serde_saphyr::Error,
    ) -> ConfigError {
        let location = error.without_snippet().location();
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let place = location.map(|l| (number(l.line()), number(l.column())));
        let field = place
            .and_then(|(line, column)| place::at(text, line, column))
            .unwrap_or_default();
        let (what, remedy) = worded(&error.without_snippet().to_string());
        ConfigError {
            file: file.to_owned(),
            problems: vec![Problem {
                file: None,
                field,
                what,
                remedy,
                place,
            }],
        }
    }
}

/// Messages of the parser for a value of another type: how they begin, what is wrong, what to do.
const WRONG_TYPES: &[(&str, &str, &str)] = &[
    (
        "invalid u",
        "it is not a whole number, or is out of range",
        "write a whole number of 0 or more",
    ),
    (
        "invalid f",
        "it is not a number",
        "write a number such as 1.5",
    ),
    (
        "invalid bool",
        "it is neither true nor false",
        "write true or false",
    ),
    (
        "invalid IP",
        "it is not a network",
        "write networks in CIDR form, such as 10.0.0.0/8",
    ),
    (
        "invalid socket",
        "it is not an address with a port",
        "write it as 127.0.0.1:9464 or [::1]:9464",
    ),
    (
        "tabs disallowed",
        "the line is indented with a tab",
        "indent with spaces",
    ),
];

/// The parser's words, parted into what is wrong and what to do.
fn worded(message: &str) -> (String, String) {
    let message = without_place(message);
    if message.contains(crate::sink::INLINE) {
        return (
            "a secret is named by its place, never written here".to_owned(),
            "write it as `file: PATH` or `env: NAME`, and keep the secret there".to_owned(),
        );
    }
    if let Some(unknown) = unknown_name(message) {
        return unknown;
    }
    if let Some((_, name)) = message.split_once("missing field ") {
        let what = format!("{} is missing", name.trim_matches(['`', '.']));
        return (what, "write it".to_owned());
    }
    if message.contains("duplicate") {
        return (
            "the setting stands there twice".to_owned(),
            "keep one of the two".to_owned(),
        );
    }
    let mut wrong_types = WRONG_TYPES.iter();
    if let Some((_, what, remedy)) = wrong_types.find(|(begin, ..)| message.starts_with(begin)) {
        return ((*what).to_owned(), (*remedy).to_owned());
    }
    // Some messages quote what they found, and what was found may be a secret in the wrong place.
    let what = if message.contains(['`', '"', '\'']) {
        "the value is not what this setting takes"
    } else {
        message
    };
    (
        what.to_owned(),
        "compare it with config/tokentrail.yaml, which shows every setting".to_owned(),
    )
}

/// The first line of a message without the place that the parser names in it.
fn without_place(message: &str) -> &str {
    let message = message.lines().next().unwrap_or_default();
    let message = message.split(" at line ").next().unwrap_or_default();
    let Some((_, place)) = message.split_once(": line ") else {
        return message;
    };
    place.split_once(": ").map_or(place, |(_, rest)| rest)
}

/// A name that the settings do not have, with those that they have there.
fn unknown_name(message: &str) -> Option<(String, String)> {
    let is_variant = message.contains("unknown variant");
    if !(is_variant || message.contains("unknown field")) {
        return None;
    }
    if let Some((_, known)) = message.split_once("expected one of ") {
        let what = if is_variant {
            "the value is not known"
        } else {
            "there is no such setting"
        };
        let remedy = format!("use one of {}", known.trim_end_matches('.'));
        return Some((what.to_owned(), remedy));
    }
    let (_, known) = message.split_once("expected ")?;
    let remedy = format!("use {}", known.trim_end_matches('.'));
    Some(("there is no such setting".to_owned(), remedy))
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(
                f,
                "{}",
                problem.file.as_ref().unwrap_or(&self.file).display()
            )?;
            if let Some((line, column)) = problem.place {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
            if !problem.field.is_empty() {
                write!(f, "{}: ", problem.field)?;
            }
            write!(f, "{}; {}", problem.what, problem.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
