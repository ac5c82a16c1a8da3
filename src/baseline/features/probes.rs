//! What an account tried lately that it is not known for: the raw material of enumeration.
//!
//! Refuses to keep what was asked, only that it was asked: a probe is a hash, a time and a weight.

use crate::base::{Span, Time};
use serde::{Deserialize, Serialize};

/// Most probes remembered of one account; the oldest go first.
pub const LIMIT: usize = 48;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// Refused, and not known to be refused.
    Denied,
    /// Refused, and sensitive.
    DeniedSensitive,
    /// Asked for its own rights or name.
    SelfReview,
    /// Asked what the API offers.
    Discovery,
    /// Allowed, and never done before.
    Novel,
    /// A sensitive object read by name.
    Secret,
}

impl Kind {
    /// Refusals and questions are acts of their own besides.
    #[must_use]
    pub fn is_counted_twice(self) -> bool {
        matches!(
            self,
            Kind::Denied | Kind::DeniedSensitive | Kind::SelfReview
        )
    }
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// Seconds since 1970.
    pub at: u32,
    pub what: u32,
    pub kind: Kind,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Probes {
    all: Vec<Probe>,
    /// Seconds since 1970: the last at which people were told of them.
    told: u32,
}

impl Probes {
    /// Probes of the `window` that ends at `now`, the oldest first. Those that were told of do not
    /// count again once nothing was for longer than `quiet`: their story has ended.
    pub fn within(&self, now: Time, window: Span, quiet: Span) -> impl Iterator<Item = &Probe> {
        let has_ended = self.told < (now - quiet).stored_seconds();
        let from = (now - window).stored_seconds().max(if has_ended {
            self.told.saturating_add(1)
        } else {
            0
        });
        self.all.iter().filter(move |p| p.at >= from)
    }

    /// People are told of the probes until `at`.
    pub fn tell(&mut self, at: Time) {
        self.told = self.told.max(at.stored_seconds());
    }

    /// Remembers a probe; the same one again only moves its time, unless `repeats` count.
    pub fn note(&mut self, probe: Probe, repeats: bool) {
        if !repeats
            && let Some(same) = self
                .all
                .iter_mut()
                .find(|p| p.what == probe.what && p.kind == probe.kind)
        {
            same.at = same.at.max(probe.at);
            return;
        }
        if self.all.len() >= LIMIT {
            self.all.remove(0);
        }
        self.all.push(probe);
    }

    /// Gives the memory back once every probe is older than `window`.
    pub fn forget(&mut self, now: Time, window: Span) {
        let from = (now - window).stored_seconds();
        if self.all.last().is_some_and(|p| p.at < from) && self.all.iter().all(|p| p.at < from) {
            self.all = Vec::new();
        }
    }
}

/// A stable hash of what was asked for (FNV-1a): only compared within one account and window.
#[must_use]
pub fn hash(parts: &[&str]) -> u32 {
    parts
        .iter()
        .flat_map(|p| p.bytes().chain([0]))
        .fold(0x811c_9dc5, |h, b| {
            (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
        })
}
