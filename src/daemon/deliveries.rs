//! The sinks of a running daemon: one task each, fed with committed rows, heard before each commit.
//!
//! Refuses to wait for a sink, and to keep a row for one that is no longer configured.

use super::Ground;
use crate::base::Digest;
use crate::sink::ROWS_BEHIND_MAX;
use crate::sink::{self, Link, Note, Progress, Row, Settings, Tally};
use crate::store::{OUTBOX_ROWS_MAX, Recovered, SinkMove, SinkRow, StoreError};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows read at once when the daemon starts.
const ROWS_AT_ONCE: usize = 1024;

// One commit may bring as much again.
const _: () = assert!(2 * ROWS_BEHIND_MAX <= OUTBOX_ROWS_MAX);

pub(super) struct Deliveries {
    ground: Arc<dyn Ground>,
    links: Vec<Link>,
    /// Those whose settings changed, until what they came to is committed.
    stopped: Vec<Link>,
    /// Until their first commit sinks that are gone hold rows back, and new ones have no place.
    begin: Vec<(String, Option<u64>)>,
    /// `None` once it is shut down.
    runtime: Option<tokio::runtime::Runtime>,
    counts: Vec<(String, Tally, usize)>,
    /// The row to come.
    fed: u64,
}

/// What one sink has to have committed.
pub(super) struct Moved {
    name: String,
    next_row: Option<u64>,
    told: Vec<(Digest, Option<Arc<Note>>)>,
}

impl Deliveries {
    /// Starts every sink where it was committed last; a new one begins with what comes now.
    pub(super) fn start(
        sinks: &BTreeMap<String, Settings>,
        cluster: &str,
        ground: &Arc<dyn Ground>,
        state: &Recovered<'_>,
    ) -> Result<Deliveries> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("sinks")
            .enable_all()
            .build()
            .context("no thread can be started for the sinks")?;
        let runtime = Some(runtime);
        let (links, stopped, begin, counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let fed = state.next_outbox_row;
        let mut all = Deliveries {
            ground: ground.clone(),
            links,
            stopped,
            begin,
            runtime,
            counts,
            fed,
        };
        all.start_others(sinks, cluster, state)?;
        Ok(all)
    }

    /// Ends the sinks that are gone or have other settings. Commit what [`Deliveries::take`] then
    /// brings, and [start the others](Deliveries::start_others).
    pub(super) fn stop_changed(&mut self, sinks: &BTreeMap<String, Settings>, cluster: &str) {
        let receivers = sink::receivers(sinks, cluster);
        let (kept, mut changed): (Vec<Link>, Vec<Link>) = std::mem::take(&mut self.links)
            .into_iter()
            .partition(|link| receivers.iter().any(|r| link.is_for(r)));
        self.links = kept;
        if let Some(runtime) = &self.runtime {
            changed
                .iter_mut()
                .for_each(|link| runtime.block_on(link.stop()));
        }
        self.stopped = changed;
    }

    /// Starts the sinks that do not run, where they were committed last.
    pub(super) fn start_others(
        &mut self,
        sinks: &BTreeMap<String, Settings>,
        cluster: &str,
        state: &Recovered<'_>,
    ) -> Result<()> {
        let receivers = sink::receivers(sinks, cluster);
        let wanted: BTreeSet<&str> = receivers.iter().map(|r| r.name.as_str()).collect();
        let gone = state
            .sinks
            .iter()
            .filter(|row| !wanted.contains(row.name.as_str()));
        self.begin.extend(gone.map(|row| (row.name.clone(), None)));
        let _entered = self.runtime.as_ref().map(tokio::runtime::Runtime::enter);
        for receiver in receivers {
            if self.links.iter().any(|link| link.name == receiver.name) {
                continue;
            }
            let known = state.sinks.iter().find(|row| row.name == receiver.name);
            let next_row = known.map_or(state.next_outbox_row, |row| row.next_row);
            self.begin.push((receiver.name.clone(), Some(next_row)));
            let link = self
                .ground
                .link(receiver, next_row, known.map(told).unwrap_or_default());
            backlog(&link, next_row, state)?;
            self.links.push(link);
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Hands over what was committed.
    pub(super) fn feed(&mut self, rows: &[Row]) {
        self.fed = rows.last().map_or(self.fed, |(row, _)| row + 1);
        let notes: sink::Rows = rows.iter().filter_map(read).collect();
        if !notes.is_empty() {
            self.links.iter().for_each(|link| link.feed(notes.clone()));
        }
    }

    /// Whether there is something to commit.
    pub(super) fn has_news(&self) -> bool {
        !self.begin.is_empty() || !self.stopped.is_empty() || self.links.iter().any(Link::has_news)
    }

    /// What is to be committed now. No sink holds back more of the outbox than its share, however
    /// long its worker takes to see that it is too far behind.
    pub(super) fn take(&mut self) -> Vec<Moved> {
        let first = self.fed.saturating_sub(ROWS_BEHIND_MAX);
        let begin = std::mem::take(&mut self.begin).into_iter();
        let mut moved: Vec<Moved> = begin
            .map(|(name, next_row)| Moved {
                name,
                next_row,
                told: Vec::new(),
            })
            .collect();
        let stopped = std::mem::take(&mut self.stopped);
        // What waited for a sink that is gone waits no more.
        let stopped = stopped.into_iter().map(|mut link| {
            (
                link.name.clone(),
                Progress {
                    depth: 0,
                    ..link.take()
                },
            )
        });
        let running = self
            .links
            .iter_mut()
            .map(|link| (link.name.clone(), link.take()));
        for (name, progress) in stopped.chain(running) {
            let Progress {
                next_row,
                told,
                tally,
                depth,
            } = progress;
            self.counts.push((name.clone(), tally, depth));
            moved.push(Moved {
                name,
                next_row: Some(next_row.max(first)),
                told: told.into_iter().collect(),
            });
        }
        moved
    }

    /// Counts of the sinks since the last call, and how many notices wait for each.
    pub(super) fn take_counts(&mut self) -> Vec<(String, Tally, usize)> {
        std::mem::take(&mut self.counts)
    }
}

impl Drop for Deliveries {
    /// A request on its way is not waited for: what it carried is sent again after the next start.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Moved {
    /// The memories as the store takes them.
    pub(super) fn memories(&self) -> Vec<(Digest, Option<&[u8]>)> {
        self.told
            .iter()
            .map(|(id, note)| (*id, note.as_ref().map(|note| &*note.line)))
            .collect()
    }

    pub(super) fn as_commit<'a>(
        &'a self,
        memories: &'a [(Digest, Option<&'a [u8]>)],
    ) -> SinkMove<'a> {
        SinkMove {
            name: &self.name,
            next_row: self.next_row,
            memories,
        }
    }
}

fn told(row: &SinkRow) -> Vec<Arc<Note>> {
    row.memories
        .iter()
        .filter_map(|(_, line)| Note::read(line).map(Arc::new))
        .collect()
}

fn backlog(link: &Link, next_row: u64, state: &Recovered<'_>) -> Result<(), StoreError> {
    let mut from = next_row;
    loop {
        let rows = state.outbox(from, ROWS_AT_ONCE)?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        from = last + 1;
        link.feed(rows.iter().filter_map(read).collect());
    }
}

/// A row that cannot be read was written by another version, and is nothing that a receiver could
/// read either.
fn read((number, line): &Row) -> Option<(u64, Arc<Note>)> {
    let note = Note::read(line);
    if note.is_none() {
        tracing::error!("row {number} of the outbox cannot be read; no sink is told of it");
    }
    Some((*number, Arc::new(note?)))
}
