//! `verify`: whether history still tells what the state says it told.
//!
//! Refuses to compare what two versions of the engine made: then it only says so.

use super::{Records, Start, checkpointed, tape};
use crate::base::{Digest, Time};
use crate::daemon::keeper::SNAPSHOT_ROOMS;
use crate::engine::{Command, Engine, Output, VERSION, describe, room_name};
use crate::history::{Segment, SegmentKind};
use crate::incident::to_json;
use crate::store::{POLICY_ROOM, ReadOnly, Recovered};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// What was compared.
#[derive(Debug, Default)]
pub struct Verified {
    /// Time of the first snapshot.
    pub since: Time,
    pub inputs: u64,
    /// Snapshots reached, and the present state.
    pub compared: u64,
    pub records: u64,
    pub incidents: u64,
    /// Digest of the records at the end, as judged again.
    pub digest: Digest,
    /// The first difference; nothing after it was looked at.
    pub difference: Option<String>,
}

/// Judges all of history again, from the first snapshot of this engine's version on.
///
/// # Errors
/// No snapshot of this version, a hole in history, a file that cannot be read.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Verified> {
    let state = ReadOnly::open(dir)?;
    let recovered = state.load()?;
    let mut snapshots: Vec<_> = recovered
        .segments
        .iter()
        .filter(|s| s.kind == SegmentKind::Snapshot && s.engine == VERSION)
        .collect();
    snapshots.sort_by_key(|s| s.seq_max);
    let Some(first) = snapshots.first() else {
        bail!(
            "no snapshot is of this version of the engine ({VERSION}): start the daemon once, and history from then on \
             can be verified"
        )
    };
    let start = Start::read(dir, first)?;
    let mut engine = start.engine()?;
    let mut records = start.records;
    let mut tape = tape(dir, &recovered, start.seq)?;
    let mut out = Output::default();
    let mut told: BTreeMap<Digest, String> = BTreeMap::new();
    let mut done = Verified {
        since: first.time_max,
        ..Verified::default()
    };
    let later = snapshots.iter().skip(1).map(|s| Mark::Snapshot(s));
    for mark in later.chain([Mark::Checkpoint, Mark::End]) {
        let seq = mark.seq(&recovered)?;
        let played = tape.play(seq, &mut |_, input| {
            engine.step(input, &mut out);
            follow(std::mem::take(&mut out), &mut told);
            done.inputs += 1;
            if done.inputs.is_multiple_of(65_536) {
                progress(engine.seq(), recovered.seq);
            }
            Ok(())
        });
        played.with_context(|| format!("replaying the history in {}", dir.display()))?;
        take(&mut engine, &mut records)?;
        let (at, expected) = match mark {
            Mark::Snapshot(segment) => (segment.path.as_str(), Start::read(dir, segment)?.records),
            Mark::Checkpoint => ("the present state", present(&recovered)?),
            Mark::End => break,
        };
        done.compared += 1;
        done.records = expected.len() as u64;
        done.difference = difference(&expected, &records).map(|what| format!("{at}: {what}"));
        if done.difference.is_some() {
            return Ok(done);
        }
    }
    done.incidents = told.len() as u64;
    done.difference = incident_difference(&recovered, &told)?;
    done.digest = digest(&records);
    Ok(done)
}

/// What is compared on the way.
enum Mark<'a> {
    Snapshot(&'a Segment),
    /// The records of the state.
    Checkpoint,
    /// The incidents of the state: they are told before the records are written.
    End,
}

impl Mark<'_> {
    /// The last input before it.
    fn seq(&self, recovered: &Recovered<'_>) -> Result<u64> {
        Ok(match self {
            Mark::Snapshot(segment) => segment.seq_max,
            Mark::Checkpoint => checkpointed(recovered)?.seq(),
            Mark::End => recovered.seq,
        })
    }
}

