//! `tokentrail replay`: prints what the engine makes of old logs.

use super::{Output, ReplayArgs, style};
use crate::config::Config;
use crate::daemon::replay::{self, Audience};
use crate::detect::Severity;
use crate::incident::{Incident, to_json};
use crate::report;
use anyhow::{Context, Result};
use std::io::{BufWriter, IsTerminal, StdoutLock, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Incidents that the table shows at most; JSON shows all.
const TABLE_LIMIT: usize = 10_000;
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

pub(super) fn replay(args: &ReplayArgs) -> Result<ExitCode> {
    let config = Config::load(args.config.as_deref())?;
    config
        .warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    let begun = Instant::now();
    let mut printer = Printer::new(args, begun);
    let summary = replay::replay(&args.files, args.state.as_deref(), &config, &mut printer)?;
    printer.finish()?;
    eprint!("{}", report::summary(&summary, begun.elapsed()));
    let found = args
        .fail_on
        .is_some_and(|least| summary.worst().is_some_and(|worst| worst >= least));
    Ok(ExitCode::from(if found { 2 } else { 0 }))
}

struct Printer {
    output: Output,
    min_severity: Severity,
    out: BufWriter<StdoutLock<'static>>,
    rows: Vec<Incident>,
    left_out: u64,
    begun: Instant,
    terminal: bool,
    shown: Option<Instant>,
}

impl Printer {
    fn new(args: &ReplayArgs, begun: Instant) -> Printer {
        Printer {
            output: args.output,
            min_severity: args.min_severity,
            out: BufWriter::new(std::io::stdout().lock()),
            rows: Vec::new(),
            left_out: 0,
            begun,
            terminal: std::io::stderr().is_terminal(),
            shown: None,
        }
    }

    fn finish(mut self) -> Result<()> {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
        self.rows.sort_by_key(|i| (i.first_seen, i.id));
        let style = style(std::io::stdout().is_terminal());
        let mut text = report::table(&self.rows, style);
        if self.left_out > 0 {
            text.push_str(&format!("and {} more; -o json shows all\n", self.left_out));
        }
        self.print(&text)?;
        read_or_enough(self.out.flush())
    }

    fn print(&mut self, text: &str) -> Result<()> {
        read_or_enough(self.out.write_all(text.as_bytes()))
    }
}

/// Who closed the pipe has read enough; the exit code still waits for the rest of the log.
fn read_or_enough(written: std::io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}

impl Audience for Printer {
    fn incident(&mut self, incident: &Incident) -> Result<()> {
        match self.output {
            Output::Json => self.print(&format!("{}\n", to_json(incident, None)))?,
            Output::Table if incident.severity < self.min_severity => {}
            Output::Table if self.rows.len() >= TABLE_LIMIT => self.left_out += 1,
            Output::Table => self.rows.push(incident.clone()),
        }
        Ok(())
    }

    fn progress(&mut self, bytes: u64, of_bytes: u64, events: u64) {
        let now = Instant::now();
        if !self.terminal
            || self.shown.is_some_and(|at| now - at < PROGRESS_EVERY)
            || now - self.begun < PROGRESS_EVERY
        {
            return;
        }
        self.shown = Some(now);
        let percent = if of_bytes == 0 {
            String::new()
        } else {
            format!("{}%  ", bytes * 100 / of_bytes.max(1))
        };
        let rate = events as f64 / (now - self.begun).as_secs_f64();
        eprint!("\r\x1b[K{percent}{events} events, {rate:.0} a second");
    }
}
