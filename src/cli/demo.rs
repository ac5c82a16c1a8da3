//! `tokentrail demo`: the daemon on a bundled real log that grows as one watches.
//!
//! Refuses to leave anything behind: log and state live in a directory that goes with the command.

use super::{DemoArgs, run};
use crate::config::Config;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Fourteen recorded days, thinned; `tests/fixtures/sample/README.md` tells where they are from.
const SAMPLE: &[u8] = include_bytes!("../../tests/fixtures/sample/audit.log.zst");
/// Lines of the first week, in which nothing happens but learning: they are written at once.
const LEARNING: usize = 1700;
/// Lines written at once after that, and the pause between: the second week takes about twenty
/// seconds.
const LINES: usize = 10;
const PAUSE: Duration = Duration::from_millis(100);
/// The sample has some minutes of each day: the silence between them is not news.
const RECORDED_EVERY: u32 = 2 * 86_400;

pub(super) fn demo(args: &DemoArgs) -> Result<ExitCode> {
    let listener = run::listen(args.listen)?;
    let home = tempfile::Builder::new()
        .prefix("tokentrail-demo-")
        .tempdir()
        .context("no room for the demo's files")?;
    let log = home.path().join("audit.log");
    let mut config = Config::load(None)?;
    config.daemon.audit_logs = vec![log.clone()];
    config.daemon.state = home.path().join("state");
    config.daemon.incidents = Some(home.path().join("incidents.jsonl"));
    config.daemon.listen = args.listen;
    config.policy.visibility.silent_seconds = RECORDED_EVERY;
    println!(
        "tokentrail demo: a real API server's audit log of fourteen days is written to\n  {}\n\
         a week of ordinary work, then a week with seventeen attacks; the daemon follows it.\n\
         metrics:   http://{}/metrics\n\
         incidents: {} (a JSON object a line)\n\
         Ctrl-C ends it and removes everything.\n",
        log.display(),
        args.listen,
        home.path().join("incidents.jsonl").display(),
    );
    std::thread::spawn(move || {
        if let Err(error) = write(&log) {
            eprintln!("tokentrail: the demo's log could not be written: {error:#}");
        }
    });
    run::start(&config, None, listener)?;
    home.close()
        .context("the demo's files could not be removed")?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the sample as an API server would: line by line, for as long as the daemon listens.
fn write(log: &Path) -> Result<()> {
    let lines = BufReader::new(zstd::Decoder::new(SAMPLE)?).lines();
    let mut file = File::create(log)?;
    for (n, line) in lines.enumerate() {
        writeln!(file, "{}", line?)?;
        if n > LEARNING && n % LINES == 0 {
            std::thread::sleep(PAUSE);
        }
    }
    println!(
        "The log is written to its end. Look at the metrics and the incidents; Ctrl-C ends the demo.\n"
    );
    Ok(())
}
