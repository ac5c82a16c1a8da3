//! Incidents, findings and coverage: small enough to be loaded, from one snapshot of the state
//! database.
//!
//! Refuses to write to the state, and to load what the statement does not name.

use super::Failed;
use super::accounts::{self, AccountsLater};
use super::schema::{COVERAGE, FINDINGS, INCIDENTS, declaration};
use crate::base::Time;
use crate::engine::camera;
use crate::store::{ReadOnly, Recovered};
use rusqlite::{Connection, Statement, params_from_iter, types::Value as Sql};
use serde_json::Value;
use std::path::Path;

pub(super) const TABLES: [&str; 3] = ["incidents", "findings", "coverage"];

/// The tables that are loaded, empty.
pub(super) fn create(db: &Connection) -> rusqlite::Result<()> {
    for (name, columns) in [
        ("incidents", INCIDENTS),
        ("findings", FINDINGS),
        ("coverage", COVERAGE),
    ] {
        db.execute_batch(&format!("CREATE TABLE {name}({})", declaration(columns)))?;
    }
    Ok(())
}

pub(super) fn load(
    db: &Connection,
    dir: &Path,
    is_read: &dyn Fn(&str) -> bool,
    later: AccountsLater,
) -> Result<(), Failed> {
    let state = ReadOnly::open(dir)?;
    let snapshot = state.load()?;
    if is_read("incidents") || is_read("findings") {
        incidents(db, &snapshot)?;
    }
    if is_read("coverage") {
        coverage(db, &snapshot)?;
    }
    if accounts::TABLES.iter().any(|table| is_read(table)) {
        let learning = snapshot.policy()?.unwrap_or_default().learning;
        later.fill(snapshot, learning);
    }
    Ok(())
}

fn insert<'d>(db: &'d Connection, table: &str, columns: usize) -> rusqlite::Result<Statement<'d>> {
    let places = vec!["?"; columns].join(",");
    db.prepare(&format!("INSERT INTO {table} VALUES ({places})"))
}

fn incidents(db: &Connection, snapshot: &Recovered<'_>) -> Result<(), Failed> {
    let mut incident = insert(db, "incidents", INCIDENTS.len())?;
    let mut finding = insert(db, "findings", FINDINGS.len())?;
    for row in snapshot.incidents()? {
        let row = row?;
        let Ok(json) = serde_json::from_slice::<Value>(row.value()) else {
            continue;
        };
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

fn coverage(db: &Connection, snapshot: &Recovered<'_>) -> Result<(), Failed> {
    let mut hole = insert(db, "coverage", COVERAGE.len())?;
    for gap in snapshot.gaps()? {
        let (time, file) = (time_of(gap.time), gap.file.to_string());
        hole.execute((
            number(gap.seq),
            gap.kind,
            gap.detail,
            time,
            file,
            number(gap.from),
            number(gap.to),
        ))?;
    }
    for row in snapshot.incidents()? {
        if let Ok(json) = serde_json::from_slice::<Value>(row?.value()) {
            for told in unseen(&json) {
                let (kind, time, null) = (
                    to_sql(&told["detector"]),
                    to_sql(&told["first_seen"]),
                    Sql::Null,
                );
                let observed = told["observed"].as_str().unwrap_or_default();
                let times = match told["count"].as_u64() {
                    Some(count) if count > 1 => format!("{count} times "),
                    _ => String::new(),
                };
                let detail = format!(
                    "{observed}; {times}until {}",
                    json["last_seen"].as_str().unwrap_or_default()
                );
                hole.execute((&null, kind, detail, time, &null, &null, &null))?;
            }
        }
    }
    for aside in snapshot.asides()? {
        let (time, file) = (time_of(aside.time), aside.file.to_string());
        let (from, to) = (number(aside.from), number(aside.to));
        hole.execute((
            number(aside.seq),
            "malformed",
            aside.reason,
            time,
            file,
            from,
            to,
        ))?;
    }
    Ok(())
}

/// What an incident of visibility found, but for gaps and leaps, which have rows of their own.
fn unseen(incident: &Value) -> impl Iterator<Item = &Value> {
    let findings = incident["findings"]
        .as_array()
        .filter(|_| incident["kind"] == "visibility");
    let has_rows =
        |told: &&Value| told["detector"] == camera::GAP || told["detector"] == camera::LEAP;
    findings
        .into_iter()
        .flatten()
        .filter(move |told| !has_rows(told))
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
        Value::Number(n) => n
            .as_i64()
            .map_or_else(|| Sql::Text(n.to_string()), Sql::Integer),
        other => Sql::Text(other.to_string()),
    }
}
