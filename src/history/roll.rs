//! When heads become Parquet files, and old files nothing. Read next: `join.rs`.
//!
//! Refuses the wall clock: days are the events' own.

use super::HistoryError;
use super::{COLUMNS, Change, History, ROW_GROUP_ROWS, Rows, bulk, head, parquet, rollup};
use crate::base::{Span, Time};
use crate::history::manifest::{Segment, SegmentKind};
use crate::history::write::column_view::ColumnView;
use crate::history::write::table::Table;
use std::collections::BTreeMap;
use std::io;

/// Events of a day that is over may still come so long after it; files of that day are left alone
/// until then.
const GRACE: Span = Span::seconds(3600);
const DAY_SECONDS: i64 = 86_400;

impl History {
    /// What is due at `now`, the events' own time: the head is full or its day is over, small files
    /// of an old day are many, files are past their retention. Written and synced, but nothing
    /// before it is committed. `at_end` rolls whatever there is. `rows` are those that were
    /// appended last: if they are all that the head has, it is not read.
    ///
    /// # Errors
    /// `DiskFull`, `Io`; `Corrupt` if a committed file cannot be read.
    pub fn due(
        &mut self,
        now: Time,
        at_end: bool,
        rows: &mut Rows,
    ) -> Result<Change, HistoryError> {
        let mut change = Change {
            forget: std::mem::take(&mut self.deleted),
            ..Change::default()
        };
        // A log that lags by days, beside one that does not, must not make a file of every commit.
        let is_hour_over = now.since(self.looked).0.abs() >= GRACE.0;
        let mut done = self.roll(now, at_end, is_hour_over, rows, &mut change);
        if at_end || is_hour_over {
            self.looked = now;
            done = done
                .and_then(|()| self.join(now, &mut change))
                .map(|()| self.expire(now, &mut change));
        }
        done.map_err(|error| self.failed(error, "roll the history in"))?;
        Ok(change)
    }

    fn roll(
        &mut self,
        now: Time,
        at_end: bool,
        is_hour_over: bool,
        rows: &mut Rows,
        change: &mut Change,
    ) -> io::Result<()> {
        let heads: Vec<Segment> = self.of_kind(SegmentKind::Head).cloned().collect();
        let committed: u64 = heads.iter().map(|s| s.rows).sum();
        let left = heads.iter().any(|s| {
            self.head
                .as_ref()
                .is_none_or(|head| head.segment.id != s.id)
        });
        let day_over = is_hour_over && heads.iter().any(|s| is_over(s.time_min, now));
        if heads.is_empty()
            || !(at_end
                || left
                || day_over
                || rows.are_heavy()
                || committed >= ROW_GROUP_ROWS as u64)
        {
            return Ok(());
        }
        change.forget.extend(heads.iter().map(|s| s.id));
        self.head = None;
        if heads.iter().all(|s| rows.are_of(s.id, committed)) {
            self.write_days(&rows.sheet(), change)?;
        } else {
            let mut table = Table::new(COLUMNS);
            for segment in &heads {
                head::read(&self.dir, segment, &mut |batch| table.append(&batch))?;
            }
            self.write_days(&table.sheet(), change)?;
        }
        if rows.none_waits() {
            rows.clear();
        }
        Ok(())
    }

    /// As [`History::append`] and a roll at once, of rows that are as many as a file wants: the
    /// head need not have them for a moment.
    pub(super) fn roll_unwritten(&mut self, rows: &mut Rows) -> io::Result<Change> {
        let mut change = Change::default();
        change
            .forget
            .extend(self.of_kind(SegmentKind::Head).map(|s| s.id));
        self.head = None;
        self.write_days(&rows.sheet(), &mut change)?;
        rows.clear();
        Ok(change)
    }

    /// Whether these rows are as many as a file wants, and the heads have none but theirs.
    pub(super) fn can_roll_unwritten(&self, rows: &Rows) -> bool {
        let mut heads = self.of_kind(SegmentKind::Head).peekable();
        let has_all = heads.peek().map_or(rows.are_new(), |_| true)
            && heads.all(|s| rows.are_of(s.id, s.rows));
        rows.since_roll() >= ROW_GROUP_ROWS && has_all
    }

