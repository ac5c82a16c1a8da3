//! SQL for people: SQLite's dialect over history and state, for one statement of one process.
//!
//! Read-only by construction. Refuses every write, ATTACH, PRAGMA, transaction and unknown
//! function, and a statement that runs longer or takes more memory than it may. `unsafe` is what a
//! virtual table of SQLite costs; it stands in `files.rs` and `accounts.rs` alone.

mod accounts;
mod callers;
mod files;
mod grouped;
mod grouping;
mod near;
mod questions;
mod requests;
mod schema;
mod state;
mod tally;
mod tokens;
mod value;

pub use questions::{Object, Question, Window};
pub use schema::{TABLES, Table};
pub use value::Value;

use crate::history::MANIFEST;
use crate::history::read::scan::{Bounds, CHANGED, Pruned};
use crate::store::StoreError;
use accounts::AccountsLater;
use questions::Plan;
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tally::Tally;

/// Most bytes of one text or blob.
const LENGTH_MAX: i32 = 16 << 20;
/// Most bytes of a statement.
const STATEMENT_MAX: i32 = 1 << 20;
/// SQLite's instructions between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// What a statement may take.
#[derive(Clone, Copy, Debug)]
pub struct SqlLimits {
    pub time: Duration,
    /// Most bytes of SQLite's heap and of what scans hold, together.
    pub memory_bytes: u64,
}

/// Why a statement gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    #[error("{0}; `tokentrail query --schema` lists tables and columns")]
    Statement(String),
    #[error("history cannot be read: {0}; move the file away, or restore it")]
    History(String),
    #[error("{CHANGED}")]
    Changed,
    #[error("refused: {0}; history can be read only, by one SELECT at a time")]
    Refused(String),
    #[error("stopped after {} s: ask for less time or fewer accounts, use operations_daily, or give --timeout", .0.as_secs())]
    Timeout(Duration),
    #[error("the answer needs more than {} MB of memory: sort, group or ask less, or give --memory", .0 >> 20)]
    Memory(u64),
    #[error(
        "there is no history in {0:?}: name the directory that `run --state` or `replay --state` keeps"
    )]
    NoHistory(PathBuf),
    #[error("the history in {0:?} cannot be read ({1}): run this as the user of the daemon")]
    Unreadable(PathBuf, std::io::Error),
    #[error("there is no statement: give a SELECT")]
    Empty,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("writing the answer")]
    Output(#[source] std::io::Error),
}

