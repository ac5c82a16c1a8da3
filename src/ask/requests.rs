//! The oldest requests that match, once each, on the scan itself: SQLite would have to sort all of
//! them first.
//!
//! Refuses to hold more rows than the answer has: what is later than the last of them is passed
//! over, with its file if all of it is.

use super::Found;
use super::questions::Wanted;
use super::value::Value;
use crate::base::{Span, Time};
use crate::history::read::cells::Texts;
use crate::history::read::scan::{Bounds, Pruned, Scan};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
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

/// The audit id, by which requests of one moment are ordered, and when they were received: what
/// makes a request one.
type Key = (Cell, Time);

/// An event may say how a request ended so long after the first one.
const SLACK: Span = Span::seconds(120);

/// The earliest requests that were seen, as many as the answer may have.
struct Earliest {
    limit: usize,
    known: HashMap<Rc<Key>, (Time, Vec<Cell>)>,
    order: BTreeSet<(Time, Rc<Key>)>,
    bytes: u64,
}

/// The first `limit` of the requests of which an event is wanted: the time of the first such event,
/// and `columns`, which have the audit id and the URI, as they stand in any of them.
///
/// # Errors
/// As [`Scan`]'s.
pub(super) fn find(
    dir: &Path,
    columns: &'static [&'static str],
    wanted: Vec<Wanted>,
    limit: u64,
    bounds: Bounds,
) -> io::Result<Found> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut earliest = Earliest {
        limit,
        known: HashMap::new(),
        order: BTreeSet::new(),
        bytes: 0,
    };
    let mut pruned = Pruned::default();
    for Wanted { filter, in_uri } in wanted {
        let names: Vec<&'static str> = [&["time", "received"], columns].concat();
        let mut scan = Scan::open(dir, false, filter, &names, bounds)?;
        while let Some(batch) = scan.next() {
            earliest.take(&batch?, columns, in_uri)?;
            bounds.check(earliest.bytes)?;
            if let Some(last) = earliest.last() {
                scan.narrow(last + SLACK);
            }
        }
        pruned.add(scan.pruned());
    }
    let Earliest {
        order, mut known, ..
    } = earliest;
    let row = |(time, key): (Time, Rc<Key>)| {
        let cells = known
            .remove(&key)
            .map(|(_, cells)| cells)
            .unwrap_or_default();
        let cells = cells.into_iter().map(|cell| match cell {
            Cell::Null => Value::Null,
            Cell::Number(n) => Value::Integer(n),
            Cell::Text(text) => String::from(text).into(),
        });
        [time.to_string().into()].into_iter().chain(cells).collect()
    };
    Ok(Found {
        names: [&["time"], columns].concat(),
        rows: order.into_iter().map(row).collect(),
        pruned,
    })
}

impl Earliest {
    /// The time after which no other request is wanted any more.
    fn last(&self) -> Option<Time> {
        (self.order.len() >= self.limit)
            .then(|| self.order.last().map_or(Time(i64::MIN), |(time, _)| *time))
    }

    fn take(&mut self, batch: &RecordBatch, columns: &[&str], in_uri: &[&str]) -> io::Result<()> {
        let wrong = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "a column of history is of another type",
            )
        };
        let times = batch
            .column_by_name("time")
            .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(wrong)?;
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .map(|array| Column::of(array).ok_or_else(wrong))
                .transpose()
        };
        let arrays: Vec<Option<Column<'_>>> = columns
            .iter()
            .map(|name| column(name))
            .collect::<Result<_, _>>()?;
        let (id, uri) = (column("audit_id")?, column("uri")?);
        let received = batch
            .column_by_name("received")
            .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let received = received.ok_or_else(wrong)?.values();
        let at = |column: &Option<Column<'_>>, row| {
            column
                .as_ref()
                .map_or(Cell::Null, |column| column.cell(row))
        };
        for (row, time) in times.values().iter().enumerate() {
            let time = Time(*time);
            if self.last().is_some_and(|last| time > last + SLACK)
                || !has_one_of(&at(&uri, row), in_uri)
            {
                continue;
            }
            let key = Rc::new((at(&id, row), Time(received[row])));
            if self.known.contains_key(&key) || self.last().is_none_or(|last| time <= last) {
                self.offer(
                    time,
                    key,
                    arrays.iter().map(|column| at(column, row)).collect(),
                );
            }
        }
        Ok(())
    }

    fn offer(&mut self, time: Time, key: Rc<Key>, cells: Vec<Cell>) {
        match self.known.get_mut(&key) {
            Some((first, known)) => {
                self.bytes -= bytes(&key, known);
                let all = known.iter_mut().zip(cells);
                all.for_each(|(known, cell)| {
                    *known = std::mem::replace(known, Cell::Null).max(cell);
                });
                self.bytes += bytes(&key, known);
                if time < *first {
                    self.order.remove(&(*first, Rc::clone(&key)));
                    *first = time;
                    self.order.insert((time, key));
                }
            }
            None => {
                self.bytes += bytes(&key, &cells);
                self.known.insert(Rc::clone(&key), (time, cells));
                self.order.insert((time, key));
            }
        }
        if self.order.len() > self.limit
            && let Some((_, last)) = self.order.pop_last()
            && let Some((_, cells)) = self.known.remove(&last)
        {
            self.bytes -= bytes(&last, &cells);
        }
    }
}

/// Whether a text has one of these parts, in whatever case; there may be no such condition.
fn has_one_of(text: &Cell, parts: &[&str]) -> bool {
    let Cell::Text(text) = text else {
        return parts.is_empty();
    };
    parts.is_empty() || parts.iter().any(|part| text.to_lowercase().contains(part))
}

fn bytes(key: &Key, cells: &[Cell]) -> u64 {
    let cells = cells.iter().chain([&key.0]).map(|cell| match cell {
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
        Texts::of(array)
            .map(Column::Texts)
            .or_else(|| array.as_primitive_opt::<Int64Type>().map(Column::Numbers))
    }

    fn cell(&self, row: usize) -> Cell {
        match self {
            Column::Texts(texts) => texts
                .get(row)
                .map_or(Cell::Null, |text| Cell::Text(text.into())),
            Column::Numbers(numbers) if numbers.is_null(row) => Cell::Null,
            Column::Numbers(numbers) => Cell::Number(numbers.value(row)),
        }
    }
}
