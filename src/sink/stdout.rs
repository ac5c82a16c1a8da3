//! Standard output: a JSON object a line, for whatever collects the logs of the container.
//!
//! Refuses to hold other sinks up where nobody reads: it writes on a thread of its own.

use super::destination::{Carrier, Destination, Message};
use super::format::Format;
use super::note::Note;
use super::settings::Wrong;
use crate::base::Time;
use serde::{Deserialize, Serialize};
use std::io::Write;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stdout {
    /// How an incident is written: `tokentrail`, `ecs`, `ocsf` or `falco`.
    pub format: Format,
    /// Also revisions that people are not told of.
    pub every_revision: bool,
}

impl Destination for Stdout {
    fn wrong(&self) -> Vec<Wrong> {
        Vec::new()
    }

    fn notice(&self, note: &Note, _: Option<&Note>, _: Time) -> Result<Message, String> {
        Ok(Message::Line(self.format.line(note)))
    }

    fn carrier(&self) -> Carrier {
        Carrier::Stdout
    }

    fn every_revision(&self) -> bool {
        self.every_revision
    }
}

/// Writes the line and its end in one piece.
pub(super) async fn print(mut line: Vec<u8>) -> Result<(), String> {
    line.push(b'\n');
    let written = tokio::task::spawn_blocking(move || {
        let mut out = std::io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush())
    });
    written
        .await
        .map_err(|e| e.to_string())?
        .map_err(|e| format!("standard output cannot be written: {e}"))
}
