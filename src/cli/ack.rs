//! `tokentrail ack`: "this is normal", left for the daemon that holds the state.
//!
//! Refuses to change the state itself: the daemon may hold it, and everything that changes it goes
//! through the engine.

use super::{AckArgs, AckWidth};
use crate::base::{Digest, text};
use crate::daemon::commands;
use crate::engine::{Ack, Command, Room, Width};
use crate::store::ReadOnly;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Fewest characters of an id that may stand for it.
const PREFIX_MIN: usize = 8;
const WORDS_BYTES_MAX: usize = 1_024;

pub(super) fn ack(args: &AckArgs) -> Result<ExitCode> {
    for (name, text) in [("--reason", &args.reason), ("--owner", &args.owner)] {
        if text.trim().is_empty()
            || text.len() > WORDS_BYTES_MAX
            || text.chars().any(char::is_control)
        {
            bail!(
                "{name} is empty, over {WORDS_BYTES_MAX} bytes or over several lines; write one sentence"
            );
        }
    }
    let incident = find(&args.state, &args.incident)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let name = format!("{since:020}-{}", std::process::id());
    let ack = Ack {
        command: name.as_str().into(),
        incident,
        owner: args.owner.trim().to_owned(),
        reason: args.reason.trim().to_owned(),
        width: match args.width {
            AckWidth::Act => Width::Act,
            AckWidth::Kind => Width::Kind,
            AckWidth::Account => Width::Account,
        },
    };
    let path = commands::leave(&args.state, &name, &Command::Ack(ack))?;
    println!(
        "incident {incident} will be acknowledged: {}",
        path.display()
    );
    println!("a daemon on this state takes it within seconds, otherwise the next run does");
    Ok(ExitCode::SUCCESS)
}

/// The one incident that the id, or its beginning, names.
fn find(state: &Path, wanted: &str) -> Result<Digest> {
    let hex = wanted.chars().all(|c| c.is_ascii_hexdigit());
    if !hex || wanted.len() < PREFIX_MIN {
        bail!(
            "{wanted:?} is no id of an incident: give at least its first {PREFIX_MIN} characters"
        );
    }
    let wanted = wanted.to_ascii_lowercase();
    let store = ReadOnly::open(state)?;
    let recovered = store.load()?;
    let mut found = Vec::new();
    for row in recovered.incidents()? {
        let row = row?;
        if row.id().to_string().starts_with(&wanted) {
            found.push((row.id(), row.value().to_vec()));
        }
    }
    let (incident, json) = match found.as_slice() {
        [only] => only,
        [] => bail!(
            "there is no incident {wanted} in {}; `tokentrail query` lists them",
            state.display()
        ),
        _ => bail!(
            "{} incidents begin with {wanted}; give more of the id",
            found.len()
        ),
    };
    let stored: Value = serde_json::from_slice(json).context("reading the incident")?;
    if let Some(owner) = stored["acknowledged"]["owner"].as_str() {
        bail!(
            "incident {incident} was acknowledged before, by {}",
            text::name(owner)
        );
    }
    for row in recovered.records(Room::Lessons as u8)? {
        if row?.key() == incident.0 {
            return Ok(*incident);
        }
    }
    bail!(
        "incident {incident} names nothing that a baseline learns (it has no user, or is about the log), or is too old; \
         write an exemption or a silence instead, see docs/rules.md"
    )
}
