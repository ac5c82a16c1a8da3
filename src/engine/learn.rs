//! Learning from an event that was judged: baselines, addresses, what is common, and what explains
//! later events.
//!
//! Refuses to learn from the evidence of theft.

use super::Engine;
use super::judge::{Observed, Scratch};
use super::look::geo_of;
use crate::base::{Bits, Span};
use crate::baseline::Account;
use crate::baseline::account::{Practised, Words};
use crate::baseline::addresses::Home;
use crate::baseline::features::agents;
use crate::baseline::features::probes::Kind;
use crate::baseline::lesson::ACCEPTED_LIMIT;
use crate::baseline::prevalence::Group;
use crate::detect::acts::Act;
use crate::detect::{Policy, weigh};
use crate::event::{AuditEvent, Outcome, Principal, PrincipalKind};
use smol_str::SmolStr;
use std::net::IpAddr;

impl Engine {
    pub(super) fn learn(&mut self, event: &AuditEvent<'_>, seen: &Observed, scratch: &Scratch) {
        if let Some(ip) = seen.origin.ip {
            self.learn_address(event, seen, ip);
        }
        if matches!(event.principal.kind(), PrincipalKind::Nobody) {
            return;
        }
        let may_grow = self.population.has_credential_budget();
        // Events of an account that was deleted may arrive after the first of its successor.
        let is_straggler = |a: &Account| {
            a.predecessor
                .as_ref()
                .is_some_and(|p| !p.uid.is_empty() && p.uid == *event.user_uid)
        };
        if self
            .population
            .get(event.username)
            .is_some_and(is_straggler)
        {
            return;
        }
        let policy = &self.policy;
        let is_newcomer = self.population.get(event.username).is_none();
        let group = Group::of(event.principal.kind());
        let mut begun: Vec<SmolStr> = Vec::new();
        self.population
            .update(event.username, event.time, |account| {
                begun = learn_account(account, event, seen, scratch, policy, may_grow);
            });
        if is_newcomer && self.population.get(event.username).is_some() {
            self.prevalence.count_account(group);
        }
        for key in &begun {
            self.prevalence.count_practice(key, group);
        }
        self.learn_second_hand(event, scratch);
        self.learn_causes(event, seen, scratch);
        self.departed.learn(event);
        self.learn_issue(event);
        self.learn_maker(event, seen.secret_weight);
    }

    fn learn_address(&mut self, event: &AuditEvent<'_>, seen: &Observed, ip: IpAddr) {
        if !(seen.stolen || seen.unsettled) {
            self.addresses.learn(event, ip, seen.home, seen.strange);
        }
        if seen.home != Home::Here && seen.here_since.is_none() {
            // One after the other, visitors show that the address is nobody's own.
            if seen.home == Home::Elsewhere || seen.stolen {
                self.addresses.learn_visitor(ip, event.time);
            }
            let is_explained = !(seen.stolen || seen.unsettled);
            self.addresses
                .learn_node_of(&event.credential, ip, event.time, is_explained);
        }
        if seen.is_new_family {
            self.addresses.learn_family();
        }
        if seen.stolen {
            self.learn_theft(event, ip);
        }
    }

    /// A kubelet's question about an account is that account's act.
    fn learn_second_hand(&mut self, event: &AuditEvent<'_>, scratch: &Scratch) {
        let reached = scratch
            .weighed
            .iter()
            .any(|act| act.key == Act::KubeletReached.key());
        let review = event
            .facts
            .as_ref()
            .and_then(|facts| facts.review.as_ref())
            .filter(|_| reached);
        let Some(subject) = review.map(|review| review.user.clone()) else {
            return;
        };
        let horizon = self.policy.learning.horizon(event.time);
        let act = Act::KubeletReached;
        let practised = Practised {
            key: act.key(),
            object: "",
            place: "",
            program: "",
            gain: act.gain(),
        };
        self.population.update(&subject, event.time, |account| {
            account.practise(&practised, event.time, horizon);
        });
    }

