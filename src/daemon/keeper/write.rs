//! What a batch says, as the one transaction that makes it durable.
//!
//! Refuses to write the engine's records but at a checkpoint: between two of them history has what
//! the next start needs.

use super::{Keeper, LOGS, TRAILS, log_key, log_record};
use crate::base::{Digest, Time};
use crate::daemon::batch::{Aside, Batch, Hole, Leapt};
use crate::daemon::deliveries::Deliveries;
use crate::engine::{self, Answer, Command, Engine, SourceIndex, StoredInput};
use crate::history::Change;
use crate::incident::{Acknowledgement, Notice, Reason, acknowledged, to_json};
use crate::sink::Row;
use crate::store::{self, Commit, POLICY_ROOM};
use anyhow::Result;
use serde_json::{Map, Value};

impl Keeper {
    /// One transaction. With an engine it is a checkpoint too.
    pub(super) fn write(
        &mut self,
        batch: &Batch,
        engine: Option<&mut Engine>,
        seq: u64,
        history: &Change,
    ) -> Result<()> {
        let told = self.told(batch)?;
        let incidents: Vec<_> = told
            .iter()
            .map(|(id, line)| (*id, line.as_bytes()))
            .collect();
        let is_heard = self.file.is_some() || self.sinks.as_ref().is_some_and(|s| !s.is_empty());
        let notices: Vec<&[u8]> = if is_heard {
            told.iter().map(|(_, line)| line.as_bytes()).collect()
        } else {
            Vec::new()
        };
        let moved = self
            .sinks
            .as_mut()
            .map(Deliveries::take)
            .unwrap_or_default();
        let memories: Vec<_> = moved.iter().map(|sink| sink.memories()).collect();
        let sinks: Vec<_> = moved
            .iter()
            .zip(&memories)
            .map(|(sink, told)| sink.as_commit(told))
            .collect();
        let asides: Vec<_> = batch.asides.iter().map(Aside::as_row).collect();
        let leaps = batch.leaps.iter().map(Leapt::as_row);
        let gaps: Vec<_> = batch.holes.iter().map(Hole::as_row).chain(leaps).collect();
        let log = |(source, file): &(SourceIndex, Digest)| {
            Some((log_key(self.logs.get(source)?), log_record(*file, *source)))
        };
        let logs: Vec<(Vec<u8>, Vec<u8>)> = batch.last_file.iter().filter_map(log).collect();
        let checkpoint = self.checkpoint(engine)?;
        let forgotten = std::mem::take(&mut self.forgotten);
        let trails = trails_of(batch, forgotten);
        let rows = rows_of(&checkpoint, &logs, &trails);
        let json = |(seq, input): &(u64, StoredInput)| Ok((*seq, serde_json::to_vec(input)?));
        let inputs = batch.inputs.iter().map(json);
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let commit = Commit {
            seq,
            advances: &batch.advances,
            records: &rows,
            incidents: &incidents,
            notices: &notices,
            delivered: None,
            // A replay into the state keeps no file either, and must not take the daemon's place in
            // its own.
            no_file: self.sinks.is_some() && self.file.is_none(),
            sinks: &sinks,
            asides: &asides,
            gaps: &gaps,
            inputs: &inputs,
            history: Some(history),
        };
        let receipt = self.store.commit(&commit)?;
        (self.checkpoint, self.divides) = (checkpoint.at, checkpoint.divides);
        self.forgotten = receipt.forgotten;
        let numbered = (receipt.first_outbox_row..).zip(notices.iter().map(|line| line.to_vec()));
        self.hand_out(numbered.collect());
        Ok(())
    }

