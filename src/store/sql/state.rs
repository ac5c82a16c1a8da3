//! Incidents, findings and coverage: small enough to be loaded, from one snapshot of the state database.
//!
//! Refuses to write to the state, and to load what the statement does not name.

use super::accounts;
use super::words::{COVERAGE, FINDINGS, INCIDENTS, declaration};
use crate::base::Time;
use crate::store::{ReadOnly, Recovered, StoreError};
use rusqlite::{Connection, Statement, params_from_iter, types::Value as Sql};
use serde_json::Value;
use std::path::Path;

/// Those that need the state database.
pub(super) fn names_any(is_named: &dyn Fn(&str) -> bool) -> bool {
    ["incidents", "findings", "coverage"].iter().chain(&accounts::TABLES).any(|table| is_named(table))
}

pub(super) enum LoadError {
    Store(StoreError),
    Sql(rusqlite::Error),
}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> LoadError {
        LoadError::Store(error)
    }
}

impl From<rusqlite::Error> for LoadError {
    fn from(error: rusqlite::Error) -> LoadError {
        LoadError::Sql(error)
    }
}

pub(super) fn load(db: &Connection, dir: &Path, is_named: &dyn Fn(&str) -> bool) -> Result<(), LoadError> {
    let state = ReadOnly::open(dir)?;
    let snapshot = state.load()?;
    for (name, columns) in [("incidents", INCIDENTS), ("findings", FINDINGS), ("coverage", COVERAGE)] {
        db.execute_batch(&format!("CREATE TABLE {name}({})", declaration(columns)))?;
    }
    if is_named("incidents") || is_named("findings") {
        incidents(db, &snapshot)?;
    }
    if is_named("coverage") {
        coverage(db, &snapshot)?;
    }
    if accounts::TABLES.iter().any(|table| is_named(table)) {
        let learning = snapshot.policy()?.unwrap_or_default().learning;
        accounts::register(db, snapshot, learning)?;
    }
    Ok(())
}

fn insert<'d>(db: &'d Connection, table: &str, columns: usize) -> rusqlite::Result<Statement<'d>> {
    let places = vec!["?"; columns].join(",");
    db.prepare(&format!("INSERT INTO {table} VALUES ({places})"))
}

fn incidents(db: &Connection, snapshot: &Recovered<'_>) -> Result<(), LoadError> {
    let mut incident = insert(db, "incidents", INCIDENTS.len())?;
    let mut finding = insert(db, "findings", FINDINGS.len())?;
    for row in snapshot.incidents()? {
        let row = row?;
        let Ok(json) = serde_json::from_slice::<Value>(row.value()) else { continue };
        let known = INCIDENTS.iter().map(|column| match column.name {
            "json" => Sql::Text(json.to_string()),
            name => to_sql(&json[name]),
        });
        incident.execute(params_from_iter(known))?;
        for found in json["findings"].as_array().into_iter().flatten() {
            let values = FINDINGS.iter().map(|column| match column.name {
                "incident" => to_sql(&json["id"]),
                name => to_sql(&found[name]),
            });
            finding.execute(params_from_iter(values))?;
        }
    }
    Ok(())
}

fn coverage(db: &Connection, snapshot: &Recovered<'_>) -> Result<(), LoadError> {
    let mut hole = insert(db, "coverage", COVERAGE.len())?;
    for gap in snapshot.gaps()? {
        let (time, file) = (time_of(gap.time), gap.file.to_string());
        hole.execute((number(gap.seq), gap.kind, gap.detail, time, file, number(gap.from), number(gap.to)))?;
    }
    for aside in snapshot.asides()? {
        let (time, file) = (time_of(aside.time), aside.file.to_string());
        let (from, to) = (number(aside.from), number(aside.to));
        hole.execute((number(aside.seq), "malformed", aside.reason, time, file, from, to))?;
    }
    Ok(())
}

/// Nothing before the first event, whose clock it would be.
fn time_of(time: Time) -> Option<String> {
    (time != Time::ZERO).then(|| time.to_string())
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn to_sql(value: &Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::String(text) => Sql::Text(text.clone()),
        Value::Number(n) => n.as_i64().map_or_else(|| Sql::Text(n.to_string()), Sql::Integer),
        other => Sql::Text(other.to_string()),
    }
}
