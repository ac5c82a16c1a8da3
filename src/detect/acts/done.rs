//! Acts told by what is done: the operation, the facts of a body and of a command.
//!
//! Refuses reads: what they are good for is told by `sensitive`.

use super::{Act, Acts};
use crate::base::Bits;
use crate::detect::View;
use crate::detect::sensitive::SYSTEM_NAMESPACES;
use crate::event::facts::{PodFacts, ReviewFacts, hostile};
use crate::event::{AuditEvent, Facts, Operation, Principal};
use smol_str::SmolStr;

/// Seconds of a token's life that a person may want for a day's work.
const LONG_TOKEN: i64 = 86_400;

/// Beginnings of the names of pods that are parts of Kubernetes.
const PARTS: [&str; 7] = [
    "coredns-",
    "etcd-",
    "kube-apiserver-",
    "kube-controller-manager-",
    "kube-dns-",
    "kube-proxy-",
    "kube-scheduler-",
];

/// Sets what is not a kubelet's daily work.
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
    review.user.starts_with("system:serviceaccount:")
        && review.resource == "nodes"
        && review.subresource == "proxy"
}

/// What verb and kind tell at every audit level.
pub(super) fn by_operation(event: &AuditEvent<'_>, acts: &mut Acts) {
    let operation = &event.operation;
    acts.set(Act::OddVerb, operation.verb.is_empty());
    if operation.is_read() || operation.verb.is_empty() {
        return;
    }
    if !operation.subresource.is_empty() {
        acts.set(
            Act::PodBound,
            (operation.resource, operation.subresource) == ("pods", "binding"),
        );
        return;
    }
    let creates = operation.verb == "create";
    let deletes = operation.verb.starts_with("delete");
    acts.set(Act::PolicyRemoved, is_policy(operation) && !creates);
    acts.set(Act::DataDeleted, deletes && holds_data(operation));
    by_core_object(event, acts);
    by_workload(event, acts);
    by_extension(operation, acts);
}

/// What a write of an object of Kubernetes' core tells.
fn by_core_object(event: &AuditEvent<'_>, acts: &mut Acts) {
    let operation = &event.operation;
    let creates = operation.verb == "create";
    let deletes = operation.verb.starts_with("delete");
    match (operation.group, operation.resource) {
        ("", "serviceaccounts") if creates => {
            let is_system = SYSTEM_NAMESPACES.contains(&operation.namespace);
            acts.set(Act::SystemAccountMade, is_system);
            acts.set(Act::AccountMade, !is_system);
        }
        ("", "namespaces") => {
            acts.set(Act::NamespaceMade, creates);
            acts.set(Act::NamespaceDeleted, deletes);
            let facts = event.facts.as_ref();
            let level = facts.map_or("", |facts| facts.pod_security.as_str());
            acts.set(Act::PodSecurityLowered, level == "privileged" && !creates);
        }
        ("", "endpoints") | ("discovery.k8s.io", "endpointslices") => {
            acts.set(Act::EndpointsWritten, !deletes);
        }
        ("", "nodes") => acts.set(Act::NodeMade, creates),
        ("", "pods") if creates => {
            let is_part = PARTS.iter().any(|part| operation.name.starts_with(part));
            acts.set(Act::Masquerade, is_part);
            acts.set(Act::Tool, hostile::is_tool(operation.name));
            acts.set(Act::Miner, hostile::is_miner(operation.name));
        }
        _ => {}
    }
}

/// What a write of something that makes pods tells.
fn by_workload(event: &AuditEvent<'_>, acts: &mut Acts) {
    let operation = &event.operation;
    let creates = operation.verb == "create";
    let deletes = operation.verb.starts_with("delete");
    let patches = operation.verb == "patch";
    match (operation.group, operation.resource) {
        ("batch", "jobs" | "cronjobs") => {
            let is_made = creates || (patches && event.code == 201);
            let is_cron = operation.resource == "cronjobs";
            acts.set(Act::CronJobMade, is_made && is_cron);
            acts.set(Act::JobWritten, !deletes);
        }
        ("apps" | "extensions", "daemonsets") if deletes => acts.set(Act::AgentRemoved, true),
        ("apps" | "extensions", "daemonsets") if creates => acts.set(Act::DaemonSetMade, true),
        ("apps" | "extensions", "deployments") if deletes => acts.set(Act::WorkloadDeleted, true),
        ("apps" | "extensions", "deployments" | "daemonsets" | "statefulsets") if patches => {
            let pod = event.facts.as_ref().and_then(|facts| facts.pod.as_ref());
            acts.set(Act::WorkloadChanged, pod.is_none_or(|pod| pod.containers));
        }
        _ => {}
    }
}

