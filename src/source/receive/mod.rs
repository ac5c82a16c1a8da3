//! The door for senders: the webhook backend of API servers, and whoever else has audit events to
//! send. What comes in is stored in the [spool](super::spool), and answered with 200 once it is
//! durable.
//!
//! Refuses to judge, to keep a sender waiting for minutes, and to cost more than its limits,
//! whoever knocks. An API server repeats whatever is refused, and keeps it in its memory until
//! then: so it is refused for seconds only, and what cannot be kept at all is taken, dropped, and
//! told as a gap.

mod answer;
mod body;
mod door;
pub mod guests;
mod secure;
mod settings;
mod shed;

#[cfg(test)]
mod tests;

pub use body::{Unreadable, batch};
pub use door::{Receiver, serve};
pub use secure::{Identity, Secured};
pub use settings::{Settings, Wrong};

use std::time::Duration;

/// How a request ended, for who counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Stored,
    Repeated,
    /// Taken, and not kept: it is told as a gap.
    Dropped,
    /// Sent away for a second or so.
    Shed,
    /// It showed no secret, or another one.
    Unauthorized,
    /// It holds no audit events, or is no POST.
    Unreadable,
    TooLarge,
    /// It took too long to arrive, or broke off.
    Broken,
    /// The spool failed for good.
    Failed,
}

impl Outcome {
    pub const ALL: [Outcome; 9] = [
        Outcome::Stored,
        Outcome::Repeated,
        Outcome::Dropped,
        Outcome::Shed,
        Outcome::Unauthorized,
        Outcome::Unreadable,
        Outcome::TooLarge,
        Outcome::Broken,
        Outcome::Failed,
    ];

    /// The word for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Outcome::Stored => "stored",
            Outcome::Repeated => "repeated",
            Outcome::Dropped => "dropped",
            Outcome::Shed => "shed",
            Outcome::Unauthorized => "unauthorized",
            Outcome::Unreadable => "unreadable",
            Outcome::TooLarge => "too_large",
            Outcome::Broken => "broken",
            Outcome::Failed => "failed",
        }
    }
}

/// Hears of what happens at the door.
pub trait Meter: Send + Sync {
    /// A request ended so, this long after its headers.
    fn answered(&self, outcome: Outcome, events: u32, took: Duration);

    /// So many connections are open.
    fn connected(&self, connections: usize);
}
