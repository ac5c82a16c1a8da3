//! `baselines` and `credentials`: what is known of each account, as virtual tables over one
//! snapshot of the state.
//!
//! Refuses to hold more than one account's rows: there may be a hundred thousand accounts, and
//! SQLite's memory is small.
#![allow(unsafe_code)]

use super::schema::{BASELINES, CREDENTIALS, declaration};
use super::tally::Tally;
use crate::baseline::features::credentials::{Holder, Issued};
use crate::baseline::{Account, Learning};
use crate::engine::{self, Room};
use crate::store::Recovered;
use redb::ReadOnlyTable;
use rusqlite::types::Value;
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, VTab, VTabConnection, VTabCursor,
    eponymous_only_module,
};
use rusqlite::{Connection, Error, Result, ffi};
use std::collections::VecDeque;
use std::ffi::c_int;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

pub(super) const TABLES: [&str; 2] = ["baselines", "credentials"];

type Row = Vec<Value>;

/// What a table of accounts needs to know.
#[derive(Clone)]
struct Accounts {
    declared: &'static [crate::history::Column],
    rows_of: fn(&str, &Account, &Learning) -> Vec<Row>,
    known: AccountsLater,
    tally: Tally,
}

impl Accounts {
    fn stop(&self, error: redb::StorageError) -> Error {
        self.tally.stop(io::Error::other(error))
    }
}

/// The records, once a statement is found to read them, and the policy by which maturity is told.
#[derive(Clone, Default)]
pub(super) struct AccountsLater(Arc<OnceLock<(Records, Learning)>>);

type Records = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl AccountsLater {
    pub fn fill(&self, snapshot: Recovered<'_>, learning: Learning) {
        self.0.get_or_init(|| (snapshot.into_records(), learning));
    }
}

pub(super) fn register(db: &Connection, tally: &Tally) -> Result<AccountsLater> {
    let known = AccountsLater::default();
    let baselines = Accounts {
        declared: BASELINES,
        rows_of: baseline_rows,
        known: known.clone(),
        tally: tally.clone(),
    };
    let credentials = Accounts {
        declared: CREDENTIALS,
        rows_of: credential_rows,
        known: known.clone(),
        tally: tally.clone(),
    };
    db.create_module(
        c"baselines",
        eponymous_only_module::<AccountTable>(),
        Some(baselines),
    )?;
    db.create_module(
        c"credentials",
        eponymous_only_module::<AccountTable>(),
        Some(credentials),
    )?;
    Ok(known)
}

#[repr(C)]
struct AccountTable {
    base: ffi::sqlite3_vtab,
    accounts: Accounts,
}

// SAFETY: `base` is the first field of a `repr(C)` struct, as the trait demands.
unsafe impl<'vtab> VTab<'vtab> for AccountTable {
    type Aux = Accounts;
    type Cursor = AccountCursor;

    fn connect(
        _: &mut VTabConnection,
        accounts: Option<&Accounts>,
        _: &[&[u8]],
    ) -> Result<(String, AccountTable)> {
        let accounts = accounts
            .ok_or_else(|| Error::ModuleError("a table without accounts".to_owned()))?
            .clone();
        let sql = format!("CREATE TABLE x({})", declaration(accounts.declared));
        Ok((
            sql,
            AccountTable {
                base: ffi::sqlite3_vtab::default(),
                accounts,
            },
        ))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<()> {
        let is_principal = |c: &rusqlite::vtab::IndexConstraint<'_>| {
            c.column() == 0
                && c.is_usable()
                && c.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ
        };
        let found = info.constraints().position(|c| is_principal(&c));
        match found.filter(|index| {
            info.collation(*index)
                .is_ok_and(|collation| collation == "BINARY")
        }) {
            Some(index) => {
                info.constraint_usage(index).set_argv_index(1);
                info.set_estimated_cost(100.0);
            }
            None => info.set_estimated_cost(1e7),
        }
        Ok(())
    }

    fn open(&'vtab mut self) -> Result<AccountCursor> {
        Ok(AccountCursor {
            base: ffi::sqlite3_vtab_cursor::default(),
            accounts: self.accounts.clone(),
            only: None,
            last: None,
            rows: VecDeque::new(),
            row_id: 0,
        })
    }
}

#[repr(C)]
struct AccountCursor {
    base: ffi::sqlite3_vtab_cursor,
    accounts: Accounts,
    /// One principal, or all.
    only: Option<String>,
    /// The account whose rows were loaded last, by its key in the table.
    last: Option<Vec<u8>>,
    rows: VecDeque<Row>,
    row_id: i64,
}

