//! The state database: what survives a crash. `docs/design/state.md` has the tables, bytes and
//! invariants.
//!
//! Refuses to know what a record, an incident or a notice means, to write outside of
//! [`Store::commit`], and to read a clock. Read next: `commit.rs`.

mod commit;
mod dir;
mod disk;
mod error;
mod kept;
mod outbox;
mod positions;
mod recover;
mod sinks;
mod state;
mod tables;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;

pub use commit::{Commit, CommitReceipt, Record};
pub use error::StoreError;
pub use kept::{Aside, Gap};
pub use outbox::Delivered;
pub use positions::{Advance, Position};
pub use recover::{AsideRow, GapRow, RecordRow, Recovered, Rows};
pub use sinks::{Memory, SinkMove, SinkRow};
pub use state::{ReadOnly, Store};
pub use tables::{
    ASIDE_ROWS_MAX, CACHE_BYTES, DETAIL_BYTES_MAX, FILES_MAX, FORMAT, GAP_ROWS_MAX,
    INCIDENT_BYTES_MAX, KEY_BYTES_MAX, KIND_BYTES_MAX, MEMORY_BYTES_MAX, NOTICE_BYTES_MAX,
    OUTBOX_ROWS_MAX, POLICY_ROOM, REASON_BYTES_MAX, SINK_NAME_BYTES_MAX, VALUE_BYTES_MAX,
};
