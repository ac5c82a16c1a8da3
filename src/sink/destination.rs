//! What one kind of sink knows: how a committed row becomes a message, and what an answer means.
//!
//! Refuses to send, to wait and to retry: `receiver.rs`, `queue.rs` and `schedule.rs` do, for all
//! kinds.

use super::http::{Answer, Post};
use super::note::Note;
use super::queue::{Outcome, Parcel};
use super::rotated::Rotated;
use super::settings::Wrong;
use super::wire::Wire;
use crate::base::Time;
use std::path::Path;
use std::time::Duration;

/// What is sent for one parcel.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// Requests in their order: one that fails keeps the later ones back, and all are made again.
    Posts(Vec<Post>),
    /// Bytes for a wire or a file, without the end of the line.
    Line(Vec<u8>),
}

impl From<Post> for Message {
    fn from(post: Post) -> Message {
        Message::Posts(vec![post])
    }
}

/// One delivery, with what stands around it.
pub(super) struct Call<'a> {
    pub parcel: &'a Parcel,
    /// One of [`Destination::replicas`]; empty where there are none.
    pub replica: &'a str,
    pub cluster: &'a str,
    pub now: Time,
}

/// How a message travels.
#[derive(Clone)]
pub(super) enum Carrier {
    Http,
    Wire(Wire),
    File(Rotated),
    Stdout,
}

/// A kind of sink: its settings, which are all that it has.
pub(super) trait Destination: Send + Sync {
    /// What is wrong with the settings, in the order of the fields.
    fn wrong(&self) -> Vec<Wrong>;

    /// A revision, and the one that the receiver heard of last.
    ///
    /// # Errors
    /// A sentence: a secret cannot be read.
    fn notice(&self, note: &Note, before: Option<&Note>, now: Time) -> Result<Message, String>;

    /// As [`Destination::notice`]; only receivers that forget, or that have replicas, need more.
    fn message(&self, call: &Call<'_>) -> Result<Message, String> {
        match call.parcel {
            Parcel::Notice { note, before } => self.notice(note, before.as_deref(), call.now),
            Parcel::Refresh(_) => unreachable!("a kind that forgets makes its own messages"),
        }
    }

    /// What an answer means; by its status, where the body says no more.
    fn judge(&self, answer: &Answer) -> Outcome {
        answer.by_status()
    }

    /// Where the receiver keeps what it took, if that is needed to change it later.
    fn handle(&self, _answer: &Answer) -> Option<String> {
        None
    }

    fn carrier(&self) -> Carrier {
        Carrier::Http
    }

    /// How often what goes on has to be sent again.
    fn refresh(&self) -> Option<Duration> {
        None
    }

    /// Whether also revisions go there that people are not told of.
    fn every_revision(&self) -> bool {
        false
    }

    /// Base URLs, each with a queue of its own; none if there is only one receiver.
    fn replicas(&self) -> Vec<String> {
        Vec::new()
    }

    /// The authorities to trust where the settings name none.
    fn ca_file(&self) -> Option<&Path> {
        None
    }
}
