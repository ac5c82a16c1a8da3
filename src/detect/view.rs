//! Everything that a detector may look at: the event, and what was known before it.
//!
//! Refuses to change anything, and to know what other detectors think.

use super::acts::Acts;
use super::sensitive::Sensitive;
use super::weigh::Weights;
use super::{Policy, own};
use crate::base::remembered::Seen;
use crate::base::{Bits, Time};
use crate::baseline::address::Failures;
use crate::baseline::features::credentials::{Holder, Issued, Place};
use crate::baseline::features::operations;
use crate::baseline::features::origins::{Class, Origin};
use crate::baseline::features::probes::Probe;
use crate::baseline::makers::Maker;
use crate::baseline::stolen::Use;
use crate::baseline::{Account, Address, Causes, Maturity, Peers, Population, Prevalence};
use crate::event::{AuditEvent, Geo, Principal, PrincipalKind};

/// What is remarkable about an event, worked out once: detectors sleep unless one of theirs is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks(pub u16);

impl Marks {
    pub const NEW_OPERATION: Marks = Marks(1);
    pub const NEW_AGENT: Marks = Marks(1 << 1);
    pub const NEW_ORIGIN: Marks = Marks(1 << 2);
    /// The event adds to what is counted as probing.
    pub const PROBE: Marks = Marks(1 << 3);
    pub const SENSITIVE: Marks = Marks(1 << 4);
    pub const UNAUTHENTICATED: Marks = Marks(1 << 5);
    /// A legacy, unbound or stale credential.
    pub const ODD_CREDENTIAL: Marks = Marks(1 << 6);
    /// The address does not fit what the credential is bound to, or where it was.
    pub const MISPLACED: Marks = Marks(1 << 7);
    pub const TOKEN_SECRET: Marks = Marks(1 << 8);
    pub const ANONYMOUS: Marks = Marks(1 << 9);
    /// The event shows an act that is dangerous in itself.
    pub const ACT: Marks = Marks(1 << 10);
    /// The pod is gone that the credential is bound to, or whose stolen token was used here.
    pub const DEPARTED: Marks = Marks(1 << 11);

    #[must_use]
    pub const fn with(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }

    #[must_use]
    pub const fn intersects(self, other: Marks) -> bool {
        self.0 & other.0 != 0
    }

    pub fn set(&mut self, other: Marks, when: bool) {
        if when {
            self.0 |= other.0;
        }
    }
}

/// Where else a credential is in use that one machine has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rival {
    pub place: Place,
    /// One of the two addresses is a pod's, another node's, or outside the cluster.
    pub is_foreign: bool,
}

/// What is known of a credential that appears elsewhere: facts that say whether it was moved or
/// taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// The kubelet fetched this token after the credential was last used elsewhere: its sandbox was
    /// made anew.
    pub is_fetched_anew: bool,
    /// The request was received before another pod came to the address.
    pub was_received_before: bool,
    /// The entry before the last of `sourceIPs` is the credential's own place: the last may be a
    /// peer API server.
    pub is_forwarded: bool,
    /// The credential's first place is an address that only its pod has.
    pub home_is_pods_own: bool,
    /// Pods are seen with addresses of both families.
    pub has_both_families: bool,
}

pub struct View<'a> {
    pub event: &'a AuditEvent<'a>,
    pub policy: &'a Policy,
    pub marks: Marks,
    /// The account before this event; one never seen is empty.
    pub account: &'a Account,
    pub maturity: Maturity,
    pub origin: Origin,
    pub sensitive: Option<Sensitive>,
    pub acts: Acts,
    /// What the event's acts weigh; worked out last.
    pub weights: Weights,
    /// All accounts, what is common among them, and what has changed lately.
    pub population: &'a Population,
    pub prevalence: &'a Prevalence,
    pub causes: &'a Causes,
    /// What a binding to the role that is bound is worth, where the role was seen to be written.
    pub role_worth: Option<Bits>,
    /// The most that the account could do whose token is minted, or as whom a pod is to run.
    pub run_as_power: Bits,
    /// The words the event will be remembered by, and what is known of each.
    pub operation: &'a str,
    pub operation_seen: Option<&'a Seen>,
    pub denial_seen: Option<&'a Seen>,
    pub agent: &'a str,
    pub agent_seen: Option<&'a Seen>,
    pub origin_words: &'a str,
    pub origin_seen: Option<&'a Seen>,
    /// Network and country of an origin outside the cluster, where the operator has files that
    /// say so.
    pub geo: Option<&'a Geo<'a>>,
    pub network_seen: Option<&'a Seen>,
    pub target: &'a str,
    pub target_seen: Option<&'a Seen>,
    /// The trail of this credential (its pod, node or Secret) before this event.
    pub holder: Option<&'a Holder>,
    /// The TokenRequest that this credential came from, on its first use.
    pub issued: Option<&'a Issued>,
    pub address: Option<&'a Address>,
    /// When the pod that the credential is bound to was ended.
    pub departed: Option<Time>,
    /// The stolen token that was used at the address of a request that failed authentication
    /// before, and when the pod of this token was ended.
    pub refused: Option<(&'a Use, Time)>,
    /// What the account's peers say to its operation, and to its program, where one of them is
    /// news.
    pub operation_peers: Peers,
    pub agent_peers: Peers,
    /// What this event itself adds to the account's probes.
    pub probe: Option<Probe>,
    /// Who made the Secret that the token controller fills in now, where that is what happens.
    pub secret_maker: Option<Maker>,
    /// The account whose token is issued now, where the token's use was read before.
    pub used_before: Option<&'a Account>,
    /// Whether addresses prove nothing: one stands for many clients, or the log has only begun.
    pub addresses_blind: bool,
    /// One address stands for many clients, as far as was seen.
    pub addresses_hidden: bool,
    /// Whether pods around this address have addresses of their own.
    pub pods_have_own: bool,
    /// Whether the log shows pods' own addresses at all.
    pub pods_are_shown: bool,
    /// Whether a pod at another node's address is odd.
    pub nodes_tell_apart: bool,
    /// What is known of a credential that appears elsewhere.
    pub moved: Moved,
    /// Another address at which the credential of a node or component is in use meanwhile.
    pub rival: Option<Rival>,
    /// Failures of the caller of a request without a user, with this one.
    pub failures: Failures,
    /// The failures of all callers outside the cluster, with this one; a bit of `kinds` for each
    /// network.
    pub failures_outside: Option<Failures>,
    /// Whether a request without a user is none that the client at this address makes by habit.
    pub strange: bool,
}

