//! Native audit events out of what carried them here: clouds' log services, log shippers, container
//! runtimes, collectors.
//!
//! A closed list of carriers, at most [`DEPTH_MAX`] deep; each level is looked at once, and nothing
//! below it is parsed that no carrier asks for. Refuses to guess: what is not on the list is no
//! carrier, and what a carrier's own words call something else is counted, not complained about.
//! Read next: `opened.rs`.

mod aks;
mod carrier;
mod cloudwatch;
mod cut;
mod encoded;
mod field;
mod gke;
mod level;
mod members;
mod opened;
mod otlp;

#[cfg(test)]
mod tests;

pub use carrier::{Carrier, Carriers};
pub use opened::open;

/// Carriers around one event; more is somebody's game.
pub const DEPTH_MAX: u32 = 4;
