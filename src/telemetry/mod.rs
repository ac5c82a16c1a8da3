//! What the daemon says of itself: metrics, health, log lines.
//!
//! Refuses to know who asks. The doors that serve this are in `api`.

pub mod accounts;
pub mod health;
pub mod logging;
mod make;
pub mod metrics;
mod process;
pub mod reference;

pub use accounts::Accounts;
pub use health::Health;
pub use metrics::Metrics;
