//! The oldest requests that match, once each, on the scan itself: SQLite would have to sort all of them first.
//!
//! Refuses to hold more rows than the answer has: what is later than the last of them is passed over, with its file if
//! all of it is.

use super::Found;
use crate::base::Time;
use crate::store::history::cells::Texts;
use crate::store::history::scan::{Bounds, Filter, Scan};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use rusqlite::types::Value;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::rc::Rc;

/// A row of the answer without its time; NULL first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Cell {
    Null,
    Number(i64),
    Text(Box<str>),
}

/// The audit id, by which requests of one moment are ordered, and the columns.
type Key = (Cell, Vec<Cell>);

/// The earliest rows that were seen, as many as the answer may have.
struct Earliest {
    limit: usize,
    times: HashMap<Rc<Key>, Time>,
    order: BTreeSet<(Time, Rc<Key>)>,
    bytes: u64,
}

/// The first `limit` of the matching requests: `columns`, which have the audit id, and the time of the first row that
/// is the same in all of them.
///
/// # Errors
/// As [`Scan`]'s.
pub(super) fn find(
    dir: &Path,
    columns: &'static [&'static str],
    filter: Filter,
    limit: u64,
    bounds: Bounds,
) -> io::Result<Found> {
    let names: Vec<&'static str> = [&["time"], columns].concat();
    let mut scan = Scan::open(dir, false, filter, &names, bounds)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut earliest = Earliest { limit, times: HashMap::new(), order: BTreeSet::new(), bytes: 0 };
    while let Some(batch) = scan.next() {
        earliest.take(&batch?, columns)?;
        bounds.check(earliest.bytes)?;
        if let Some(last) = earliest.last() {
            scan.narrow(last);
        }
    }
    let row = |(time, key): (Time, Rc<Key>)| {
        let cells = key.1.iter().map(|cell| match cell {
            Cell::Null => Value::Null,
            Cell::Number(n) => Value::Integer(*n),
            Cell::Text(text) => Value::Text(text.to_string()),
        });
        [Value::Text(time.to_string())].into_iter().chain(cells).collect()
    };
    Ok(Found { names, rows: earliest.order.into_iter().map(row).collect(), pruned: scan.pruned() })
}

impl Earliest {
    /// The time after which no row is wanted any more.
    fn last(&self) -> Option<Time> {
        (self.order.len() >= self.limit).then(|| self.order.last().map_or(Time(i64::MIN), |(time, _)| *time))
    }

    fn take(&mut self, batch: &RecordBatch, columns: &[&str]) -> io::Result<()> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a column of history is of another type");
        let times = batch.column_by_name("time").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(wrong)?;
        let arrays: Vec<Option<Column<'_>>> = columns
            .iter()
            .map(|name| batch.column_by_name(name).map(|array| Column::of(array).ok_or_else(wrong)).transpose())
            .collect::<Result<_, _>>()?;
        let id = columns.iter().position(|name| *name == "audit_id");
        for (row, time) in times.values().iter().enumerate() {
            let time = Time(*time);
            if self.last().is_some_and(|last| time > last) {
                continue;
            }
            let cells: Vec<Cell> =
                arrays.iter().map(|column| column.as_ref().map_or(Cell::Null, |column| column.cell(row))).collect();
            let id = id.map_or(Cell::Null, |id| cells[id].clone());
            self.offer(time, (id, cells));
        }
        Ok(())
    }

    fn offer(&mut self, time: Time, key: Key) {
        let key = Rc::new(key);
        match self.times.get(&key) {
            Some(known) if *known <= time => return,
            Some(known) => {
                self.order.remove(&(*known, Rc::clone(&key)));
            }
            None => self.bytes += bytes(&key),
        }
        self.times.insert(Rc::clone(&key), time);
        self.order.insert((time, key));
        if self.order.len() > self.limit
            && let Some((_, last)) = self.order.pop_last()
        {
            self.times.remove(&last);
            self.bytes -= bytes(&last);
        }
    }
}

fn bytes(key: &Key) -> u64 {
    let cells = key.1.iter().chain([&key.0]).map(|cell| match cell {
        Cell::Text(text) => text.len() + size_of::<Cell>(),
        Cell::Null | Cell::Number(_) => size_of::<Cell>(),
    });
    // Both collections name it, beside its time.
    cells.sum::<usize>() as u64 + 64
}

enum Column<'a> {
    Texts(Texts<'a>),
    Numbers(&'a arrow_array::Int64Array),
}

impl<'a> Column<'a> {
    fn of(array: &'a ArrayRef) -> Option<Column<'a>> {
        Texts::of(array).map(Column::Texts).or_else(|| array.as_primitive_opt::<Int64Type>().map(Column::Numbers))
    }

    fn cell(&self, row: usize) -> Cell {
        match self {
            Column::Texts(texts) => texts.get(row).map_or(Cell::Null, |text| Cell::Text(text.into())),
            Column::Numbers(numbers) if numbers.is_null(row) => Cell::Null,
            Column::Numbers(numbers) => Cell::Number(numbers.value(row)),
        }
    }
}
