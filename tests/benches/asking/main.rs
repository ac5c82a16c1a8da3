//! What six questions of responders take over many events: our commands, our SQL, DuckDB on the
//! same Parquet files, and `zgrep` and `jq` on a log, within one run.
//!
//! `cargo bench --bench asking -- LOG ROWS [DIR]`: LOG is an audit log of a day, of at least some
//! hundred thousand lines; ROWS the events that are asked: its lines again and again, each copy a
//! day later and with ids of its own. DIR keeps the state and the packed log for the next run,
//! which begins with what it finds there.

mod fill;
mod others;
mod state;

use others::Duck;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Each way of asking is measured so often, in turns; the median counts.
const ROUNDS: usize = 7;

/// One question.
pub struct Question {
    pub name: &'static str,
    pub command: Vec<String>,
    /// In the SQL that ours and DuckDB share.
    pub sql: String,
    /// Over the one day's log that it is in, or over all days: what `zgrep` looks for, and what
    /// `jq` then makes of it.
    pub is_in_a_day: bool,
    pub grep: String,
    pub jq: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let [log, rows, ..] = arguments.as_slice() else {
        println!("skipped: no LOG and ROWS given");
        return;
    };
    let rows: usize = rows.parse().expect("ROWS is a number");
    let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let dir = arguments.get(2).map_or(temporary.path(), Path::new);
    let text = std::fs::read_to_string(log).expect("a readable log");
    let copies = state::make(dir, &text, rows);
    let packed = others::pack(dir, Path::new(log));
    let questions = state::questions(&dir.join("state"), &text);
    let duck = Duck::find(&dir.join("state"));
    println!(
        "{rows} events, {copies:.1} copies of the log; milliseconds by the clock, median of {ROUNDS}; peak memory in MB"
    );
    println!(
        "zgrep and jq: once, on one copy; times the copies where the question is about all days"
    );
    println!(
        "{:>29} {:>16} {:>16} {:>22} {:>9} {:>10}",
        "", "command", "query", "DuckDB process", "warm", "zgrep, jq"
    );
    for question in &questions {
        report(dir, question, duck.as_ref(), &packed, copies);
    }
}

fn report(dir: &Path, question: &Question, duck: Option<&Duck>, packed: &Path, copies: f64) {
    let state = dir.join("state");
    let asked = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokentrail"));
        command
            .args(arguments)
            .args(["-o", "json", "--state"])
            .arg(&state);
        command
    };
    let ours: Vec<&str> = question.command.iter().map(String::as_str).collect();
    let sql = ["query", &question.sql];
    let (mut command, mut query, mut process) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = [0; 3];
    for _ in 0..ROUNDS {
        for (n, (arguments, times)) in [(&ours[..], &mut command), (&sql[..], &mut query)]
            .into_iter()
            .enumerate()
        {
            let (time, lines) = timed(&mut asked(arguments));
            times.push(time);
            rows[n] = lines;
        }
        if let Some(duck) = duck {
            let (time, lines) = timed(&mut duck.process(&question.sql));
            process.push(time);
            rows[2] = lines;
        }
    }
    let warm = duck.map_or(f64::NAN, |duck| duck.warm(&question.sql, ROUNDS));
    assert!(
        rows[0] == rows[1] && (duck.is_none() || rows[0] == rows[2]),
        "{}: answers of {rows:?} rows",
        question.name
    );
    let by_hand =
        others::by_hand(packed, question) * if question.is_in_a_day { 1.0 } else { copies };
    let (command, query, process) = (median(command), median(query), median(process));
    let memory = [
        peak(&mut asked(&ours)),
        peak(&mut asked(&sql)),
        duck.map_or(0.0, |d| peak(&mut d.process(&question.sql))),
    ];
    println!(
        "{:>29} {command:7.1} {:5.1} MB {query:7.1} {:5.1} MB {process:7.1} {:5.1} MB {:4.1}x {warm:5.1} {:4.1}x {by_hand:8.0} {:5.0}x   {} rows",
        question.name,
        memory[0],
        memory[1],
        memory[2],
        process / command,
        warm / command,
        by_hand / command,
        rows[0]
    );
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Milliseconds from start to end, and the lines that it printed.
pub fn timed(command: &mut Command) -> (f64, usize) {
    let begin = Instant::now();
    let output = command.output().expect("a program");
    let time = begin.elapsed().as_secs_f64() * 1e3;
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    (
        time,
        output.stdout.iter().filter(|byte| **byte == b'\n').count(),
    )
}

/// The most memory that a process had, in MB: looked at until it ends, so the last look may miss
/// what it takes at the very end.
fn peak(command: &mut Command) -> f64 {
    let mut child: Child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a program");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0.0;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap_or_default();
        most = line
            .split_whitespace()
            .next()
            .and_then(|kb| kb.parse().ok())
            .map_or(most, |kb: f64| kb / 1024.0);
        std::thread::sleep(Duration::from_micros(200));
    }
    most
}
