//! What must hold of every run, whatever befell it.
//!
//! Refuses to know how the run went: it compares what is left with what was written.

use super::evidence::{Evidence, Reference, Told};
use super::server::{Line, What};
use std::collections::BTreeSet;
use tokentrail::base::Digest;
use tokentrail::engine::{Room, StoredInput};
use tokentrail::source::first::LineHasher;
use tokentrail::store::FILES_MAX;

/// The first thing that is wrong.
pub fn check(run: &Evidence) -> Result<(), String> {
    let kept = history_is_what_was_written(run)?;
    malformed_lines_are_set_aside(run)?;
    gaps_have_a_cause(run)?;
    let whole = run.uninterrupted(&kept);
    state_is_that_of_an_uninterrupted_run(run, &whole)?;
    everything_was_told_once(run, &whole)?;
    limits_hold(run, &whole)?;
    match &run.difference {
        Some(what) => Err(format!("verify: {what}")),
        None => Ok(()),
    }
}

/// Every event line is in history once and in order, or lies where a gap says that something is
/// missing. Returns those that are, by their place in `written`.
fn history_is_what_was_written(run: &Evidence) -> Result<Vec<usize>, String> {
    if run.rows != run.events.len() as u64 {
        return Err(format!(
            "history has {} rows for {} events",
            run.rows,
            run.events.len()
        ));
    }
    let ids: Vec<Option<String>> = run
        .written
        .iter()
        .map(|line| audit_id(line.what, &line.text))
        .collect();
    let (mut kept, mut at, mut seq_before) = (Vec::new(), 0, 0);
    let ends = run
        .events
        .iter()
        .map(|(seq, id)| (*seq, Some(id)))
        .chain([(run.seq + 1, None)]);
    for (seq, id) in ends {
        let found = match id {
            Some(id) => ids[at..]
                .iter()
                .position(|written| written.as_ref() == Some(id))
                .map(|i| at + i),
            None => Some(ids.len()),
        };
        let Some(found) = found else {
            return Err(format!(
                "seq {seq} is {id:?}: never written, or a copy, or out of order"
            ));
        };
        let missing = (at..found).filter(|i| run.written[*i].what == What::Event);
        let is_told = run
            .gaps
            .iter()
            .any(|g| is_loss(&g.kind) && (seq_before..=seq).contains(&g.seq));
        for line in missing {
            let Line { file, at_risk, .. } = run.written[line];
            // Of a file that came and went unseen nobody can know.
            let is_known = kept
                .iter()
                .rev()
                .any(|before: &usize| run.written[*before].file == file);
            if !at_risk || (is_known && !is_told) {
                return Err(format!(
                    "line {line} of file {file} is not in history, before seq {seq}, and no gap says so"
                ));
            }
        }
        if id.is_some() {
            kept.push(found);
        }
        (at, seq_before) = (found + 1, seq);
    }
    Ok(kept)
}

fn audit_id(what: What, text: &str) -> Option<String> {
    let value: serde_json::Value =
        (what == What::Event).then(|| serde_json::from_str(text).unwrap())?;
    Some(value["auditID"].as_str().unwrap().to_owned())
}

fn is_loss(kind: &str) -> bool {
    matches!(kind, "truncated" | "lost")
}

fn malformed_lines_are_set_aside(run: &Evidence) -> Result<(), String> {
    let mut asides = run
        .asides
        .iter()
        .map(|aside| (aside.reason.as_str(), aside.digest))
        .peekable();
    for (at, line) in run.written.iter().enumerate() {
        let bytes = line.text.as_bytes();
        let digest = match line.what {
            What::Event => continue,
            What::Malformed => Digest::of(bytes),
            What::TooLong => LineHasher::digest(bytes),
        };
        match asides.next_if(|(_, aside)| *aside == digest) {
            None if line.at_risk => {}
            None => return Err(format!("line {at} is no event, and was not set aside")),
            Some(_) => {}
        }
    }
    match asides.next() {
        Some((reason, digest)) => Err(format!(
            "a line was set aside that is none, or twice: {reason} {digest}"
        )),
        None => Ok(()),
    }
}

