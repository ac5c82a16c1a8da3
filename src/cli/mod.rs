//! The doors for people: commands, options, exit codes.
//!
//! Refuses to hold logic: each command calls one thing and prints what comes back.

mod ack;
mod ask;
mod demo;
mod export;
mod named;
mod query;
pub mod reference;
mod replay;
mod rewind;
mod rules;
mod run;
mod sink;

use crate::detect::Severity;
use crate::telemetry::logging::LEVELS;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Watches how each Kubernetes ServiceAccount and each of its tokens is used, by the API server's
/// audit log, and tells when one is used as its owner never would.
#[derive(Parser)]
#[command(name = "tokentrail", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How much to log on stderr: error, warn, info, debug, trace.
    #[arg(long, global = true, default_value = "info", value_name = "LEVEL", value_parser = level)]
    log_level: String,
}

const EXAMPLES: &str = "\
Examples:
  tokentrail demo                                     see it work on a bundled real log
  tokentrail replay /var/log/kubernetes/audit/        what would it have told about the logs there
  tokentrail replay audit.log -o json --fail-on high  the same for machines; exit 2 if there is anything high
  tokentrail replay OLD_LOGS --state DIR              learn from old logs ...
  tokentrail run --audit-log audit.log --state DIR    ... and go on live where they ended

  tokentrail query --state DIR --schema               what can be asked of history
  tokentrail query --state DIR \"SELECT time, verb, resource, name, code FROM events WHERE principal = '...'\"

  tokentrail explain INCIDENT --state DIR             how it came about, request by request
  tokentrail account NS/NAME --state DIR              what is normal for it, and what would be told next
  tokentrail backtest --policy new.yaml --state DIR   what other settings would have told

Exit codes: 0 fine, 1 error, 2 incidents of the severity given with --fail-on (or above) were found";

#[derive(Subcommand)]
enum Command {
    /// Follow audit logs: learn, judge, tell (the daemon)
    Run(RunArgs),
    /// Read old audit logs with the same engine and print the incidents in them
    Replay(ReplayArgs),
    /// Follow a bundled real log that grows as you watch; Ctrl-C ends it and leaves nothing behind
    Demo(DemoArgs),
    /// Ask history and incidents in SQL (SQLite's dialect), also while the daemon runs
    Query(QueryArgs),
    #[command(flatten)]
    Ask(ask::Ask),
    /// Copy the event files of a window out, with SHA-256 sums (chain of custody)
    Export(ExportArgs),
    /// Tell how an incident came about, event by event, with what was known before each (by replay)
    Explain(ExplainArgs),
    /// Tell what is normal for one account, how often it brings something new, and what would be
    /// told of it next
    Account(AccountArgs),
    /// Try a policy on history: which incidents it would raise, which not any more, beside those of
    /// the policy in force
    Backtest(BacktestArgs),
    /// Judge history again and compare with the state; exit 1 at the first difference, which is
    /// named
    Verify(VerifyArgs),
    /// Call an incident normal: its behaviour is habit from then on, and the incident ends
    Ack(AckArgs),
    /// Check rules, exemptions, silences and Sigma rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Try the places that notices go to
    #[command(subcommand)]
    Sink(SinkCommand),
}

