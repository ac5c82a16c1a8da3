//! The doors for machines: metrics and health over HTTP.
//!
//! Refuses to change anything: it answers GET and HEAD, and reads no bodies.

mod checks;
mod routes;
mod server;

pub use crate::telemetry::Health;
pub use routes::{reference, router};
pub use server::serve;
