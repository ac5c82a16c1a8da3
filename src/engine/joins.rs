//! Causes and their effects, joined in either order: who minted the token that is used, who made
//! the Secret that is filled in. Logs of several API servers are read some seconds apart.
//!
//! Refuses to judge: it only finds the other half.

use super::Engine;
use crate::base::{Bits, Span, Time};
use crate::baseline::account::Practised;
use crate::baseline::features::credentials::Holder;
use crate::baseline::makers::Maker;
use crate::baseline::prevalence::Group;
use crate::baseline::stolen::Use;
use crate::baseline::{Account, Peers};
use crate::detect::View;
use crate::detect::acts::Act;
use crate::event::{
    AuditEvent, Component, CredentialKind, Operation, Outcome, Principal, PrincipalKind,
};
use std::net::IpAddr;

/// After so long no API server takes a pod that was ended for a living one: it honours the token
/// for 60 seconds after the time of deletion, where a finalizer keeps the pod so long
/// (`pkg/serviceaccount/claims.go`), and remembers for 10 what it accepted.
const SLOW_END: Span = Span::seconds(90);
/// Disorder between several logs.
const TOLERANCE: Span = Span::seconds(5);

impl Engine {
    /// Who made the Secret that the token controller fills in now, or filled in before its making
    /// was read.
    pub(super) fn secret_maker(&self, event: &AuditEvent<'_>, weight: Bits) -> Option<Maker> {
        let Operation {
            namespace, name, ..
        } = event.operation;
        if fills_secret(event) {
            return self.makers.of(namespace, name, event.time).cloned();
        }
        let filled = makes_secret(event) && self.makers.was_filled(namespace, name, event.time);
        filled.then(|| maker_of(event, weight))
    }

    /// The account whose unbound token is issued now, if the token's use was read before.
    pub(super) fn used_before(&self, event: &AuditEvent<'_>) -> Option<&Account> {
        if event.issued_credential_id.is_empty() || event.principal.kind() == PrincipalKind::Node {
            return None;
        }
        let target = self.population.get(&target_of(event))?;
        let used = target
            .credentials
            .holders()
            .iter()
            .any(|h| h.credential_id == *event.issued_credential_id);
        used.then_some(target)
    }

    /// A TokenRequest that succeeded: the lineage of the token begins. Kubelets' are left out, they
    /// are bound to pods and say so themselves; when a kubelet fetched one is remembered apart.
    pub(super) fn learn_issue(&mut self, event: &AuditEvent<'_>) {
        if event.issued_credential_id.is_empty() {
            return;
        }
        if event.principal.kind() == PrincipalKind::Node {
            // Only of accounts that are known: others have no place that a token could leave.
            let target = target_of(event);
            if self.population.get(&target).is_some() {
                self.population.update(&target, event.time, |account| {
                    account.fetch(event.issued_credential_id, event.time);
                });
            }
            return;
        }
        self.population
            .update(&target_of(event), event.time, |account| {
                account
                    .credentials
                    .issue(event.issued_credential_id, event.username, event.time);
            });
    }

    /// When the pod that the credential is bound to was ended, if that is so long ago that the API
    /// server cannot have missed it.
    pub(super) fn departed_since(
        &self,
        event: &AuditEvent<'_>,
        holder: Option<&Holder>,
    ) -> Option<Time> {
        let (credential, first) = (&event.credential, holder?.first);
        let bound = matches!(
            credential.kind,
            CredentialKind::PodBound | CredentialKind::PodBoundWithoutId
        );
        if !bound || credential.pod_uid.is_empty() {
            return None;
        }
        let gone = self.departed.since(
            event.principal.namespace(),
            credential.pod,
            first,
            event.time,
        )?;
        (event.time.since(gone) > SLOW_END).then_some(gone)
    }

    /// The stolen token that was used at the address of a request that failed authentication, and
    /// when the pod of this token was ended.
    pub(super) fn refused_since(
        &self,
        event: &AuditEvent<'_>,
        ip: Option<IpAddr>,
    ) -> Option<(&Use, Time)> {
        let uses = self
            .stolen
            .at(ip.filter(|_| event.outcome == Outcome::Unauthenticated)?);
        let since = |used: &Use| {
            self.departed
                .since(&used.namespace, &used.pod, used.first, event.time)
        };
        let ended = uses.iter().filter_map(|used| Some((used, since(used)?)));
        ended
            .filter(|(_, gone)| event.time.since(*gone) > TOLERANCE)
            .min_by_key(|(_, gone)| *gone)
    }

