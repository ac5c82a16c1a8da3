//! `tokentrail rules check`: what would come of rule files, without a daemon.
//!
//! Refuses to stop at the first mistake: every rule is listed.

use super::{Output, RulesCheckArgs};
use crate::config::rules::{self, Checked, Verdict};
use anyhow::{Context, Result};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn check(args: &RulesCheckArgs) -> Result<ExitCode> {
    let loaded = rules::load(&args.paths, Path::new(""));
    let mut out = std::io::stdout().lock();
    for checked in &loaded.checked {
        let line = match args.output {
            Output::Json => in_json(checked),
            Output::Table => in_words(checked),
        };
        writeln!(out, "{line}").context("standard output")?;
    }
    let wrong = loaded
        .checked
        .iter()
        .filter(|c| matches!(c.verdict, Verdict::Wrong { .. }))
        .count();
    let never = loaded
        .checked
        .iter()
        .filter(|c| matches!(c.verdict, Verdict::Never(_)))
        .count();
    eprintln!(
        "{} checked: {wrong} wrong, {never} can never match",
        loaded.checked.len()
    );
    let failed = wrong > 0 || (args.strict && never > 0);
    Ok(ExitCode::from(u8::from(failed)))
}

/// The word for machines, what it is about, and what to do.
fn parts(verdict: &Verdict) -> (&'static str, &str, &str) {
    match verdict {
        Verdict::Fine => ("ok", "", ""),
        Verdict::Never(why) => ("never", why, ""),
        Verdict::Partly(why) => ("partly", why, ""),
        Verdict::Wrong { what, remedy } => ("error", what, remedy),
    }
}

fn place(checked: &Checked) -> String {
    let at = checked
        .place
        .map(|(line, column)| format!(":{line}:{column}"))
        .unwrap_or_default();
    format!("{}{at}", checked.file.display())
}

fn in_words(checked: &Checked) -> String {
    let (_, what, remedy) = parts(&checked.verdict);
    let words = match checked.verdict {
        Verdict::Fine => "ok".to_owned(),
        Verdict::Never(_) => format!("can never match: {what}"),
        Verdict::Partly(_) => format!("ok, but a part can never match: {what}"),
        Verdict::Wrong { .. } => format!("error: {what}; {remedy}"),
    };
    let id = if checked.id.is_empty() {
        String::new()
    } else {
        format!(" {}", checked.id)
    };
    crate::base::text::clean(&format!(
        "{}: {}{id}: {words}",
        place(checked),
        checked.kind
    ))
    .into_owned()
}

fn in_json(checked: &Checked) -> String {
    let (verdict, what, remedy) = parts(&checked.verdict);
    json!({
        "file": checked.file.display().to_string(),
        "line": checked.place.map(|p| p.0),
        "column": checked.place.map(|p| p.1),
        "kind": checked.kind,
        "id": checked.id,
        "verdict": verdict,
        "what": what,
        "remedy": remedy,
    })
    .to_string()
}
