//! The daily rollup: who did what, where, from which origin, with which agent, how it ended; how often, first, last.
//!
//! Refuses to count a request twice: a long-running one counts when it ends, a 401 when it is answered.

use super::columns::{Arrays, Column, Kind};
use super::head::into_io;
use crate::baseline::features::agents;
use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The columns of `rollup/`, in the order of the files.
pub const COLUMNS: &[Column] = &[
    Column { name: "principal", kind: Kind::Text, meaning: "user.username, verbatim; NULL without a user" },
    Column { name: "verb", kind: Kind::Text, meaning: "get, list, watch, create, ..." },
    Column { name: "api_group", kind: Kind::Text, meaning: "NULL for the core group" },
    Column { name: "resource", kind: Kind::Text, meaning: "NULL for a request of a path" },
    Column { name: "subresource", kind: Kind::Text, meaning: "exec, token, log, ..." },
    Column { name: "namespace", kind: Kind::Text, meaning: "of the object; NULL for the whole cluster" },
    Column { name: "origin", kind: Kind::Text, meaning: "the one address that can be trusted" },
    Column { name: "agent", kind: Kind::Text, meaning: "the product of the user agent, without its version" },
    Column { name: "code", kind: Kind::Int, meaning: "HTTP status" },
    Column { name: "count", kind: Kind::Int, meaning: "requests of this kind on this day; several rows add up" },
    Column { name: "first", kind: Kind::Time, meaning: "the first of them" },
    Column { name: "last", kind: Kind::Time, meaning: "the last of them" },
];

const TEXTS: usize = 8;

type Key<'a> = ([Option<&'a str>; TEXTS], Option<i64>);

/// The rollup of the events of one day, sorted by principal.
pub(super) fn of(events: &RecordBatch) -> io::Result<RecordBatch> {
    let columns = Arrays::of(events)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a column of history is missing"))?;
    let mut sums: BTreeMap<Key<'_>, (i64, i64, i64)> = BTreeMap::new();
    for row in (0..events.num_rows()).filter(|row| is_counted(&columns, *row)) {
        let time = columns.time.value(row);
        let (count, first, last) = sums.entry(key(&columns, row)).or_insert((0, time, time));
        *count += 1;
        (*first, *last) = ((*first).min(time), (*last).max(time));
    }
    to_batch(&sums)
}

fn is_counted(c: &Arrays<'_>, row: usize) -> bool {
    match c.stage.value(row) {
        "ResponseComplete" | "Panic" => true,
        "ResponseStarted" => !c.code.is_null(row) && c.code.value(row) == 401,
        _ => false,
    }
}

fn key<'a>(c: &Arrays<'a>, row: usize) -> Key<'a> {
    let get = |column: &'a StringArray| (!column.is_null(row)).then(|| column.value(row));
    let texts = [
        get(c.principal),
        get(c.verb),
        get(c.api_group),
        get(c.resource),
        get(c.subresource),
        get(c.namespace),
        get(c.origin),
        get(c.user_agent).map(agents::product),
    ];
    (texts, (!c.code.is_null(row)).then(|| c.code.value(row)))
}

fn to_batch(sums: &BTreeMap<Key<'_>, (i64, i64, i64)>) -> io::Result<RecordBatch> {
    let mut texts: [StringBuilder; TEXTS] = Default::default();
    let (mut codes, mut counts) = (Int64Builder::new(), Int64Builder::new());
    let (mut firsts, mut lasts) = (TimestampMicrosecondBuilder::new(), TimestampMicrosecondBuilder::new());
    for ((words, code), (count, first, last)) in sums {
        texts.iter_mut().zip(words).for_each(|(column, word)| column.append_option(*word));
        codes.append_option(*code);
        counts.append_value(*count);
        firsts.append_value(*first);
        lasts.append_value(*last);
    }
    let mut arrays: Vec<ArrayRef> = texts.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
    arrays.push(Arc::new(codes.finish()));
    arrays.push(Arc::new(counts.finish()));
    arrays.push(Arc::new(firsts.finish().with_timezone("UTC")));
    arrays.push(Arc::new(lasts.finish().with_timezone("UTC")));
    let named = COLUMNS.iter().map(|column| column.name).zip(arrays);
    RecordBatch::try_from_iter_with_nullable(named.map(|(name, array)| (name, array, true))).map_err(into_io)
}
