//! Causes and their effects, joined in either order: who minted the token that is used, who made the
//! Secret that is filled in. Logs of several API servers are read some seconds apart.
//!
//! Refuses to judge: it only finds the other half.

use super::Engine;
use crate::baseline::Account;
use crate::baseline::makers::Maker;
use crate::event::{AuditEvent, Component, Operation, Outcome, PrincipalKind};

impl Engine {
    /// Who made the Secret that the token controller fills in now, or filled in before its making was read.
    pub(super) fn secret_maker(&self, event: &AuditEvent<'_>, mature: bool) -> Option<Maker> {
        let Operation { namespace, name, .. } = event.operation;
        if fills_secret(event) {
            return self.makers.of(namespace, name, event.time).cloned();
        }
        let filled = makes_secret(event) && self.makers.was_filled(namespace, name, event.time);
        filled.then(|| maker_of(event, mature))
    }

    /// The account whose unbound token is issued now, if the token's use was read before.
    pub(super) fn used_before(&self, event: &AuditEvent<'_>) -> Option<&Account> {
        if event.issued_credential_id.is_empty() || event.principal.kind() == PrincipalKind::Node {
            return None;
        }
        let target = self.population.get(&target_of(event))?;
        let used = target.credentials.holders().iter().any(|h| h.credential_id == *event.issued_credential_id);
        used.then_some(target)
    }

    /// A TokenRequest that succeeded: the lineage of the token begins. Kubelets' are left out, they
    /// are bound to pods and say so themselves.
    pub(super) fn learn_issue(&mut self, event: &AuditEvent<'_>) {
        if event.issued_credential_id.is_empty() || event.principal.kind() == PrincipalKind::Node {
            return;
        }
        self.population.update(&target_of(event), event.time, |account| {
            account.credentials.issue(event.issued_credential_id, event.username, event.time);
        });
    }

    pub(super) fn learn_maker(&mut self, event: &AuditEvent<'_>, mature: bool) {
        if makes_secret(event) {
            self.makers.note(maker_of(event, mature));
        } else if fills_secret(event) {
            self.makers.note_filled(event.operation.namespace, event.operation.name, event.time);
        }
    }
}

/// The account that a TokenRequest is for.
fn target_of(event: &AuditEvent<'_>) -> String {
    format!("system:serviceaccount:{}:{}", event.operation.namespace, event.operation.name)
}

fn makes_secret(event: &AuditEvent<'_>) -> bool {
    let operation = &event.operation;
    operation.resource == "secrets" && operation.verb == "create" && event.outcome == Outcome::Allowed
}

/// The token controller of kube-controller-manager puts a token into a Secret of its type.
fn fills_secret(event: &AuditEvent<'_>) -> bool {
    let operation = &event.operation;
    let updates = operation.resource == "secrets" && operation.verb == "update" && event.outcome == Outcome::Allowed;
    updates
        && event.principal.component() == Some(Component::ControllerManager)
        && event.user_agent.ends_with("/tokens-controller")
}

fn maker_of(event: &AuditEvent<'_>, mature: bool) -> Maker {
    Maker {
        namespace: event.operation.namespace.into(),
        secret: event.operation.name.into(),
        by: event.username.into(),
        audit_id: event.audit_id.into(),
        at: event.time,
        mature,
    }
}