impl AccountCursor {
    /// Loads the next account that has a row; none are left if there is no row afterwards.
    fn load(&mut self) -> Result<()> {
        let known = Arc::clone(&self.accounts.known.0);
        let Some((records, learning)) = known.get() else {
            return Err(Error::ModuleError(
                "accounts were asked for and not loaded".to_owned(),
            ));
        };
        while self.rows.is_empty() {
            let room = Room::Account as u8;
            let from = match (&self.last, &self.only) {
                (Some(_), Some(_)) => return Ok(()),
                (Some(last), None) => Bound::Excluded(last.clone()),
                (None, Some(principal)) => {
                    Bound::Included([&[room], principal.as_bytes()].concat())
                }
                (None, None) => Bound::Included(vec![room]),
            };
            let from = from.as_ref().map(Vec::as_slice);
            let mut range = records
                .range::<&[u8]>((from, Bound::Unbounded))
                .map_err(|error| self.accounts.stop(error))?;
            let Some(next) = range.next() else {
                return Ok(());
            };
            let (key, value) = next.map_err(|error| self.accounts.stop(error))?;
            let (key, value) = (key.value().to_vec(), value.value());
            let name = match key.split_first() {
                Some((first, name)) if *first == room => String::from_utf8_lossy(name).into_owned(),
                _ => return Ok(()),
            };
            self.last = Some(key);
            if self.only.as_ref().is_some_and(|only| *only != name) {
                return Ok(());
            }
            if let Some(account) = engine::account(value) {
                self.rows = (self.accounts.rows_of)(&name, &account, learning).into();
            }
        }
        Ok(())
    }
}

// SAFETY: `base` is the first field of a `repr(C)` struct, as the trait demands.
unsafe impl VTabCursor for AccountCursor {
    fn filter(&mut self, _: c_int, _: Option<&str>, args: &Filters<'_>) -> Result<()> {
        self.only = match args.iter().next() {
            Some(_) => args.get(0)?,
            None => None,
        };
        (self.last, self.row_id) = (None, 0);
        self.rows.clear();
        self.load()
    }

    fn next(&mut self) -> Result<()> {
        self.row_id += 1;
        self.rows.pop_front();
        self.load()
    }

    fn eof(&self) -> bool {
        self.rows.is_empty()
    }

    fn column(&self, context: &mut Context, index: c_int) -> Result<()> {
        let value = self
            .rows
            .front()
            .and_then(|row| row.get(usize::try_from(index).ok()?));
        value.map_or(Ok(()), |value| context.set_result(value))
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.row_id)
    }
}

fn text(text: impl ToString) -> Value {
    match text.to_string() {
        empty if empty.is_empty() => Value::Null,
        text => Value::Text(text),
    }
}

fn number(n: impl TryInto<i64>) -> Value {
    Value::Integer(n.try_into().unwrap_or(i64::MAX))
}

fn baseline_rows(principal: &str, account: &Account, learning: &Learning) -> Vec<Row> {
    let maturity = account.maturity(account.last_seen, learning);
    let hours = serde_json::json!(account.hours.active().collect::<Vec<_>>()).to_string();
    let features = [
        ("operations", &account.operations),
        ("reach", &account.reach),
        ("denials", &account.denials),
        ("origins", &account.origins),
        ("networks", &account.networks),
        ("agents", &account.agents),
        ("targets", &account.targets),
        ("issuers", &account.issuers),
    ];
    let values = features
        .into_iter()
        .flat_map(|(feature, memory)| memory.iter().map(move |seen| (feature, seen)));
    let row = |(feature, (value, seen)): (&str, (&str, &crate::base::remembered::Seen))| {
        vec![
            text(principal),
            text(&account.uid),
            text(maturity.label()),
            text(account.first_seen),
            text(account.last_seen),
            number(account.days),
            number(account.events),
            number(account.rate.peak),
            text(&hours),
            text(feature),
            text(value),
            text(seen.first()),
            text(seen.last()),
            number(seen.count),
            number(seen.days),
        ]
    };
    values.map(row).collect()
}

fn credential_rows(principal: &str, account: &Account, _: &Learning) -> Vec<Row> {
    let used = account
        .credentials
        .holders()
        .iter()
        .map(|holder| used(principal, holder));
    let issued = account
        .credentials
        .all_issued()
        .iter()
        .map(|issued| unused(principal, issued));
    used.chain(issued).collect()
}

fn used(principal: &str, holder: &Holder) -> Row {
    let places = holder.places.iter().map(|place| {
        serde_json::json!({
            "address": place.ip.to_string(), "first_seen": place.first.to_string(),
            "last_seen": place.last.to_string(), "count": place.count,
        })
    });
    vec![
        text(principal),
        text("used"),
        text(holder.kind.words()),
        text(&holder.name),
        text(&holder.key),
        text(&holder.credential_id),
        text(&holder.issued_by),
        text(holder.first),
        text(holder.last),
        text(serde_json::Value::from_iter(places)),
    ]
}

fn unused(principal: &str, issued: &Issued) -> Row {
    let (id, at) = (text(&issued.credential_id), text(issued.at));
    let mut row = vec![
        text(principal),
        text("issued"),
        Value::Null,
        Value::Null,
        Value::Null,
        id,
        text(&issued.by),
        at,
    ];
    row.resize(CREDENTIALS.len(), Value::Null);
    row
}
