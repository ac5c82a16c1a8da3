//! The daily rollup: who did what, where, from which origin, with which agent, how it ended; how
//! often, first, last.
//!
//! Refuses to count a request twice: a long-running one counts when it ends, a 401 when it is
//! answered, and one that two servers recorded where it was recorded first.

use crate::baseline::features::agents;
use crate::history::columns::{Column, Kind};
use crate::history::dictionary::{Dictionary, NONE};
use crate::history::write::column_view::{ColumnView, ranks};
use crate::history::write::table::Table;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::io;

/// The columns of `rollup/`, in the order of the files.
pub const COLUMNS: &[Column] = &[
    Column {
        name: "principal",
        kind: Kind::Text,
        meaning: "user.username, verbatim; NULL without a user",
    },
    Column {
        name: "verb",
        kind: Kind::Text,
        meaning: "get, list, watch, create, ...",
    },
    Column {
        name: "api_group",
        kind: Kind::Text,
        meaning: "NULL for the core group",
    },
    Column {
        name: "resource",
        kind: Kind::Text,
        meaning: "NULL for a request of a path",
    },
    Column {
        name: "subresource",
        kind: Kind::Text,
        meaning: "exec, token, log, ...",
    },
    Column {
        name: "namespace",
        kind: Kind::Text,
        meaning: "of the object; NULL for the whole cluster",
    },
    Column {
        name: "origin",
        kind: Kind::Text,
        meaning: "the one address that can be trusted",
    },
    Column {
        name: "agent",
        kind: Kind::Text,
        meaning: "the product of the user agent, without its version",
    },
    Column {
        name: "code",
        kind: Kind::Int,
        meaning: "HTTP status",
    },
    Column {
        name: "count",
        kind: Kind::Int,
        meaning: "requests of this kind on this day; several rows add up",
    },
    Column {
        name: "first",
        kind: Kind::Time,
        meaning: "the first of them",
    },
    Column {
        name: "last",
        kind: Kind::Time,
        meaning: "the last of them",
    },
];

const TEXTS: usize = 8;

/// Numbers of the words, then the code.
type Key = ([u32; TEXTS], i64);

/// How often, first, last.
type Sum = (i64, i64, i64);

/// The rollup of these events, which are of one day, sorted by principal.
pub(super) fn of(events: &ColumnView<'_>, rows: &[u32]) -> io::Result<Table> {
    let mut columns = Vec::with_capacity(TEXTS);
    for column in &COLUMNS[..TEXTS] {
        columns.push(events.words(if column.name == "agent" {
            "user_agent"
        } else {
            column.name
        })?);
    }
    let (agents, products) = products(columns[TEXTS - 1].1);
    let (stages, stage_words) = events.words("stage")?;
    let (codes, times) = (events.numbers("code")?, events.numbers("time")?);
    let copies = events.numbers("is_copy")?;
    let is_counted = |row: u32| match stages.get(row) {
        _ if copies.get(row) == 1 => false,
        NONE => false,
        stage => match stage_words.get(stage) {
            b"ResponseComplete" | b"Panic" => true,
            b"ResponseStarted" => codes.get(row) == 401,
            _ => false,
        },
    };
    let mut sums = Sums::default();
    for row in rows.iter().copied().filter(|row| is_counted(*row)) {
        let mut words: [u32; TEXTS] = std::array::from_fn(|column| columns[column].0.get(row));
        if let Some(agent) = words.last_mut().filter(|agent| **agent != NONE) {
            *agent = agents[*agent as usize];
        }
        let time = times.get(row);
        sums.add((words, codes.get(row)), (1, time, time));
    }
    let mut words: Vec<&Dictionary> = columns.iter().map(|(_, words)| *words).collect();
    words[TEXTS - 1] = &products;
    Ok(sums.into_table(&words))
}

/// The rollup of a day out of the rows of several of its files: those that differ in nothing but
/// their sums are one.
pub(super) fn summed(rows: &ColumnView<'_>) -> io::Result<Table> {
    let mut columns = Vec::with_capacity(TEXTS);
    for column in &COLUMNS[..TEXTS] {
        columns.push(rows.words(column.name)?);
    }
    let (codes, counts) = (rows.numbers("code")?, rows.numbers("count")?);
    let (firsts, lasts) = (rows.numbers("first")?, rows.numbers("last")?);
    let mut sums = Sums::default();
    for row in (0..).take(rows.rows) {
        let words = std::array::from_fn(|column| columns[column].0.get(row));
        sums.add(
            (words, codes.get(row)),
            (counts.get(row), firsts.get(row), lasts.get(row)),
        );
    }
    let words: Vec<&Dictionary> = columns.iter().map(|(_, words)| *words).collect();
    Ok(sums.into_table(&words))
}

/// The product of each user agent.
fn products(user_agents: &Dictionary) -> (Vec<u32>, Dictionary) {
    let mut products = Dictionary::default();
    let product = |agent: &[u8]| {
        std::str::from_utf8(agent).map_or(NONE, |agent| {
            products.number(agents::product(agent).as_bytes()).0
        })
    };
    (user_agents.iter().map(product).collect(), products)
}

#[derive(Default)]
struct Sums(HashMap<Key, Sum, RandomState>);

impl Sums {
    fn add(&mut self, key: Key, (count, first, last): Sum) {
        let sum = self.0.entry(key).or_insert((0, first, last));
        *sum = (sum.0 + count, sum.1.min(first), sum.2.max(last));
    }

    /// In the order of the words, which are these.
    fn into_table(self, words: &[&Dictionary]) -> Table {
        let ranks: Vec<Vec<u32>> = words.iter().map(|words| ranks(words)).collect();
        let rank = |(words, code): &Key| {
            let ranked: [Option<u32>; TEXTS] = std::array::from_fn(|column| {
                (words[column] != NONE).then(|| ranks[column][words[column] as usize])
            });
            (ranked, *code)
        };
        let mut sums: Vec<_> = self
            .0
            .into_iter()
            .map(|(key, sum)| (rank(&key), key, sum))
            .collect();
        sums.sort_unstable_by_key(|(rank, ..)| *rank);
        let mut table = Table::new(COLUMNS);
        for (_, (numbers, code), (count, first, last)) in sums {
            let texts = numbers
                .iter()
                .zip(words)
                .map(|(n, words)| (*n != NONE).then(|| words.get(*n)));
            table.push(texts, [code, count, first, last]);
        }
        table
    }
}
