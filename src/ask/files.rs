//! `events` and `operations_daily` as virtual tables: what the statement asks is pushed into the
//! scan.
//!
//! Refuses to answer for SQLite: what is pushed down only leaves out rows that cannot match, and
//! SQLite checks again.
#![allow(unsafe_code)]

use super::schema::{TABLES, Table, declaration};
use super::tally::Tally;
use crate::base::{Span, Time};
use crate::history::Kind;
use crate::history::read::cells::Texts;
use crate::history::read::scan::{Bounds, Filter, Scan};
use crate::history::read::time_order::{Direction, TimeOrder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, VTab, VTabConnection, VTabCursor,
    eponymous_only_module,
};
use rusqlite::{Connection, Error, Result, ffi};
use std::ffi::c_int;
use std::path::{Path, PathBuf};

/// What a table of files needs to know.
#[derive(Clone)]
pub(super) struct Files {
    table: &'static Table,
    rollup: bool,
    dir: PathBuf,
    bounds: Bounds,
    tally: Tally,
}

pub(super) fn register(db: &Connection, dir: &Path, bounds: Bounds, tally: &Tally) -> Result<()> {
    for (name, rollup, table) in [
        (c"events", false, &TABLES[0]),
        (c"operations_daily", true, &TABLES[1]),
    ] {
        let files = Files {
            table,
            rollup,
            dir: dir.to_owned(),
            bounds,
            tally: tally.clone(),
        };
        db.create_module(name, eponymous_only_module::<FileTable>(), Some(files))?;
    }
    Ok(())
}

#[repr(C)]
struct FileTable {
    base: ffi::sqlite3_vtab,
    files: Files,
}

/// How a constraint travels from the plan to the scan: `column operator` in the order of the
/// arguments, after the mask of used columns and the order of the rows.
const EQUAL: char = '=';
const FROM: char = '>';
const UNTIL: char = '<';
const IN_ORDER_OF_FILES: &str = "-";
const OLDEST_FIRST: &str = "oldest";
const NEWEST_FIRST: &str = "newest";

// SAFETY: `base` is the first field of a `repr(C)` struct, as the trait demands.
unsafe impl<'vtab> VTab<'vtab> for FileTable {
    type Aux = Files;
    type Cursor = FileCursor;

    fn connect(
        _: &mut VTabConnection,
        files: Option<&Files>,
        _: &[&[u8]],
    ) -> Result<(String, FileTable)> {
        let files = files
            .ok_or_else(|| Error::ModuleError("a table without files".to_owned()))?
            .clone();
        let sql = format!("CREATE TABLE x({})", declaration(files.table.columns));
        Ok((
            sql,
            FileTable {
                base: ffi::sqlite3_vtab::default(),
                files,
            },
        ))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<()> {
        let order = self.order(info);
        info.set_order_by_consumed(order != IN_ORDER_OF_FILES);
        let mut plan = format!("{:x} {order}", info.col_used());
        let mut cost: u32 = 1_000_000_000;
        let wanted: Vec<(usize, String)> = info
            .constraints()
            .enumerate()
            .filter(|(_, constraint)| constraint.is_usable())
            .filter_map(|(index, c)| {
                Some((
                    index,
                    self.plan(usize::try_from(c.column()).ok()?, &c.operator())?,
                ))
            })
            .collect();
        let mut argument = 0;
        for (index, word) in wanted {
            // Another collation may match what the files' bytes do not.
            if info
                .collation(index)
                .is_ok_and(|collation| collation != "BINARY")
            {
                continue;
            }
            argument += 1;
            info.constraint_usage(index).set_argv_index(argument);
            plan.push(' ');
            plan.push_str(&word);
            cost /= match word
                .strip_suffix(EQUAL)
                .and_then(|index| index.parse::<usize>().ok())
            {
                Some(index) if IDS.contains(&self.files.table.columns[index].name) => 1_000_000,
                Some(_) => 100,
                None => 4,
            };
        }
        info.set_idx_str(&plan);
        info.set_estimated_cost(f64::from(cost.max(1)));
        info.set_estimated_rows(i64::from(cost / 100).max(1));
        Ok(())
    }

    fn open(&'vtab mut self) -> Result<FileCursor> {
        Ok(FileCursor {
            base: ffi::sqlite3_vtab_cursor::default(),
            files: self.files.clone(),
            source: Source::None,
            batch: None,
            places: Vec::new(),
            row: 0,
            row_id: 0,
        })
    }
}

impl FileTable {
    /// The order that SQLite wants of us, if it is one of time alone: then it stops asking at its
    /// LIMIT, and the files beyond stay closed.
    fn order(&self, info: &IndexInfo) -> &'static str {
        let mut wanted = info.order_bys();
        let (Some(first), None) = (wanted.next(), wanted.next()) else {
            return IN_ORDER_OF_FILES;
        };
        let column = usize::try_from(first.column())
            .ok()
            .and_then(|index| self.files.table.columns.get(index));
        match column {
            Some(column) if column.name == "time" && first.is_order_by_desc() => NEWEST_FIRST,
            Some(column) if column.name == "time" => OLDEST_FIRST,
            _ => IN_ORDER_OF_FILES,
        }
    }

