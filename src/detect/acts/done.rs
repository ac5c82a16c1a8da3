//! Acts told by what is done: the operation, the facts of a body and of a command.
//!
//! Refuses reads: what they are good for is told by `sensitive`.

use super::{Act, Acts};
use crate::detect::sensitive::SYSTEM_NAMESPACES;
use crate::event::facts::{PodFacts, ReviewFacts, hostile};
use crate::event::{AuditEvent, Facts, Operation, Principal};

/// Seconds of a token's life that a person may want for a day's work.
const LONG_TOKEN: i64 = 86_400;

/// Beginnings of the names of pods that are parts of Kubernetes.
const PARTS: [&str; 7] =
    ["coredns-", "etcd-", "kube-apiserver-", "kube-controller-manager-", "kube-dns-", "kube-proxy-", "kube-scheduler-"];

/// Of a kubelet: what is not its daily work.
pub(super) fn by_node(event: &AuditEvent<'_>, acts: &mut Acts) {
    let operation = &event.operation;
    match (operation.verb, operation.resource, operation.subresource) {
        ("create", "pods", "") => acts.set(Act::StaticPod, true),
        ("create", "nodes", "") => {
            let own = matches!(event.principal, Principal::Node { name } if name == operation.name);
            acts.set(Act::NodeMade, !own || event.outcome.is_refusal());
        }
        ("create", "subjectaccessreviews", "") => {
            let review = event.facts.as_ref().and_then(|f| f.review.as_ref());
            acts.set(Act::KubeletReached, review.is_some_and(is_of_pods));
        }
        _ => {}
    }
}

/// A service account that asks a kubelet for more than its metrics.
fn is_of_pods(review: &ReviewFacts) -> bool {
    review.user.starts_with("system:serviceaccount:") && review.resource == "nodes" && review.subresource == "proxy"
}

/// What verb and kind tell at every audit level.
pub(super) fn by_operation(event: &AuditEvent<'_>, acts: &mut Acts) {
    let operation = &event.operation;
    if operation.is_read() || !operation.subresource.is_empty() {
        return;
    }
    let creates = operation.verb == "create";
    let system = SYSTEM_NAMESPACES.contains(&operation.namespace);
    match (operation.group, operation.resource) {
        ("", "serviceaccounts") if creates => {
            acts.set(if system { Act::SystemAccountMade } else { Act::AccountMade }, true);
        }
        ("", "namespaces") => acts.set(Act::NamespaceMade, creates),
        ("", "nodes") => acts.set(Act::NodeMade, creates),
        ("", "pods") if creates => {
            acts.set(Act::Masquerade, PARTS.iter().any(|part| operation.name.starts_with(part)));
            acts.set(Act::Tool, hostile::is_tool(operation.name));
            acts.set(Act::Miner, hostile::is_miner(operation.name));
        }
        ("apps" | "extensions", "daemonsets") if creates => acts.set(Act::DaemonSetMade, true),
        ("batch", "jobs" | "cronjobs") => acts.set(Act::JobWritten, !operation.verb.starts_with("delete")),
        ("apps" | "extensions", "deployments") if operation.verb.starts_with("delete") => {
            acts.set(Act::WorkloadDeleted, true);
        }
        ("apps" | "extensions", "deployments" | "daemonsets" | "statefulsets") if operation.verb == "patch" => {
            let spares = event.facts.as_ref().is_some_and(|f| f.pod.as_ref().is_some_and(|pod| !pod.containers));
            acts.set(Act::WorkloadChanged, !spares);
        }
        _ => {}
    }
}

/// What only a body tells (audit level `Request`), and the command of an exec.
pub(super) fn by_facts(operation: &Operation<'_>, facts: &Facts, acts: &mut Acts) {
    if let Some(pod) = &facts.pod {
        by_pod(operation, pod, acts);
    }
    if let Some(rules) = &facts.rules {
        acts.set(Act::StrongRole, rules.is_powerful());
        acts.set(Act::WritingRole, rules.writes);
    }
    if let Some(binding) = &facts.binding {
        acts.set(Act::EveryoneBound, binding.everyone);
        acts.set(Act::DefaultBound, binding.default_account);
    }
    if let Some(token) = &facts.token {
        acts.set(Act::LongToken, token.lifetime_seconds > LONG_TOKEN);
        acts.set(Act::FreeToken, token.bound_to.is_empty());
        acts.set(Act::CloudToken, token.cloud);
    }
    if let Some(review) = &facts.review {
        let strong = review.verb == "*" || review.resource == "*" || review.resource == "secrets";
        acts.set(Act::StrongQuestion, strong && operation.is_self_review());
    }
    if let Some(command) = facts.command {
        acts.set(Act::ShellByExec, command.shell);
        acts.set(Act::TokenByExec, command.token);
        acts.set(Act::MetadataByExec, command.metadata);
        acts.set(Act::CopyOut, command.copies);
        acts.set(Act::FetchByExec, command.fetches);
    }
    acts.set(Act::Unread, facts.unread);
    acts.set(Act::ClientCertificate, facts.signer == "kubernetes.io/kube-apiserver-client");
    acts.set(Act::TokenSecret, facts.secret_type == "kubernetes.io/service-account-token");
    acts.set(Act::Exposed, matches!(facts.service_type.as_str(), "NodePort" | "LoadBalancer"));
    acts.set(Act::PlainIngress, facts.without_tls);
    acts.set(Act::CredentialsWritten, facts.credentials);
}

fn by_pod(operation: &Operation<'_>, pod: &PodFacts, acts: &mut Acts) {
    let of_controller = operation.namespace == "kube-system" && pod.service_account.ends_with("controller");
    for (act, when) in [
        (Act::Privileged, pod.privileged),
        (Act::HostPath, !pod.host_paths.is_empty()),
        (Act::HostPid, pod.host_pid),
        (Act::HostIpc, pod.host_ipc),
        (Act::HostNetwork, pod.host_network),
        (Act::Capabilities, pod.strong_capabilities),
        (Act::ControllerAccount, of_controller),
        (Act::SharedProcesses, pod.shares_processes),
        (Act::Root, pod.root),
        (Act::BreakGlass, pod.break_glass),
        (Act::Tool, pod.tool),
        (Act::Miner, pod.miner),
        (Act::ShellInPod, pod.shell),
    ] {
        acts.set(act, when);
    }
}
