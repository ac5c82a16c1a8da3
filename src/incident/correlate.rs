//! Which findings belong together, and when a story begins. When it ends: `ending.rs`.
//!
//! Refuses the wall clock, batches and positions: the same events in the same order give the same
//! incidents, however they were cut. A tick may end an incident in the eyes of people; it stays
//! joinable until the events' own clock has passed its end.

use super::arrival::Arrival;
use super::ending::{end_of, quiet};
use super::links::{How, Link, Links};
use super::memory::Memory;
use super::sequence::Linked;
use super::{Evidence, Incident, Kind, LIST_LIMIT, Notice, Status, push_bounded};
use crate::base::{Digest, Time};
use crate::detect::{Finding, Policy, Severity, Tactic};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// One revision of one incident, as it was when it was made.
#[derive(Clone, Debug)]
pub struct Revision {
    pub incident: Incident,
    pub notice: Notice,
}

#[derive(Default)]
pub struct Correlator {
    pub(super) live: BTreeMap<Digest, Incident>,
    pub(super) by_subject: BTreeMap<SmolStr, Digest>,
    pub(super) links: Links,
    pub memory: Memory,
    /// No incident ends before this.
    pub(super) next_end: Option<Time>,
    pub(super) changed: Vec<Digest>,
}

impl Correlator {
    /// Open incidents, in the order of their ids.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.live.values().filter(|i| i.status != Status::Resolved)
    }

    /// One that is open, or over and still joinable.
    #[must_use]
    pub fn get(&self, id: &Digest) -> Option<&Incident> {
        self.live.get(id)
    }

    /// Joins the findings of one event to incidents; pushes the revisions that this makes.
    /// Returns the incident that each finding joined.
    pub fn arrive(
        &mut self,
        findings: &[Finding],
        arrival: &Arrival<'_>,
        policy: &Policy,
        out: &mut Vec<Revision>,
    ) -> Vec<Digest> {
        let mut joined = Vec::with_capacity(findings.len());
        let mut touched: Vec<(Digest, Option<Severity>, bool)> = Vec::new();
        let linked = self.linked(arrival, policy);
        for finding in findings {
            let linked = linked.as_ref().filter(|_| finding.culprit.is_none());
            let id = match self.find(finding, arrival, policy, linked) {
                Some(id) => id,
                None => {
                    let id = self.begin(finding, arrival, policy, out);
                    touched.push((id, None, true));
                    id
                }
            };
            if !touched.iter().any(|(t, ..)| *t == id) {
                touched.push((id, self.live.get(&id).map(|i| i.severity), false));
            }
            joined.push(id);
            let revised = self.join(id, finding, arrival, policy, linked);
            if let Some(t) = touched.iter_mut().find(|(t, ..)| *t == id) {
                t.2 |= revised;
            }
        }
        for (id, before, revised) in touched {
            self.settle(id, before, revised, policy, out);
        }
        joined
    }

    /// The incident that a finding joins: the one that its facts lead back to, that of its subject,
    /// or of the account behind it.
    fn find(
        &self,
        finding: &Finding,
        arrival: &Arrival<'_>,
        policy: &Policy,
        linked: Option<&Linked>,
    ) -> Option<Digest> {
        let subject = finding
            .culprit
            .as_ref()
            .map_or(arrival.subject, |(who, _)| who.as_str());
        if let Some(linked) = linked.filter(|l| l.join.is_some()) {
            let own = self
                .story_of(subject, arrival.at, policy)
                .filter(|i| i.goes_on_from(&linked.step.by));
            return own.map(|i| i.id).or(linked.join);
        }
        [Some(subject), finding.also.as_deref()]
            .into_iter()
            .flatten()
            .find_map(|subject| {
                let id = self.by_subject.get(subject)?;
                let incident = self.live.get(id)?;
                (arrival.at <= end_of(incident, policy)).then_some(*id)
            })
    }

    fn begin(
        &mut self,
        finding: &Finding,
        arrival: &Arrival<'_>,
        policy: &Policy,
        out: &mut Vec<Revision>,
    ) -> Digest {
        if self.live.len() >= policy.incidents.open_limit.max(1) {
            self.make_room(arrival.at, policy, out);
        }
        let culprit = finding.culprit.as_ref().map(|(who, _)| who.as_str());
        let subject = culprit.unwrap_or(arrival.subject);
        let principal = culprit.unwrap_or(arrival.principal);
        let id = self.new_id(policy, subject, finding.detector.id(), &(arrival.digest)());
        let continues = self.memory.continued(subject, arrival.at, quiet(policy));
        let incident = Incident {
            id,
            revision: 0,
            kind: if finding.tactic == Tactic::Visibility {
                Kind::Visibility
            } else {
                Kind::Threat
            },
            status: Status::Open,
            severity: Severity::Info,
            principal: principal.into(),
            principals: Vec::new(),
            cluster: policy.cluster.as_str().into(),
            first_seen: arrival.at,
            last_seen: arrival.at,
            detected_at: None,
            ended: None,
            detectors: Vec::new(),
            techniques: Vec::new(),
            evidence: Evidence::default(),
            credentials: Vec::new(),
            origins: Vec::new(),
            networks: Vec::new(),
            user_agents: Vec::new(),
            findings: Vec::new(),
            baseline: arrival.baseline,
            continues,
            lineage: Vec::new(),
            subjects: vec![subject.into()],
            told_evidence: 0,
            told: false,
            acknowledged: None,
        };
        self.own_subject(subject, id);
        self.live.insert(id, incident);
        id
    }

    /// Later findings of a subject join `id`. No other incident keeps it: restored state must be
    /// unambiguous.
    fn own_subject(&mut self, subject: &str, id: Digest) {
        if let Some(before) = self
            .by_subject
            .insert(subject.into(), id)
            .filter(|before| *before != id)
            && let Some(incident) = self.live.get_mut(&before)
        {
            incident.subjects.retain(|s| s != subject);
            self.changed.push(before);
        }
    }

    /// Cluster, subject, first detector, opening event and an occurrence number for identical
    /// events.
    fn new_id(&mut self, policy: &Policy, subject: &str, detector: &str, event: &Digest) -> Digest {
        let id_of = |occurrence: u32| {
            let parts = [
                policy.cluster.as_bytes(),
                subject.as_bytes(),
                detector.as_bytes(),
                &event.0,
                &occurrence.to_le_bytes(),
            ];
            Digest::of_parts(&parts)
        };
        self.memory.give(id_of, |id| self.live.contains_key(id))
    }

    fn join(
        &mut self,
        id: Digest,
        finding: &Finding,
        arrival: &Arrival<'_>,
        policy: &Policy,
        linked: Option<&Linked>,
    ) -> bool {
        let Some(incident) = self.live.get_mut(&id) else {
            return false;
        };
        // What only its facts lead here leaves its subject where it is: other findings of it are
        // another story.
        let by_facts = linked.is_some_and(|l| l.join == Some(id));
        let mut revised = false;
        if incident.status == Status::Resolved {
            incident.status = Status::Updated;
            incident.ended = None;
            // Who heard that it is over has to hear that it is not.
            incident.told = false;
            revised = true;
        }
        incident.first_seen = incident.first_seen.min(arrival.at);
        incident.last_seen = incident.last_seen.max(arrival.at);
        let who = finding
            .culprit
            .as_ref()
            .map_or(arrival.principal, |(culprit, _)| culprit.as_str());
        let weight = policy.capped(finding.detector.id(), finding.weight);
        revised |= incident.add(finding, weight, &policy.severity, arrival, who);
        revised |= linked.is_some_and(|linked| incident.hand_over(linked));
        let detector = incident
            .detectors
            .iter()
            .position(|d| d == finding.detector.id())
            .unwrap_or(0);
        if let Some((culprit, audit_id)) = &finding.culprit {
            incident.evidence.add(audit_id, detector);
            push_bounded(&mut incident.principals, culprit, LIST_LIMIT);
        } else {
            push_bounded(&mut incident.principals, arrival.principal, LIST_LIMIT);
            push_bounded(&mut incident.credentials, arrival.credential_id, LIST_LIMIT);
            push_bounded(&mut incident.origins, arrival.origin, LIST_LIMIT);
            push_bounded(&mut incident.networks, arrival.network, LIST_LIMIT);
            push_bounded(&mut incident.user_agents, arrival.user_agent, LIST_LIMIT);
            incident.evidence.add(arrival.audit_id, detector);
            if !by_facts {
                push_bounded(&mut incident.subjects, arrival.subject, LIST_LIMIT);
            }
        }
        if let Some(also) = &finding.also {
            push_bounded(&mut incident.principals, also, LIST_LIMIT);
        }
        if finding.culprit.is_none()
            && !by_facts
            && incident.subjects.iter().any(|s| s == arrival.subject)
        {
            self.own_subject(arrival.subject, id);
        }
        revised
    }

    /// Makes the revision that one event's findings call for, if they call for one.
    fn settle(
        &mut self,
        id: Digest,
        before: Option<Severity>,
        revised: bool,
        policy: &Policy,
        out: &mut Vec<Revision>,
    ) {
        let Some(incident) = self.live.get_mut(&id) else {
            return;
        };
        let end = end_of(incident, policy);
        self.next_end = Some(self.next_end.map_or(end, |next| next.min(end)));
        if self.changed.last() != Some(&id) {
            self.changed.push(id);
        }
        if !revised && incident.evidence.count < incident.told_evidence.saturating_mul(2) {
            return;
        }
        if before.is_some() {
            incident.status = Status::Updated;
        }
        out.push(revise(incident, before, incident.last_seen, policy));
    }

    /// `by` gained something in `incident`; what it is, is a clue of the events that use it.
    pub fn gain(&mut self, how: How, what: &str, by: &str, at: Time, incident: Digest) {
        if self.live.contains_key(&incident) {
            self.links.note(
                what,
                by,
                Link {
                    how,
                    at,
                    incident,
                    over: false,
                },
            );
        }
    }

    pub fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    /// Incidents changed since the last call, each once, in order; `None` for one that is over.
    pub fn drain_changes(&mut self) -> Vec<(Digest, Option<&Incident>)> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed
            .into_iter()
            .map(|id| (id, self.live.get(&id)))
            .collect()
    }

    pub fn restore(&mut self, incident: Incident, policy: &Policy) {
        for subject in &incident.subjects {
            self.by_subject.insert(subject.clone(), incident.id);
        }
        let end = end_of(&incident, policy);
        self.next_end = Some(self.next_end.map_or(end, |next| next.min(end)));
        self.live.insert(incident.id, incident);
    }
}

/// `at` is the event time that silences are held against.
pub(super) fn revise(
    incident: &mut Incident,
    before: Option<Severity>,
    at: Time,
    policy: &Policy,
) -> Revision {
    incident.revision += 1;
    incident.told_evidence = incident.evidence.count.max(1);
    let silenced = policy.rules.silence(&incident.story(), at).is_some();
    let notice = Notice::of(incident, before, policy.incidents.notify, silenced);
    incident.told |= notice.tell;
    Revision {
        notice,
        incident: incident.clone(),
    }
}