    fn write_days(&mut self, sheet: &ColumnView<'_>, change: &mut Change) -> io::Result<()> {
        for (day, rows) in days(sheet)? {
            let id = self.take_id();
            let path = format!("history/date={}/{id:012}.parquet", date(day));
            change.put.push(parquet::write(
                &self.dir,
                path,
                id,
                SegmentKind::Events,
                sheet,
                &rows,
            )?);
            self.write_rollup(day, &rollup::of(sheet, &rows)?, change)?;
        }
        Ok(())
    }

    /// A file of the rollup, if there is anything to count.
    pub(super) fn write_rollup(
        &mut self,
        day: i64,
        summary: &Table,
        change: &mut Change,
    ) -> io::Result<()> {
        if summary.rows > 0 {
            let id = self.take_id();
            let path = format!("rollup/date={}/{id:012}.parquet", date(day));
            let rows: Vec<u32> = (0..).take(summary.rows).collect();
            change.put.push(parquet::write(
                &self.dir,
                path,
                id,
                SegmentKind::Rollup,
                &summary.sheet(),
                &rows,
            )?);
        }
        Ok(())
    }

    /// Oldest first, by age and by bytes. The rollup outlives the events; what led up to them does
    /// not.
    ///
    /// Age counts from the newest time that the bulk of the files vouches for, and `now` at most. A
    /// file beyond that has a wrong clock, and is as old as what was ingested beside it.
    fn expire(&self, now: Time, change: &mut Change) {
        let kept: Vec<&Segment> = self
            .of_kind(SegmentKind::Events)
            .filter(|s| !change.forget.contains(&s.id))
            .collect();
        let newest =
            bulk::newest(kept.iter().copied(), bulk::tolerance(self.retention.age)).min(now);
        let beside = |file: &Segment| {
            let others = kept
                .iter()
                .filter(|s| s.time_max <= newest && s.seq_min <= file.seq_max);
            others.map(|s| s.time_max).max().unwrap_or(newest)
        };
        let time = |file: &Segment| {
            if file.time_max <= newest {
                file.time_max
            } else {
                beside(file)
            }
        };
        let mut files: Vec<(Time, &Segment)> =
            kept.iter().map(|file| (time(file), *file)).collect();
        files.sort_by_key(|(time, file)| (*time, file.id));
        let mut bytes: u64 = kept.iter().map(|s| s.bytes).sum();
        let mut gone = None;
        for (time, segment) in files {
            let old = newest.since(time) > self.retention.age;
            if !old && bytes <= self.retention.bytes {
                break;
            }
            bytes -= segment.bytes;
            change.forget.push(segment.id);
            gone = gone.max(Some(segment.seq_max));
        }
        if let Some(gone) = gone {
            self.expire_snapshots(gone, change);
        }
    }

    /// From a snapshot after which an event is gone, nothing can be judged again.
    fn expire_snapshots(&self, gone: u64, change: &mut Change) {
        let (of_use, useless): (Vec<_>, Vec<_>) = self
            .of_kind(SegmentKind::Snapshot)
            .partition(|s| s.seq_max >= gone);
        change.forget.extend(useless.iter().map(|s| s.id));
        change.forget_inputs = Some(of_use.iter().map(|s| s.seq_max).min().unwrap_or(gone));
    }

    pub(super) fn of_kind(&self, kind: SegmentKind) -> impl Iterator<Item = &Segment> {
        self.segments.values().filter(move |s| s.kind == kind)
    }

    pub(super) fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}

pub(super) fn day_of(time: Time) -> i64 {
    time.as_seconds().div_euclid(DAY_SECONDS)
}

/// Whether no event of that day is expected any more.
pub(super) fn is_over(time: Time, now: Time) -> bool {
    Time::from_seconds((day_of(time) + 1) * DAY_SECONDS) + GRACE < now
}

/// The rows of each day, sorted.
fn days(sheet: &ColumnView<'_>) -> io::Result<BTreeMap<i64, Vec<u32>>> {
    let times = sheet.numbers("time")?;
    let mut days: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for row in sheet.sorted()? {
        days.entry(day_of(Time(times.get(row))))
            .or_default()
            .push(row);
    }
    Ok(days)
}

/// `YYYY-MM-DD`.
pub(super) fn date(day: i64) -> String {
    Time::from_seconds(day * DAY_SECONDS)
        .to_string()
        .chars()
        .take(10)
        .collect()
}
