//! Who made the requests that match, and how many: grouped on the scan itself.
//!
//! Refuses to hold requests: their kinds by account are all that grows, within the budget.

use super::value::Value;
use super::{Found, Window};
use crate::base::Time;
use crate::history::COLUMNS;
use crate::history::read::groups::{Aggregate, Cell, Groups};
use crate::history::read::scan::{Bounds, Filter, Pruned, Scan};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

/// The columns of the answer.
const NAMES: [&str; 5] = ["principal", "requests", "credentials", "first", "last"];

/// What is alike in the events that are counted together.
pub(super) const KIND: [&str; 5] = ["principal", "stage", "code", "credential_id", "is_copy"];

/// One caller.
#[derive(Default)]
struct Caller {
    requests: i64,
    credentials: HashSet<String>,
    /// The first and the last event, of whatever stage.
    seen: Option<(Time, Time)>,
}

/// The callers of all events that one of the filters wants, busiest first.
///
/// # Errors
/// As [`Scan`]'s.
pub(super) fn find(
    dir: &Path,
    filters: Vec<Filter>,
    window: &Window,
    bounds: Bounds,
) -> io::Result<Found> {
    let by: Vec<usize> = KIND.iter().filter_map(|name| column(name)).collect();
    let time = column("time").unwrap_or_default();
    let aggregates = [Aggregate::Count, Aggregate::Min(time), Aggregate::Max(time)];
    let names = [&KIND[..], &["time"]].concat();
    let mut callers: BTreeMap<Option<String>, Caller> = BTreeMap::new();
    let mut pruned = Pruned::default();
    for filter in filters {
        let scan = Scan::open(dir, false, filter, &names, bounds)?;
        let (groups, passed_over) = Groups::of(scan, COLUMNS, &by, &aggregates, bounds)?;
        pruned.add(passed_over);
        groups.each(None, &mut |cells| {
            if let Some(kind) = Kind::of(cells) {
                let principal = kind.principal.map(str::to_owned);
                callers.entry(principal).or_default().add(&kind);
            }
            bounds.check(groups.bytes())
        })?;
    }
    let mut callers: Vec<_> = callers.into_iter().collect();
    // The order of principals stays where counts are equal.
    callers.sort_by_key(|(_, caller)| Reverse(caller.requests));
    callers.truncate(usize::try_from(window.limit).unwrap_or(usize::MAX));
    Ok(Found {
        names: NAMES.to_vec(),
        rows: callers.into_iter().map(row).collect(),
        pruned,
    })
}

/// The place of a column of events.
fn column(name: &str) -> Option<usize> {
    COLUMNS.iter().position(|column| column.name == name)
}

/// Events of one kind: the columns of [`KIND`], then how many, the first and the last.
struct Kind<'a> {
    principal: Option<&'a str>,
    credential: Option<&'a str>,
    is_request: bool,
    count: i64,
    first: Time,
    last: Time,
}

impl<'a> Kind<'a> {
    /// `None`: the groups were asked for other columns.
    fn of(cells: &[Cell<'a>]) -> Option<Kind<'a>> {
        let [
            principal,
            stage,
            code,
            credential,
            is_copy,
            count,
            first,
            last,
        ] = cells
        else {
            return None;
        };
        let ended = match stage {
            Cell::Text("ResponseComplete" | "Panic") => true,
            Cell::Text("ResponseStarted") => *code == Cell::Number(401),
            _ => false,
        };
        let (Cell::Number(count), Cell::Time(first), Cell::Time(last)) = (count, first, last)
        else {
            return None;
        };
        Some(Kind {
            principal: text(*principal),
            credential: text(*credential),
            is_request: ended && *is_copy != Cell::Number(1),
            count: *count,
            first: Time(*first),
            last: Time(*last),
        })
    }
}

fn text(cell: Cell<'_>) -> Option<&str> {
    match cell {
        Cell::Text(text) => Some(text),
        Cell::Null | Cell::Number(_) | Cell::Time(_) => None,
    }
}

impl Caller {
    fn add(&mut self, kind: &Kind<'_>) {
        if kind.is_request {
            self.requests += kind.count;
        }
        if let Some(id) = kind.credential
            && !self.credentials.contains(id)
        {
            self.credentials.insert(id.to_owned());
        }
        let (first, last) = self.seen.unwrap_or((kind.first, kind.last));
        self.seen = Some((first.min(kind.first), last.max(kind.last)));
    }
}

fn row((principal, caller): (Option<String>, Caller)) -> Vec<Value<'static>> {
    let (first, last) = match caller.seen {
        Some((first, last)) => (first.to_string().into(), last.to_string().into()),
        None => (Value::Null, Value::Null),
    };
    let credentials = i64::try_from(caller.credentials.len()).unwrap_or(i64::MAX);
    vec![
        principal.map_or(Value::Null, Value::from),
        Value::Integer(caller.requests),
        Value::Integer(credentials),
        first,
        last,
    ]
}
