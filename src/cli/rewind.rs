//! `explain`, `backtest`, `verify`: history judged again.
//!
//! Refuses to change anything: the state is read beside the daemon.

use super::ask::{end, time};
use super::{AccountArgs, BacktestArgs, ExplainArgs, Output, VerifyArgs, named, style};
use crate::base::Time;
use crate::config::Config;
use crate::daemon::rewind::{account, backtest, explain, verify};
use crate::report;
use anyhow::{Context, Result};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

pub(super) fn explain(args: &ExplainArgs) -> Result<()> {
    let told = explain::explain(&args.state, &args.incident)?;
    eprintln!("replayed from {}", beginning(told.since));
    let text = match args.output {
        Output::Json => report::explained_json(&told),
        Output::Table => report::explained(&told, style(std::io::stdout().is_terminal())),
    };
    print(&text)
}

pub(super) fn account(args: &AccountArgs) -> Result<()> {
    let known = account::account(&args.state, &named::principals(&args.account))?;
    let text = match args.output {
        Output::Json => report::account_json(&known),
        Output::Table => report::account(&known, style(std::io::stdout().is_terminal())),
    };
    print(&text)
}

pub(super) fn backtest(args: &BacktestArgs) -> Result<()> {
    let policy = args
        .policy
        .as_deref()
        .map(|file| Config::load(Some(file)))
        .transpose()?
        .map(|config| config.policy);
    let since = time(&args.state, &args.since)?;
    let until = args
        .until
        .as_deref()
        .map_or_else(|| end(&args.state), |text| time(&args.state, text))?;
    let mut progress = Progress::new();
    let done = backtest::backtest(&args.state, policy.as_ref(), since, until, &mut |at, of| {
        progress.show(at, of);
    })?;
    progress.end();
    eprintln!(
        "{} events judged by each policy, incidents from {} to {}",
        done.events, done.since, done.until
    );
    let text = match args.output {
        Output::Json => report::compared_json(&done),
        Output::Table => report::compared(&done, style(std::io::stdout().is_terminal())),
    };
    print(&text)
}

pub(super) fn verify(args: &VerifyArgs) -> Result<ExitCode> {
    let mut progress = Progress::new();
    let done = verify::verify(&args.state, &mut |at, of| progress.show(at, of))?;
    progress.end();
    eprintln!(
        "{} inputs from {} on judged again; compared {} times: {} records, {} incidents",
        done.inputs,
        beginning(done.since),
        done.compared,
        done.records,
        done.incidents
    );
    match done.difference {
        None => print(&format!(
            "history and state agree; digest {}\n",
            done.digest
        ))
        .map(|()| ExitCode::SUCCESS),
        Some(what) => print(&format!("{what}\n")).map(|()| ExitCode::from(1)),
    }
}

/// A new state has a snapshot of nothing.
fn beginning(snapshot: Time) -> String {
    if snapshot == Time::ZERO {
        "the beginning".to_owned()
    } else {
        format!("the snapshot of {snapshot}")
    }
}

fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("standard output")
}

/// A line on a terminal that says how far it has come.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn new() -> Progress {
        Progress {
            is_shown: std::io::stderr().is_terminal(),
        }
    }

    fn show(&self, at: u64, of: u64) {
        if self.is_shown {
            eprint!("\r\x1b[K{}%  {at} of {of} inputs", at * 100 / of.max(1));
        }
    }

    fn end(&mut self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}
