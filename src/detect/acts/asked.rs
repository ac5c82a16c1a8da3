//! Acts told by who asks, from where, with what, and by the answer.
//!
//! Refuses lists of bad addresses: whose they are changes daily, and nothing here may be fetched.

use super::{Act, Acts};
use crate::detect::{View, own};
use crate::event::facts::hostile;
use crate::event::{Component, Outcome, Principal, PrincipalKind};

/// What holds for every identity, those of the system too.
pub(super) fn by_whom(view: &View<'_>, acts: &mut Acts) {
    let event = view.event;
    let outside = view.is_new_origin() && view.origin.is_public() && !view.addresses_hidden;
    acts.set(Act::SystemFromOutside, outside && view.is_machine());
    let is_client = own::is_client(view.agent);
    acts.set(Act::ControlPlaneTool, !is_client && is_borrowed(view));
    acts.set(
        Act::ControlPlaneClient,
        is_client && is_of_control_plane(view),
    );
    acts.set(
        Act::IdentityForged,
        matches!(event.principal, Principal::Impostor { .. }),
    );
    // Kubelets lose races with pods that are deleted, and are refused daily.
    if event.outcome.is_refusal() && event.principal.kind() != PrincipalKind::Node {
        let is_news = view.denial_seen.is_none() && view.operation_seen.is_none();
        let elsewhere = view.is_machine() || view.is_new_origin();
        acts.set(
            Act::RefusedOutside,
            is_news && elsewhere && view.origin.is_public(),
        );
    }
}

/// Who debugs with a component's certificate does what an intruder would. An API server's hooks
/// that name no program speak to it within its own process.
fn is_of_control_plane(view: &View<'_>) -> bool {
    let is_inside = view.origin.ip.is_some_and(|ip| ip.is_loopback());
    !is_inside
        && view
            .event
            .principal
            .component()
            .is_some_and(|component| component != Component::KubeProxy)
}

/// A component's certificate, used where none of the control plane is, by something else than the
/// component. Distributions with one program for all of it (`k3s`) are told at its first request.
fn is_borrowed(view: &View<'_>) -> bool {
    let components = [
        "kube-controller-manager",
        "cloud-controller-manager",
        "kube-scheduler",
    ];
    matches!(
        view.event.username,
        "system:kube-controller-manager" | "system:kube-scheduler"
    ) && !components.contains(&view.agent)
        && !view.address.is_some_and(|a| a.control_plane)
}

/// The program, the answer, and questions for one's own rights.
pub(super) fn how(view: &View<'_>, acts: &mut Acts) {
    let event = view.event;
    let operation = &event.operation;
    acts.set(
        Act::Tool,
        view.agent_seen.is_none() && hostile::is_tool(event.user_agent),
    );
    if event.outcome == Outcome::ForbiddenByRbac {
        // A program known to the account that lacks one right is an upgrade, and counted by
        // `enumeration`.
        let matters =
            operation.verb == "create" || (view.is_service_account() && view.agent_seen.is_none());
        acts.set(
            Act::Refused,
            matters && view.denial_seen.is_none() && view.operation_seen.is_none(),
        );
    }
    if event.username.starts_with("system:bootstrap:") {
        acts.set(Act::Bootstrap, !matches!(view.agent, "kubelet" | "kubeadm"));
    }
    // People ask what they may do with every second command; only the list of everything is worth a
    // line.
    let asks = operation.is_self_review()
        && (view.is_machine() || operation.resource == "selfsubjectrulesreviews");
    acts.set(Act::SelfReview, asks && view.operation_seen.is_none());
}
