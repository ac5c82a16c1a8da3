//! When an incident is over: after a silence, after the longest time, because an operator says so,
//! or for want of room.
//!
//! Refuses to forget whom it was about: what comes soon after may belong to it.

use super::correlate::{Correlator, Revision, revise};
use super::links::GRAVE;
use super::memory::End;
use super::{Acknowledgement, Incident, Kind, Notice, Reason, Status};
use crate::base::{Digest, Span, Time};
use crate::detect::{Policy, Severity};

impl Correlator {
    /// Ends what the events' own clock has passed, in the order of the ends, then of the ids.
    pub fn advance(&mut self, clock: Time, policy: &Policy, out: &mut Vec<Revision>) {
        if self.next_end.is_none_or(|end| clock <= end) {
            return;
        }
        for (end, id) in self.due(clock, policy) {
            self.end(id, end, policy, out);
            self.remove(id, end, policy);
        }
        self.next_end = self.live.values().map(|i| end_of(i, policy)).min();
    }

    /// Says of what silence has ended that it is over; it stays joinable.
    pub fn tick(&mut self, at: Time, policy: &Policy, out: &mut Vec<Revision>) {
        for (end, id) in self.due(at, policy) {
            self.end(id, end, policy, out);
        }
    }

    /// What the incident of a subject is about goes on, though nothing new is to be said of it.
    pub fn prolong(&mut self, subject: &str, at: Time) {
        if let Some(incident) = self.open_of(subject) {
            incident.last_seen = incident.last_seen.max(at);
            let id = incident.id;
            self.changed.push(id);
        }
    }

    /// As [`Correlator::prolong`], up to the end of it: how long it lasted is worth a revision.
    pub fn conclude(&mut self, subject: &str, at: Time, policy: &Policy, out: &mut Vec<Revision>) {
        self.prolong(subject, at);
        if let Some(incident) = self.open_of(subject) {
            incident.status = Status::Updated;
            out.push(revise(incident, Some(incident.severity), at, policy));
        }
    }

    fn open_of(&mut self, subject: &str) -> Option<&mut Incident> {
        let id = self.by_subject.get(subject)?;
        self.live
            .get_mut(id)
            .filter(|i| i.status != Status::Resolved)
    }

    fn due(&self, clock: Time, policy: &Policy) -> Vec<(Time, Digest)> {
        let mut due: Vec<(Time, Digest)> = self
            .live
            .values()
            .map(|i| (end_of(i, policy), i.id))
            .filter(|(end, _)| *end < clock)
            .collect();
        due.sort_unstable();
        due
    }

    fn end(&mut self, id: Digest, end: Time, policy: &Policy, out: &mut Vec<Revision>) {
        if let Some(incident) = self
            .live
            .get_mut(&id)
            .filter(|i| i.status != Status::Resolved)
        {
            incident.status = Status::Resolved;
            incident.ended = Some(end);
            out.push(revise(incident, Some(incident.severity), end, policy));
            self.changed.push(id);
        }
    }

    /// An operator called the incident normal: it ends, and nothing joins it any more. False if it
    /// is over already.
    pub fn acknowledge(
        &mut self,
        id: Digest,
        said: Acknowledgement,
        out: &mut Vec<Revision>,
    ) -> bool {
        self.links.forget(id);
        let Some(mut incident) = self.take(id) else {
            return false;
        };
        if incident.status != Status::Resolved {
            incident.status = Status::Resolved;
            incident.ended = Some(said.at.max(incident.last_seen));
        }
        incident.acknowledged = Some(said);
        incident.revision += 1;
        // Who was told that it began has to hear that it is over.
        let notice = Notice {
            tell: incident.told,
            reason: Reason::Acknowledged,
        };
        out.push(Revision { incident, notice });
        true
    }

    /// Out of the live ones; its subjects are free.
    fn take(&mut self, id: Digest) -> Option<Incident> {
        let incident = self.live.remove(&id)?;
        self.changed.push(id);
        for subject in &incident.subjects {
            if self.by_subject.get(subject) == Some(&id) {
                self.by_subject.remove(subject);
            }
        }
        Some(incident)
    }

    fn remove(&mut self, id: Digest, end: Time, policy: &Policy) {
        let Some(incident) = self.take(id) else {
            return;
        };
        self.links.end(&incident);
        let for_its_length = end < incident.last_seen + quiet(policy);
        let grave = incident.severity >= GRAVE && incident.kind == Kind::Threat;
        if (for_its_length || grave)
            && let Some(subject) = incident.subjects.first()
        {
            self.memory.note(End {
                subject: subject.clone(),
                id,
                at: end,
                grave,
            });
        }
    }

    /// Ends an eighth of the incidents, the least severe and oldest first.
    pub(super) fn make_room(&mut self, now: Time, policy: &Policy, out: &mut Vec<Revision>) {
        let mut order: Vec<(Severity, Time, Digest)> = self
            .live
            .values()
            .map(|i| (i.severity, i.last_seen, i.id))
            .collect();
        order.sort_unstable();
        let doomed = (order.len() / 8).max(1);
        for (_, _, id) in order.into_iter().take(doomed) {
            self.end(id, now, policy, out);
            self.remove(id, now + quiet(policy), policy);
        }
    }

    /// After a change of the policy: incidents may end at another time than they did.
    pub fn reconsider(&mut self, policy: &Policy) {
        self.next_end = self.live.values().map(|i| end_of(i, policy)).min();
    }
}

pub(super) fn quiet(policy: &Policy) -> Span {
    Span::seconds(i64::from(policy.incidents.quiet_seconds))
}

/// When an incident ends if nothing more joins it. What cannot be seen is not over because it has
/// lasted long.
pub(super) fn end_of(incident: &Incident, policy: &Policy) -> Time {
    if incident.kind == Kind::Visibility {
        return incident.last_seen + quiet(policy);
    }
    let longest = Span::seconds(i64::from(policy.incidents.longest_hours) * 3600);
    (incident.last_seen + quiet(policy)).min(incident.first_seen + longest)
}
