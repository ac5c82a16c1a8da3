//! Incidents for people at a terminal.
//!
//! Refuses to let colour carry meaning alone, and to print a byte of the log that was not cleaned.

mod account;
pub mod answer;
pub mod answer_parquet;
mod block;
mod compared;
mod explained;
mod summary;
mod table;

pub use account::{account, account_json};
pub use block::block;
pub use compared::{compared, compared_json};
pub use explained::{explained, explained_json};
pub use summary::summary;
pub use table::table;

use crate::base::{Time, text};
use crate::detect::Severity;
use crate::incident::{Incident, Kind};

/// Whether colours may be used: they only repeat what the words say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    Plain,
    Coloured,
}

/// The severity in capitals, padded to eight columns.
fn severity(severity: Severity, style: Style) -> String {
    let word = format!("{:8}", severity.label().to_uppercase());
    let code = match severity {
        Severity::Info => "2",
        Severity::Low => "36",
        Severity::Medium => "33",
        Severity::High => "31",
        Severity::Critical => "1;31",
    };
    match style {
        Style::Plain => word,
        Style::Coloured => format!("\x1b[{code}m{word}\x1b[0m"),
    }
}

/// What could not be seen before the first event has no time of the log.
fn moment(time: Time) -> String {
    if time == Time::ZERO {
        "before any event".to_owned()
    } else {
        time.to_string()
    }
}

/// Whose story it is.
fn who(incident: &Incident) -> String {
    match (incident.kind, incident.principal.as_str()) {
        (Kind::Visibility, _) => "(the audit log)".to_owned(),
        (Kind::Threat, "") => "(no user)".to_owned(),
        (Kind::Threat, name) => text::name(name).into_owned(),
    }
}
