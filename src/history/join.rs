//! How small files of a day become one: events as they are, rows of the rollup added up.
//!
//! Refuses a day before its grace is over, and a file that is as large as one should be: it would
//! be read again each time an event comes late.

use super::{COLUMNS, Change, History, ROW_GROUP_ROWS, parquet, read::scan, rollup};
use crate::base::Time;
use crate::history::manifest::{Segment, SegmentKind};
use crate::history::roll::{date, day_of, is_over};
use crate::history::write::table::Table;
use std::collections::BTreeMap;
use std::io;

/// Bytes of pages, before compression, that are joined: a client may have sent requests of any
/// length.
const JOINED_BYTES: u64 = 128 << 20;

impl History {
    /// Joins what days that are over by `now` left in small files. One that cannot be read stays as
    /// it is, with a warning: that small files are many stops nobody.
    pub(super) fn join(&mut self, now: Time, change: &mut Change) -> io::Result<()> {
        self.join_events(now, change)?;
        self.join_rollup(now, change)
    }

    /// As far as they fit into one row group, and into memory.
    fn join_events(&mut self, now: Time, change: &mut Change) -> io::Result<()> {
        for (day, segments) in self.small(SegmentKind::Events, now, ROW_GROUP_ROWS / 2) {
            let fit = read_or_warned(day, self.that_fit(segments));
            let Some(joined) = fit.filter(|fit| fit.len() > 1) else {
                continue;
            };
            let Some(table) = read_or_warned(day, self.rows_of(&joined)) else {
                continue;
            };
            let rows = table.sheet().sorted()?;
            let id = self.take_id();
            let path = format!("history/date={}/{id:012}.parquet", date(day));
            change.put.push(parquet::write(
                &self.dir,
                path,
                id,
                SegmentKind::Events,
                &table.sheet(),
                &rows,
            )?);
            change.forget.extend(joined.iter().map(|s| s.id));
        }
        Ok(())
    }

    /// The first of these that make one file.
    fn that_fit(&self, mut segments: Vec<Segment>) -> io::Result<Vec<Segment>> {
        let (mut rows, mut bytes) = (0, 0);
        let fit = segments.iter().take_while(|segment| {
            rows += segment.rows;
            rows <= ROW_GROUP_ROWS as u64
        });
        segments.truncate(fit.count());
        // One alone is as it should be: it need not be opened.
        if segments.len() < 2 {
            return Ok(segments);
        }
        for at in 0..segments.len() {
            let segment = &segments[at];
            bytes +=
                scan::unpacked_bytes(&self.dir, segment).map_err(|error| segment.named(error))?;
            if bytes > JOINED_BYTES {
                segments.truncate(at);
                break;
            }
        }
        Ok(segments)
    }

    fn read_into(&self, table: &mut Table, segment: &Segment) -> io::Result<()> {
        let read = scan::whole_file(&self.dir, segment, &mut |batch| table.append(&batch));
        read.map_err(|error| segment.named(error))
    }

    fn rows_of(&self, segments: &[Segment]) -> io::Result<Table> {
        let mut table = Table::new(COLUMNS);
        for segment in segments {
            self.read_into(&mut table, segment)?;
        }
        Ok(table)
    }

    /// Until a file has as many rows as a row group, then the next.
    fn join_rollup(&mut self, now: Time, change: &mut Change) -> io::Result<()> {
        for (day, segments) in self.small(SegmentKind::Rollup, now, ROW_GROUP_ROWS) {
            let mut rest = &segments[..];
            while rest.len() > 1 {
                let Some((table, read)) = read_or_warned(day, self.add_up(rest)) else {
                    break;
                };
                self.write_rollup(day, &table, change)?;
                change.forget.extend(rest[..read].iter().map(|s| s.id));
                rest = &rest[read..];
            }
        }
        Ok(())
    }

    /// The rows of as many of these files as make one, and how many files that are.
    fn add_up(&self, segments: &[Segment]) -> io::Result<(Table, usize)> {
        let (mut table, mut read) = (Table::new(rollup::COLUMNS), 0);
        for segment in segments {
            self.read_into(&mut table, segment)?;
            read += 1;
            if table.rows >= ROW_GROUP_ROWS {
                table = rollup::summed(&table.sheet())?;
            }
            if table.rows >= ROW_GROUP_ROWS {
                return Ok((table, read));
            }
        }
        Ok((rollup::summed(&table.sheet())?, read))
    }

    /// The committed files with fewer rows than `rows`, by day, of the days that are over.
    fn small(&self, kind: SegmentKind, now: Time, rows: usize) -> BTreeMap<i64, Vec<Segment>> {
        let mut by_day: BTreeMap<i64, Vec<Segment>> = BTreeMap::new();
        for segment in self
            .of_kind(kind)
            .filter(|s| is_over(s.time_min, now) && s.rows < rows as u64)
        {
            by_day
                .entry(day_of(segment.time_min))
                .or_default()
                .push(segment.clone());
        }
        by_day
    }
}

fn read_or_warned<T>(day: i64, read: io::Result<T>) -> Option<T> {
    read.inspect_err(|error| tracing::warn!("small files of {} are not joined: {error}", date(day)))
        .ok()
}
