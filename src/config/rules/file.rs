//! A file of rules, exemptions and silences of our own form.
//!
//! Refuses unknown keys, and exemptions and silences that nobody answers for.

use super::cel;
use super::place;
use super::{Checked, Loaded, Verdict, keep_rule};
use crate::base::Time;
use crate::config::error::ConfigError;
use crate::detect::rule::{Condition, Exemption, Rule, Scope, Silence, never};
use crate::detect::{Severity, Tactic};
use serde::Deserialize;
use serde_saphyr::Spanned;
use smol_str::SmolStr;
use std::path::Path;

/// Longest id: it stands in metrics' neighbourhood, runbooks and silences.
const ID_BYTES_MAX: usize = 63;
const TEXT_BYTES_MAX: usize = 1_024;
const LIST_MAX: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    rules: Vec<WrittenRule>,
    #[serde(default)]
    exemptions: Vec<WrittenExemption>,
    #[serde(default)]
    silences: Vec<WrittenSilence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    id: Spanned<String>,
    title: Spanned<String>,
    severity: Severity,
    tactic: Option<Tactic>,
    #[serde(default)]
    techniques: Vec<Spanned<String>>,
    #[serde(default)]
    respond: Vec<Spanned<String>>,
    condition: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenExemption {
    id: Spanned<String>,
    reason: Spanned<String>,
    owner: Spanned<String>,
    expires: Option<Spanned<String>>,
    detectors: Vec<Spanned<String>>,
    condition: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSilence {
    id: Spanned<String>,
    reason: Spanned<String>,
    owner: Spanned<String>,
    until: Spanned<String>,
    condition: Spanned<String>,
}

pub(super) fn load(file: &Path, text: &str, loaded: &mut Loaded) {
    let options = serde_saphyr::options! { with_snippet: false };
    let written: Written = match serde_saphyr::from_str_with_options(text, options) {
        Ok(written) => written,
        Err(error) => {
            for problem in ConfigError::yaml(file, text, &error).problems {
                let ours = problem.remedy.contains("config/tokentrail.yaml");
                let remedy = if ours {
                    "compare it with docs/rules.md"
                } else {
                    problem.remedy.as_str()
                };
                let at = if problem.field.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", problem.field)
                };
                loaded.wrong(
                    file,
                    problem.place,
                    "file",
                    format!("{at}{}", problem.what),
                    remedy,
                );
            }
            return;
        }
    };
    for one in written.rules {
        let done = rule(text, &one);
        settle(
            file,
            "rule",
            &one.id,
            loaded,
            done,
            |rule| (never(&rule.condition.0), rule),
            keep_rule,
        );
    }
    for one in written.exemptions {
        let done = exemption(text, &one);
        let keep = |loaded: &mut Loaded, e| loaded.rules.exemptions.push(e);
        settle(
            file,
            "exemption",
            &one.id,
            loaded,
            done,
            |e| (never(&e.condition.0), e),
            keep,
        );
    }
    for one in written.silences {
        let done = silence(text, &one);
        let keep = |loaded: &mut Loaded, s| loaded.rules.silences.push(s);
        settle(
            file,
            "silence",
            &one.id,
            loaded,
            done,
            |s| (never(&s.condition.0), s),
            keep,
        );
    }
}

/// What is wrong, and where.
struct Wrong {
    place: Option<(usize, usize)>,
    what: String,
    remedy: String,
}

fn settle<T>(
    file: &Path,
    kind: &'static str,
    id: &Spanned<String>,
    loaded: &mut Loaded,
    done: Result<T, Wrong>,
    weigh: impl Fn(T) -> (Option<String>, T),
    keep: impl Fn(&mut Loaded, T),
) {
    let checked = |place, verdict| Checked {
        file: file.to_owned(),
        place,
        kind,
        id: id.value.clone(),
        verdict,
    };
    match done.map(weigh) {
        Ok((why, one)) => {
            keep(loaded, one);
            loaded.checked.push(checked(
                place::of(id),
                why.map_or(Verdict::Fine, Verdict::Never),
            ));
        }
        Err(Wrong {
            place,
            what,
            remedy,
        }) => {
            loaded
                .checked
                .push(checked(place, Verdict::Wrong { what, remedy }));
        }
    }
}

