//! One event through the engine: what was known before it, the judgement, then the learning.
//!
//! Refuses to learn before it has judged, and to learn from the evidence of theft.

use super::{Engine, Output};
use crate::base::Time;
use crate::baseline::account::Words;
use crate::baseline::addresses::Home;
use crate::baseline::features::credentials::Holder;
use crate::baseline::features::origins::Origin;
use crate::baseline::features::probes::{self, Kind, Probe};
use crate::baseline::features::{agents, operations};
use crate::baseline::makers::Maker;
use crate::baseline::{Account, Address, Maturity};
use crate::detect::detectors::{issuer_words, legacy_words};
use crate::detect::sensitive::{self, Sensitive};
use crate::detect::{self, Finding, Marks, Severity, View};
use crate::event::{AuditEvent, CredentialKind, Operation, Outcome, Principal, PrincipalKind, Stage, origin};
use std::net::IpAddr;

/// Reused between events: the words that an event is remembered by.
#[derive(Default)]
pub(super) struct Scratch {
    operation: String,
    origin: String,
    target: String,
    issuer: String,
    findings: Vec<Finding>,
}

/// What the rest of the engine needs to know of a judged event.
pub(super) struct Observed {
    pub origin: Origin,
    pub maturity: Maturity,
    /// The address belongs to another one.
    misplaced: bool,
    /// The origin is the evidence of theft.
    stolen: bool,
    home: Home,
    /// This credential was not used from this address before.
    first_here: bool,
    strange: bool,
    probe: Option<Probe>,
}

/// Each request is judged once, by the event's shape: long-running ones when they start (or at their
/// end, where the policy omits the start), all others when they are complete. A 401 has only a start.
pub(super) fn is_judged(event: &AuditEvent<'_>, sees_starts: bool) -> bool {
    match event.stage {
        Stage::RequestReceived => false,
        Stage::ResponseStarted | Stage::Panic => true,
        Stage::ResponseComplete => !(event.is_long_running() && sees_starts),
    }
}

impl Engine {
    pub(super) fn judge(&mut self, event: &AuditEvent<'_>, out: &mut Output) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.findings.clear();
        let seen = self.look(event, &mut scratch);
        if !scratch.findings.is_empty() {
            self.correlate(&scratch.findings, event, &seen, out);
        }
        self.learn(event, &seen, &mut scratch);
        self.scratch = scratch;
    }

    fn look(&self, event: &AuditEvent<'_>, scratch: &mut Scratch) -> Observed {
        let Scratch { operation, origin: origin_words, target, issuer, findings } = scratch;
        let nobody = Account::default();
        let same_uid = |a: &&Account| a.uid == *event.user_uid || a.uid.is_empty() || event.user_uid.is_empty();
        let account = self.population.get(event.username).filter(same_uid).unwrap_or(&nobody);
        let horizon = self.policy.learning.horizon(event.time);
        let origin =
            Origin::of(event, origin::caller(&event.source_ips, &self.policy.network.trusted_proxies), &self.addresses);
        let sensitive = Sensitive::of(event);
        let agent = agents::product(event.user_agent);
        operations::key(&event.operation, operation);
        origin.key(origin_words);
        target.clear();
        if let Some(sensitive) = sensitive {
            sensitive::target(sensitive, event, target);
        }
        let holder = account.credentials.find(&event.credential);
        let mut view = View {
            event,
            policy: &self.policy,
            marks: Marks::default(),
            account,
            maturity: account.maturity(event.time, &self.policy.learning),
            origin,
            sensitive,
            operation,
            operation_seen: account.operations.get(operation, horizon),
            denial_seen: account.denials.get(operation, horizon),
            agent,
            agent_seen: account.agents.get(agent, horizon),
            origin_words,
            origin_seen: account.origins.get(origin_words, horizon),
            target,
            target_seen: if target.is_empty() { None } else { account.targets.get(target, horizon) },
            holder,
            issued: if holder.is_none() { account.credentials.issued(event.credential.id) } else { None },
            address: origin.ip.and_then(|ip| self.addresses.get(ip)),
            probe: None,
            secret_maker: None,
            used_before: self.used_before(event),
            addresses_blind: self.addresses.hide_clients(event.time),
            addresses_hidden: self.addresses.are_crowded(),
            pods_have_own: origin.ip.is_some_and(|ip| self.addresses.are_own_around(ip)),
            pods_are_shown: self.addresses.show_pods(),
            strange: false,
        };
        if event.principal.kind() == PrincipalKind::Nobody {
            view.strange = !self.is_habit_of_tenant(event, view.address, horizon);
        }
        view.secret_maker = self.secret_maker(event, view.maturity.mature);
        view.probe = probe_of(&view);
        view.marks = marks_of(&view);
        remembered_issuer(&view, issuer);
        if view.marks != Marks::default() {
            detect::judge(&view, findings);
        }
        let stolen = |f: &Finding| {
            f.detector == "credential-in-two-places" || (f.detector == "unknown-origin" && f.severity >= Severity::High)
        };
        Observed {
            origin,
            maturity: view.maturity,
            misplaced: view.is_misplaced(),
            stolen: findings.iter().any(stolen),
            home: home_of(holder, origin.ip),
            first_here: holder.is_none_or(|h| h.places.iter().all(|p| Some(p.ip) != origin.ip)),
            strange: view.strange,
            probe: view.probe,
        }
    }

