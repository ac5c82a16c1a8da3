//! What is remembered of incidents that are over: the ids that were given, and those that another
//! one may go on with.
//!
//! Refuses to hold the incidents themselves: the store has them.

use crate::base::{Digest, Span, Time};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::VecDeque;

/// Most ended incidents whose ids are remembered, so that identical lines get different ids.
const IDS_LIMIT: usize = 4096;
/// Most ended incidents remembered that another one may go on with.
const ENDS_LIMIT: usize = 1024;
/// A subject of a grave incident that is told of again within this goes on with it.
const GRAVE_KEPT: Span = Span::seconds(14 * 86_400);

/// What survives a restart besides the incidents themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Ids given, the oldest first.
    ids: VecDeque<Digest>,
    /// Incidents that were ended for their length, or were grave.
    ends: VecDeque<End>,
}

/// An incident that another one may go on with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct End {
    pub subject: SmolStr,
    pub id: Digest,
    pub at: Time,
    pub grave: bool,
}

impl Memory {
    /// The first id of `id_of` an occurrence number that was not given and is not `live`. It is
    /// given from now on.
    pub(super) fn give(
        &mut self,
        id_of: impl Fn(u32) -> Digest,
        live: impl Fn(&Digest) -> bool,
    ) -> Digest {
        let id = (0..u32::MAX)
            .map(id_of)
            .find(|id| !self.ids.contains(id) && !live(id))
            .unwrap_or_default();
        if self.ids.len() >= IDS_LIMIT {
            self.ids.pop_front();
        }
        self.ids.push_back(id);
        id
    }

    pub(super) fn note(&mut self, end: End) {
        if self.ends.len() >= ENDS_LIMIT {
            self.ends.pop_front();
        }
        self.ends.push_back(end);
    }

    /// Which one an incident of `subject` goes on with that begins at `at`. Of one that was not
    /// grave it has to begin within `quiet`.
    pub(super) fn continued(&self, subject: &str, at: Time, quiet: Span) -> Option<Digest> {
        let reach = |end: &End| if end.grave { GRAVE_KEPT } else { quiet };
        let before = |end: &&End| end.subject == subject && at.since(end.at) <= reach(end);
        self.ends.iter().rev().find(before).map(|end| end.id)
    }
}
