//! The state directory and the incidents file, as one: a batch goes in, and is durable and told, once.
//!
//! Refuses to tell what is not durable: the file gets what the outbox holds, never what a batch holds.

use super::Ground;
use super::deliveries::Deliveries;
use super::pump::{Aside, Batch, Hole, Pump};
use crate::engine::{Engine, Record, Room, StoredInput, VERSION};
use crate::incident::to_json;
use crate::sink::{Cursor, Delivery, IncidentsFile, Row, Settings, Tally};
use crate::source::Positions;
use crate::store::history::{Change, Moment};
use crate::store::{self, Commit, History, POLICY_ROOM, Retention, Store};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The room of records that the engine does not own: by path of a log, the digest of its file read last.
const LOGS: u8 = 128;
/// What a snapshot holds: enough to go on judging.
pub(super) const SNAPSHOT_ROOMS: [u8; 5] =
    [Room::Core as u8, Room::Account as u8, Room::Address as u8, Room::Incident as u8, POLICY_ROOM];
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
        };
        let positions = keeper.recover(pump)?;
        keeper.snapshot(pump)?;
        if let Some(path) = incidents {
            keeper.open_file(path)?;
        }
        Ok((keeper, positions))
    }

    fn recover(&mut self, pump: &mut Pump) -> Result<Vec<Positions>> {
        let wanted = pump.engine.policy().clone();
        let recovered = self.store.load()?;
        let stored = recovered.policy()?;
        pump.engine = Engine::new(stored.clone().unwrap_or_default());
        for row in recovered.records_of(&SNAPSHOT_ROOMS[..4]) {
            let (room, key, value) = row?;
            let readable = pump.engine.restore(room, &key, &value);
            readable
                .map_err(anyhow::Error::msg)
                .context("the state cannot be read; run the version that wrote it, or move the directory away")?;
        }
        if stored.as_ref() != Some(&wanted) {
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
        let mut batch = std::mem::take(&mut pump.batch);
        let rows = batch.rows.as_mut();
        let change = rows.map_or(Ok(Change::default()), |rows| self.history.append(rows))?;
        let mut records = Vec::new();
        pump.engine.drain_records(&mut records);
        self.write(&batch, &records, pump.engine.seq(), &change)?;
        self.history.committed(change)?;
        self.roll(pump, false)?;
        self.deliver(pump.engine.seq())?;
        Ok(batch)
    }

    /// Rolls, joins and expires what is due; at the end, everything is rolled.
    ///
    /// # Errors
    /// As [`Keeper::commit`].
    pub fn roll(&mut self, pump: &Pump, at_end: bool) -> Result<()> {
        let change = self.history.due(pump.engine.now(), at_end)?;
        if !change.is_empty() {
            let commit = Commit { seq: pump.engine.seq(), history: Some(&change), ..Commit::default() };
            let _ = self.store.commit(&commit)?;
            self.history.committed(change)?;
        }
        self.snapshot(pump)
    }

    /// Before the first input of a day and of an engine: what is stored is where a replay can begin.
    fn snapshot(&mut self, pump: &Pump) -> Result<()> {
        let now = pump.engine.now();
        if !self.history.wants_snapshot(now, VERSION) {
            return Ok(());
        }
        let (seq, change) = {
            let recovered = self.store.load()?;
            let moment = Moment { seq: recovered.seq, time: now, engine: VERSION };
            (moment.seq, self.history.snapshot(moment, &mut recovered.records_of(&SNAPSHOT_ROOMS))?)
        };
        let _ = self.store.commit(&Commit { seq, history: Some(&change), ..Commit::default() })?;
        Ok(self.history.committed(change)?)
    }

    /// Starts the sinks, which go on where they were; rows that nobody waits for any more go.
    ///
    /// # Errors
    /// The state cannot be read or written, or no thread can be started.
    pub fn start_sinks(&mut self, sinks: &BTreeMap<String, Settings>, ground: &dyn Ground) -> Result<()> {
        let (deliveries, seq) = {
            let recovered = self.store.load()?;
            (Deliveries::start(sinks, ground, &recovered)?, recovered.seq)
        };
        self.sinks = Some(deliveries);
        self.write(&Batch::default(), &[], seq, &Change::default())
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

    fn write(&mut self, batch: &Batch, records: &[Record], seq: u64, history: &Change) -> Result<()> {
        let lines: Vec<String> = batch.out.revisions.iter().map(|r| to_json(&r.incident, Some(r.notice))).collect();
        let incidents: Vec<_> =
            batch.out.revisions.iter().zip(&lines).map(|(r, l)| (r.incident.id, l.as_bytes())).collect();
        let is_heard = self.file.is_some() || self.sinks.as_ref().is_some_and(|s| !s.is_empty());
        let notices: Vec<&[u8]> = if is_heard { lines.iter().map(String::as_bytes).collect() } else { Vec::new() };
        let moved = self.sinks.as_mut().map(Deliveries::take).unwrap_or_default();
        let memories: Vec<_> = moved.iter().map(|sink| sink.memories()).collect();
        let sinks: Vec<_> = moved.iter().zip(&memories).map(|(sink, told)| sink.as_commit(told)).collect();
        let asides: Vec<_> = batch.asides.iter().map(Aside::as_row).collect();
        let gaps: Vec<_> = batch.holes.iter().map(Hole::as_row).collect();
        let mut rows: Vec<store::Record<'_>> = records
            .iter()
            .map(|r| store::Record { room: r.room as u8, key: &r.key, value: r.value.as_deref() })
            .collect();
        let keys: Vec<(Vec<u8>, &[u8])> = batch
            .last_file
            .iter()
            .filter_map(|(source, file)| Some((log_key(self.logs.get(usize::from(*source))?), &file.0[..])))
            .collect();
        rows.extend(keys.iter().map(|(key, file)| store::Record { room: LOGS, key, value: Some(file) }));
        let json = |input: &StoredInput| serde_json::to_vec(input);
        let inputs = batch.inputs.iter().map(|(seq, input)| Ok((*seq, json(input)?))).collect::<Result<Vec<_>>>()?;
        let policy = batch.inputs.iter().rev().find_map(|(_, input)| match input {
            StoredInput::Policy(policy) => Some(serde_json::to_vec(policy)),
            _ => None,
        });
        let policy = policy.transpose()?;
        rows.extend(policy.iter().map(|json| store::Record { room: POLICY_ROOM, key: b"", value: Some(json) }));
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