    /// Whether the pod or node at an address is known for what a request without a user asked for: a
    /// client whose token expired goes on with what it always does.
    fn is_habit_of_tenant(&self, event: &AuditEvent<'_>, address: Option<&Address>, horizon: Time) -> bool {
        let Some(address) = address else { return false };
        let node = format!("system:node:{}", address.node.name);
        let tenant = address.pod.as_ref().map_or(node.as_str(), |pod| pod.username.as_str());
        let Some(account) = self.population.get(tenant) else { return false };
        let asked = &event.operation;
        let scope = Operation::scope_of(Principal::parse(tenant), asked.resource, asked.namespace);
        let mut words = String::new();
        operations::key(&Operation { scope, ..*asked }, &mut words);
        account.operations.get(&words, horizon).is_some() || account.denials.get(&words, horizon).is_some()
    }

    /// Who made the Secret that the token controller fills in now, or filled in before its making was read.
    fn secret_maker(&self, event: &AuditEvent<'_>, mature: bool) -> Option<Maker> {
        let Operation { namespace, name, .. } = event.operation;
        if fills_secret(event) {
            return self.makers.of(namespace, name, event.time).cloned();
        }
        let filled = makes_secret(event) && self.makers.was_filled(namespace, name, event.time);
        filled.then(|| maker_of(event, mature))
    }

    /// The account whose unbound token is issued now, if the token's use was read before.
    fn used_before(&self, event: &AuditEvent<'_>) -> Option<&Account> {
        if event.issued_credential_id.is_empty() || event.principal.kind() == PrincipalKind::Node {
            return None;
        }
        let target = self.population.get(&target_of(event))?;
        let used = target.credentials.holders().iter().any(|h| h.credential_id == *event.issued_credential_id);
        used.then_some(target)
    }

    fn learn(&mut self, event: &AuditEvent<'_>, seen: &Observed, scratch: &mut Scratch) {
        if let Some(ip) = seen.origin.ip {
            if !seen.stolen {
                self.addresses.learn(event, ip, seen.home, seen.strange);
            }
            if seen.home == Home::Elsewhere && seen.first_here {
                self.addresses.learn_visitor(ip, event.time);
            }
        }
        if matches!(event.principal.kind(), PrincipalKind::Nobody) {
            return;
        }
        let may_grow = self.population.has_credential_budget();
        let words = Words {
            operation: &scratch.operation,
            origin: &scratch.origin,
            agent: agents::product(event.user_agent),
            target: &scratch.target,
            issuer: &scratch.issuer,
        };
        // Events of an account that was deleted may arrive after the first of its successor.
        let is_straggler =
            |a: &Account| a.predecessor.as_ref().is_some_and(|p| !p.uid.is_empty() && p.uid == *event.user_uid);
        if self.population.get(event.username).is_some_and(is_straggler) {
            return;
        }
        let policy = &self.policy;
        self.population.update(event.username, event.time, |account| {
            if account.uid.is_empty() {
                account.uid = event.user_uid.into();
            } else if !event.user_uid.is_empty() && account.uid != *event.user_uid {
                account.succeed(event.user_uid);
            }
            account.learn(event, &seen.origin, &words, &policy.learning, !seen.misplaced && !seen.stolen);
            account.credentials.note(event, seen.origin.ip, may_grow);
            account
                .probes
                .forget(event.time, crate::base::Span::seconds(i64::from(policy.enumeration.slow_window_seconds)));
            if let Some(probe) = seen.probe {
                account.probes.note(probe, probe.kind == Kind::SelfReview);
            }
        });
        self.learn_issue(event);
        self.learn_maker(event, seen.maturity.mature);
    }

    /// A TokenRequest that succeeded: the lineage of the token begins. Kubelets' are left out, they
    /// are bound to pods and say so themselves.
    fn learn_issue(&mut self, event: &AuditEvent<'_>) {
        if event.issued_credential_id.is_empty() || event.principal.kind() == PrincipalKind::Node {
            return;
        }
        self.population.update(&target_of(event), event.time, |account| {
            account.credentials.issue(event.issued_credential_id, event.username, event.time);
        });
    }

