//! An attacker's path across principals: what one gained and another's credential then does is one
//! story.
//!
//! Refuses to join what is only kept: where the first half never was grave, it is named and stays
//! apart.

use super::arrival::Arrival;
use super::correlate::Correlator;
use super::ending::end_of;
use super::links::{GRAVE, How, Link};
use super::{Incident, Kind};
use crate::base::{Digest, Time};
use crate::detect::{Policy, Severity};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Most steps told of one incident.
pub const STEPS_LIMIT: usize = 16;

/// The pod that lives at the address an event came from, where it is another principal's.
pub struct Neighbour<'a> {
    pub username: &'a str,
    pub pod: &'a str,
}

/// One hand-over from one principal to another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    pub how: How,
    pub by: SmolStr,
    pub to: SmolStr,
    /// What was gained: `token JTI=...`, `pod shop/cart-0`, `secret shop/key`.
    pub what: SmolStr,
    /// When it was gained, and when it was first found in use.
    pub at: Time,
    pub used_at: Time,
    /// Where it was used from.
    pub origin: SmolStr,
}

impl Step {
    /// One plain sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let Step {
            by,
            to,
            what,
            at,
            used_at,
            origin,
            ..
        } = self;
        let used = format!("used by {to} from {origin} at {used_at}");
        match self.how {
            How::Minted => format!("{what} minted by {by} at {at}, {used}"),
            How::SecretRead => format!("{what} read by {by} at {at}, its token {used}"),
            How::PodEntered => format!("{what} entered by {by} at {at}, its account {used}"),
            How::PodMade => format!("{what} made or changed by {by} at {at}, its account {used}"),
            How::Origin => format!("{what} was used by {by} at {at}, and {used}"),
            How::Neighbour => format!("{what} is {by}'s, and a credential was {used}, its address"),
        }
    }

    fn is_same(&self, other: &Step) -> bool {
        self.how == other.how
            && self.by == other.by
            && self.to == other.to
            && self.what == other.what
    }
}

/// What an event's facts lead back to.
pub(super) struct Linked {
    pub step: Step,
    /// The incident of the first half: live and grave.
    pub join: Option<Digest>,
    /// The same, live or over, and grave.
    pub grave: Option<Digest>,
}

impl Correlator {
    /// The gravest story that the facts of an event lead back to; of equals the latest.
    pub(super) fn linked(&self, arrival: &Arrival<'_>, policy: &Policy) -> Option<Linked> {
        let mut best: Option<(Severity, Time, Linked)> = None;
        let mut consider = |what: &str, by: &SmolStr, link: &Link| {
            // What was in use here before it was gained proves nothing.
            let by_name = matches!(link.how, How::PodEntered | How::PodMade | How::Neighbour);
            if !by_name && arrival.here_since.is_some_and(|since| since < link.at) {
                return;
            }
            let live = self.live_at(&link.incident, arrival.at, policy);
            // Past its end, an incident may stay until the clock has believed it.
            let severity = match self.get(&link.incident) {
                Some(incident) => incident.severity,
                None if link.over => GRAVE,
                None => return,
            };
            let is_grave = severity >= GRAVE;
            if best
                .as_ref()
                .is_some_and(|(s, at, _)| (*s, *at) >= (severity, link.at))
            {
                return;
            }
            let join = live.filter(|_| is_grave).map(|i| i.id);
            let linked = Linked {
                step: step(arrival, what, by, link),
                join,
                grave: is_grave.then_some(link.incident),
            };
            best = Some((severity, link.at, linked));
        };
        for clue in arrival.clues {
            for ((_, by), link) in self.links.of(clue, arrival.subject, arrival.at) {
                consider(clue, by, link);
            }
        }
        if let Some(neighbour) = &arrival.neighbour
            && let Some(incident) = self.story_of(neighbour.username, arrival.at, policy)
        {
            let link = Link {
                how: How::Neighbour,
                at: incident.first_seen,
                incident: incident.id,
                over: false,
            };
            consider(
                &format!("pod {}", neighbour.pod),
                &neighbour.username.into(),
                &link,
            );
        }
        best.map(|(_, _, linked)| linked)
    }

    /// A threat that findings can still join at `at`.
    fn live_at(&self, id: &Digest, at: Time, policy: &Policy) -> Option<&Incident> {
        self.get(id)
            .filter(|i| i.kind == Kind::Threat && at <= end_of(i, policy))
    }

    /// The incident that a finding of `subject` would join by its name alone.
    pub(super) fn story_of(&self, subject: &str, at: Time, policy: &Policy) -> Option<&Incident> {
        self.live_at(self.by_subject.get(subject)?, at, policy)
    }

    /// The incident that an event belongs to, though nothing was found in it: that of its facts, or
    /// of its subject.
    #[must_use]
    pub fn belongs_to(&self, arrival: &Arrival<'_>, policy: &Policy) -> Option<Digest> {
        let linked = self.linked(arrival, policy).and_then(|linked| linked.join);
        linked.or_else(|| {
            self.story_of(arrival.subject, arrival.at, policy)
                .map(|i| i.id)
        })
    }
}

impl Incident {
    /// Tells the hand-over, and which incident this one goes on with. True if that was news.
    pub(super) fn hand_over(&mut self, linked: &Linked) -> bool {
        let known = self.lineage.iter().any(|s| s.is_same(&linked.step));
        let mut news = false;
        if !known && self.lineage.len() < STEPS_LIMIT {
            self.lineage.push(linked.step.clone());
            news = true;
        }
        if self.continues.is_none() && linked.grave.is_some_and(|id| id != self.id) {
            self.continues = linked.grave;
            news = true;
        }
        news
    }

    /// Whether this is where the story of `by` went on already.
    pub(super) fn goes_on_from(&self, by: &str) -> bool {
        self.lineage.iter().any(|step| step.by == by)
    }
}

fn step(arrival: &Arrival<'_>, what: &str, by: &SmolStr, link: &Link) -> Step {
    Step {
        how: link.how,
        by: by.clone(),
        to: if arrival.principal.is_empty() {
            arrival.subject
        } else {
            arrival.principal
        }
        .into(),
        what: what.into(),
        at: link.at,
        used_at: arrival.at,
        origin: arrival.origin.into(),
    }
}
