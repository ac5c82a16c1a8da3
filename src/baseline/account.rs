//! The baseline of one principal: what it does, from where, with what, how often.

use super::features::credentials::Credentials;
use super::features::hours::Hours;
use super::features::origins::{self, Origin};
use super::features::practices::{self, New, Practices};
use super::features::probes::Probes;
use super::features::probes::hash;
use super::features::rate::Rate;
use super::features::{agents, networks, operations};
use super::{Learning, Maturity};
use crate::base::remembered::{Remembered, Seen};
use crate::base::{Bits, Id, Time};
use crate::event::{AuditEvent, Geo, Outcome};
use serde::{Deserialize, Serialize};

/// Most issuers of unbound tokens, and most targets of sensitive operations, remembered of one
/// account.
pub(super) const ISSUERS_LIMIT: usize = 16;
pub(super) const TARGETS_LIMIT: usize = 128;

/// The account of the same name that was here before: another uid is another account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Predecessor {
    pub uid: Id,
    pub first_seen: Time,
    pub last_seen: Time,
    /// Distinct days, programs and kinds of act: what the name stands for in this cluster.
    pub days: u32,
    pub agents: Remembered,
    pub practices: Practices,
}

/// The token of a pod that its kubelet asked for, not yet used. Pods are known by other ids than
/// tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Fetched {
    /// A hash of the credential id.
    id: u32,
    /// Seconds since 1970.
    at: u32,
}

/// Most tokens remembered of one account that kubelets asked for and that were not used yet.
const FETCHED_LIMIT: usize = 32;

/// One kind of act as it is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Practised<'a> {
    /// The kind's stable key.
    pub key: &'a str,
    /// Namespace and name, or what else the act is aimed at; empty where that does not matter.
    pub object: &'a str,
    /// Namespace; empty for none.
    pub place: &'a str,
    pub program: &'a str,
    /// How much it is worth to an intruder.
    pub gain: Bits,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Uid of the ServiceAccount object; empty for others and where the log has none.
    pub uid: Id,
    pub first_seen: Time,
    pub last_seen: Time,
    pub events: u64,
    /// Distinct UTC days with events.
    pub days: u32,
    pub predecessor: Option<Box<Predecessor>>,
    /// Operations that were not refused.
    pub operations: Remembered,
    /// Foreign namespaces in which something was not refused.
    pub reach: Remembered,
    /// Operations that were refused.
    pub denials: Remembered,
    pub origins: Remembered,
    pub agents: Remembered,
    /// Targets of sensitive operations: accounts that tokens were minted for, identities assumed;
    /// and acts dangerous in themselves.
    pub targets: Remembered,
    /// Kinds of act that matter, and the objects, namespaces and programs of each.
    pub practices: Practices,
    pub objects: Remembered,
    /// The greatest gain of an act that it was allowed.
    pub power: Bits,
    fetched: Vec<Fetched>,
    /// Who issued the unbound tokens that were used, and which kinds of credential were.
    pub issuers: Remembered,
    /// Findings that an operator called normal.
    pub accepted: Remembered,
    pub credentials: Credentials,
    pub probes: Probes,
    pub rate: Rate,
    pub hours: Hours,
    /// Networks and countries of public origins, where the operator has files that say so. Stored
    /// behind the rest.
    #[serde(skip)]
    pub networks: Remembered,
    /// Changed since it was last stored.
    #[serde(skip)]
    pub changed: bool,
}

/// The words that one event is remembered by; worked out once, for judging and for learning.
pub struct Words<'a> {
    pub operation: &'a str,
    pub origin: &'a str,
    pub agent: &'a str,
    /// The target of a sensitive operation; empty if it has none.
    pub target: &'a str,
    pub issuer: &'a str,
    pub geo: Option<&'a Geo<'a>>,
}

impl Account {
    /// An account that is heard for the first time.
    #[must_use]
    pub fn begun(now: Time) -> Account {
        Account {
            first_seen: now,
            last_seen: now,
            ..Account::default()
        }
    }

    #[must_use]
    pub fn maturity(&self, now: Time, learning: &Learning) -> Maturity {
        Maturity::of(self, now, learning)
    }

    /// Distinct days with events before the day of `now`.
    #[must_use]
    pub fn days_before(&self, now: Time) -> u32 {
        let heard_today = self.events > 0 && self.last_seen.day() >= now.day();
        self.days.saturating_sub(u32::from(heard_today))
    }

