//! The dimensions of behaviour that a baseline remembers, one file each.
//!
//! A feature turns an event into the words it is remembered by, and states how many words it keeps.

pub mod agents;
pub mod credentials;
pub mod hours;
pub mod networks;
pub mod operations;
pub mod origins;
pub mod practices;
pub mod probes;
pub mod rate;
