//! What is remarkable about one event: its marks, its probe, the words for an odd credential.
//!
//! Refuses to call habit what was refused before: only what was allowed on another day is habit.

use crate::base::Time;
use crate::baseline::features::probes::{self, Kind, Probe};
use crate::detect::detectors::{FORGED, is_forged, issuer_words, legacy_words};
use crate::detect::sensitive::Sensitive;
use crate::detect::{Marks, View};
use crate::event::{CredentialKind, Outcome, PrincipalKind};

pub(super) fn marks_of(view: &View<'_>) -> Marks {
    use crate::baseline::features::origins::Class;
    let event = view.event;
    let mut marks = Marks::default();
    if event.principal.kind() == PrincipalKind::Nobody {
        marks.set(
            Marks::UNAUTHENTICATED,
            event.outcome == Outcome::Unauthenticated,
        );
        marks.set(Marks::DEPARTED, view.refused.is_some());
        return marks;
    }
    let credential = &event.credential;
    marks.set(Marks::NEW_OPERATION, view.operation_seen.is_none());
    marks.set(Marks::NEW_AGENT, view.agent_seen.is_none());
    // To have come once, for something harmless, is no licence to read Secrets from there.
    let unproven = view.geo.is_some()
        && view.is_person()
        && view.sensitive == Some(Sensitive::SecretRead)
        && view.origin_days() < view.policy.learning.sensitive_days;
    marks.set(Marks::NEW_ORIGIN, view.origin_seen.is_none() || unproven);
    marks.set(Marks::PROBE, view.probe.is_some());
    marks.set(Marks::SENSITIVE, view.sensitive.is_some());
    marks.set(
        Marks::ODD_CREDENTIAL,
        credential.stale
            || is_forged(view)
            || matches!(
                credential.kind,
                CredentialKind::Unbound | CredentialKind::Legacy
            ),
    );
    let moved = view
        .holder
        .and_then(|h| h.places.first())
        .is_some_and(|home| view.origin.ip != Some(home.ip));
    marks.set(
        Marks::MISPLACED,
        moved
            || view.rival.is_some()
            || matches!(view.origin.class, Class::OtherPod | Class::OtherNode),
    );
    marks.set(
        Marks::ANONYMOUS,
        event.principal.kind() == PrincipalKind::Anonymous,
    );
    marks.set(Marks::ODD_CREDENTIAL, view.used_before.is_some());
    marks.set(Marks::DEPARTED, view.departed.is_some());
    marks.set(Marks::ACT, !view.acts.is_empty());
    marks.set(Marks::TOKEN_SECRET, view.secret_maker.is_some());
    marks
}

/// What the event adds to what is counted as probing; nothing that is the account's habit.
pub(super) fn probe_of(view: &View<'_>) -> Option<Probe> {
    let event = view.event;
    let operation = &event.operation;
    let kind = if matches!(
        event.outcome,
        Outcome::ForbiddenByRbac | Outcome::ImpersonationRefused
    ) {
        if view.denial_seen.is_some_and(|s| s.days > 1)
            || view.operation_seen.is_some_and(|s| s.days > 1)
        {
            return None;
        }
        if view.sensitive.is_some() {
            Kind::DeniedSensitive
        } else {
            Kind::Denied
        }
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
        && !view.is_person()
        && view.agent_seen.is_none_or(|seen| seen.days <= 1)
        && view
            .operation_seen
            .is_none_or(|s| s.days == 1 && s.last() >= event.time - HOUR && s.count < 3)
        && is_fresh(view)
        && !view.operation_peers.share()
    {
        Kind::Novel
    } else {
        return None;
    };
    // A node that asks for other nodes' secrets asks for the same kind again and again.
    let by_name = kind == Kind::Secret || event.principal.kind() == PrincipalKind::Node;
    let name = if by_name { operation.name } else { "" };
    let namespace = if matches!(kind, Kind::Novel | Kind::Discovery) {
        ""
    } else {
        operation.namespace
    };
    let what = probes::hash(&[view.operation, namespace, name, operation.path]);
    Some(Probe {
        at: event.time.stored_seconds(),
        what,
        kind,
    })
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
pub(super) fn remembered_issuer(view: &View<'_>, out: &mut String) {
    out.clear();
    match view.event.credential.kind {
        CredentialKind::Unbound => out.push_str(&issuer_words(view.issuer())),
        CredentialKind::Legacy => out.push_str(&legacy_words(&view.event.credential)),
        _ if is_forged(view) => out.push_str(FORGED),
        _ if view.event.credential.stale => out.push_str(&legacy_words(&view.event.credential)),
        _ => {}
    }
}