    /// Another ServiceAccount of the same name takes this baseline's place and starts from nothing.
    pub fn succeed(&mut self, uid: &str) {
        let old = std::mem::take(self);
        let predecessor = Predecessor {
            uid: old.uid,
            first_seen: old.first_seen,
            last_seen: old.last_seen,
            days: old.days.max(
                old.predecessor
                    .map_or(0, |before| before.days.min(old.days)),
            ),
            agents: old.agents,
            practices: old.practices,
        };
        self.predecessor = Some(Box::new(predecessor));
        self.uid = uid.into();
    }

    /// Learns from an event that has been judged. `learn_origin` is false where the origin itself
    /// is the evidence of theft.
    pub fn learn(
        &mut self,
        event: &AuditEvent<'_>,
        origin: &Origin,
        words: &Words<'_>,
        policy: &Learning,
        learn_origin: bool,
    ) {
        let now = event.time;
        let horizon = policy.horizon(now);
        self.count(now);
        let known = self.operations.get(words.operation).is_some();
        if Rate::counts(event, known) {
            self.rate.note(now);
        }
        self.hours.note(now);
        if event.outcome.is_refusal() {
            self.denials
                .note(words.operation, now, horizon, operations::DENIALS_LIMIT);
        } else if !matches!(
            event.outcome,
            Outcome::Throttled | Outcome::ServerError | Outcome::Pending
        ) {
            self.operations
                .note(words.operation, now, horizon, operations::LIMIT);
            if event.operation.scope == crate::event::Scope::Other {
                self.reach.note(
                    event.operation.namespace,
                    now,
                    horizon,
                    operations::REACH_LIMIT,
                );
            }
            if !words.target.is_empty() {
                self.note_target(words.target, now, policy);
            }
        }
        if learn_origin && origin.ip.is_some() {
            self.origins
                .note(words.origin, now, horizon, origins::LIMIT);
            if let Some(geo) = words.geo {
                networks::note(&mut self.networks, geo, now, horizon);
            }
        }
        self.agents.note(words.agent, now, horizon, agents::LIMIT);
        if !words.issuer.is_empty() {
            self.issuers.note(words.issuer, now, horizon, ISSUERS_LIMIT);
        }
    }

    /// Remembers an act that was allowed; true if its kind was not known.
    pub fn practise(&mut self, act: &Practised<'_>, now: Time, horizon: Time) -> bool {
        let mut is_new = |mark: char, what: &str| {
            let word = format!("{}{mark}{what}", act.key);
            let unknown = !what.is_empty() && self.objects.get(&word).is_none();
            if !what.is_empty() {
                self.objects
                    .note(&word, now, horizon, practices::OBJECTS_LIMIT);
            }
            unknown
        };
        let new = New {
            object: is_new(' ', act.object),
            place: is_new('@', act.place),
        };
        is_new(':', act.program);
        self.power = self.power.max(act.gain);
        self.practices.note(act.key, new, now, horizon)
    }

    /// What is known of one object, namespace or program of a kind of act; `mark` is the one of
    /// [`Account::practise`].
    #[must_use]
    pub fn practised(&self, key: &str, mark: char, what: &str) -> Option<&Seen> {
        self.objects.get(&format!("{key}{mark}{what}"))
    }

    /// Remembers a token that a kubelet asked for.
    pub fn fetch(&mut self, credential_id: &str, at: Time) {
        if self.fetched.len() >= FETCHED_LIMIT {
            self.fetched.remove(0);
        }
        self.fetched.push(Fetched {
            id: hash(&[credential_id]),
            at: at.stored_seconds(),
        });
    }

    /// When a kubelet asked for this token.
    #[must_use]
    pub fn fetched_at(&self, credential_id: &str) -> Option<Time> {
        if self.fetched.is_empty() || credential_id.is_empty() {
            return None;
        }
        let id = hash(&[credential_id]);
        let found = self.fetched.iter().rev().find(|fetched| fetched.id == id)?;
        Some(Time::from_seconds(i64::from(found.at)))
    }

    /// Remembers the target of a sensitive operation, or a dangerous act, that was not refused.
    pub fn note_target(&mut self, words: &str, now: Time, policy: &Learning) {
        self.targets
            .note(words, now, policy.horizon(now), TARGETS_LIMIT);
    }

    fn count(&mut self, now: Time) {
        if self.events == 0 {
            self.first_seen = now;
            self.days = 1;
        } else if now.day() > self.last_seen.day() {
            self.days = self.days.saturating_add(1);
        }
        self.events = self.events.saturating_add(1);
        self.last_seen = self.last_seen.max(now);
        self.first_seen = self.first_seen.min(now);
    }
}
