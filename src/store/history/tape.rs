//! Tape: every input of a span of history again, in the order in which it was ingested.
//!
//! Refuses to skip: seqs have no holes, so a missing input is an error that names it, never a quieter replay.

use super::manifest::{Segment, SegmentKind};
use super::{head, parquet, rows, scan};
use crate::engine::{Input, StoredInput};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

/// Inputs (from, until] of one state directory.
pub struct Tape {
    dir: PathBuf,
    /// Files that are not open yet, by their first seq.
    files: VecDeque<Segment>,
    open: Vec<Open>,
    inputs: VecDeque<(u64, StoredInput)>,
    /// The seq of the last input handed out.
    at: u64,
}

/// A file in the order of seq. A roll sorts by principal, so all of it is in memory.
struct Open {
    rows: RecordBatch,
    seqs: Vec<u64>,
    next: usize,
}

impl Tape {
    /// `inputs` are those that were no events, by seq.
    #[must_use]
    pub fn new(dir: &Path, segments: &[Segment], inputs: Vec<(u64, StoredInput)>, from: u64) -> Tape {
        let is_tape = |s: &&Segment| matches!(s.kind, SegmentKind::Head | SegmentKind::Events) && s.seq_max > from;
        let mut files: Vec<Segment> = segments.iter().filter(is_tape).cloned().collect();
        files.sort_by_key(|s| (s.seq_min, s.id));
        let inputs = inputs.into_iter().filter(|(seq, _)| *seq > from).collect();
        Tape { dir: dir.to_owned(), files: files.into(), open: Vec::new(), inputs, at: from }
    }

    /// Hands out what follows, up to and including `until`.
    ///
    /// # Errors
    /// `NotFound`: an input is missing, or a file is; `InvalidData`: a file cannot be read; whatever `each` returns.
    pub fn play(&mut self, until: u64, each: &mut dyn FnMut(u64, Input<'_>) -> io::Result<()>) -> io::Result<()> {
        while self.at < until {
            while self.files.front().is_some_and(|file| file.seq_min <= self.at + 1) {
                self.load()?;
            }
            if let Some((seq, _)) = self.inputs.front()
                && *seq == self.at + 1
                && let Some((seq, input)) = self.inputs.pop_front()
            {
                self.at = seq;
                each(seq, input.as_input())?;
                continue;
            }
            let next = self.at + 1;
            let Some(open) = self.open.iter_mut().find(|open| open.seqs.get(open.next) == Some(&next)) else {
                return Err(io::Error::new(io::ErrorKind::NotFound, self.hole()));
            };
            // Nothing is loaded or looked up while one file alone has what comes next.
            let others = self.inputs.front().map_or(u64::MAX, |(seq, _)| *seq);
            let end = until.min(others - 1).min(self.files.front().map_or(u64::MAX, |f| f.seq_min - 1));
            self.at = open.run(end, each)?;
            self.open.retain(|open| open.next < open.seqs.len());
        }
        Ok(())
    }

    fn load(&mut self) -> io::Result<()> {
        let Some(segment) = self.files.pop_front() else { return Ok(()) };
        let loaded = Open::load(&self.dir, &segment, self.at);
        self.open.push(loaded.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", segment.path)))?);
        Ok(())
    }

    fn hole(&self) -> String {
        let rows = self.open.iter().filter_map(|open| open.seqs.get(open.next).copied());
        let files = self.files.front().map(|file| file.seq_min);
        let inputs = self.inputs.front().map(|(seq, _)| *seq);
        let missing = self.at + 1;
        match rows.chain(files).chain(inputs).min() {
            Some(next) => format!("history has a hole: inputs {missing} to {} are missing", next - 1),
            None => format!("history ends before input {missing}"),
        }
    }
}

impl Open {
    fn load(dir: &Path, segment: &Segment, after: u64) -> io::Result<Open> {
        let batches = match segment.kind {
            SegmentKind::Head => head::read(dir, segment)?,
            _ => scan::whole_file(dir, segment)?,
        };
        let rows = parquet::sorted(batches, &["seq"])?;
        let seqs = rows.column_by_name("seq").and_then(|c| c.as_primitive_opt::<Int64Type>());
        let seqs = seqs.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "there is no column seq"))?;
        let seqs: Vec<u64> = seqs.values().iter().map(|seq| seq.unsigned_abs()).collect();
        let next = seqs.partition_point(|seq| *seq <= after);
        Ok(Open { rows, seqs, next })
    }

    /// Hands out rows as long as their seqs follow each other, up to `end`; returns the last.
    fn run(&mut self, end: u64, each: &mut dyn FnMut(u64, Input<'_>) -> io::Result<()>) -> io::Result<u64> {
        let first = self.next;
        let follows = |i: &usize| self.seqs[*i] <= end && self.seqs[*i] - self.seqs[first] == (*i - first) as u64;
        let last = (first..self.seqs.len()).take_while(follows).last().unwrap_or(first);
        let slice = self.rows.slice(first, last + 1 - first);
        let mut done = Ok(());
        let read = rows::events(&slice, &mut |place, event| {
            if done.is_ok() {
                done = each(place.seq, Input::Event { source: place.source, event });
            }
        });
        read.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        done?;
        self.next = last + 1;
        Ok(self.seqs[last])
    }
}