    fn plan(&self, column: usize, operator: &IndexConstraintOp) -> Option<String> {
        let described = self.files.table.columns.get(column)?;
        let sign = match (described.kind, operator) {
            (Kind::Text | Kind::Int, IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ) => EQUAL,
            // The rollup has no column of this name: its rows are not cut by time.
            (Kind::Time, op) if described.name == "time" => match op {
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GE
                | IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GT => FROM,
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LE
                | IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LT => UNTIL,
                _ => return None,
            },
            _ => return None,
        };
        Some(format!("{column}{sign}"))
    }
}

/// Columns whose values hardly repeat, with bloom filters: looking one up costs less than reading
/// everything even when it is done many times.
const IDS: [&str; 3] = ["audit_id", "credential_id", "issued_credential_id"];

/// Where rows come from.
enum Source {
    None,
    Files(Scan),
    TimeOrder(TimeOrder),
}

#[repr(C)]
struct FileCursor {
    base: ffi::sqlite3_vtab_cursor,
    files: Files,
    source: Source,
    batch: Option<RecordBatch>,
    /// By column of the table: its place in the batch.
    places: Vec<Option<usize>>,
    row: usize,
    row_id: i64,
}

impl FileCursor {
    /// The filter of a plan; a value that the files cannot be asked for is left to SQLite.
    fn filter_of<'p>(
        &self,
        plan: &'p str,
        args: &Filters<'_>,
    ) -> Result<(Filter, Vec<&'static str>, &'p str)> {
        let columns = self.files.table.columns;
        let mut words = plan.split(' ');
        let used = u64::from_str_radix(words.next().unwrap_or_default(), 16).unwrap_or(u64::MAX);
        let order = words.next().unwrap_or(IN_ORDER_OF_FILES);
        // Without a column there would be no row to count.
        let used = if used == 0 { 1 } else { used };
        let is_used = |index: usize| {
            used >> index.min(63) & 1 == 1
                || order != IN_ORDER_OF_FILES && columns[index].name == "time"
        };
        let names = columns
            .iter()
            .enumerate()
            .filter(|(index, _)| is_used(*index))
            .map(|(_, c)| c.name)
            .collect();
        let mut filter = Filter::default();
        for (argument, word) in words.enumerate() {
            let (column, sign) = word.split_at(word.len() - 1);
            let Some(column) = column
                .parse()
                .ok()
                .and_then(|index: usize| columns.get(index))
            else {
                continue;
            };
            let value: rusqlite::types::Value = args.get(argument)?;
            match (sign.chars().next(), value) {
                (Some(EQUAL), rusqlite::types::Value::Text(text)) if column.kind == Kind::Text => {
                    filter.texts.push((column.name, vec![text]));
                }
                (Some(EQUAL), rusqlite::types::Value::Integer(n)) if column.kind == Kind::Int => {
                    filter.numbers.push((column.name, vec![n]));
                }
                (Some(FROM), rusqlite::types::Value::Text(text)) => {
                    filter.from = earliest(&text).max(filter.from);
                }
                (Some(UNTIL), rusqlite::types::Value::Text(text)) => {
                    filter.until = match (latest(&text), filter.until) {
                        (Some(new), Some(old)) => Some(new.min(old)),
                        (new, old) => new.or(old),
                    };
                }
                _ => {}
            }
        }
        Ok((filter, names, order))
    }

    /// A scan may end before its end: by a LIMIT, or by the next row of a join.
    fn count(&mut self) {
        match std::mem::replace(&mut self.source, Source::None) {
            Source::None => {}
            Source::Files(scan) => self.files.tally.add(scan.pruned()),
            Source::TimeOrder(rows) => self.files.tally.add(rows.pruned()),
        }
    }

    fn advance(&mut self) -> Result<()> {
        self.row_id += 1;
        let next = match &mut self.source {
            Source::None => None,
            Source::TimeOrder(rows) => rows
                .next_row()
                .map_err(|error| self.files.tally.stop(error))?,
            Source::Files(scan) => match self.batch.take() {
                Some(batch) if self.row + 1 < batch.num_rows() => {
                    (self.batch, self.row) = (Some(batch), self.row + 1);
                    return Ok(());
                }
                _ => scan
                    .find(|batch| !matches!(batch, Ok(batch) if batch.num_rows() == 0))
                    .transpose()
                    .map_err(|error| self.files.tally.stop(error))?
                    .map(|batch| (batch, 0)),
            },
        };
        let Some((batch, row)) = next else {
            self.count();
            self.batch = None;
            return Ok(());
        };
        if self
            .batch
            .as_ref()
            .is_none_or(|before| before.schema_ref() != batch.schema_ref())
        {
            let place = |c: &crate::history::Column| batch.schema_ref().index_of(c.name).ok();
            self.places = self.files.table.columns.iter().map(place).collect();
        }
        (self.batch, self.row) = (Some(batch), row);
        Ok(())
    }
}

