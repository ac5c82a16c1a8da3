//! One event through the engine: what was known before it, the judgement, then the learning.
//!
//! Refuses to learn before it has judged, and to learn from the evidence of theft.

use super::{Engine, Output};
use crate::base::Time;
use crate::baseline::account::Words;
use crate::baseline::features::origins::{Home, Origin};
use crate::baseline::features::probes::{self, Kind, Probe};
use crate::baseline::features::{agents, operations};
use crate::baseline::makers::Maker;
use crate::baseline::{Account, Maturity};
use crate::detect::detectors::{issuer_words, legacy_words};
use crate::detect::sensitive::{self, Sensitive};
use crate::detect::{self, Finding, Marks, View};
use crate::event::{AuditEvent, CredentialKind, Outcome, PrincipalKind, Stage, origin};

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
    misplaced: bool,
    home: Home,
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
        let same_uid = |a: &&Account| a.uid == event.user_uid || a.uid.is_empty() || event.user_uid.is_empty();
        let account = self.population.get(event.username).filter(same_uid).unwrap_or(&nobody);
        let horizon = self.policy.learning.horizon(event.time);
        let holder = account.credentials.find(&event.credential);
        let ip = origin::caller(&event.source_ips, &self.policy.network.trusted_proxies);
        let home = match holder.and_then(|h| h.places.first()) {
            None => Home::Unknown,
            Some(place) if Some(place.ip) == ip => Home::Here,
            Some(_) => Home::Elsewhere,
        };
        let origin = Origin::of(event, ip, &self.addresses, home);
        let sensitive = Sensitive::of(event);
        let agent = agents::product(event.user_agent);
        operations::key(&event.operation, operation);
        origin.key(origin_words);
        target.clear();
        if let Some(sensitive) = sensitive {
            sensitive::target(sensitive, event, target);
        }
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
            secret_maker: self.secret_maker(event),
            addresses_blind: self.addresses.hide_clients(),
        };
        view.probe = probe_of(&view);
        view.marks = marks_of(&view);
        remembered_issuer(&view, issuer);
        if view.marks != Marks::default() {
            detect::judge(&view, findings);
        }
        Observed {
            origin,
            maturity: view.maturity,
            misplaced: view.is_misplaced() || findings.iter().any(|f| f.detector == "credential-in-two-places"),
            home,
            probe: view.probe,
        }
    }

    /// The token controller fills in a Secret that somebody made a moment ago.
    fn secret_maker(&self, event: &AuditEvent<'_>) -> Option<&Maker> {
        let operation = &event.operation;
        let fills = operation.resource == "secrets"
            && operation.verb == "update"
            && event.user_agent.ends_with("/tokens-controller");
        let by_manager = fills && event.principal.is_control_plane() && event.outcome == Outcome::Allowed;
        by_manager.then(|| self.makers.of(operation.namespace, operation.name, event.time)).flatten()
    }

    fn learn(&mut self, event: &AuditEvent<'_>, seen: &Observed, scratch: &mut Scratch) {
        if let Some(ip) = seen.origin.ip {
            self.addresses.learn(event, ip, seen.home);
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
        let policy = &self.policy;
        self.population.update(event.username, event.time, |account| {
            if account.uid.is_empty() {
                account.uid = event.user_uid.into();
            } else if !event.user_uid.is_empty() && account.uid != event.user_uid {
                account.succeed(event.user_uid);
            }
            account.learn(event, &seen.origin, &words, &policy.learning, !seen.misplaced);
            account.credentials.note(event, seen.origin.ip, may_grow);
            account
                .probes
                .forget(event.time, crate::base::Span::seconds(i64::from(policy.enumeration.slow_window_seconds)));
            if let Some(probe) = seen.probe {
                account.probes.note(probe, probe.kind == Kind::SelfReview);
            }
        });
        self.learn_issue(event);
        self.learn_maker(event);
    }

    /// A TokenRequest that succeeded: the lineage of the token begins. Kubelets' are left out, they
    /// are bound to pods and say so themselves.
    fn learn_issue(&mut self, event: &AuditEvent<'_>) {
        if event.issued_credential_id.is_empty() || event.principal.kind() == PrincipalKind::Node {
            return;
        }
        let target = format!("system:serviceaccount:{}:{}", event.operation.namespace, event.operation.name);
        self.population.update(&target, event.time, |account| {
            account.credentials.issue(event.issued_credential_id, event.username, event.time);
        });
    }

    fn learn_maker(&mut self, event: &AuditEvent<'_>) {
        let operation = &event.operation;
        if operation.resource == "secrets" && operation.verb == "create" && event.outcome == Outcome::Allowed {
            self.makers.note(Maker {
                namespace: operation.namespace.into(),
                secret: operation.name.into(),
                by: event.username.into(),
                audit_id: event.audit_id.into(),
                at: event.time,
            });
        }
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
