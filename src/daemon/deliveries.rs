//! The sinks of a running daemon: one task each, fed with committed rows, heard before each commit.
//!
//! Refuses to wait for a sink, and to keep a row for one that is no longer configured.

use super::Ground;
use crate::base::Digest;
use crate::sink::{self, Link, Note, Progress, Row, Settings, Tally};
use crate::store::{Recovered, SinkMove, SinkRow, StoreError};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows read at once when the daemon starts.
const ROWS_AT_ONCE: usize = 1024;

pub(super) struct Deliveries {
    links: Vec<Link>,
    /// Until their first commit sinks that are gone hold rows back, and new ones have no place.
    begin: Vec<(String, Option<u64>)>,
    /// `None` once it is shut down.
    runtime: Option<tokio::runtime::Runtime>,
    counts: Vec<(String, Tally, usize)>,
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
        ground: &dyn Ground,
        state: &Recovered<'_>,
    ) -> Result<Deliveries> {
        let receivers = sink::receivers(sinks);
        let wanted: BTreeSet<&str> = receivers.iter().map(|r| r.name.as_str()).collect();
        let gone = state.sinks.iter().filter(|row| !wanted.contains(row.name.as_str()));
        let mut begin: Vec<(String, Option<u64>)> = gone.map(|row| (row.name.clone(), None)).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("sinks")
            .enable_all()
            .build()
            .context("no thread can be started for the sinks")?;
        let entered = runtime.enter();
        let mut links = Vec::new();
        for receiver in receivers {
            let known = state.sinks.iter().find(|row| row.name == receiver.name);
            let next_row = known.map_or(state.next_outbox_row, |row| row.next_row);
            begin.push((receiver.name.clone(), Some(next_row)));
            let link = ground.link(receiver, next_row, known.map(told).unwrap_or_default());
            backlog(&link, next_row, state)?;
            links.push(link);
        }
        drop(entered);
        Ok(Deliveries { links, begin, runtime: Some(runtime), counts: Vec::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Hands over what was committed.
    pub(super) fn feed(&self, rows: &[Row]) {
        let notes: sink::Rows = rows.iter().filter_map(read).collect();
        if !notes.is_empty() {
            self.links.iter().for_each(|link| link.feed(notes.clone()));
        }
    }

    /// Whether there is something to commit.
    pub(super) fn has_news(&self) -> bool {
        !self.begin.is_empty() || self.links.iter().any(Link::has_news)
    }

    /// What is to be committed now.
    pub(super) fn take(&mut self) -> Vec<Moved> {
        let begin = std::mem::take(&mut self.begin).into_iter();
        let mut moved: Vec<Moved> = begin.map(|(name, next_row)| Moved { name, next_row, told: Vec::new() }).collect();
        for link in &mut self.links {
            let Progress { next_row, told, tally, depth } = link.take();
            self.counts.push((link.name.clone(), tally, depth));
            moved.push(Moved { name: link.name.clone(), next_row: Some(next_row), told: told.into_iter().collect() });
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
        self.told.iter().map(|(id, note)| (*id, note.as_ref().map(|note| &*note.line))).collect()
    }

    pub(super) fn as_commit<'a>(&'a self, memories: &'a [(Digest, Option<&'a [u8]>)]) -> SinkMove<'a> {
        SinkMove { name: &self.name, next_row: self.next_row, memories }
    }
}

fn told(row: &SinkRow) -> Vec<Arc<Note>> {
    row.memories.iter().filter_map(|(_, line)| Note::read(line).map(Arc::new)).collect()
}

fn backlog(link: &Link, next_row: u64, state: &Recovered<'_>) -> Result<(), StoreError> {
    let mut from = next_row;
    loop {
        let rows = state.outbox(from, ROWS_AT_ONCE)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        from = last + 1;
        link.feed(rows.iter().filter_map(read).collect());
    }
}

/// A row that cannot be read was written by another version, and is nothing that a receiver could read either.
fn read((number, line): &Row) -> Option<(u64, Arc<Note>)> {
    let note = Note::read(line);
    if note.is_none() {
        tracing::error!("row {number} of the outbox cannot be read; no sink is told of it");
    }
    Some((*number, Arc::new(note?)))
}