impl Drop for FileCursor {
    fn drop(&mut self) {
        self.count();
    }
}

// SAFETY: `base` is the first field of a `repr(C)` struct, as the trait demands.
unsafe impl VTabCursor for FileCursor {
    fn filter(&mut self, _: c_int, plan: Option<&str>, args: &Filters<'_>) -> Result<()> {
        self.count();
        let (filter, columns, order) = self.filter_of(plan.unwrap_or_default(), args)?;
        let Files {
            dir,
            rollup,
            bounds,
            tally,
            ..
        } = &self.files;
        let scan = Scan::open(dir, *rollup, filter, &columns, *bounds)
            .map_err(|error| tally.stop(error))?;
        self.source = match order {
            OLDEST_FIRST => Source::TimeOrder(TimeOrder::new(scan, Direction::Forward, *bounds)),
            NEWEST_FIRST => Source::TimeOrder(TimeOrder::new(scan, Direction::Backward, *bounds)),
            _ => Source::Files(scan),
        };
        (self.batch, self.row, self.row_id) = (None, 0, 0);
        self.advance()
    }

    fn next(&mut self) -> Result<()> {
        self.advance()
    }

    fn eof(&self) -> bool {
        self.batch.is_none()
    }

    fn column(&self, context: &mut Context, index: c_int) -> Result<()> {
        let columns = self.files.table.columns;
        let Some((batch, index)) = self.batch.as_ref().zip(usize::try_from(index).ok()) else {
            return Ok(());
        };
        let Some(place) = self.places.get(index).copied().flatten() else {
            return Ok(());
        };
        let (array, row) = (batch.column(place), self.row);
        if array.is_null(row) {
            return context.set_result(&rusqlite::types::Null);
        }
        match columns[index].kind {
            Kind::Text => match Texts::of(array).and_then(|texts| texts.get(row)) {
                Some(text) => context.set_result(&text),
                None => context.set_result(&rusqlite::types::Null),
            },
            Kind::Int => context.set_result(&array.as_primitive::<Int64Type>().value(row)),
            Kind::Flag => context.set_result(&array.as_boolean().value(row)),
            Kind::Time => {
                let time = Time(array.as_primitive::<TimestampMicrosecondType>().value(row));
                context.set_result(&time.to_string())
            }
        }
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.row_id)
    }
}

/// What SQLite's heap holds: one budget for it and for what a scan holds beside it.
pub(super) fn heap() -> u64 {
    // SAFETY: it takes nothing and reads a counter that SQLite keeps under its own lock.
    u64::try_from(unsafe { ffi::sqlite3_memory_used() }).unwrap_or(0)
}

/// The first time whose text begins so (`2026-03-02` is its midnight). `None`: it is no time, and
/// nothing is left out for it.
pub(super) fn earliest(text: &str) -> Option<Time> {
    const PATTERN: &str = "0000-01-01T00:00:00.000000Z";
    if !text.is_ascii() || text.len() > PATTERN.len() {
        return None;
    }
    let text = text.trim_end_matches('Z');
    Time::parse(&format!("{text}{}", &PATTERN[text.len()..]))
}

/// Texts compare as bytes: `10:00:00.5Z` stands before `10:00:00Z`, so a second is added.
fn latest(text: &str) -> Option<Time> {
    earliest(text).map(|time| time + Span::seconds(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_time_is_a_time() {
        let at = |text: &str| Some(Time::parse(text).unwrap());
        assert_eq!(earliest("2026-03-02"), at("2026-03-02T00:00:00Z"));
        assert_eq!(earliest("2026-03-02T10:00:00Z"), at("2026-03-02T10:00:00Z"));
        assert_eq!(latest("2026-03-02T10:00"), at("2026-03-02T10:00:01Z"));
        assert_eq!(
            [
                earliest("yesterday"),
                earliest("2026-03-02T10:00:00+02:00"),
                earliest("2026-13")
            ],
            [None; 3]
        );
    }
}