/// What receives the answer.
pub trait Answer {
    /// Once, before the rows.
    ///
    /// # Errors
    /// It cannot be written.
    fn columns(&mut self, names: &[&str]) -> std::io::Result<()>;
    /// # Errors
    /// It cannot be written.
    fn row(&mut self, values: &[Value<'_>]) -> std::io::Result<()>;
    /// Once, after the last row; not if the statement failed.
    ///
    /// # Errors
    /// It cannot be written.
    fn end(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What an answer cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub rows: u64,
    pub pruned: Pruned,
}

/// Answers a question over the state directory: on the scan itself where there is more to read than
/// SQLite likes, with the rows of [`Question::sql`].
///
/// # Errors
/// As [`query`].
pub fn ask(
    dir: &Path,
    question: &Question,
    window: &Window,
    limits: SqlLimits,
    answer: &mut dyn Answer,
) -> Result<Cost, SqlError> {
    if !dir.join(MANIFEST).is_file() {
        return Err(SqlError::NoHistory(dir.to_owned()));
    }
    let (deadline, memory_bytes) = (Some(Instant::now() + limits.time), limits.memory_bytes);
    let bounds = Bounds {
        deadline,
        memory_bytes,
        ..Bounds::default()
    };
    let found = match question.plan(window) {
        Plan::Requests(columns, wanted) => {
            requests::find(dir, columns, wanted, window.limit, bounds)
        }
        Plan::Callers(filters) => callers::find(dir, filters, window, bounds),
        Plan::Statement(_) => return query(dir, &question.sql(window), limits, answer),
    };
    let found = found.map_err(|error| stopped(&error, limits))?;
    let cost = Cost {
        rows: found.rows.len() as u64,
        pruned: found.pruned,
    };
    found.tell(answer).map_err(SqlError::Output)?;
    Ok(cost)
}

/// What a scan found, as an answer.
struct Found {
    names: Vec<&'static str>,
    rows: Vec<Vec<Value<'static>>>,
    pruned: Pruned,
}

impl Found {
    fn tell(self, answer: &mut dyn Answer) -> std::io::Result<()> {
        answer.columns(&self.names)?;
        for row in self.rows {
            answer.row(&row)?;
        }
        answer.end()
    }
}

/// Runs one statement over the state directory.
///
/// # Errors
/// [`SqlError`]: wrong, refused or stopped, or the state cannot be read.
pub fn query(
    dir: &Path,
    statement: &str,
    limits: SqlLimits,
    answer: &mut dyn Answer,
) -> Result<Cost, SqlError> {
    match std::fs::File::open(dir.join(MANIFEST)) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(SqlError::Unreadable(dir.to_owned(), error));
        }
        Err(_) => return Err(SqlError::NoHistory(dir.to_owned())),
    }
    if statement
        .trim_matches(|c: char| c.is_whitespace() || c == ';')
        .is_empty()
    {
        return Err(SqlError::Empty);
    }
    let deadline = Instant::now() + limits.time;
    let bounds = Bounds {
        deadline: Some(deadline),
        memory_bytes: limits.memory_bytes,
        beside: files::heap,
    };
    let tally = Tally::default();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let db = Connection::open_in_memory().map_err(|e| SqlError::Statement(e.to_string()))?;
    let done = open(&db, dir, limits, bounds, &tally)
        .and_then(|later| load(&db, dir, statement, deadline, &seen, later))
        .and_then(|()| group(&db, dir, statement, bounds, &tally))
        .and_then(|rest| {
            guard(&db, deadline, &seen)?;
            run(&db, &rest, answer)
        });
    let rows = done.map_err(|failed| classify(failed, limits, deadline, &seen, &tally))?;
    Ok(Cost {
        rows,
        pruned: tally.sum(),
    })
}

enum Failed {
    Sql(rusqlite::Error),
    Store(StoreError),
    Scan(std::io::Error),
    Output(std::io::Error),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Failed {
        Failed::Scan(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed::Store(error)
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Failed {
        Failed::Sql(error)
    }
}

/// What a statement did that the authorizer saw.
#[derive(Default)]
struct Seen {
    refused: Option<String>,
    /// Tables that it reads.
    tables: BTreeSet<String>,
}

fn open(
    db: &Connection,
    dir: &Path,
    limits: SqlLimits,
    bounds: Bounds,
    tally: &Tally,
) -> Result<AccountsLater, Failed> {
    let pragmas = format!(
        "PRAGMA temp_store = memory; PRAGMA hard_heap_limit = {};",
        limits.memory_bytes
    );
    db.execute_batch(&pragmas)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, LENGTH_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_MAX),
    ] {
        db.set_limit(limit, value)?;
    }
    files::register(db, dir, bounds, tally)?;
    state::create(db)?;
    Ok(accounts::register(db, tally)?)
}

/// Fills the tables of the state that the statement reads. One that reads none of them needs no
/// state database.
fn load(
    db: &Connection,
    dir: &Path,
    statement: &str,
    deadline: Instant,
    seen: &Arc<Mutex<Seen>>,
    accounts: AccountsLater,
) -> Result<(), Failed> {
    guard(db, deadline, seen)?;
    drop(db.prepare(statement)?);
    let tables = seen
        .lock()
        .map(|seen| seen.tables.clone())
        .unwrap_or_default();
    // Without a rollup, as in an export, the answer would be that nothing was ever done.
    if tables.contains("operations_daily") && !dir.join("rollup").try_exists().unwrap_or(true) {
        return Err(StoreError::EventsOnly {
            dir: dir.to_owned(),
        }
        .into());
    }
    if !state::TABLES
        .iter()
        .chain(&accounts::TABLES)
        .any(|table| tables.contains(*table))
    {
        return Ok(());
    }
    db.authorizer(None::<fn(AuthContext<'_>) -> Authorization>);
    state::load(db, dir, &|table| tables.contains(table), accounts)
}

/// Lets the scan group what it can, and says what is left to SQLite. Nothing of the statement runs
/// yet.
fn group(
    db: &Connection,
    dir: &Path,
    statement: &str,
    bounds: Bounds,
    tally: &Tally,
) -> Result<String, Failed> {
    let (rest, groupings) = grouping::take_out(statement);
    if !groupings.is_empty() {
        db.authorizer(None::<fn(AuthContext<'_>) -> Authorization>);
        grouped::load(db, dir, &groupings, bounds, tally)?;
    }
    Ok(rest)
}

/// From here on, only reading is possible.
fn guard(db: &Connection, deadline: Instant, seen: &Arc<Mutex<Seen>>) -> rusqlite::Result<()> {
    db.progress_handler(
        STEPS_BETWEEN_LOOKS,
        Some(move || Instant::now() >= deadline),
    );
    let seen = Arc::clone(seen);
    db.authorizer(Some(move |context: AuthContext<'_>| {
        let Ok(mut seen) = seen.lock() else {
            return Authorization::Deny;
        };
        if let AuthAction::Read { table_name, .. } = &context.action {
            seen.tables.insert((*table_name).to_owned());
        }
        match allowed(&context.action) {
            Ok(()) => Authorization::Allow,
            Err(what) => {
                seen.refused = Some(what);
                Authorization::Deny
            }
        }
    }));
    Ok(())
}

fn allowed(action: &AuthAction<'_>) -> Result<(), String> {
    match action {
        AuthAction::Select | AuthAction::Recursive => Ok(()),
        AuthAction::Read { table_name, .. } if table_name.starts_with("sqlite_") => {
            Err(format!("reading {table_name}"))
        }
        AuthAction::Read { .. } => Ok(()),
        AuthAction::Function { function_name } if schema::FUNCTIONS.contains(function_name) => {
            Ok(())
        }
        AuthAction::Function { function_name } => Err(format!("the function {function_name}")),
        AuthAction::Attach { .. } => Err("ATTACH".to_owned()),
        AuthAction::Pragma { .. } => Err("PRAGMA".to_owned()),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Err("a transaction".to_owned())
        }
        _ => Err("a statement that is no SELECT".to_owned()),
    }
}

fn run(db: &Connection, statement: &str, answer: &mut dyn Answer) -> Result<u64, Failed> {
    let mut prepared = db.prepare(statement).map_err(Failed::Sql)?;
    let names: Vec<String> = prepared
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    answer
        .columns(&names.iter().map(String::as_str).collect::<Vec<_>>())
        .map_err(Failed::Output)?;
    let mut rows = prepared.query([]).map_err(Failed::Sql)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(Failed::Sql)? {
        let values = (0..names.len())
            .map(|i| row.get_ref(i).map(Value::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Failed::Sql)?;
        answer.row(&values).map_err(Failed::Output)?;
        count += 1;
    }
    answer.end().map_err(Failed::Output)?;
    Ok(count)
}

/// Why a scan did not come to its end.
fn stopped(error: &std::io::Error, limits: SqlLimits) -> SqlError {
    match error.kind() {
        ErrorKind::TimedOut => SqlError::Timeout(limits.time),
        ErrorKind::OutOfMemory => SqlError::Memory(limits.memory_bytes),
        ErrorKind::Interrupted => SqlError::Changed,
        _ => SqlError::History(error.to_string()),
    }
}

/// Maps a failure to the error that the user sees.
fn classify(
    failed: Failed,
    limits: SqlLimits,
    deadline: Instant,
    seen: &Mutex<Seen>,
    tally: &Tally,
) -> SqlError {
    let error = match failed {
        Failed::Store(error) => return SqlError::Store(error),
        Failed::Scan(error) => return stopped(&error, limits),
        Failed::Output(error) => return SqlError::Output(error),
        Failed::Sql(error) => error,
    };
    if let Some(error) = tally.stopped() {
        return stopped(&error, limits);
    }
    if let Some(what) = seen.lock().ok().and_then(|mut seen| seen.refused.take()) {
        return SqlError::Refused(what);
    }
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OutOfMemory) => SqlError::Memory(limits.memory_bytes),
        _ if Instant::now() >= deadline => SqlError::Timeout(limits.time),
        _ => match error {
            rusqlite::Error::SqliteFailure(_, Some(text)) => SqlError::Statement(text),
            rusqlite::Error::SqlInputError { msg, offset, .. } => {
                SqlError::Statement(format!("{msg} (at character {offset})"))
            }
            rusqlite::Error::MultipleStatement => {
                SqlError::Refused("more than one statement".to_owned())
            }
            other => SqlError::Statement(other.to_string()),
        },
    }
}
