//! How it is wired: sources feed the engine, the store makes it durable, sinks speak.
//!
//! Refuses to decide anything: what an event means is the engine's, what survives is the store's.

mod batch;
pub mod commands;
mod deliveries;
mod geoip;
mod ground;
mod intake;
mod keeper;
mod pump;
pub mod replay;
pub mod rewind;
pub mod run;
mod watch;

pub use batch::Batch;
pub use geoip::Lookups;
pub use ground::{Ground, Machine};
pub use keeper::Keeper;
pub use pump::Pump;
pub use watch::{Watch, health};
