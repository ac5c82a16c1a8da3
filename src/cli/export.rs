//! `export`: event files of a window, with sums, for whoever investigates elsewhere.
//!
//! Refuses to choose: what leaves is byte for byte what was committed, or every column of every
//! event.

use super::ask::{not_empty, time};
use super::{ExportArgs, Format};
use crate::history;
use anyhow::{Context, Result};

pub(super) fn export(args: &ExportArgs) -> Result<()> {
    let at = |text: &Option<String>| {
        text.as_deref()
            .map(|text| time(&args.state, text))
            .transpose()
    };
    let (since, until) = (at(&args.since)?, at(&args.until)?);
    not_empty(since, until)?;
    let export = match args.format {
        Format::Parquet => history::export,
        Format::Ndjson => history::export_lines,
    };
    let done = export(&args.state, &args.out, since, until)
        .with_context(|| format!("exporting the history in {:?}", args.state))?;
    eprintln!(
        "{} files with {} events, {} bytes, in {}",
        done.files,
        done.rows,
        done.bytes,
        args.out.display()
    );
    if done.rows + done.rows_left_in_head == 0 {
        eprintln!(
            "no event is in this window: `tokentrail query \"SELECT min(time), max(time) FROM events\"` says what there is"
        );
    }
    eprintln!("check them there with: sha256sum -c SHA256SUMS");
    if done.rows_left_in_head > 0 {
        eprintln!(
            "not among them: the newest {} events, which are no Parquet file yet",
            done.rows_left_in_head
        );
    }
    Ok(())
}
