//! Words that every floor shares: time, ids, bounded memory, safe text.
//!
//! Refuses to know anything about Kubernetes, files or clocks.

pub mod bits;
pub mod digest;
pub mod id;
pub mod remembered;
pub mod text;
pub mod time;

pub use bits::Bits;
pub use digest::Digest;
pub use id::{Id, IdRef};
pub use time::{Span, Time};
