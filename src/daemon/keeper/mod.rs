//! The state directory and the incidents file, as one: a batch goes in, and is durable and told,
//! once.
//!
//! Refuses to tell what is not durable: the file gets what the outbox holds, never what a batch
//! holds.

mod open;
mod write;

use super::Ground;
use super::commands;
use super::deliveries::Deliveries;
use super::{Batch, Pump};
use crate::base::{Digest, Span, Time};
use crate::engine::{Room, SourceIndex, VERSION};
use crate::history::History;
use crate::history::{Change, Moment};
use crate::sink::{Cursor, Delivery, IncidentsFile, Row, Settings, Tally};
use crate::store::{self, Commit, POLICY_ROOM, Store};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The room of records that the engine does not own: by path of a log, the digest of its file read
/// last, then the number of the log, little-endian.
const LOGS: u8 = 128;
/// The room of what files are known by: by digest of the file, its [`Trail`](crate::source::Trail).
const TRAILS: u8 = 130;
/// A checkpoint writes every account that changed; between two of them history has what the next
/// start needs. So many inputs are judged again in a tenth of a second.
const CHECKPOINT_INPUTS: u64 = 16_384;
/// By the events' own time.
const CHECKPOINT_SPAN: Span = Span::seconds(60);
/// What a snapshot holds: enough to go on judging.
pub(super) const SNAPSHOT_ROOMS: [u8; 10] = {
    let [a, b, c, d, e, f, g, h, i] = Room::ALL;
    [
        a as u8,
        b as u8,
        c as u8,
        d as u8,
        e as u8,
        f as u8,
        g as u8,
        h as u8,
        i as u8,
        POLICY_ROOM,
    ]
};
/// Rows handed to the incidents file at once.
const ROWS_AT_ONCE: usize = 4096;

pub struct Keeper {
    store: Store,
    history: History,
    file: Option<IncidentsFile>,
    delivered: Option<Cursor>,
    sinks: Option<Deliveries>,
    /// The logs that are followed, by number.
    logs: BTreeMap<SourceIndex, PathBuf>,
    /// Files that the store has forgotten: what they are known by goes with the next commit.
    forgotten: Vec<Digest>,
    /// Outbox rows that wait for the file: they are told when they are durable.
    waiting: Vec<Row>,
    /// The last input that the stored records know of, and the engine's now then.
    checkpoint: (u64, Time),
    /// Whether that now divides what was judged before it from what was judged later.
    divides: bool,
}

impl Keeper {
    /// Makes a batch durable, then writes what it has to tell to the incidents file. The batch is
    /// empty afterwards, and handed back: what it holds may be told now.
    ///
    /// # Errors
    /// `StoreError`, `HistoryError` (a full disk is told apart), or the incidents file cannot be
    /// written.
    pub fn commit(&mut self, pump: &mut Pump) -> Result<Batch> {
        pump.settle();
        let (seq, now) = (pump.engine.seq(), pump.engine.now());
        let is_due = seq - self.checkpoint.0 >= CHECKPOINT_INPUTS
            || now.since(self.checkpoint.1) >= CHECKPOINT_SPAN
            || pump.engine.is_sure_of_now() && self.history.wants_snapshot(now, VERSION);
        let mut batch = std::mem::take(&mut pump.batch);
        let rows = batch.rows.as_mut();
        let change = rows.map_or(Ok(Change::default()), |rows| self.history.append(rows))?;
        self.write(&batch, is_due.then_some(&mut pump.engine), seq, &change)?;
        self.history.committed(change)?;
        // None of them waits by now; those of the next batch follow them.
        pump.batch.rows = batch.rows.take();
        commands::done(&batch.commands);
        self.roll(pump, false)?;
        self.deliver(seq)?;
        Ok(batch)
    }

    /// Leaves nothing behind that the next start would have to judge again; `rolls` makes Parquet
    /// files of everything. What is in the pump's batch has to be committed before.
    ///
    /// # Errors
    /// As [`Keeper::commit`].
    pub fn finish(&mut self, pump: &mut Pump, rolls: bool) -> Result<()> {
        let seq = pump.engine.seq();
        if self.checkpoint.0 < seq {
            self.write(
                &Batch::default(),
                Some(&mut pump.engine),
                seq,
                &Change::default(),
            )?;
        }
        if rolls {
            self.roll(pump, true)?;
            // Files that this made of days that are over can be joined now that they are committed.
            self.roll(pump, true)?;
        }
        Ok(())
    }

    /// Rolls, joins and expires what is due; at the end, everything is rolled.
    fn roll(&mut self, pump: &mut Pump, at_end: bool) -> Result<()> {
        let rows = pump.batch.rows.get_or_insert_default();
        let change = self.history.due(pump.engine.now(), at_end, rows)?;
        if !change.is_empty() {
            if change.forget_inputs.is_some() {
                // What expires may be what the next start would judge again.
                self.finish(pump, false)?;
            }
            let commit = Commit {
                seq: pump.engine.seq(),
                history: Some(&change),
                ..Commit::default()
            };
            let _ = self.store.commit(&commit)?;
            self.history.committed(change)?;
        }
        self.snapshot()
    }

    /// At the first checkpoint of a day and of an engine: what is stored is where a replay can
    /// begin.
    fn snapshot(&mut self) -> Result<()> {
        let (seq, time) = self.checkpoint;
        if !(self.divides && self.history.wants_snapshot(time, VERSION)) {
            return Ok(());
        }
        let moment = Moment {
            seq,
            time,
            engine: VERSION,
        };
        let (seq, change) = {
            let recovered = self.store.load()?;
            (
                recovered.seq,
                self.history
                    .snapshot(moment, &mut recovered.records_of(&SNAPSHOT_ROOMS))?,
            )
        };
        let _ = self.store.commit(&Commit {
            seq,
            history: Some(&change),
            ..Commit::default()
        })?;
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
            (
                Deliveries::start(sinks, cluster, ground, &recovered)?,
                recovered.seq,
            )
        };
        self.sinks = Some(deliveries);
        self.write(&Batch::default(), None, seq, &Change::default())
    }

    /// Goes over to other settings of the sinks: those that are as they were run on.
    ///
    /// # Errors
    /// As [`Keeper::start_sinks`].
    pub fn change_sinks(
        &mut self,
        sinks: &BTreeMap<String, Settings>,
        cluster: &str,
    ) -> Result<()> {
        let seq = self.store.load()?.seq;
        let Some(running) = &mut self.sinks else {
            return Ok(());
        };
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
        self.sinks
            .as_mut()
            .map(Deliveries::take_counts)
            .unwrap_or_default()
    }

    /// Notices that are durable and not in the file yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn deliver(&mut self, seq: u64) -> Result<()> {
        while !self.waiting.is_empty() {
            let Some(file) = &mut self.file else {
                return Ok(());
            };
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
        let delivered = store::Delivered {
            next_row: cursor.next_row,
            file_bytes: cursor.file_bytes,
        };
        let _ = self.store.commit(&Commit {
            seq,
            delivered: Some(delivered),
            ..Commit::default()
        })?;
        self.delivered = Some(cursor);
        Ok(())
    }
}

fn log_record(file: Digest, source: SourceIndex) -> Vec<u8> {
    [&file.0[..], &source.to_le_bytes()].concat()
}

/// What [`log_record`] made; `None` if it did not.
fn log_of(record: &[u8]) -> Option<(Digest, SourceIndex)> {
    let (file, source) = record.split_first_chunk()?;
    Some((
        Digest(*file),
        SourceIndex::from_le_bytes(source.try_into().ok()?),
    ))
}

fn log_key(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}
