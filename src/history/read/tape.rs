//! Tape: every input of a span of history again, in the order in which it was ingested.
//!
//! Refuses to skip: seqs have no holes, so a missing input is an error that names it, never a
//! quieter replay.

use crate::history::error::damaged;
use crate::history::manifest::{Segment, SegmentKind};
use crate::history::read::decode_row::RowDecoder;
use crate::history::read::scan;

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
    /// First and last seq of every file, for messages.
    spans: Vec<(u64, u64, String)>,
    open: Vec<Open>,
    inputs: VecDeque<(u64, StoredInput)>,
    /// The seq of the last input handed out.
    at: u64,
}

/// A file in the order of seq. A roll sorts by principal, so all of it is in memory.
struct Open {
    batches: Vec<RecordBatch>,
    /// seq, batch, row.
    order: Vec<(u64, u32, u32)>,
    next: usize,
}

impl Tape {
    /// `inputs` are those that were no events, by seq.
    #[must_use]
    pub fn new(
        dir: &Path,
        segments: &[Segment],
        inputs: Vec<(u64, StoredInput)>,
        from: u64,
    ) -> Tape {
        let is_tape = |s: &&Segment| {
            matches!(s.kind, SegmentKind::Head | SegmentKind::Events) && s.seq_max > from
        };
        let mut files: Vec<Segment> = segments.iter().filter(is_tape).cloned().collect();
        files.sort_by_key(|s| (s.seq_min, s.id));
        let inputs = inputs.into_iter().filter(|(seq, _)| *seq > from).collect();
        let spans = files
            .iter()
            .map(|file| (file.seq_min, file.seq_max, file.path.clone()))
            .collect();
        Tape {
            dir: dir.to_owned(),
            files: files.into(),
            spans,
            open: Vec::new(),
            inputs,
            at: from,
        }
    }

    /// Hands out what follows, up to and including `until`.
    ///
    /// # Errors
    /// `NotFound`: an input is missing, or a file is; `InvalidData`: a file cannot be read;
    /// whatever `each` returns.
    pub fn play(
        &mut self,
        until: u64,
        each: &mut dyn FnMut(u64, Input<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        while self.at < until {
            while self
                .files
                .front()
                .is_some_and(|file| file.seq_min <= self.at + 1)
            {
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
            let Some(open) = self.open.iter_mut().find(|open| open.seq() == Some(next)) else {
                return Err(io::Error::new(io::ErrorKind::NotFound, self.hole()));
            };
            // Nothing is loaded or looked up while one file alone has what comes next.
            let others = self.inputs.front().map_or(u64::MAX, |(seq, _)| *seq);
            let end = until
                .min(others - 1)
                .min(self.files.front().map_or(u64::MAX, |f| f.seq_min - 1));
            self.at = open.run(end, each)?;
            self.open.retain(|open| open.seq().is_some());
        }
        Ok(())
    }

    fn load(&mut self) -> io::Result<()> {
        let Some(segment) = self.files.pop_front() else {
            return Ok(());
        };
        let loaded = Open::load(&self.dir, &segment, self.at);
        self.open
            .push(loaded.map_err(|error| segment.named(error))?);
        Ok(())
    }

    fn hole(&self) -> String {
        let rows = self.open.iter().filter_map(Open::seq);
        let files = self.files.front().map(|file| file.seq_min);
        let inputs = self.inputs.front().map(|(seq, _)| *seq);
        let missing = self.at + 1;
        let holders = self
            .spans
            .iter()
            .filter(|(from, to, _)| (*from..=*to).contains(&missing));
        let holders: Vec<&str> = holders.map(|(.., path)| path.as_str()).collect();
        let place = match holders.is_empty() {
            true => String::new(),
            false => format!(
                "; {} should have it and is damaged: restore it",
                holders.join(" or ")
            ),
        };
        match rows.chain(files).chain(inputs).min() {
            Some(next) => format!(
                "history has a hole: inputs {missing} to {} are missing{place}",
                next - 1
            ),
            None => format!("history ends before input {missing}{place}"),
        }
    }
}

impl Open {
    fn load(dir: &Path, segment: &Segment, after: u64) -> io::Result<Open> {
        let batches = scan::whole(dir, segment)?;
        let mut order = Vec::new();
        for (n, batch) in (0..).zip(&batches) {
            let seqs = batch
                .column_by_name("seq")
                .and_then(|c| c.as_primitive_opt::<Int64Type>());
            let seqs = seqs.ok_or_else(|| damaged("there is no column seq"))?;
            order.extend(
                (0..)
                    .zip(seqs.values())
                    .map(|(row, seq)| (seq.unsigned_abs(), n, row)),
            );
        }
        order.sort_unstable();
        let next = order.partition_point(|(seq, ..)| *seq <= after);
        Ok(Open {
            batches,
            order,
            next,
        })
    }

    fn seq(&self) -> Option<u64> {
        self.order.get(self.next).map(|(seq, ..)| *seq)
    }

    /// Hands out rows as long as their seqs follow each other, up to `end`; returns the last.
    fn run(
        &mut self,
        end: u64,
        each: &mut dyn FnMut(u64, Input<'_>) -> io::Result<()>,
    ) -> io::Result<u64> {
        let batches = self
            .batches
            .iter()
            .map(RowDecoder::of)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| damaged(&e))?;
        let mut last = self.order[self.next].0;
        while let Some((seq, batch, row)) = self.order.get(self.next).copied() {
            if seq > end || seq > last + 1 {
                break;
            }
            let mut done = Ok(());
            let read = batches[batch as usize].event(row as usize, &mut |place, event| {
                done = each(
                    seq,
                    Input::Event {
                        source: place.source,
                        event,
                    },
                );
            });
            read.map_err(|e| damaged(&e))?;
            done?;
            last = seq;
            self.next += 1;
        }
        Ok(last)
    }
}