#[derive(clap::Args)]
struct AckArgs {
    /// Its id, or at least the first 8 characters of it
    #[arg(value_name = "INCIDENT")]
    incident: String,
    /// Why this is normal; kept with the incident
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who answers for it; kept with the incident
    #[arg(long, value_name = "NAME")]
    owner: String,
    /// How much is normal: what the incident named, such acts at any object, or whatever the
    /// account does
    #[arg(long, value_enum, default_value = "act")]
    width: AckWidth,
    /// The state directory of the daemon, or of a replay
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tokentrail")]
    state: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum AckWidth {
    /// These acts, at these objects, from there, with that program
    Act,
    /// Acts of these kinds, at any object and in any namespace
    Kind,
    /// Whatever the account does; evidence that a credential is in other hands is told all the same
    Account,
}

#[derive(Subcommand)]
enum RulesCommand {
    /// Say of each rule whether it is right, and whether it can ever match; exit 1 if one is wrong
    Check(RulesCheckArgs),
}

#[derive(clap::Args)]
struct RulesCheckArgs {
    /// Rule files, or directories of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A line for people, or a JSON object a line
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
    /// Exit with 1 if a rule can never match, too
    #[arg(long)]
    strict: bool,
}

#[derive(Subcommand)]
enum SinkCommand {
    /// Send a marked sample and its end to a sink, and say what the receiver answered; exit 1 if it
    /// took either not
    Test(SinkTestArgs),
}

#[derive(clap::Args)]
struct SinkTestArgs {
    /// Its name under `sinks` in the settings
    #[arg(value_name = "NAME")]
    name: String,
    /// Settings, as for run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(clap::Args)]
struct RunArgs {
    /// An audit log that an API server writes; give it again for each API server. It need not exist
    /// yet
    #[arg(long = "audit-log", value_name = "PATH")]
    audit_logs: Vec<PathBuf>,
    /// Settings; the defaults and what they mean stand in config/tokentrail.yaml [default:
    /// /etc/tokentrail/tokentrail.yaml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where baselines, positions and incidents are kept; made if it is missing [default:
    /// /var/lib/tokentrail]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Append every revision of every incident to this file, a JSON object a line
    #[arg(long, value_name = "FILE")]
    incidents: Option<PathBuf>,
    /// Serve /metrics, /livez and /readyz here [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<std::net::SocketAddr>,
    /// Where to begin in a log that was never read: with its oldest rotated file, or at its present
    /// end [default: oldest]
    #[arg(long, value_name = "oldest|end")]
    from: Option<crate::config::Begin>,
}

#[derive(clap::Args)]
struct ReplayArgs {
    /// Logs (plain or packed by gzip, zstd, xz, bzip2 or lz4), directories of them, or - for
    /// standard input. Rotated sets are read in their order, several logs are merged by time
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Settings, as for run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep what was learned here, and go on from what is there: `run --state DIR` continues
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// A table for people, or a JSON object a line (incidents of every severity)
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
    /// Exit with 2 if an incident is this severe or more: info, low, medium, high, critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
    /// The least severe incidents that the table shows
    #[arg(long, value_name = "SEVERITY", default_value = "medium", value_parser = severity)]
    min_severity: Severity,
}

#[derive(clap::Args)]
struct DemoArgs {
    /// Serve /metrics, /livez and /readyz here
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9464")]
    listen: std::net::SocketAddr,
}

#[derive(clap::Args)]
struct ExportArgs {
    /// The state directory of the daemon, or of a replay
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tokentrail")]
    state: PathBuf,
    /// A new or empty directory
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The event files as they are (whole: they may hold more than the window), or the events of
    /// the window as JSON lines
    #[arg(long, value_enum, default_value = "parquet")]
    format: Format,
    /// Files with events since then: a time (RFC 3339) or a span back from the newest event (2h,
    /// 7d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Files with events until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(clap::Args)]
struct ExplainArgs {
    /// Its id, or how it begins, as tables show it
    #[arg(value_name = "INCIDENT")]
    incident: String,
    /// The state directory of the daemon, or of a replay
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tokentrail")]
    state: PathBuf,
    /// Text for people, or a JSON object a step
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(clap::Args)]
struct AccountArgs {
    /// namespace/name of a service account, or a user name as the log has it
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// The state directory of the daemon, or of a replay
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tokentrail")]
    state: PathBuf,
    /// Text for people, or a JSON object
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(clap::Args)]
struct BacktestArgs {
    /// The settings to try: a file as --config takes it; what is not named in it has its default.
    /// Without it the settings in force, beside each profile
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// From then on: a time (RFC 3339) or a span back from the newest event (2h, 30d)
    #[arg(long, value_name = "TIME", default_value = "30d")]
    since: String,
    /// Until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The state directory of the daemon, or of a replay
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tokentrail")]
    state: PathBuf,
    /// What differs and how often people would be told, or a JSON object an incident
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(clap::Args)]
struct VerifyArgs {
    /// The state directory of the daemon, or of a replay
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tokentrail")]
    state: PathBuf,
}

#[derive(clap::Args)]
struct QueryArgs {
    /// One SELECT; times are text such as 2026-03-02T08:53:50.021149Z, and `time >= '2026-03-02'`
    /// is fast
    #[arg(value_name = "SQL")]
    statement: Option<String>,
    /// The state directory of the daemon, or of a replay
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tokentrail")]
    state: PathBuf,
    /// List tables and columns with their meaning
    #[arg(long)]
    schema: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Stop when the answer takes more memory than this
    #[arg(long, value_name = "MEGABYTES", default_value_t = 256)]
    memory: u64,
    /// Say on stderr what was passed over
    #[arg(long)]
    explain: bool,
    /// A table for people, a JSON object a line, CSV with a header, or a Parquet file
    #[arg(short, long, value_enum, default_value = "table")]
    output: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    Table,
    Json,
    Csv,
    Parquet,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Parquet,
    Ndjson,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Table,
    Json,
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "one of info, low, medium, high, critical".to_owned())
}

fn level(text: &str) -> Result<String, String> {
    let is_level = LEVELS.contains(&text.to_ascii_lowercase().as_str());
    is_level
        .then(|| text.to_owned())
        .ok_or_else(|| format!("one of {}", LEVELS.join(", ")))
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked) => {
            // Where nobody can be told, the code still says it.
            let _ = asked.print();
            // Not 2, clap's own: that is the code of incidents found.
            return ExitCode::from(u8::from(asked.use_stderr()));
        }
    };
    crate::telemetry::logging::start(&cli.log_level);
    let done = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Replay(args) => replay::replay(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Query(args) => query::query(&args).map(|()| ExitCode::SUCCESS),
        Command::Explain(args) => rewind::explain(&args).map(|()| ExitCode::SUCCESS),
        Command::Account(args) => rewind::account(&args).map(|()| ExitCode::SUCCESS),
        Command::Backtest(args) => rewind::backtest(&args).map(|()| ExitCode::SUCCESS),
        Command::Verify(args) => rewind::verify(&args),
        Command::Export(args) => export::export(&args).map(|()| ExitCode::SUCCESS),
        Command::Ack(args) => ack::ack(&args),
        Command::Rules(RulesCommand::Check(args)) => rules::check(&args),
        Command::Ask(args) => ask::ask(args).map(|()| ExitCode::SUCCESS),
        Command::Sink(SinkCommand::Test(args)) => sink::test(&args),
    };
    done.unwrap_or_else(|error| {
        // Whoever read the output has seen enough.
        let is_pipe = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
        if error
            .chain()
            .any(|cause| cause.downcast_ref().is_some_and(is_pipe))
        {
            return ExitCode::SUCCESS;
        }
        eprintln!("tokentrail: {}", in_one_line(&error));
        ExitCode::from(1)
    })
}

/// An error and its causes, each once: some name their cause in their own words.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// Colours where a person looks, and has not asked for none (no-color.org).
fn style(is_terminal: bool) -> crate::report::Style {
    let plain = !is_terminal || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    if plain {
        crate::report::Style::Plain
    } else {
        crate::report::Style::Coloured
    }
}
