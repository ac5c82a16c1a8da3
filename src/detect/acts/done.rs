//! Acts told by what is done: the operation, the command of an exec, the facts of a body.
//!
//! Refuses reads: what they are good for is told by `sensitive`.

use super::{Act, Acts};
use crate::detect::sensitive::SYSTEM_NAMESPACES;
use crate::event::facts::{PodFacts, ReviewFacts, hostile};
use crate::event::{AuditEvent, Facts, Operation, Principal};

/// Seconds of a token's life that a person may want for a day's work.
const LONG_TOKEN: i64 = 86_400;
/// Bytes of a command line that are looked at.
const COMMAND_MAX: usize = 4096;

/// Beginnings of the names of pods that are parts of Kubernetes.
const PARTS: [&str; 7] =
    ["coredns-", "etcd-", "kube-apiserver-", "kube-controller-manager-", "kube-dns-", "kube-proxy-", "kube-scheduler-"];

/// Capabilities (without `CAP_`) that lead out of a container or let it act on others' traffic.
const CAPABILITIES: [&str; 11] = [
    "ALL",
    "BPF",
    "DAC_READ_SEARCH",
    "MKNOD",
    "NET_ADMIN",
    "NET_RAW",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
];

/// Audiences of cloud identity (EKS, GCP, Azure, Alibaba, Tencent): a token for one is a cloud credential.
const CLOUD_AUDIENCES: [&str; 7] = [
    "sts.amazonaws.com",
    "pods.eks.amazonaws.com",
    ".svc.id.goog",
    "iam.googleapis.com",
    "api://AzureADTokenExchange",
    "sts.aliyuncs.com",
    "sts.cloud.tencent.com",
];

#[must_use]
pub(in crate::detect) fn names_cloud_audience(text: &str) -> bool {
    CLOUD_AUDIENCES.iter().any(|audience| text.contains(audience))
}

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
    if operation.subresource == "exec" && operation.resource == "pods" {
        return by_command(event.uri, acts);
    }
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

/// The command stands in the URI, word for word (`?command=cat&command=%2Fetc%2Fpasswd`).
fn by_command(uri: &str, acts: &mut Acts) {
    let line = command_line(uri);
    let names = |signs: &[&str]| signs.iter().any(|sign| line.contains(sign));
    acts.set(Act::ShellByExec, hostile::calls_back(&line));
    acts.set(
        Act::TokenByExec,
        names(&["serviceaccount/token", "/token ", "/.aws/", "/.kube/", "/etc/kubernetes/", "id_rsa", "/etc/shadow"])
            || (line.contains("/var/run/secrets/") && line.contains("token")),
    );
    acts.set(
        Act::MetadataByExec,
        names(&["169.254.169.254", "169.254.170.2", "metadata.google.internal", "fd00:ec2::254"]),
    );
    acts.set(Act::CopyOut, line.starts_with("tar c") || line.starts_with("tar -c"));
    acts.set(Act::FetchByExec, names(&["curl ", "wget "]) && names(&["http://", "https://"]));
}

/// The words of an exec's command, decoded, in lower case, with spaces between them.
fn command_line(uri: &str) -> String {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let words = query.split('&').filter_map(|pair| pair.strip_prefix("command="));
    let mut bytes = Vec::new();
    for word in words {
        if !bytes.is_empty() {
            bytes.push(b' ');
        }
        let mut rest = word.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => decoded(&mut rest),
                other => other.to_ascii_lowercase(),
            });
            if bytes.len() >= COMMAND_MAX {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn decoded(rest: &mut std::str::Bytes<'_>) -> u8 {
    let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).unwrap_or(0) as u8;
    let high = digit();
    (high << 4 | digit()).to_ascii_lowercase()
}

/// What only a body tells (audit level `Request`).
pub(super) fn by_facts(operation: &Operation<'_>, facts: &Facts, acts: &mut Acts) {
    if let Some(pod) = &facts.pod {
        by_pod(operation, pod, acts);
    }
    if let Some(rules) = &facts.rules {
        acts.set(Act::StrongRole, rules.is_powerful());
        acts.set(Act::WritingRole, rules.writes);
    }
    if let Some(binding) = &facts.binding {
        let everyone = ["User:system:anonymous", "Group:system:unauthenticated", "Group:system:authenticated"];
        acts.set(Act::EveryoneBound, binding.subjects.iter().any(|s| everyone.contains(&s.as_str())));
        acts.set(
            Act::DefaultBound,
            binding.subjects.iter().any(|s| s.starts_with("ServiceAccount:") && s.ends_with("/default")),
        );
    }
    if let Some(token) = &facts.token {
        acts.set(Act::LongToken, token.lifetime_seconds > LONG_TOKEN);
        acts.set(Act::FreeToken, token.bound_to.is_empty());
        acts.set(Act::CloudToken, token.audiences.iter().any(|audience| names_cloud_audience(audience)));
    }
    if let Some(review) = &facts.review {
        let strong = review.verb == "*" || review.resource == "*" || review.resource == "secrets";
        acts.set(Act::StrongQuestion, strong && operation.is_self_review());
    }
    acts.set(Act::ClientCertificate, facts.signer == "kubernetes.io/kube-apiserver-client");
    acts.set(Act::TokenSecret, facts.secret_type == "kubernetes.io/service-account-token");
    acts.set(Act::Exposed, matches!(facts.service_type.as_str(), "NodePort" | "LoadBalancer"));
    acts.set(Act::PlainIngress, facts.without_tls);
    acts.set(Act::CredentialsWritten, facts.credentials);
}

fn by_pod(operation: &Operation<'_>, pod: &PodFacts, acts: &mut Acts) {
    let strong = |name: &str| CAPABILITIES.contains(&name.strip_prefix("CAP_").unwrap_or(name));
    let of_controller = operation.namespace == "kube-system" && pod.service_account.ends_with("controller");
    for (act, when) in [
        (Act::Privileged, pod.privileged),
        (Act::HostPath, !pod.host_paths.is_empty()),
        (Act::HostPid, pod.host_pid),
        (Act::HostIpc, pod.host_ipc),
        (Act::HostNetwork, pod.host_network),
        (Act::Capabilities, pod.added_capabilities.iter().any(|name| strong(name))),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(query: &str) -> Vec<Act> {
        let mut acts = Acts::default();
        by_command(&format!("/api/v1/namespaces/n/pods/p/exec?{query}&stdout=true"), &mut acts);
        acts.each().collect()
    }

    #[test]
    fn commands_are_read_word_by_word() {
        let token = "command=cat&command=%2Fvar%2Frun%2Fsecrets%2Fkubernetes.io%2Fserviceaccount%2Ftoken";
        assert_eq!(acts(token), [Act::TokenByExec]);
        assert_eq!(
            acts("command=sh&command=-c&command=curl+-s+http%3A%2F%2F169.254.169.254%2F"),
            [Act::MetadataByExec, Act::FetchByExec]
        );
        assert_eq!(acts("command=TAR&command=cf&command=-&command=%2Fdata"), [Act::CopyOut]);
        assert_eq!(acts("command=ls&command=%zz&command=%2"), []);
        assert!(acts(&format!("command={}", "%20".repeat(9000))).is_empty());
    }
}