    /// Takes note of what explains later events: beginnings, accounts and roles that were made,
    /// pods of one's own.
    fn learn_causes(&mut self, event: &AuditEvent<'_>, seen: &Observed, scratch: &Scratch) {
        let (now, ip) = (event.time, seen.origin.ip);
        if seen.news == Bits::ZERO && !seen.stolen {
            let odd = scratch
                .weighed
                .iter()
                .filter(|act| act.surprise >= BEGINNING);
            odd.for_each(|act| {
                self.causes
                    .note_beginning(&act.key, event.username, ip, now);
            });
        }
        if seen.is_new_agent && !seen.stolen {
            let key = weigh::agent_key(agents::product(event.user_agent));
            self.causes.note_beginning(&key, event.username, ip, now);
        }
        let node = match event.principal {
            Principal::Node { name } => name,
            _ => event.credential.node,
        };
        if seen.has_moved && !node.is_empty() {
            self.causes.note_move(event.username, node, now);
        }
        let operation = &event.operation;
        if !is_done(event) || operation.is_read() {
            return;
        }
        let namespace = operation.namespace;
        match (operation.resource, operation.subresource, operation.verb) {
            ("serviceaccounts", "", "create" | "patch") if event.code == 201 => {
                self.causes.note_account(namespace, operation.name, now);
            }
            ("pods", "", "create") => {
                self.causes
                    .note_pod(namespace, operation.name, event.username, now);
            }
            ("roles" | "clusterroles", "", "create" | "update" | "patch") => {
                if let Some(rules) = event.facts.as_ref().and_then(|facts| facts.rules) {
                    self.causes.note_role(
                        namespace,
                        operation.name,
                        Bits::whole(rules.worth()),
                        now,
                    );
                }
            }
            _ => {}
        }
    }
}

/// Teaches one account, and returns the kinds of act that it began.
fn learn_account(
    account: &mut Account,
    event: &AuditEvent<'_>,
    seen: &Observed,
    scratch: &Scratch,
    policy: &Policy,
    may_grow: bool,
) -> Vec<SmolStr> {
    let words = Words {
        operation: &scratch.operation,
        origin: &scratch.origin,
        agent: agents::product(event.user_agent),
        target: &scratch.target,
        issuer: &scratch.issuer,
        geo: geo_of(event, seen.origin),
    };
    let horizon = policy.learning.horizon(event.time);
    let done = is_done(event) && !seen.stolen;
    let mut begun = Vec::new();
    if account.uid.is_empty() {
        account.uid = event.user_uid.into();
    } else if !event.user_uid.is_empty() && account.uid != *event.user_uid {
        account.succeed(event.user_uid);
    }
    account.learn(
        event,
        &seen.origin,
        &words,
        &policy.learning,
        !seen.misplaced && !seen.stolen,
    );
    for act in scratch.weighed.iter().filter(|_| done) {
        let practised = Practised {
            key: &act.key,
            object: &act.object,
            place: &act.place,
            program: words.agent,
            gain: act.gain,
        };
        if account.practise(&practised, event.time, horizon) {
            begun.push(act.key.clone());
        }
    }
    account
        .credentials
        .note(event, seen.origin.ip, &seen.issued_by, may_grow);
    account.probes.forget(
        event.time,
        Span::seconds(i64::from(policy.enumeration.slow_window_seconds)),
    );
    for signature in &scratch.accepted {
        account
            .accepted
            .note(signature, event.time, horizon, ACCEPTED_LIMIT);
    }
    if let Some(probe) = seen.probe {
        account.probes.note(probe, probe.kind == Kind::SelfReview);
    }
    if seen.enumerates {
        account.probes.tell(event.time);
    }
    begun
}

/// What is so surprising is begun, not gone on with.
const BEGINNING: Bits = Bits::whole(3);

/// The request had its effect, as far as the log can tell: an answer that came too late says
/// nothing else.
fn is_done(event: &AuditEvent<'_>) -> bool {
    event.outcome == Outcome::Allowed || (event.code == 504 && !event.operation.is_read())
}
