//! What principals of open incidents gained over others: tokens minted, Secrets read, pods entered
//! and made, addresses used. When one of it is used later, the two halves are one story.
//!
//! Refuses likeness: a link is a fact of the log (a credential id, a Secret's or pod's name, an
//! address), never that two principals behave alike. Bounded; one incident's flood of links
//! displaces its own.

use super::Incident;
use crate::base::{Digest, Span, Time};
use crate::detect::Severity;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Most links over all incidents, and of one.
pub const LIMIT: usize = 2048;
const LIMIT_OF_ONE: usize = 128;
/// Longest name kept of either half of a key, in bytes: a namespace and a name have at most 317.
const LONGEST: usize = 400;
/// What was gained may be used so much later: an attacker who is in no hurry comes back within two
/// weeks.
const KEPT: Span = Span::seconds(14 * 86_400);
/// Public addresses pass from hand to hand.
const ORIGIN_KEPT: Span = Span::seconds(86_400);
/// Disorder between several logs.
const TOLERANCE: Span = Span::seconds(5);
/// From here on an incident is a story that another one may be a part of; below, it is only named.
pub const GRAVE: Severity = Severity::Medium;

/// In which way one principal got hold of what another one is or has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Its TokenRequest returned the token.
    Minted,
    /// It read the Secret that holds the token, or all Secrets around.
    SecretRead,
    /// It entered the pod: exec, attach, port-forward, an ephemeral container.
    PodEntered,
    /// It made the pod, or the workload that made the pod, or changed what runs in it.
    PodMade,
    /// It called from the same public address.
    Origin,
    /// The pod at the address is its own.
    Neighbour,
}

/// Something gained; the principal and what it is are the key.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Link {
    pub how: How,
    pub at: Time,
    /// The incident of the one who gained it.
    pub incident: Digest,
    /// That incident is over; it was grave, or the link would be gone.
    pub over: bool,
}

/// What was gained, and by whom.
pub type Key = (SmolStr, SmolStr);

#[derive(Default)]
pub struct Links {
    known: BTreeMap<Key, Link>,
    dirty: Vec<Key>,
}

impl Links {
    /// What others than `subject` gained of `what`, and what of it can still matter at `now`.
    pub fn of<'a>(
        &'a self,
        what: &'a str,
        subject: &'a str,
        now: Time,
    ) -> impl Iterator<Item = (&'a Key, &'a Link)> {
        let (what, subject) = (cut(what), cut(subject));
        let from = (SmolStr::new(what), SmolStr::default());
        let same = self
            .known
            .range(from..)
            .take_while(move |((w, _), _)| w == what);
        same.filter(move |((_, by), link)| by != subject && is_fresh(link, now))
    }

    pub fn note(&mut self, what: &str, by: &str, link: Link) {
        let key = (SmolStr::new(cut(what)), SmolStr::new(cut(by)));
        if let Some(known) = self.known.get_mut(&key) {
            // Read again and again it is one gain: the first that belongs to this story.
            if known.incident == link.incident {
                return;
            }
            *known = link;
        } else {
            self.make_room(link.incident);
            self.known.insert(key.clone(), link);
        }
        self.dirty.push(key);
    }

    fn make_room(&mut self, incident: Digest) {
        let own = self
            .known
            .values()
            .filter(|l| l.incident == incident)
            .count();
        let crowded = own >= LIMIT_OF_ONE;
        if !crowded && self.known.len() < LIMIT {
            return;
        }
        let old = self
            .known
            .iter()
            .filter(|(_, l)| !crowded || l.incident == incident);
        if let Some(key) = old
            .min_by_key(|(key, l)| (l.at, *key))
            .map(|(key, _)| key.clone())
        {
            self.known.remove(&key);
            self.dirty.push(key);
        }
    }

    /// The incident is over: what was gained in it is remembered if it was grave, and nobody called
    /// it normal.
    pub fn end(&mut self, incident: &Incident) {
        if incident.severity < GRAVE || incident.acknowledged.is_some() {
            self.forget(incident.id);
            return;
        }
        for (key, link) in self
            .known
            .iter_mut()
            .filter(|(_, l)| l.incident == incident.id)
        {
            link.over = true;
            self.dirty.push(key.clone());
        }
    }

    /// Nothing leads back to the incident any more.
    pub fn forget(&mut self, incident: Digest) {
        let dirty = &mut self.dirty;
        self.known.retain(|key, link| {
            let stays = link.incident != incident;
            if !stays {
                dirty.push(key.clone());
            }
            stays
        });
    }

    /// Links changed since the last call, each once, in order; `None` for a forgotten one.
    pub fn drain_changes(&mut self) -> Vec<(Key, Option<Link>)> {
        let mut changed = std::mem::take(&mut self.dirty);
        changed.sort_unstable();
        changed.dedup();
        changed
            .into_iter()
            .map(|key| (key.clone(), self.known.get(&key).copied()))
            .collect()
    }

    pub fn restore(&mut self, key: Key, link: Link) {
        self.known.insert(key, link);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

fn is_fresh(link: &Link, now: Time) -> bool {
    let kept = if link.how == How::Origin {
        ORIGIN_KEPT
    } else {
        KEPT
    };
    let age = now.since(link.at);
    age <= kept && age.0 >= -TOLERANCE.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(incident: u8, at: i64) -> Link {
        Link {
            how: How::PodEntered,
            at: Time::from_seconds(at),
            incident: Digest([incident; 16]),
            over: false,
        }
    }

    #[test]
    fn a_flood_displaces_its_own_first() {
        let mut links = Links::default();
        links.note("pod a/quiet", "x", link(1, 0));
        for n in 0..300 {
            links.note(&format!("pod a/{n}"), "y", link(2, 1 + n));
        }
        let at = Time::from_seconds(400);
        assert_eq!(links.len(), LIMIT_OF_ONE + 1);
        assert_eq!(links.of("pod a/quiet", "z", at).count(), 1);
        assert_eq!(links.of("pod a/0", "z", at).count(), 0, "the oldest went");
    }

    #[test]
    fn what_was_gained_is_forgotten_in_the_end_and_is_nothing_to_oneself() {
        let mut links = Links::default();
        links.note("pod a/p", "x", link(1, 0));
        assert_eq!(links.of("pod a/p", "x", Time::from_seconds(1)).count(), 0);
        assert_eq!(
            links
                .of("pod a/p", "z", Time::from_seconds(13 * 86_400))
                .count(),
            1
        );
        assert_eq!(
            links
                .of("pod a/p", "z", Time::from_seconds(15 * 86_400))
                .count(),
            0
        );
    }
}
