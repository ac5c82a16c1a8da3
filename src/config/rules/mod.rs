//! The operator's rule files: found, read, checked and compiled, each rule by itself.
//!
//! Refuses a policy with a rule that is wrong: what is in force stays. One that can never match is
//! loaded, and named.

mod cel;
mod cel_calls;
mod file;
mod place;
mod sigma;
mod sigma_condition;
mod sigma_value;

use super::error::{ConfigError, Problem};
use crate::detect::detectors;
use crate::detect::rule::{RULES_MAX, Rule, Rules};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of one rule file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most rule files.
const FILES_MAX: usize = 2_000;
/// Deepest directory below one that is named.
const DEPTH_MAX: usize = 6;

/// What came of one rule, exemption or silence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    pub file: PathBuf,
    /// Line and column from 1, where known.
    pub place: Option<(usize, usize)>,
    /// `rule`, `sigma rule`, `exemption`, `silence`, or `file` where nothing of it could be read.
    pub kind: &'static str,
    /// Empty where it could not be read.
    pub id: String,
    pub verdict: Verdict,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Fine,
    /// Loaded, and no event can meet it.
    Never(String),
    /// Loaded, and a part of it meets no event.
    Partly(String),
    Wrong {
        what: String,
        remedy: String,
    },
}

/// Everything that the named files say.
#[derive(Default)]
pub struct Loaded {
    pub rules: Rules,
    pub checked: Vec<Checked>,
}

impl Loaded {
    /// All that is wrong, as one error; `None` where everything is fine or at least usable.
    #[must_use]
    pub fn error(&self) -> Option<ConfigError> {
        let wrong = |c: &Checked| match &c.verdict {
            Verdict::Wrong { what, remedy } => Some(Problem {
                file: Some(c.file.clone()),
                field: if c.id.is_empty() {
                    String::new()
                } else {
                    format!("{} {}", c.kind, c.id)
                },
                what: what.clone(),
                remedy: remedy.clone(),
                place: c.place,
            }),
            _ => None,
        };
        let problems: Vec<Problem> = self.checked.iter().filter_map(wrong).collect();
        let file = problems.first().and_then(|p| p.file.clone())?;
        Some(ConfigError { file, problems })
    }

    /// A sentence for each rule that matches less than it says.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let warning = |c: &Checked| {
            let what = match &c.verdict {
                Verdict::Never(why) => format!("can never match: {why}"),
                Verdict::Partly(why) => format!("has a part that can never match: {why}"),
                Verdict::Fine | Verdict::Wrong { .. } => return None,
            };
            Some(format!("{}: {} {} {what}", c.file.display(), c.kind, c.id))
        };
        self.checked.iter().filter_map(warning).collect()
    }

    fn wrong(
        &mut self,
        file: &Path,
        place: Option<(usize, usize)>,
        kind: &'static str,
        what: String,
        remedy: &str,
    ) {
        let verdict = Verdict::Wrong {
            what,
            remedy: remedy.to_owned(),
        };
        self.checked.push(Checked {
            file: file.to_owned(),
            place,
            kind,
            id: String::new(),
            verdict,
        });
    }

    fn count(&self) -> usize {
        self.rules.rules.len() + self.rules.exemptions.len() + self.rules.silences.len()
    }
}

/// Reads the files and directories that `paths` name, relative ones below `base`. Problems stand in
/// the result.
#[must_use]
pub fn load(paths: &[PathBuf], base: &Path) -> Loaded {
    let mut loaded = Loaded::default();
    for path in files(paths, base, &mut loaded) {
        match read(&path) {
            Ok(text) if text.lines().all(super::place::is_blank) => {}
            Ok(text) if sigma::is_sigma(&text) => sigma::load(&path, &text, &mut loaded),
            Ok(text) => file::load(&path, &text, &mut loaded),
            Err(error) => {
                loaded.wrong(
                    &path,
                    None,
                    "file",
                    format!("it cannot be read: {error}"),
                    "check its owner and size",
                );
            }
        }
    }
    check_names(&mut loaded);
    loaded
}

