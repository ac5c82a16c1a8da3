//! The state directory and the incidents file, as one: a batch goes in, and is durable and told, once.
//!
//! Refuses to tell what is not durable: the file gets what the outbox holds, never what a batch holds.

use super::Ground;
use super::commands;
use super::deliveries::Deliveries;
use super::pump::{Aside, Batch, Hole, Pump};
use super::rewind;
use crate::base::{Digest, Span, Time};
use crate::engine::{Answer, Command, Engine, Input, Output, Room, StoredInput, VERSION};
use crate::incident::{Acknowledgement, Notice, Reason, acknowledged, to_json};
use crate::sink::{Cursor, Delivery, IncidentsFile, Row, Settings, Tally};
use crate::source::Positions;
use crate::store::history::{Change, Moment};
use crate::store::{self, Commit, History, POLICY_ROOM, Retention, Store};
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The room of records that the engine does not own: by path of a log, the digest of its file read last.
const LOGS: u8 = 128;
/// A checkpoint writes every account that changed; between two of them history has what the next start needs. So many
/// inputs are judged again in a tenth of a second.
const CHECKPOINT_INPUTS: u64 = 16_384;
/// By the events' own time.
const CHECKPOINT_SPAN: Span = Span::seconds(60);
/// What a snapshot holds: enough to go on judging.
pub(super) const SNAPSHOT_ROOMS: [u8; 9] = {
    let [a, b, c, d, e, f, g, h] = Room::ALL;
    [a as u8, b as u8, c as u8, d as u8, e as u8, f as u8, g as u8, h as u8, POLICY_ROOM]
};
/// Rows handed to the incidents file at once.
const ROWS_AT_ONCE: usize = 4096;

pub struct Keeper {
    store: Store,
    history: History,
    file: Option<IncidentsFile>,
    delivered: Option<Cursor>,
    sinks: Option<Deliveries>,
    logs: Vec<PathBuf>,
    /// Outbox rows that wait for the file: they are told when they are durable.
    waiting: Vec<Row>,
    /// The last input that the stored records know of, and the engine's now then.
    checkpoint: (u64, Time),
}

impl Keeper {
    /// Opens the state, gives the engine its memory back, and finds the place in the incidents file.
    ///
    /// # Errors
    /// The state is in use, of a newer version, damaged, or not writable; the file cannot be opened.
    pub fn open(
        dir: &Path,
        incidents: Option<&Path>,
        logs: &[PathBuf],
        pump: &mut Pump,
        retention: Retention,
    ) -> Result<(Keeper, Vec<Positions>)> {
        Keeper::on(Store::open(dir)?, dir, incidents, logs, pump, retention)
    }

    /// As [`Keeper::open`], on a store that is open: that of `dir`.
    ///
    /// # Errors
    /// As [`Keeper::open`].
    pub fn on(
        store: Store,
        dir: &Path,
        incidents: Option<&Path>,
        logs: &[PathBuf],
        pump: &mut Pump,
        retention: Retention,
    ) -> Result<(Keeper, Vec<Positions>)> {
        let history = History::open(dir, store.load()?.segments, retention)?;
        let mut keeper = Keeper {
            store,
            history,
            file: None,
            delivered: None,
            sinks: None,
            logs: logs.to_vec(),
            waiting: Vec::new(),
            checkpoint: (0, Time::ZERO),
        };
        let positions = keeper.recover(dir, pump)?;
        if let Some(path) = incidents {
            keeper.open_file(path)?;
        }
        Ok((keeper, positions))
    }