fn gaps_have_a_cause(run: &Evidence) -> Result<(), String> {
    let told = run.gaps.iter().filter(|gap| is_loss(&gap.kind)).count() as u64;
    // A server that stands long within its first line is told of, and goes on where it stood.
    let waited = run
        .gaps
        .iter()
        .filter(|gap| gap.detail.ends_with("not one of them ends a line"))
        .count() as u64;
    let scars = run.gaps.len() as u64 - told - waited;
    if !run.rough && (told, scars) != (0, run.scars) {
        return Err(format!(
            "{told} losses and {scars} scars are told, there were 0 and {}",
            run.scars
        ));
    }
    if run.losses == 0 && told > 0 {
        return Err(format!("{told} losses are told, and there was none"));
    }
    Ok(())
}

fn state_is_that_of_an_uninterrupted_run(run: &Evidence, whole: &Reference) -> Result<(), String> {
    let places: BTreeSet<_> = run.records.keys().chain(whole.records.keys()).collect();
    if let Some((room, key)) = places
        .into_iter()
        .find(|p| run.records.get(*p) != whole.records.get(*p))
    {
        return Err(format!(
            "record {room} {:?} is not that of an uninterrupted run",
            String::from_utf8_lossy(key)
        ));
    }
    let ids: BTreeSet<_> = run.incidents.keys().chain(whole.incidents.keys()).collect();
    match ids
        .into_iter()
        .find(|id| run.incidents.get(*id) != whole.incidents.get(*id))
    {
        Some(id) => Err(format!("incident {id} is not that of an uninterrupted run")),
        None => Ok(()),
    }
}

fn everything_was_told_once(run: &Evidence, whole: &Reference) -> Result<(), String> {
    if run.waiting > 0 {
        return Err(format!("{} notices still wait", run.waiting));
    }
    let lines: Vec<&str> = run.file.lines().collect();
    let wanted: Vec<&str> = whole.told.iter().map(|told| told.line.as_str()).collect();
    if let Some(at) = (0..lines.len().max(wanted.len())).find(|i| lines.get(*i) != wanted.get(*i)) {
        return Err(format!(
            "line {} of the incidents file is not what was to be told",
            at + 1
        ));
    }
    let all: Vec<&Told> = whole.told.iter().collect();
    let some = loud(&whole.told);
    for (name, wanted) in [("all", all), ("some", some)] {
        let mut heard: Vec<(String, u32)> = Vec::new();
        for key in run.heard.get(name).into_iter().flatten() {
            if !heard.contains(key) {
                heard.push(key.clone());
            }
        }
        let keys: Vec<_> = wanted
            .iter()
            .map(|told| (told.id.clone(), told.revision))
            .collect();
        if heard != keys {
            let at = (0..).find(|i| heard.get(*i) != keys.get(*i)).unwrap_or(0);
            return Err(format!(
                "sink {name} heard {:?} where {:?} was due",
                heard.get(at),
                keys.get(at)
            ));
        }
    }
    Ok(())
}

/// What people are told, from medium on, and the ends of it.
fn loud(told: &[Told]) -> Vec<&Told> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut wants = |told: &&Told| {
        if told.status == "resolved" {
            return known.remove(&told.id);
        }
        let wanted = told.tell && !matches!(told.severity.as_str(), "info" | "low");
        if wanted {
            known.insert(told.id.clone());
        }
        wanted
    };
    told.iter().filter(|told| wants(told)).collect()
}

fn limits_hold(run: &Evidence, whole: &Reference) -> Result<(), String> {
    let accounts = run
        .records
        .keys()
        .filter(|(room, _)| *room == Room::Account as u8)
        .count();
    // A lower limit takes no account away that is remembered.
    let limits = run.inputs.values().filter_map(|input| match input {
        StoredInput::Policy(policy) => Some(policy.limits.accounts),
        _ => None,
    });
    let most = limits.max().unwrap_or(0);
    if accounts > most {
        return Err(format!(
            "{accounts} accounts are remembered, at most {most}"
        ));
    }
    let open = run
        .records
        .keys()
        .filter(|(room, _)| *room == Room::Incident as u8)
        .count();
    if open > whole.policy.incidents.open_limit || run.positions as u64 > FILES_MAX {
        return Err(format!(
            "{open} incidents are open, {} files are known",
            run.positions
        ));
    }
    Ok(())
}