/// The contents of everything that would be read: what a change is noticed by.
#[must_use]
pub fn contents(paths: &[PathBuf], base: &Path) -> Vec<(PathBuf, Option<String>)> {
    let files = files(paths, base, &mut Loaded::default());
    files
        .into_iter()
        .map(|path| (path.clone(), read(&path).ok()))
        .collect()
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            "it is over 1 MiB",
        ));
    }
    Ok(text)
}

/// In the order of the setting, then of the names. What begins with a dot is a mounted ConfigMap's
/// machinery.
fn files(paths: &[PathBuf], base: &Path, loaded: &mut Loaded) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for named in paths {
        let path = base.join(named);
        if path.is_dir() {
            walk(&path, 0, &mut found);
        } else if path.is_file() {
            found.push(path);
        } else {
            loaded.wrong(
                &path,
                None,
                "file",
                "there is no such file or directory".to_owned(),
                "correct `rules`",
            );
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    if found.len() > FILES_MAX {
        let what = format!("there are more than {FILES_MAX} rule files");
        loaded.wrong(
            &found[FILES_MAX].clone(),
            None,
            "file",
            what,
            "name fewer directories",
        );
        found.truncate(FILES_MAX);
    }
    found
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    let mut names: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    names.sort();
    for path in names {
        let hidden = path
            .file_name()
            .is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
        let yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if hidden || found.len() > FILES_MAX {
            continue;
        }
        if path.is_dir() && depth < DEPTH_MAX {
            walk(&path, depth + 1, found);
        } else if yaml && path.is_file() {
            found.push(path);
        }
    }
}

/// Ids are unique, and exemptions name detectors that there are.
fn check_names(loaded: &mut Loaded) {
    let built_in: Vec<&str> = detectors::ALL.iter().map(|d| d.meta.id).collect();
    let mut first: BTreeMap<String, (PathBuf, Option<(usize, usize)>)> = BTreeMap::new();
    let too_many = loaded.count() > RULES_MAX;
    for checked in loaded.checked.iter_mut().filter(|c| !c.id.is_empty()) {
        let wrong = |what, remedy: &str| Verdict::Wrong {
            what,
            remedy: remedy.to_owned(),
        };
        if built_in.contains(&checked.id.as_str())
            || super::validate::VISIBILITY.contains(&checked.id.as_str())
        {
            checked.verdict = wrong(
                "a detector of tokentrail has this id".to_owned(),
                "choose another",
            );
        } else if let Some((file, place)) = first.get(&checked.id) {
            let at = place
                .map(|(line, column)| format!(":{line}:{column}"))
                .unwrap_or_default();
            checked.verdict = wrong(
                format!("{}{at} has the same id", file.display()),
                "keep one, or rename one",
            );
        } else {
            first.insert(checked.id.clone(), (checked.file.clone(), checked.place));
        }
    }
    if too_many {
        let file = loaded
            .checked
            .last()
            .map(|c| c.file.clone())
            .unwrap_or_default();
        loaded.wrong(
            &file,
            None,
            "file",
            format!("there are more than {RULES_MAX} rules"),
            "name fewer files",
        );
    }
    let rules: Vec<&str> = loaded.rules.rules.iter().map(|r| r.id.as_str()).collect();
    for exemption in &loaded.rules.exemptions {
        let unknown = exemption
            .detectors
            .iter()
            .find(|d| !built_in.contains(&d.as_str()) && !rules.contains(&d.as_str()));
        let (Some(name), Some(checked)) = (
            unknown,
            loaded
                .checked
                .iter_mut()
                .find(|c| c.kind == "exemption" && c.id == exemption.id),
        ) else {
            continue;
        };
        let remedy = format!("use ids of your rules, or of {}", built_in.join(", "));
        checked.verdict = Verdict::Wrong {
            what: format!("there is no detector {name}"),
            remedy,
        };
    }
}

fn keep_rule(loaded: &mut Loaded, rule: Rule) {
    loaded.rules.rules.push(Arc::new(rule));
}