/// Keeps the last revision of each incident, as it is told.
fn follow(out: Output, told: &mut BTreeMap<Digest, String>) {
    for revision in out.revisions {
        let incident = &revision.incident;
        told.insert(incident.id, to_json(incident, Some(revision.notice)));
    }
    // What was over when it was acknowledged got a revision that the engine does not make.
    for answer in out.answers.iter().filter(|answer| !answer.live) {
        let Command::Ack(ack) = &answer.command;
        told.remove(&ack.incident);
    }
}

fn digest(records: &Records) -> Digest {
    let parts = records.iter();
    let parts = parts.flat_map(|((_, key), value)| [key.as_slice(), value.as_slice()]);
    Digest::of_parts(&parts.collect::<Vec<_>>())
}

/// Brings the records to where the engine is.
fn take(engine: &mut Engine, records: &mut Records) -> Result<()> {
    let mut changed = Vec::new();
    engine.drain_records(&mut changed);
    for record in changed {
        let place = (record.room as u8, record.key);
        match record.value {
            Some(value) => drop(records.insert(place, value)),
            None => drop(records.remove(&place)),
        }
    }
    if engine.seq() > 0 {
        records.insert(
            (POLICY_ROOM, Vec::new()),
            serde_json::to_vec(engine.policy())?,
        );
    }
    Ok(())
}

fn present(recovered: &Recovered<'_>) -> Result<Records> {
    let rows = recovered.records_of(&SNAPSHOT_ROOMS);
    Ok(rows
        .map(|row| row.map(|(room, key, value)| ((room, key), value)))
        .collect::<io::Result<_>>()?)
}

/// In the order of the records, the first one that is not the same.
fn difference(was: &Records, is: &Records) -> Option<String> {
    let keys: BTreeSet<_> = was.keys().chain(is.keys()).collect();
    let place = keys
        .into_iter()
        .find(|place| was.get(*place) != is.get(*place))?;
    // Accounts and addresses are kept by name, incidents by id.
    let key = match <[u8; 16]>::try_from(place.1.as_slice()) {
        Ok(id) if std::str::from_utf8(&id).is_err() => Digest(id).to_string(),
        _ => String::from_utf8_lossy(&place.1).into_owned(),
    };
    let name = format!("{} {key:?}", room_name(place.0));
    Some(match (was.get(place), is.get(place)) {
        (Some(was), Some(is)) => {
            let describe = |value: &[u8]| describe(place.0, value).unwrap_or_default();
            match first_difference("", &describe(was), &describe(is)) {
                Some(field) => format!("{name}: {field}"),
                None => format!("{name}: its bytes differ"),
            }
        }
        (Some(_), None) => format!("{name} is in the state, and history does not bring it about"),
        (None, _) => format!("{name} is not in the state, and history brings it about"),
    })
}

/// `path: was, again` of the first value that differs.
fn first_difference(path: &str, was: &Value, is: &Value) -> Option<String> {
    match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let at =
                |map: &Map<String, Value>, key: &String| map.get(key).cloned().unwrap_or_default();
            keys.into_iter()
                .find_map(|k| first_difference(&format!("{path}.{k}"), &at(a, k), &at(b, k)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(i, (a, b))| first_difference(&format!("{path}[{i}]"), a, b)),
        _ if was == is => None,
        _ => Some(format!(
            "{} is {was} in the state, and {is} by history",
            path.trim_start_matches('.')
        )),
    }
}

fn incident_difference(
    recovered: &Recovered<'_>,
    told: &BTreeMap<Digest, String>,
) -> Result<Option<String>> {
    let mut missing: BTreeSet<&Digest> = told.keys().collect();
    for row in recovered.incidents()? {
        let row = row?;
        let Some(json) = told.get(&row.id()) else {
            continue;
        };
        missing.remove(&row.id());
        if json.as_bytes() != row.value() {
            let parse = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or_default();
            let field = first_difference("", &parse(row.value()), &parse(json.as_bytes()))
                .unwrap_or_default();
            return Ok(Some(format!("incident {}: {field}", row.id())));
        }
    }
    Ok(missing
        .first()
        .map(|id| format!("incident {id} is not in the state, and history brings it about")))
}