    /// The engine's records, if there is an engine; what is stored already, if there is none.
    fn checkpoint(&self, engine: Option<&mut Engine>) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint {
            records: Vec::new(),
            policy: None,
            at: self.checkpoint,
            divides: self.divides,
        };
        if let Some(engine) = engine {
            engine.drain_records(&mut checkpoint.records);
            checkpoint.policy = Some(serde_json::to_vec(engine.policy())?);
            checkpoint.at = (engine.seq(), engine.now());
            checkpoint.divides = engine.is_sure_of_now();
        }
        Ok(checkpoint)
    }

    /// Gives rows that are durable now to whoever delivers them.
    fn hand_out(&mut self, rows: Vec<Row>) {
        if let Some(sinks) = &mut self.sinks {
            sinks.feed(&rows);
        }
        if self.file.is_some() {
            self.waiting.extend(rows);
        }
    }

    /// Every revision of a batch, as it is stored and sent.
    fn told(&self, batch: &Batch) -> Result<Vec<(Digest, String)>> {
        let revisions = batch.out.revisions.iter();
        let mut told: Vec<_> = revisions
            .map(|r| (r.incident.id, to_json(&r.incident, Some(r.notice))))
            .collect();
        for answer in &batch.out.answers {
            told.extend(self.of_the_past(answer, &told)?);
        }
        Ok(told)
    }

    /// The last revision of an incident that was over when it was acknowledged: as it was told, and
    /// who said so.
    fn of_the_past(
        &self,
        answer: &Answer,
        told: &[(Digest, String)],
    ) -> Result<Option<(Digest, String)>> {
        let Command::Ack(ack) = &answer.command;
        let (Ok(kept), false) = (&answer.outcome, answer.live) else {
            return Ok(None);
        };
        let stored = match told.iter().rev().find(|(id, _)| *id == ack.incident) {
            Some((_, line)) => Some(line.clone().into_bytes()),
            None => self.store.load()?.incident(ack.incident)?,
        };
        let Some(mut object) =
            stored.and_then(|line| serde_json::from_slice::<Map<String, Value>>(&line).ok())
        else {
            return Ok(None);
        };
        let revision = object.get("revision").and_then(Value::as_u64).unwrap_or(0) + 1;
        let said = Acknowledgement {
            owner: kept.owner.clone(),
            reason: kept.reason.clone(),
            at: kept.at,
        };
        object.insert("revision".to_owned(), revision.into());
        object.insert("acknowledged".to_owned(), acknowledged(&said));
        let notice = Notice {
            tell: false,
            reason: Reason::Acknowledged,
        };
        object.insert("notice".to_owned(), serde_json::to_value(notice)?);
        Ok(Some((ack.incident, Value::Object(object).to_string())))
    }
}

/// What the next start begins from.
struct Checkpoint {
    records: Vec<engine::Record>,
    policy: Option<Vec<u8>>,
    /// The last input that the records know of, and the engine's now then.
    at: (u64, Time),
    divides: bool,
}

/// All records of a commit.
fn rows_of<'a>(
    checkpoint: &'a Checkpoint,
    logs: &'a [(Vec<u8>, Vec<u8>)],
    trails: &'a [(Digest, Option<Vec<u8>>)],
) -> Vec<store::Record<'a>> {
    let records = checkpoint.records.iter().map(|record| store::Record {
        room: record.room as u8,
        key: &record.key,
        value: record.value.as_deref(),
    });
    let logs = logs.iter().map(|(key, value)| store::Record {
        room: LOGS,
        key,
        value: Some(value),
    });
    let policy = checkpoint.policy.iter().map(|json| store::Record {
        room: POLICY_ROOM,
        key: b"",
        value: Some(json),
    });
    let trails = trails.iter().map(|(file, bytes)| store::Record {
        room: TRAILS,
        key: &file.0[..],
        value: bytes.as_deref(),
    });
    records.chain(logs).chain(policy).chain(trails).collect()
}

/// What is kept of files to know them again: of those that were read, and nothing of those that are
/// forgotten.
fn trails_of(batch: &Batch, forgotten: Vec<Digest>) -> Vec<(Digest, Option<Vec<u8>>)> {
    let read = batch
        .trails
        .iter()
        .map(|(file, trail)| (*file, Some(trail.to_bytes())));
    forgotten
        .into_iter()
        .map(|file| (file, None))
        .chain(read)
        .collect()
}