    fn learn_maker(&mut self, event: &AuditEvent<'_>, mature: bool) {
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
    updates && event.principal.is_control_plane() && event.user_agent.ends_with("/tokens-controller")
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

fn home_of(holder: Option<&Holder>, ip: Option<IpAddr>) -> Home {
    match holder.and_then(|h| h.places.first()) {
        None => Home::None,
        Some(place) if Some(place.ip) == ip => Home::Here,
        Some(_) => Home::Elsewhere,
    }
}

fn marks_of(view: &View<'_>) -> Marks {
    use crate::baseline::features::origins::Class;
    let event = view.event;
    let mut marks = Marks::default();
    if event.principal.kind() == PrincipalKind::Nobody {
        marks.set(Marks::UNAUTHENTICATED, event.outcome == Outcome::Unauthenticated);
        return marks;
    }
    let credential = &event.credential;
    marks.set(Marks::NEW_OPERATION, view.operation_seen.is_none());
    marks.set(Marks::NEW_AGENT, view.agent_seen.is_none());
    marks.set(Marks::NEW_ORIGIN, view.origin_seen.is_none());
    marks.set(Marks::PROBE, view.probe.is_some());
    marks.set(Marks::SENSITIVE, view.sensitive.is_some());
    marks.set(
        Marks::ODD_CREDENTIAL,
        credential.stale || matches!(credential.kind, CredentialKind::Unbound | CredentialKind::Legacy),
    );
    let moved = view.holder.and_then(|h| h.places.first()).is_some_and(|home| view.origin.ip != Some(home.ip));
    marks.set(Marks::MISPLACED, moved || matches!(view.origin.class, Class::OtherPod | Class::OtherNode));
    marks.set(Marks::ANONYMOUS, event.principal.kind() == PrincipalKind::Anonymous);
    marks.set(Marks::ODD_CREDENTIAL, view.used_before.is_some());
    marks.set(Marks::TOKEN_SECRET, view.secret_maker.is_some());
    marks
}

/// What the event adds to what is counted as probing; nothing that is the account's habit.
fn probe_of(view: &View<'_>) -> Option<Probe> {
    let event = view.event;
    let operation = &event.operation;
    let kind = if matches!(event.outcome, Outcome::ForbiddenByRbac | Outcome::ImpersonationRefused) {
        if view.denial_seen.is_some_and(|s| s.days > 1) || view.operation_seen.is_some_and(|s| s.days > 1) {
            return None;
        }
        if view.sensitive.is_some() { Kind::DeniedSensitive } else { Kind::Denied }
    } else if event.outcome.is_refusal() {
        return None;
    } else if operation.is_self_review() {
        if is_habit(view) {
            return None;
        }
        Kind::SelfReview
    } else if operation.is_discovery() {
        if is_habit(view) {
            return None;
        }
        Kind::Discovery
    } else if view.sensitive == Some(Sensitive::SecretRead) && operation.verb == "get" {
        if is_habit(view) {
            return None;
        }
        Kind::Secret
    } else if view.maturity.mature
        && view.operation_seen.is_none_or(|s| s.days == 1 && s.last() >= event.time - HOUR && s.count < 3)
        && is_fresh(view)
    {
        Kind::Novel
    } else {
        return None;
    };
    // A node that asks for other nodes' secrets asks for the same kind again and again.
    let by_name = kind == Kind::Secret || event.principal.kind() == PrincipalKind::Node;
    let name = if by_name { operation.name } else { "" };
    let namespace = if matches!(kind, Kind::Novel | Kind::Discovery) { "" } else { operation.namespace };
    let what = probes::hash(&[view.operation, namespace, name, operation.path]);
    Some(Probe { at: event.time.stored_seconds(), what, kind })
}

const HOUR: crate::base::Span = crate::base::Span::seconds(3600);

fn is_habit(view: &View<'_>) -> bool {
    view.operation_seen.is_some_and(|s| s.days > 1)
}

/// Not seen before this day.
fn is_fresh(view: &View<'_>) -> bool {
    let today = |t: Time| t.day() == view.now().day();
    view.operation_seen.is_none_or(|s| today(s.first()))
}

/// The words by which the baseline remembers with what kind of odd credential an account is used.
fn remembered_issuer(view: &View<'_>, out: &mut String) {
    out.clear();
    match view.event.credential.kind {
        CredentialKind::Unbound => out.push_str(&issuer_words(view.issuer())),
        CredentialKind::Legacy => out.push_str(&legacy_words(&view.event.credential)),
        _ => {}
    }
}
