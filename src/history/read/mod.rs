//! Files of history become rows, groups, events and inputs again. Read next: `scan.rs`.
//!
//! Refuses to change a file.

mod bounds;
pub(crate) mod cells;
mod decode_row;
mod filter;
pub mod groups;
pub mod scan;
mod tape;
pub mod time_order;

pub use decode_row::events;
pub use tape::Tape;