/// What a write of an object of a distribution or a GitOps agent tells.
fn by_extension(operation: &Operation<'_>, acts: &mut Acts) {
    let deletes = operation.verb.starts_with("delete");
    match (operation.group, operation.resource) {
        ("security.openshift.io", "securitycontextconstraints") => {
            acts.set(Act::Constraints, !deletes);
        }
        ("oauth.openshift.io", "oauthaccesstokens" | "oauthclients" | "oauthauthorizetokens") => {
            acts.set(Act::OAuthToken, !deletes);
        }
        ("user.openshift.io", "groups" | "users" | "identities" | "useridentitymappings") => {
            acts.set(Act::GroupWritten, !deletes);
        }
        ("argoproj.io", "applications" | "applicationsets")
        | ("kustomize.toolkit.fluxcd.io", "kustomizations")
        | ("helm.toolkit.fluxcd.io", "helmreleases") => {
            acts.set(Act::ApplicationMade, !deletes);
        }
        _ => {}
    }
}

/// What decides which pods may run, or may talk to which: policies of admission and network, by
/// whoever enforces them.
fn is_policy(operation: &Operation<'_>) -> bool {
    let policies = [
        "kyverno.io",
        "gatekeeper.sh",
        "kubewarden.io",
        "policies.kubewarden.io",
        "cilium.io",
        "crd.projectcalico.org",
        "projectcalico.org",
        "policy.networking.k8s.io",
        "networking.k8s.io",
        "security.istio.io",
        "falco.org",
    ];
    let ends = |suffix: &&str| {
        operation.group == *suffix
            || operation
                .group
                .strip_suffix(suffix)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    let names = ["polic", "constraint"]
        .iter()
        .any(|part| operation.resource.contains(part))
        && !operation.resource.contains("report");
    let constraint = operation.group == "constraints.gatekeeper.sh";
    policies.iter().any(ends) && (names || constraint)
        || operation.group == "admissionregistration.k8s.io"
            && operation.resource.contains("admissionpolic")
}

/// What is gone for good when it is deleted.
fn holds_data(operation: &Operation<'_>) -> bool {
    matches!(
        operation.resource,
        "persistentvolumes"
            | "persistentvolumeclaims"
            | "statefulsets"
            | "volumesnapshots"
            | "volumesnapshotcontents"
            | "backups"
            | "backupstoragelocations"
    )
}

/// What only a body tells (audit level `Request`), and the command of an exec.
pub(super) fn by_facts(view: &View<'_>, facts: &Facts, acts: &mut Acts) {
    let operation = &view.event.operation;
    if let Some(pod) = &facts.pod {
        by_pod(view, pod, acts);
    }
    if let Some(rules) = &facts.rules {
        acts.set(Act::StrongRole, rules.is_powerful());
        acts.set(Act::WritingRole, rules.writes);
    }
    acts.set(Act::NodeVolume, !facts.volume_path.is_empty());
    let aims = operation.resource == "secrets"
        && operation.verb != "create"
        && !facts.secret_account.is_empty();
    acts.set(Act::SecretAimed, aims);
    if let Some(binding) = &facts.binding {
        acts.set(Act::EveryoneBound, binding.everyone);
        acts.set(Act::DefaultBound, binding.default_account);
        acts.set(Act::SelfBound, names_caller(view, &binding.subjects));
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
    acts.set(
        Act::ClientCertificate,
        facts.signer == "kubernetes.io/kube-apiserver-client",
    );
    acts.set(
        Act::TokenSecret,
        facts.secret_type == "kubernetes.io/service-account-token",
    );
    acts.set(
        Act::Exposed,
        matches!(facts.service_type.as_str(), "NodePort" | "LoadBalancer"),
    );
    acts.set(Act::PlainIngress, facts.without_tls);
    acts.set(Act::CredentialsWritten, facts.credentials);
}

/// One of the subjects is who makes the request.
fn names_caller(view: &View<'_>, subjects: &[SmolStr]) -> bool {
    subjects.iter().any(
        |subject| match (subject.split_once(':'), view.event.principal) {
            (Some(("ServiceAccount", account)), Principal::ServiceAccount { namespace, name }) => {
                account.split_once('/') == Some((namespace, name))
            }
            (Some(("User", user)), _) => user == view.event.username,
            _ => false,
        },
    )
}

fn by_pod(view: &View<'_>, pod: &PodFacts, acts: &mut Acts) {
    let operation = &view.event.operation;
    let of_controller =
        operation.namespace == "kube-system" && pod.service_account.ends_with("controller");
    let is_power = |name: &SmolStr| gives_power(name);
    for (act, when) in [
        (Act::Privileged, pod.privileged),
        (
            Act::NodeFiles,
            pod.host_paths.iter().any(|path| leads_to_node(path)),
        ),
        (Act::HostPath, !pod.host_paths.is_empty()),
        (Act::HostPid, pod.host_pid),
        (Act::HostIpc, pod.host_ipc),
        (Act::HostNetwork, pod.host_network),
        (Act::HostProcess, pod.host_process),
        (
            Act::NodeCapabilities,
            pod.added_capabilities.iter().any(is_power),
        ),
        (Act::Capabilities, pod.strong_capabilities),
        (Act::ControllerAccount, of_controller),
        (
            Act::StrongerAccount,
            view.run_as_power > view.account.power.max(Bits::whole(4)),
        ),
        (
            Act::ControlPlanePod,
            pod.tolerates_control_plane && !pod.node_name.is_empty(),
        ),
        (
            Act::SecretMounted,
            pod.secrets.iter().any(|name| is_new_mount(view, name)),
        ),
        (Act::SharedProcesses, pod.shares_processes),
        (Act::Root, pod.root),
        (Act::BreakGlass, pod.break_glass),
        (Act::Tool, pod.tool),
        (Act::Miner, pod.miner),
        (Act::ShellInPod, pod.shell),
        (Act::TokenInPod, pod.reads_token),
    ] {
        acts.set(act, when);
    }
}

/// A Secret that this account put into no pod before, and did not make itself.
pub(in crate::detect) fn is_new_mount(view: &View<'_>, secret: &str) -> bool {
    let place = format!("{}/{secret}", view.event.operation.namespace);
    let own = [
        "secret.write.o",
        "secret.write.n",
        "secret.write.s",
        "secret.get.o",
        "secret.get.n",
    ];
    view.account
        .practised(Act::SecretMounted.key(), ' ', &place)
        .is_none()
        && !own
            .iter()
            .any(|key| view.account.practised(key, ' ', &place).is_some())
}

/// Capabilities that are as good as root on the node (`capabilities(7)`); those over the network
/// are not among them.
fn gives_power(capability: &str) -> bool {
    let name = capability.to_ascii_uppercase();
    let bare = name.strip_prefix("CAP_").unwrap_or(&name);
    matches!(
        bare,
        "ALL"
            | "SYS_ADMIN"
            | "SYS_MODULE"
            | "SYS_PTRACE"
            | "SYS_RAWIO"
            | "SYS_BOOT"
            | "DAC_READ_SEARCH"
            | "BPF"
            | "MKNOD"
    )
}

/// A path of the node through which a pod reads its credentials or changes what it runs.
pub(in crate::detect) fn leads_to_node(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let roots = [
        "", "/etc", "/root", "/home", "/var", "/var/lib", "/var/run", "/run", "/proc", "/boot",
        "/usr", "/opt",
    ];
    let parts = [
        "/etc/kubernetes",
        "/etc/cron",
        "/etc/systemd",
        "/etc/shadow",
        "/root/",
        "/var/lib/kubelet/pki",
        "/var/lib/etcd",
        "/var/lib/rancher",
        "/.ssh",
    ];
    let sockets = ["docker.sock", "containerd.sock", "crio.sock"];
    roots.contains(&path)
        || parts.iter().any(|part| path.contains(part))
        || sockets.iter().any(|socket| path.ends_with(socket))
        || matches!(
            path,
            "/var/lib/kubelet" | "/var/lib/kubelet/pods" | "/var/run/secrets"
        )
}