    fn recover(&mut self, dir: &Path, pump: &mut Pump) -> Result<Vec<Positions>> {
        let wanted = pump.engine.policy().clone();
        pump.engine = rewind::checkpointed(&self.store.load()?)?;
        self.checkpoint = (pump.engine.seq(), pump.engine.now());
        self.snapshot()?;
        let recovered = self.store.load()?;
        let mut out = Output::default();
        let mut again = |_, input: Input<'_>| {
            pump.engine.step(input, &mut out);
            // It was told then.
            out = Output::default();
            Ok(())
        };
        let played = rewind::tape(dir, &recovered, self.checkpoint.0)?.play(recovered.seq, &mut again);
        played.context("the inputs since the last checkpoint cannot be read again")?;
        if recovered.seq == 0 || *pump.engine.policy() != wanted {
            pump.tell(StoredInput::Policy(Box::new(wanted)));
        }
        let offsets: HashMap<_, _> = recovered.positions.iter().map(|p| (p.file, p.offset)).collect();
        let mut last = HashMap::new();
        for row in recovered.records(LOGS)? {
            let row = row?;
            if let Ok(bytes) = row.value().try_into() {
                last.insert(row.key().to_vec(), crate::base::Digest(bytes));
            }
        }
        self.delivered = recovered.delivered.map(|d| Cursor { next_row: d.next_row, file_bytes: d.file_bytes });
        let of = |path: &PathBuf| Positions { offsets: offsets.clone(), last: last.get(&log_key(path)).copied() };
        Ok(if self.logs.is_empty() { vec![Positions::from(offsets)] } else { self.logs.iter().map(of).collect() })
    }

    fn open_file(&mut self, path: &Path) -> Result<()> {
        let (rows, begin) = {
            let recovered = self.store.load()?;
            let rows = recovered.outbox(self.delivered.map_or(0, |c| c.next_row), usize::MAX)?;
            let first = rows.first().map_or(recovered.next_outbox_row, |(row, _)| *row);
            // While no file was kept, rows went by: it goes on at its end, wherever that is.
            (rows, self.delivered.or((first > 0).then_some(Cursor { next_row: first, file_bytes: u64::MAX })))
        };
        let (file, cursor) = IncidentsFile::open(path, begin, &rows)?;
        self.waiting = rows.into_iter().filter(|(n, _)| *n >= cursor.next_row).collect();
        self.file = Some(file);
        self.commit_cursor(cursor, 0)
    }

    /// Makes a batch durable, then writes what it has to tell to the incidents file. The batch is empty
    /// afterwards, and handed back: what it holds may be told now.
    ///
    /// # Errors
    /// `StoreError` (a full disk is told apart), or the incidents file cannot be written.
    pub fn commit(&mut self, pump: &mut Pump) -> Result<Batch> {
        let (seq, now) = (pump.engine.seq(), pump.engine.now());
        let is_due = seq - self.checkpoint.0 >= CHECKPOINT_INPUTS
            || now.since(self.checkpoint.1) >= CHECKPOINT_SPAN
            || self.history.wants_snapshot(now, VERSION);
        let mut batch = std::mem::take(&mut pump.batch);
        let rows = batch.rows.as_mut();
        let change = rows.map_or(Ok(Change::default()), |rows| self.history.append(rows))?;
        self.write(&batch, is_due.then_some(&mut pump.engine), seq, &change)?;
        self.history.committed(change)?;
        // Empty by now; the next batch fills the same room.
        pump.batch.rows = batch.rows.take();
        commands::done(&batch.commands);
        self.roll(pump, false)?;
        self.deliver(seq)?;
        Ok(batch)
    }

    /// Leaves nothing behind that the next start would have to judge again; `rolls` makes Parquet files of everything.
    /// What is in the pump's batch has to be committed before.
    ///
    /// # Errors
    /// As [`Keeper::commit`].
    pub fn finish(&mut self, pump: &mut Pump, rolls: bool) -> Result<()> {
        let seq = pump.engine.seq();
        if self.checkpoint.0 < seq {
            self.write(&Batch::default(), Some(&mut pump.engine), seq, &Change::default())?;
        }
        if rolls { self.roll(pump, true) } else { Ok(()) }
    }

    /// Rolls, joins and expires what is due; at the end, everything is rolled.
    fn roll(&mut self, pump: &mut Pump, at_end: bool) -> Result<()> {
        let change = self.history.due(pump.engine.now(), at_end)?;
        if !change.is_empty() {
            if change.forget_inputs.is_some() {
                // What expires may be what the next start would judge again.
                self.finish(pump, false)?;
            }
            let commit = Commit { seq: pump.engine.seq(), history: Some(&change), ..Commit::default() };
            let _ = self.store.commit(&commit)?;
            self.history.committed(change)?;
        }
        self.snapshot()
    }

    /// At the first checkpoint of a day and of an engine: what is stored is where a replay can begin.
    fn snapshot(&mut self) -> Result<()> {
        let (seq, time) = self.checkpoint;
        if !self.history.wants_snapshot(time, VERSION) {
            return Ok(());
        }
        let moment = Moment { seq, time, engine: VERSION };
        let (seq, change) = {
            let recovered = self.store.load()?;
            (recovered.seq, self.history.snapshot(moment, &mut recovered.records_of(&SNAPSHOT_ROOMS))?)
        };
        let _ = self.store.commit(&Commit { seq, history: Some(&change), ..Commit::default() })?;
        Ok(self.history.committed(change)?)
    }

    /// Starts the sinks, which go on where they were; rows that nobody waits for any more go.
    ///
    /// # Errors
    /// The state cannot be read or written, or no thread can be started.
    pub fn start_sinks(
        &mut self,
        sinks: &BTreeMap<String, Settings>,
        cluster: &str,
        ground: &Arc<dyn Ground>,
    ) -> Result<()> {
        let (deliveries, seq) = {
            let recovered = self.store.load()?;
            (Deliveries::start(sinks, cluster, ground, &recovered)?, recovered.seq)
        };
        self.sinks = Some(deliveries);
        self.write(&Batch::default(), None, seq, &Change::default())
    }

    /// Goes over to other settings of the sinks: those that are as they were run on.
    ///
    /// # Errors
    /// As [`Keeper::start_sinks`].
    pub fn change_sinks(&mut self, sinks: &BTreeMap<String, Settings>, cluster: &str) -> Result<()> {
        let seq = self.store.load()?.seq;
        let Some(running) = &mut self.sinks else { return Ok(()) };
        running.stop_changed(sinks, cluster);
        self.write(&Batch::default(), None, seq, &Change::default())?;
        let recovered = self.store.load()?;
        if let Some(running) = &mut self.sinks {
            running.start_others(sinks, cluster, &recovered)?;
        }
        drop(recovered);
        self.write(&Batch::default(), None, seq, &Change::default())
    }

    /// Whether sinks have come further than is committed.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.sinks.as_ref().is_some_and(Deliveries::has_news)
    }

    /// Counts of the sinks since the last call, and how many notices wait for each.
    pub fn take_counts(&mut self) -> Vec<(String, Tally, usize)> {
        self.sinks.as_mut().map(Deliveries::take_counts).unwrap_or_default()
    }

    /// Notices that are durable and not in the file yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// One transaction. With an engine it is a checkpoint too.
    fn write(&mut self, batch: &Batch, engine: Option<&mut Engine>, seq: u64, history: &Change) -> Result<()> {
        let told = self.told(batch)?;
        let incidents: Vec<_> = told.iter().map(|(id, line)| (*id, line.as_bytes())).collect();
        let is_heard = self.file.is_some() || self.sinks.as_ref().is_some_and(|s| !s.is_empty());
        let notices: Vec<&[u8]> =
            if is_heard { told.iter().map(|(_, line)| line.as_bytes()).collect() } else { Vec::new() };
        let moved = self.sinks.as_mut().map(Deliveries::take).unwrap_or_default();
        let memories: Vec<_> = moved.iter().map(|sink| sink.memories()).collect();
        let sinks: Vec<_> = moved.iter().zip(&memories).map(|(sink, told)| sink.as_commit(told)).collect();
        let asides: Vec<_> = batch.asides.iter().map(Aside::as_row).collect();
        let gaps: Vec<_> = batch.holes.iter().map(Hole::as_row).collect();
        let keys: Vec<(Vec<u8>, &[u8])> = batch
            .last_file
            .iter()
            .filter_map(|(source, file)| Some((log_key(self.logs.get(usize::from(*source))?), &file.0[..])))
            .collect();
        let (mut records, mut policy, mut checkpoint) = (Vec::new(), None, self.checkpoint);
        if let Some(engine) = engine {
            engine.drain_records(&mut records);
            policy = Some(serde_json::to_vec(engine.policy())?);
            checkpoint = (engine.seq(), engine.now());
        }
        let rows = records.iter().map(|r| store::Record { room: r.room as u8, key: &r.key, value: r.value.as_deref() });
        let logs = keys.iter().map(|(key, file)| store::Record { room: LOGS, key, value: Some(file) });
        let policy = policy.iter().map(|json| store::Record { room: POLICY_ROOM, key: b"", value: Some(json) });
        let rows: Vec<store::Record<'_>> = rows.chain(logs).chain(policy).collect();
        let json = |input: &StoredInput| serde_json::to_vec(input);
        let inputs = batch.inputs.iter().map(|(seq, input)| Ok((*seq, json(input)?))).collect::<Result<Vec<_>>>()?;
        let commit = Commit {
            seq,
            advances: &batch.advances,
            records: &rows,
            incidents: &incidents,
            notices: &notices,
            delivered: None,
            // A replay into the state keeps no file either, and must not take the daemon's place in its own.
            no_file: self.sinks.is_some() && self.file.is_none(),
            sinks: &sinks,
            asides: &asides,
            gaps: &gaps,
            inputs: &inputs,
            history: Some(history),
        };
        let receipt = self.store.commit(&commit)?;
        self.checkpoint = checkpoint;
        let numbered = (receipt.first_outbox_row..).zip(notices.iter().map(|line| line.to_vec()));
        let rows: Vec<Row> = numbered.collect();
        if let Some(sinks) = &self.sinks {
            sinks.feed(&rows);
        }
        if self.file.is_some() {
            self.waiting.extend(rows);
        }
        Ok(())
    }

    /// Every revision of a batch, as it is stored and sent.
    fn told(&self, batch: &Batch) -> Result<Vec<(Digest, String)>> {
        let revisions = batch.out.revisions.iter();
        let mut told: Vec<_> = revisions.map(|r| (r.incident.id, to_json(&r.incident, Some(r.notice)))).collect();
        for answer in &batch.out.answers {
            told.extend(self.of_the_past(answer, &told)?);
        }
        Ok(told)
    }

    /// The last revision of an incident that was over when it was acknowledged: as it was told, and who said so.
    fn of_the_past(&self, answer: &Answer, told: &[(Digest, String)]) -> Result<Option<(Digest, String)>> {
        let Command::Ack(ack) = &answer.command;
        let (Ok(kept), false) = (&answer.outcome, answer.live) else { return Ok(None) };
        let stored = match told.iter().rev().find(|(id, _)| *id == ack.incident) {
            Some((_, line)) => Some(line.clone().into_bytes()),
            None => self.store.load()?.incident(ack.incident)?,
        };
        let Some(mut object) = stored.and_then(|line| serde_json::from_slice::<Map<String, Value>>(&line).ok()) else {
            return Ok(None);
        };
        let revision = object.get("revision").and_then(Value::as_u64).unwrap_or(0) + 1;
        let said = Acknowledgement { owner: kept.owner.clone(), reason: kept.reason.clone(), at: kept.at };
        object.insert("revision".to_owned(), revision.into());
        object.insert("acknowledged".to_owned(), acknowledged(&said));
        let notice = Notice { tell: false, reason: Reason::Acknowledged };
        object.insert("notice".to_owned(), serde_json::to_value(notice)?);
        Ok(Some((ack.incident, Value::Object(object).to_string())))
    }

    fn deliver(&mut self, seq: u64) -> Result<()> {
        while !self.waiting.is_empty() {
            let Some(file) = &mut self.file else { return Ok(()) };
            let rows = &self.waiting[..self.waiting.len().min(ROWS_AT_ONCE)];
            let (cursor, told) = match file.deliver(rows)? {
                Delivery::Done(cursor) => (cursor, rows.len()),
                Delivery::Moved(cursor) => (cursor, 0),
            };
            self.waiting.drain(..told);
            self.commit_cursor(cursor, seq)?;
        }
        Ok(())
    }

    fn commit_cursor(&mut self, cursor: Cursor, seq: u64) -> Result<()> {
        let seq = if seq == 0 { self.store.load()?.seq } else { seq };
        let delivered = store::Delivered { next_row: cursor.next_row, file_bytes: cursor.file_bytes };
        let _ = self.store.commit(&Commit { seq, delivered: Some(delivered), ..Commit::default() })?;
        self.delivered = Some(cursor);
        Ok(())
    }
}

fn log_key(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}
