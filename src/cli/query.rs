//! `query`: one SQL statement over history and state, in a process of its own.
//!
//! Refuses to interpret the statement: it prints what comes back.

use super::{QueryArgs, Shape};
use crate::report::answer::{Csv, JsonLines, TableOfRows};
use crate::store::sql::{self, Answer, SqlLimits, TABLES};
use anyhow::{Context, Result, bail};
use std::io::{self, BufWriter, Write};
use std::time::Duration;

/// SQLite's heap, where `--memory` says nothing.
const DEFAULT_MEMORY: u64 = 256 << 20;

pub(super) fn query(args: &QueryArgs) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if args.schema {
        return schema(&mut out, args.output).context("writing to standard output");
    }
    let Some(statement) = &args.statement else {
        bail!("no statement: give a SELECT, or --schema for the tables and columns")
    };
    let limits = SqlLimits { time: Duration::from_secs(args.timeout), memory_bytes: DEFAULT_MEMORY };
    let mut answer: Box<dyn Answer + '_> = match args.output {
        Shape::Table => Box::new(TableOfRows::new(&mut out)),
        Shape::Json => Box::new(JsonLines::new(&mut out)),
        Shape::Csv => Box::new(Csv::new(&mut out)),
    };
    let cost = sql::query(&args.state, statement, limits, answer.as_mut())?;
    drop(answer);
    out.flush()?;
    if args.explain {
        let p = cost.pruned;
        eprintln!(
            "{} rows; {} of {} files and {} of {} row groups passed over; {} rows of files matched",
            cost.rows, p.files_skipped, p.files, p.row_groups_skipped, p.row_groups, p.rows_read
        );
    }
    Ok(())
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
                Shape::Table | Shape::Csv => writeln!(out, "  {:<22} {kind:<8} {}", column.name, column.meaning)?,
            }
        }
    }
    out.flush()
}