impl View<'_> {
    #[must_use]
    pub fn now(&self) -> Time {
        self.event.time
    }

    /// The program, the origin or the operation is new to the account, or was on its first day.
    #[must_use]
    pub fn is_news(&self) -> bool {
        let few = |seen: Option<&Seen>| seen.is_none_or(|seen| seen.days <= 1);
        few(self.agent_seen) || few(self.origin_seen) || self.operation_seen.is_none()
    }

    /// The pod was not heard before the last ten minutes, or ever, while others of its account
    /// were.
    #[must_use]
    pub fn is_new_pod(&self) -> bool {
        let young = |first: Time| self.now().since(first).as_seconds() < 600;
        !self.event.credential.pod.is_empty()
            && self.account.events > 0
            && self
                .holder
                .is_none_or(|holder| young(holder.first) && holder.first > self.account.first_seen)
    }

    #[must_use]
    pub fn is_service_account(&self) -> bool {
        matches!(self.event.principal, Principal::ServiceAccount { .. })
    }

    /// A service account, a node or a component of Kubernetes: its calls are written in code, and a
    /// person's are not.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        let principal = self.event.principal;
        matches!(
            principal,
            Principal::ServiceAccount { .. } | Principal::Node { .. }
        ) || principal.component().is_some()
    }

    /// A user with a name that is none of Kubernetes' own components.
    #[must_use]
    pub fn is_person(&self) -> bool {
        let principal = self.event.principal;
        principal.kind() == PrincipalKind::User && principal.component().is_none()
    }

    /// The account never came from there, nor from any address of that network in that country.
    #[must_use]
    pub fn is_new_origin(&self) -> bool {
        self.origin_seen.is_none() && self.network_seen.is_none()
    }

    /// On how many days the account came from there: from this address or, where that is more, from
    /// its network.
    #[must_use]
    pub fn origin_days(&self) -> u32 {
        self.origin_best().map_or(0, |seen| seen.days.into())
    }

    /// The one of its address and its network that is known for longer, by days.
    #[must_use]
    pub fn origin_best(&self) -> Option<&Seen> {
        self.origin_seen
            .into_iter()
            .chain(self.network_seen)
            .max_by_key(|seen| seen.days)
    }

    /// A controller of kube-controller-manager, as it presents itself: an unbound token of its
    /// account, used from where the control plane's own certificates are used.
    #[must_use]
    pub fn is_own_controller(&self) -> bool {
        own::is_controller(self)
    }

    /// A component of Kubernetes, or one of its controllers, at its own work.
    #[must_use]
    pub fn is_own_work(&self) -> bool {
        own::is_own_work(self)
    }

    /// Who issued the credential in use, where the log told.
    #[must_use]
    pub fn issuer(&self) -> &str {
        let holder = self.holder.map_or("", |h| h.issued_by.as_str());
        self.issued.map_or(holder, |i| i.by.as_str())
    }

    /// The credential is used somewhere that it cannot be.
    #[must_use]
    pub fn is_misplaced(&self) -> bool {
        matches!(self.origin.class, Class::OtherPod | Class::OtherNode)
    }

    /// An operation of this account, for people.
    #[must_use]
    pub fn in_words(&self, operation: &str) -> String {
        operations::in_words(operation, !self.event.principal.namespace().is_empty())
    }

    /// A few words on what the account does otherwise.
    #[must_use]
    pub fn usual_operations(&self) -> String {
        let most: Vec<String> = self
            .account
            .operations
            .most(3)
            .into_iter()
            .map(|key| self.in_words(key))
            .collect();
        match self.account.operations.len() {
            0 => "none of its operations is known".to_owned(),
            1 => format!("all it does: {}", most.join(", ")),
            2 | 3 => format!("what it does: {}", most.join(", ")),
            n => format!("what it does most, of {n} operations: {}", most.join(", ")),
        }
    }
}
