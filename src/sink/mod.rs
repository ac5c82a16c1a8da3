//! Where notices about incidents go: one file per destination.
//!
//! Refuses to read the state: rows and cursors come in as values and go out as values, and `daemon`
//! carries them between the outbox and here. Read next: `destination.rs`, what a kind of sink is,
//! and `queue.rs`, what one sink still has to be told.

mod alertmanager;
mod destination;
mod elasticsearch;
mod format;
mod http;
pub mod incidents_file;
mod kubernetes;
mod note;
mod pagerduty;
mod queue;
mod receiver;
mod rotated;
mod route;
mod schedule;
mod secret;
mod settings;
mod slack;
mod splunk;
mod stdout;
mod syslog;
mod teams;
mod tls;
mod webhook;
mod wire;
mod worker;

#[cfg(test)]
mod every_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod outage_tests;

pub use http::Answer;
pub use incidents_file::{Cursor, Delivery, IncidentsFile, Row, SinkError};
pub use note::{Note, sample};
pub use queue::{Outcome, Parcel, ROWS_BEHIND_MAX, Step, Tally};
pub use receiver::{Receiver, receivers, receivers_of};
pub use secret::{INLINE, Secret};
pub use settings::Settings;
pub use worker::{Desk, Inbox, Link, Progress, Rows, wall_clock};
