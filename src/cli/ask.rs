//! The responder's questions as commands: each has one statement over history, printed on request.
//!
//! Refuses to give other rows than the statement that it prints.

use super::Shape;
use super::named::{self, principals};
use super::query::{answer_with, limits};
use crate::ask::{self, Question, SqlLimits, Value, Window};
use crate::base::{Span, Time, text};
use crate::history::{Manifest, bulk, read_manifest};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For what is near the subject of an empty answer.
const NEAR_TIME: Duration = Duration::from_secs(5);

/// Where, when and how; the same for every question.
#[derive(clap::Args)]
pub(super) struct Asked {
    /// The state directory of the daemon, or of a replay
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tokentrail")]
    state: PathBuf,
    /// Not before: a time (RFC 3339) or a span back from the newest event in history (30m, 2h, 7d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Not after: as --since
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u64,
    /// Print the statement instead of asking it: SQL for `query` and for DuckDB
    #[arg(long)]
    sql: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Stop when the answer takes more memory than this
    #[arg(long, value_name = "MEGABYTES", default_value_t = 256)]
    memory: u64,
    /// A table for people, a JSON object a line, CSV with a header, or a Parquet file
    #[arg(short, long, value_enum, default_value = "table")]
    output: Shape,
}

#[derive(Subcommand)]
pub(super) enum Ask {
    /// Everything that one account did, and that was done in its name, in order
    Timeline {
        /// namespace/name of a service account, the name of a node, or a user name as the log has
        /// it
        account: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// Who was seen from an address, used a credential, or touched an object
    #[command(group = clap::ArgGroup::new("subject").required(true))]
    Who {
        /// The address that can be trusted, as in `origin`; a port is left out
        #[arg(long, value_name = "ADDRESS", group = "subject")]
        from: Option<String>,
        /// A credential id: JTI=... or X509SHA256=..., or what stands behind it: the jti of a token
        #[arg(long, value_name = "ID", group = "subject")]
        used: Option<String>,
        /// resource[.group]/namespace/name, or resource/name; leave parts empty for any
        /// (secrets/shop/)
        #[arg(long, value_name = "OBJECT", group = "subject")]
        touched: Option<String>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Each kind of operation of an account, with its first and last time (from the daily rollup)
    FirstSeen {
        /// namespace/name of a service account, the name of a node, or a user name as the log has
        /// it
        account: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// What an account did since --since that it never did before (from the daily rollup)
    Diff {
        /// namespace/name of a service account, the name of a node, or a user name as the log has
        /// it
        account: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// A credential's whole life: who issued it, what it did, what it issued, and so on
    Trail {
        /// A credential id: JTI=... or X509SHA256=..., or what stands behind it: the jti of a token
        credential: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// Who entered which pod: exec, attach, port-forward, also through the kubelet by nodes/proxy
    Exec(Asked),
    /// Who read or wrote Secrets
    Secrets(Asked),
    /// What was refused: 401 and 403
    Denied(Asked),
    /// Changes of roles and bindings
    RbacChanges(Asked),
    /// Tokens that TokenRequests issued
    TokensIssued(Asked),
    /// What was not seen: holes in the log, lines set aside
    Coverage(Asked),
}

impl Ask {
    fn question(self) -> Result<(Question, Asked)> {
        Ok(match self {
            Ask::Timeline { account, asked } => {
                let principals = principals(&account);
                (Question::Timeline { principals }, asked)
            }
            Ask::Who {
                from,
                used,
                touched,
                asked,
            } => (subject(from, used, touched)?, asked),
            Ask::FirstSeen { account, asked } => {
                let principals = principals(&account);
                (Question::FirstSeen { principals }, asked)
            }
            Ask::Diff { account, asked } => {
                let Some(since) = asked.window()?.since else {
                    bail!("--since is missing: since when is it new?")
                };
                let principals = principals(&account);
                (Question::Diff { principals, since }, asked)
            }
            Ask::Trail { credential, asked } => {
                let credential = named::credential(&credential);
                (Question::Trail { credential }, asked)
            }
            Ask::Exec(asked) => (Question::Exec, asked),
            Ask::Secrets(asked) => (Question::Secrets, asked),
            Ask::Denied(asked) => (Question::Denied, asked),
            Ask::RbacChanges(asked) => (Question::RbacChanges, asked),
            Ask::TokensIssued(asked) => (Question::TokensIssued, asked),
            Ask::Coverage(asked) => (Question::Coverage, asked),
        })
    }
}

pub(super) fn ask(ask: Ask) -> Result<()> {
    let (question, asked) = ask.question()?;
    let window = asked.window()?;
    if asked.sql {
        println!("{}", question.sql(&window));
        return Ok(());
    }
    let limits = asked.limits();
    // One row more tells whether there are more: to count them could take longer than the answer.
    let wider = Window {
        limit: window.limit.saturating_add(1),
        ..window
    };
    let mut is_cut = false;
    let cost = answer_with(asked.output, &mut |answer| {
        let mut first = First {
            answer,
            left: window.limit,
            is_cut: &mut is_cut,
        };
        ask::ask(&asked.state, &question, &wider, limits, &mut first)
    })?;
    if is_cut {
        eprintln!(
            "the first {} rows; there are more: narrow with --since and --until, or raise --limit",
            window.limit
        );
    } else if cost.rows == 0 {
        say_why_empty(&question, &asked)?;
    }
    Ok(())
}

/// The first rows of an answer. One that was cut looks like a whole one.
struct First<'a> {
    answer: &'a mut dyn ask::Answer,
    left: u64,
    is_cut: &'a mut bool,
}

impl ask::Answer for First<'_> {
    fn columns(&mut self, names: &[&str]) -> std::io::Result<()> {
        self.answer.columns(names)
    }

    fn row(&mut self, values: &[Value<'_>]) -> std::io::Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            *self.is_cut = true;
            return Ok(());
        };
        self.left = left;
        self.answer.row(values)
    }

    fn end(&mut self) -> std::io::Result<()> {
        self.answer.end()
    }
}

/// A name that was mistyped looks like one that did nothing.
fn say_why_empty(question: &Question, asked: &Asked) -> Result<()> {
    let what = question.looks_for();
    let mut known = Names::default();
    let found = ask::query(
        &asked.state,
        &question.at_any_time(),
        asked.limits(),
        &mut known,
    )?;
    if found.rows > 0 {
        eprintln!("no row: {what}: in this history, but not in this window");
        return Ok(());
    }
    eprintln!("no row: {what}: there are none in this history");
    let mut near = Names::default();
    let quick = SqlLimits {
        time: asked.limits().time.min(NEAR_TIME),
        ..asked.limits()
    };
    // It is a help: without a rollup, or within this time, there may be none.
    let looked = question
        .near()
        .map(|statement| ask::query(&asked.state, &statement, quick, &mut near));
    if matches!(looked, Some(Ok(_))) && !near.0.is_empty() {
        eprintln!("near: {}", near.0.join(", "));
    }
    Ok(())
}

/// The first column of an answer, safe to show.
#[derive(Default)]
struct Names(Vec<String>);

impl ask::Answer for Names {
    fn columns(&mut self, _: &[&str]) -> std::io::Result<()> {
        Ok(())
    }

    fn row(&mut self, values: &[Value<'_>]) -> std::io::Result<()> {
        if let Some(Value::Text(name)) = values.first() {
            self.0.push(text::name(name).into_owned());
        }
        Ok(())
    }
}

fn subject(
    from: Option<String>,
    used: Option<String>,
    touched: Option<String>,
) -> Result<Question> {
    Ok(match (from, used, touched) {
        (Some(typed), ..) => Question::WhoFrom {
            origin: named::address(&typed)?,
        },
        (_, Some(typed), _) => Question::WhoUsed {
            credential: named::credential(&typed),
        },
        (.., typed) => Question::WhoTouched(named::object(&typed.unwrap_or_default())?),
    })
}

impl Asked {
    fn window(&self) -> Result<Window> {
        let at = |text: &Option<String>| {
            text.as_deref()
                .map(|text| time(&self.state, text))
                .transpose()
        };
        let (since, until) = (at(&self.since)?, at(&self.until)?);
        not_empty(since, until)?;
        Ok(Window {
            since,
            until,
            limit: self.limit,
        })
    }

    fn limits(&self) -> SqlLimits {
        limits(self.timeout, self.memory)
    }
}

/// # Errors
/// Nothing can lie in the window.
pub(super) fn not_empty(since: Option<Time>, until: Option<Time>) -> Result<()> {
    match (since, until) {
        (Some(since), Some(until)) if since > until => {
            bail!(
                "the window is empty: it begins at {since} and ends before that, at {until}; spans count back, so --since has the longer one"
            )
        }
        _ => Ok(()),
    }
}

/// A time, or a span back from the newest event in history.
pub(super) fn time(state: &Path, text: &str) -> Result<Time> {
    if let Some(time) = Time::parse(text) {
        return Ok(time);
    }
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    match number
        .parse::<i64>()
        .ok()
        .and_then(|n| n.checked_mul(seconds))
        .filter(|n| *n > 0)
    {
        Some(span) => Ok(newest(state)? - Span::seconds(span)),
        None => {
            bail!("{text:?} is no time: write 2026-03-02T08:00:00Z, or a span such as 30m, 2h, 7d")
        }
    }
}

/// By the bulk of history: a line with a wrong clock would leave every span before it empty.
fn newest(state: &Path) -> Result<Time> {
    Ok(bulk::newest(
        manifest(state)?.segments.iter(),
        bulk::tolerance(Span::seconds(90 * 86_400)),
    ))
}

/// The greatest time in history, whoever wrote it.
pub(super) fn end(state: &Path) -> Result<Time> {
    Ok(manifest(state)?
        .segments
        .iter()
        .map(|segment| segment.time_max)
        .max()
        .unwrap_or(Time::ZERO))
}

fn manifest(state: &Path) -> Result<Manifest> {
    read_manifest(state).with_context(|| format!("reading the history in {state:?}"))
}
