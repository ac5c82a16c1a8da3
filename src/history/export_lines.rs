//! Events of a window as one file of JSON lines, with its sum: for tools that read nothing else.
//!
//! Refuses to leave anything out of the window: the head is in it too.

use crate::base::Time;
use crate::history::columns::{COLUMNS, Kind};
use crate::history::durable::Durable;
use crate::history::export::{Exported, begin, create};
use crate::history::read::cells::Texts;
use crate::history::read::scan::{Bounds, Filter, Scan};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use serde_json::{Map, Value};
use std::io::{self, BufWriter, Write};
use std::path::Path;

const FILE: &str = "events.ndjson";

/// Writes each event of the state `dir` between `since` and `until` to `out/events.ndjson`, an
/// object a line without what is NULL, in the order of files and rows, and `SHA256SUMS` beside it.
///
/// # Errors
/// `out` is not empty or cannot be written; history cannot be read.
pub fn export_lines(
    dir: &Path,
    out: &Path,
    since: Option<Time>,
    until: Option<Time>,
) -> io::Result<Exported> {
    begin(out)?;
    let columns: Vec<&'static str> = COLUMNS.iter().map(|column| column.name).collect();
    let filter = Filter {
        from: since,
        until,
        ..Filter::default()
    };
    let mut exported = Exported {
        files: 1,
        ..Exported::default()
    };
    let mut lines = BufWriter::new(Durable::create(out, FILE)?);
    for batch in Scan::open(dir, false, filter, &columns, Bounds::default())? {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            writeln!(lines, "{}", Value::Object(object(&batch, row)))?;
        }
        exported.rows += batch.num_rows() as u64;
    }
    let (bytes, sha256) = lines
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .finish()?;
    exported.bytes = bytes;
    let mut sums = create(&out.join("SHA256SUMS"))?;
    writeln!(sums, "{sha256}  {FILE}")?;
    sums.sync_all()?;
    Ok(exported)
}

fn object(batch: &RecordBatch, row: usize) -> Map<String, Value> {
    let mut object = Map::new();
    for column in COLUMNS {
        let Some(array) = batch
            .column_by_name(column.name)
            .filter(|array| !array.is_null(row))
        else {
            continue;
        };
        let value = match column.kind {
            Kind::Text => Value::from(Texts::of(array).and_then(|texts| texts.get(row))),
            Kind::Int => Value::from(array.as_primitive::<Int64Type>().value(row)),
            Kind::Flag => Value::from(array.as_boolean().value(row)),
            Kind::Time => Time(array.as_primitive::<TimestampMicrosecondType>().value(row))
                .to_string()
                .into(),
        };
        object.insert(column.name.to_owned(), value);
    }
    object
}
