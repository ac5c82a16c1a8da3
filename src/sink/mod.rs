//! Where notices about incidents go: one file per destination.
//!
//! Refuses to read the state: rows and cursors come in as values and go out as values, and `daemon` carries them
//! between the outbox and here.

pub mod incidents_file;

pub use incidents_file::{Cursor, Delivery, IncidentsFile, Row, SinkError};