    /// The use of a pod's token was found to be theft.
    pub(super) fn learn_theft(&mut self, event: &AuditEvent<'_>, ip: IpAddr) {
        if event.credential.pod.is_empty() {
            return;
        }
        let holder = self
            .population
            .get(event.username)
            .and_then(|account| account.credentials.find(event));
        let first = holder.map_or(event.time, |holder| holder.first);
        self.stolen.note(event, ip, first);
    }

    /// What the account's peers say to what is news of it: first to its operation, then to its
    /// program.
    pub(super) fn ask_peers(&self, view: &View<'_>) -> (Peers, Peers) {
        let (event, now, learning) = (view.event, view.now(), &self.policy.learning);
        // As long as it counts as a novelty; after that nobody needs to be asked.
        let is_fresh = view
            .operation_seen
            .is_none_or(|s| s.count < 3 && s.first().day() == now.day());
        let of_operation = is_fresh && view.sensitive.is_none() && !event.outcome.is_refusal();
        if view.account.events == 0
            || !view.is_machine()
            || !(of_operation || view.agent_seen.is_none())
        {
            return Default::default();
        }
        let knows = |account: &Account| account.operations.get(view.operation).is_some();
        let ask = |agent, knows: &dyn Fn(&Account) -> bool| {
            self.population
                .ask_peers(event.username, agent, now, learning, knows)
        };
        let operation = if of_operation {
            ask(Some(view.agent), &knows)
        } else {
            Peers::default()
        };
        let uses = |account: &Account| account.agents.get(view.agent).is_some();
        let agent = if view.agent_seen.is_none() {
            ask(None, &uses)
        } else {
            Peers::default()
        };
        (operation, agent)
    }

    pub(super) fn learn_maker(&mut self, event: &AuditEvent<'_>, weight: Bits) {
        if makes_secret(event) {
            self.makers.note(maker_of(event, weight));
        } else if fills_secret(event) {
            self.learn_token_secret(event);
            self.makers
                .note_filled(event.operation.namespace, event.operation.name, event.time);
        }
    }
}

impl Engine {
    /// The Secret came to hold a token: whoever made it makes such Secrets.
    fn learn_token_secret(&mut self, event: &AuditEvent<'_>) {
        let Operation {
            namespace, name, ..
        } = event.operation;
        let Some(by) = self
            .makers
            .of(namespace, name, event.time)
            .map(|maker| maker.by.clone())
        else {
            return;
        };
        let horizon = self.policy.learning.horizon(event.time);
        let act = Act::TokenSecret;
        let foreign = namespace != Principal::parse(&by).namespace();
        let practised = Practised {
            key: act.key(),
            object: "",
            place: if foreign { namespace } else { "" },
            program: "",
            gain: act.gain(),
        };
        let mut is_new = false;
        self.population.update(&by, event.time, |account| {
            is_new = account.practise(&practised, event.time, horizon);
        });
        if is_new {
            self.prevalence
                .count_practice(act.key(), Group::of(Principal::parse(&by).kind()));
        }
    }
}

/// The account that a TokenRequest is for.
fn target_of(event: &AuditEvent<'_>) -> String {
    format!(
        "system:serviceaccount:{}:{}",
        event.operation.namespace, event.operation.name
    )
}

pub(super) fn makes_secret(event: &AuditEvent<'_>) -> bool {
    let operation = &event.operation;
    operation.resource == "secrets"
        && operation.verb == "create"
        && event.outcome == Outcome::Allowed
}

/// The token controller of kube-controller-manager puts a token into a Secret of its type.
fn fills_secret(event: &AuditEvent<'_>) -> bool {
    let operation = &event.operation;
    let updates = operation.resource == "secrets"
        && operation.verb == "update"
        && event.outcome == Outcome::Allowed;
    updates
        && event.principal.component() == Some(Component::ControllerManager)
        && event.user_agent.ends_with("/tokens-controller")
}

fn maker_of(event: &AuditEvent<'_>, weight: Bits) -> Maker {
    Maker {
        namespace: event.operation.namespace.into(),
        secret: event.operation.name.into(),
        by: event.username.into(),
        audit_id: event.audit_id.into(),
        at: event.time,
        weight,
    }
}