fn rule(text: &str, one: &WrittenRule) -> Result<Rule, Wrong> {
    let techniques = limited(&one.techniques, "techniques")?;
    let steps = limited(&one.respond, "respond")?;
    Ok(Rule {
        id: id(&one.id)?,
        title: filled(&one.title, "title")?.into(),
        severity: one.severity,
        tactic: one.tactic.unwrap_or(Tactic::Unnamed),
        techniques: techniques.iter().map(technique).collect::<Result<_, _>>()?,
        respond: steps
            .iter()
            .map(|step| filled(step, "respond"))
            .collect::<Result<_, _>>()?,
        condition: condition(text, &one.condition, Scope::Event)?,
    })
}

fn exemption(text: &str, one: &WrittenExemption) -> Result<Exemption, Wrong> {
    let detectors = limited(&one.detectors, "detectors")?;
    if detectors.is_empty() {
        let (what, remedy) = (
            "it names no detector",
            "name those whose findings it covers",
        );
        return Err(Wrong {
            place: place::of(&one.id),
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        });
    }
    Ok(Exemption {
        id: id(&one.id)?,
        reason: filled(&one.reason, "reason")?,
        owner: filled(&one.owner, "owner")?.into(),
        expires: one.expires.as_ref().map(time).transpose()?,
        detectors: detectors.iter().map(|d| d.value.as_str().into()).collect(),
        condition: condition(text, &one.condition, Scope::Event)?,
    })
}

fn silence(text: &str, one: &WrittenSilence) -> Result<Silence, Wrong> {
    Ok(Silence {
        id: id(&one.id)?,
        reason: filled(&one.reason, "reason")?,
        owner: filled(&one.owner, "owner")?.into(),
        until: time(&one.until)?,
        condition: condition(text, &one.condition, Scope::Incident)?,
    })
}

fn condition(text: &str, written: &Spanned<String>, scope: Scope) -> Result<Condition, Wrong> {
    cel::compile(&written.value, scope).map_err(|cel::Wrong { at, what, remedy }| {
        let place = place::of(written).map(|start| place::inside(text, start, &written.value, at));
        Wrong {
            place,
            what,
            remedy,
        }
    })
}

fn wrong<T>(at: &Spanned<T>, what: impl Into<String>, remedy: &str) -> Wrong {
    Wrong {
        place: place::of(at),
        what: what.into(),
        remedy: remedy.to_owned(),
    }
}

pub(super) fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.chars().all(plain)
}

fn id(written: &Spanned<String>) -> Result<SmolStr, Wrong> {
    if !is_id(&written.value) {
        return Err(wrong(
            written,
            "the id cannot be used",
            "use 1 to 63 letters, digits, - _ and .",
        ));
    }
    Ok(written.value.as_str().into())
}

fn filled(written: &Spanned<String>, name: &str) -> Result<String, Wrong> {
    let text = written.value.trim();
    if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        let what =
            format!("{name} is empty, longer than {TEXT_BYTES_MAX} bytes or over several lines");
        return Err(wrong(written, what, "write one sentence"));
    }
    Ok(text.to_owned())
}

fn limited<'a, T>(list: &'a [Spanned<T>], name: &str) -> Result<&'a [Spanned<T>], Wrong> {
    match list.get(LIST_MAX) {
        Some(beyond) => Err(wrong(
            beyond,
            format!("{name} has more than {LIST_MAX} entries"),
            "keep the important ones",
        )),
        None => Ok(list),
    }
}

/// `T1552` or `T1552.007`.
pub(super) fn is_technique(text: &str) -> bool {
    let digits = |t: &str, n: usize| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = text.strip_prefix('T') else {
        return false;
    };
    rest.split_once('.').map_or_else(
        || digits(rest, 4),
        |(of, sub)| digits(of, 4) && digits(sub, 3),
    )
}

fn technique(written: &Spanned<String>) -> Result<SmolStr, Wrong> {
    if !is_technique(&written.value) {
        return Err(wrong(
            written,
            "it is no ATT&CK technique",
            "write T1552 or T1552.007",
        ));
    }
    Ok(written.value.as_str().into())
}

/// RFC 3339, or a date for its beginning in UTC.
fn time(written: &Spanned<String>) -> Result<Time, Wrong> {
    let text = written.value.trim();
    let found = Time::parse(text).or_else(|| Time::parse(&format!("{text}T00:00:00Z")));
    found.ok_or_else(|| {
        wrong(
            written,
            "it is no time",
            "write 2026-12-31 or 2026-12-31T18:00:00Z",
        )
    })
}
