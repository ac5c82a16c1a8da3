//! `query`: one SQL statement over history and state, in a process of its own.
//!
//! Refuses to interpret the statement: it prints what comes back.

use super::{QueryArgs, Shape};
use crate::ask::{self, Answer, Cost, SqlError, SqlLimits, TABLES};
use crate::report::answer::{Csv, JsonLines, TableOfRows};
use crate::report::answer_parquet::ParquetFile;
use anyhow::{Context, Result, bail};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Duration;

pub(super) fn query(args: &QueryArgs) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if args.schema {
        return schema(&mut out, args.output).context("writing to standard output");
    }
    let Some(statement) = &args.statement else {
        bail!("no statement: give a SELECT, or --schema for the tables and columns")
    };
    drop(out);
    let limits = limits(args.timeout, args.memory);
    let cost = answer_with(args.output, &mut |answer| {
        ask::query(&args.state, statement, limits, answer)
    })?;
    if args.explain {
        let p = cost.pruned;
        eprintln!(
            "{} rows; {} of {} files and {} of {} row groups passed over; {} rows of files matched",
            cost.rows, p.files_skipped, p.files, p.row_groups_skipped, p.row_groups, p.rows_read
        );
    }
    Ok(())
}

pub(super) fn limits(seconds: u64, megabytes: u64) -> SqlLimits {
    SqlLimits {
        time: Duration::from_secs(seconds),
        memory_bytes: megabytes.saturating_mul(1 << 20),
    }
}

/// Prints the answer that `ask` gives.
pub(super) fn answer_with(
    shape: Shape,
    ask: &mut dyn FnMut(&mut dyn Answer) -> Result<Cost, SqlError>,
) -> Result<Cost> {
    if shape == Shape::Parquet && io::stdout().is_terminal() {
        bail!("a Parquet file is nothing for a terminal: send it to a file with > FILE")
    }
    let mut out = BufWriter::new(io::stdout());
    let mut answer: Box<dyn Answer + '_> = match shape {
        Shape::Table => Box::new(TableOfRows::new(&mut out, columns())),
        Shape::Json => Box::new(JsonLines::new(&mut out)),
        Shape::Csv => Box::new(Csv::new(&mut out)),
        Shape::Parquet => Box::new(ParquetFile::new(&mut out)),
    };
    let cost = ask(answer.as_mut())?;
    drop(answer);
    out.flush()?;
    Ok(cost)
}

/// Width of the terminal that the answer is for; `None` where it goes elsewhere.
fn columns() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

fn schema(out: &mut dyn Write, shape: Shape) -> io::Result<()> {
    for table in TABLES {
        if shape != Shape::Json {
            writeln!(out, "{}: {}", table.name, table.meaning)?;
        }
        for column in table.columns {
            let kind = column.kind.sql();
            match shape {
                Shape::Json => {
                    let line = serde_json::json!({
                        "table": table.name, "column": column.name, "type": kind, "meaning": column.meaning,
                    });
                    writeln!(out, "{line}")?;
                }
                Shape::Table | Shape::Csv | Shape::Parquet => {
                    writeln!(out, "  {:<22} {kind:<8} {}", column.name, column.meaning)?;
                }
            }
        }
    }
    out.flush()
}
