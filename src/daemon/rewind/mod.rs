//! History judged again: an engine as it was at a snapshot, and every input since.
//!
//! Refuses to begin anywhere else: without a snapshot before the window, and all inputs after it, a
//! replay would only look like what was. It changes nothing: the state is read beside the daemon.

pub mod account;
pub mod backtest;
pub mod explain;
pub mod verify;

use super::keeper::SNAPSHOT_ROOMS;
use crate::base::Time;
use crate::detect::Policy;
use crate::engine::{Engine, StoredInput};
use crate::history::{Segment, SegmentKind, Tape, snapshot};
use crate::store::{POLICY_ROOM, Recovered};
use anyhow::{Context, Result, bail};
use std::io;
use std::path::Path;

/// The records of an engine, in order.
type Records = std::collections::BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// Where a replay begins.
struct Start {
    seq: u64,
    records: Records,
}

impl Start {
    fn read(dir: &Path, segment: &Segment) -> Result<Start> {
        let mut records = Records::new();
        snapshot::read(dir, segment, &mut |(room, key, value)| {
            records.insert((room, key), value);
        })
        .with_context(|| format!("reading {}", segment.path))?;
        Ok(Start {
            seq: segment.seq_max,
            records,
        })
    }

    fn policy(&self) -> Result<Policy> {
        let json = self
            .records
            .get(&(POLICY_ROOM, Vec::new()))
            .map(Vec::as_slice);
        let policy = json.map_or_else(|| Ok(Policy::default()), serde_json::from_slice);
        policy.context("the policy in the snapshot cannot be read: run the version that wrote it")
    }

    /// The engine as it was.
    fn engine(&self) -> Result<Engine> {
        let rows = self
            .records
            .iter()
            .filter(|((room, _), _)| *room != POLICY_ROOM);
        restored(
            self.policy()?,
            rows.map(|((room, key), value)| Ok((*room, key.clone(), value.clone()))),
        )
    }
}

/// The engine as of the last checkpoint. Inputs after it are committed, and wait in history.
pub(super) fn checkpointed(recovered: &Recovered<'_>) -> Result<Engine> {
    let rooms: Vec<u8> = SNAPSHOT_ROOMS
        .into_iter()
        .filter(|room| *room != POLICY_ROOM)
        .collect();
    restored(
        recovered.policy()?.unwrap_or_default(),
        recovered.records_of(&rooms),
    )
}

fn restored(
    policy: Policy,
    rows: impl Iterator<Item = io::Result<snapshot::Row>>,
) -> Result<Engine> {
    let mut engine = Engine::new(policy);
    for row in rows {
        let (room, key, value) = row?;
        let restored = engine.restore(room, &key, &value);
        restored.map_err(anyhow::Error::msg).context(
            "the state cannot be read; run the version that wrote it, or move the directory away",
        )?;
    }
    Ok(engine)
}

/// The engine as it was at a snapshot, and what came after it.
fn start(dir: &Path, recovered: &Recovered<'_>, snapshot: &Segment) -> Result<(Engine, Tape)> {
    let start = Start::read(dir, snapshot)?;
    Ok((start.engine()?, tape(dir, recovered, start.seq)?))
}

/// The last snapshot that is not after `time`.
fn before<'a>(recovered: &'a Recovered<'_>, time: Time) -> Result<&'a Segment> {
    let snapshots = || {
        recovered
            .segments
            .iter()
            .filter(|s| s.kind == SegmentKind::Snapshot)
    };
    if let Some(segment) = snapshots()
        .filter(|s| s.time_max < time)
        .max_by_key(|s| s.seq_max)
    {
        return Ok(segment);
    }
    match snapshots().min_by_key(|s| s.seq_max) {
        Some(first) => bail!(
            "there is no snapshot from before {}: what led up to that day is not kept any more, the first one is of {}",
            day(time),
            first.time_max
        ),
        None => bail!("the state has no snapshot yet: start the daemon on it once"),
    }
}

fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

/// Every input after `from`.
pub(super) fn tape(dir: &Path, recovered: &Recovered<'_>, from: u64) -> Result<Tape> {
    let inputs = recovered.inputs(from)?.into_iter().map(|(seq, json)| {
        let input: StoredInput =
            serde_json::from_slice(&json).with_context(|| format!("reading input {seq}"))?;
        Ok((seq, input))
    });
    Ok(Tape::new(
        dir,
        &recovered.segments,
        inputs.collect::<Result<_>>()?,
        from,
    ))
}
