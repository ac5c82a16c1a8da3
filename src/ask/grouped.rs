//! What the scan groups for a statement, as tables that SQLite goes on with.
//!
//! Refuses to hold more groups than the budget of the statement allows.

use super::Failed;
use super::grouping::Grouping;
use super::schema::TABLES;
use super::tally::Tally;
use crate::base::Time;
use crate::history::read::groups::{Cell, Groups};
use crate::history::read::scan::{Bounds, Scan};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::collections::BTreeSet;
use std::path::Path;

/// Makes `grouped_0` and so on.
pub(super) fn load(
    db: &Connection,
    dir: &Path,
    groupings: &[Grouping],
    bounds: Bounds,
    tally: &Tally,
) -> Result<(), Failed> {
    let transaction = db.unchecked_transaction()?;
    for (number, grouping) in groupings.iter().enumerate() {
        let Grouping {
            rollup,
            filter,
            by,
            aggregates,
            top,
        } = grouping;
        let columns = TABLES[usize::from(*rollup)].columns;
        let read: BTreeSet<usize> = by
            .iter()
            .copied()
            .chain(aggregates.iter().filter_map(|a| a.column()))
            .collect();
        let read: Vec<&'static str> = read
            .into_iter()
            .map(|column| columns[column].name)
            .collect();
        let scan = Scan::open(dir, *rollup, filter.clone(), &read, bounds)?;
        let (groups, pruned) = Groups::of(scan, columns, by, aggregates, bounds)?;
        tally.add(pruned);
        // A column has the affinity of its type.
        let keys = by
            .iter()
            .enumerate()
            .map(|(at, column)| format!("k{at} {}", columns[*column].kind.sql()));
        let declared: Vec<String> = keys
            .chain((0..aggregates.len()).map(|at| format!("a{at}")))
            .collect();
        db.execute_batch(&format!(
            "CREATE TABLE grouped_{number}({})",
            declared.join(", ")
        ))?;
        let places = vec!["?"; declared.len()].join(", ");
        let mut insert = db.prepare(&format!("INSERT INTO grouped_{number} VALUES ({places})"))?;
        groups.each(*top, &mut |cells| {
            bounds.check(groups.bytes())?;
            insert.execute(params_from_iter(cells.iter().map(to_sql)))?;
            Ok::<(), Failed>(())
        })?;
    }
    Ok(transaction.commit()?)
}

fn to_sql(cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Number(number) => Value::Integer(*number),
        Cell::Time(time) => Value::Text(Time(*time).to_string()),
        Cell::Text(text) => Value::Text((*text).to_owned()),
    }
}
