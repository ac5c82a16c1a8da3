//! Who it was: matching events counted by principal, on the scan itself. SQLite would take them one by one.
//!
//! Refuses to hold events: a principal's counts, and the credentials that it used, are all that grows.

use super::Found;
use crate::base::Time;
use crate::store::history::cells::Texts;
use crate::store::history::scan::{Bounds, Filter, Scan};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use rusqlite::types::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

const COLUMNS: &[&str] = &["principal", "stage", "code", "credential_id", "time"];
const NAMES: &[&str] = &["principal", "requests", "credentials", "first", "last"];

/// What one principal did.
struct Caller {
    requests: i64,
    credentials: HashSet<Box<str>>,
    first: Time,
    last: Time,
}

/// The `limit` busiest principals of the matching events.
///
/// # Errors
/// As [`Scan`]'s.
pub(super) fn find(dir: &Path, filter: Filter, limit: u64, bounds: Bounds) -> io::Result<Found> {
    let mut scan = Scan::open(dir, false, filter, COLUMNS, bounds)?;
    let (mut callers, mut bytes) = (BTreeMap::new(), 0);
    for batch in scan.by_ref() {
        bytes += take(&mut callers, &batch?)?;
        bounds.check(bytes)?;
    }
    let mut callers: Vec<(Option<Box<str>>, Caller)> = callers.into_iter().collect();
    callers.sort_by_key(|(_, caller)| Reverse(caller.requests));
    callers.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let number = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let row = |(principal, caller): (Option<Box<str>>, Caller)| {
        vec![
            principal.map_or(Value::Null, |name| Value::Text(name.into())),
            Value::Integer(caller.requests),
            number(caller.credentials.len()),
            Value::Text(caller.first.to_string()),
            Value::Text(caller.last.to_string()),
        ]
    };
    Ok(Found { names: NAMES.to_vec(), rows: callers.into_iter().map(row).collect(), pruned: scan.pruned() })
}

/// Counts a batch, and says how many bytes that took.
fn take(callers: &mut BTreeMap<Option<Box<str>>, Caller>, batch: &RecordBatch) -> io::Result<u64> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a column of history is missing or of another type");
    let texts = |name: &str| batch.column_by_name(name).and_then(Texts::of).ok_or_else(wrong);
    let (principals, stages, credentials) = (texts("principal")?, texts("stage")?, texts("credential_id")?);
    let codes = batch.column_by_name("code").and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(wrong)?;
    let times = batch.column_by_name("time").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
    let times = times.ok_or_else(wrong)?.values();
    let (mut bytes, mut row) = (0, 0);
    while row < times.len() {
        // Files are sorted by principal: a run of rows is looked up once.
        let principal = principals.number(row);
        let end = (row..times.len()).find(|row| principals.number(*row) != principal).unwrap_or(times.len());
        let name = principal.map(|number| principals.text(number).into());
        let caller = callers.entry(name).or_insert_with(|| {
            bytes += 200;
            Caller { requests: 0, credentials: HashSet::new(), first: Time(i64::MAX), last: Time(i64::MIN) }
        });
        let mut seen = None;
        for row in row..end {
            let time = Time(times[row]);
            (caller.first, caller.last) = (caller.first.min(time), caller.last.max(time));
            caller.requests += i64::from(match stages.get(row) {
                Some("ResponseComplete" | "Panic") => true,
                Some("ResponseStarted") => !codes.is_null(row) && codes.value(row) == 401,
                _ => false,
            });
            let credential = credentials.number(row);
            if let Some(number) = credential.filter(|_| credential != seen) {
                let text = credentials.text(number);
                if !caller.credentials.contains(text) {
                    caller.credentials.insert(text.into());
                    bytes += text.len() as u64 + 32;
                }
                seen = credential;
            }
        }
        row = end;
    }
    Ok(bytes)
}
