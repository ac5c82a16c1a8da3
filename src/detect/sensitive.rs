//! Operations that an attacker needs and most accounts never do.
//!
//! Refuses to say whether one is wrong: that depends on who does it.

use super::Tactic;
use crate::event::{AuditEvent, Operation, Outcome};
use std::fmt::Write;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sensitive {
    SecretRead,
    SecretWrite,
    /// exec, attach, port-forward, ephemeral containers.
    Exec,
    Token,
    Rbac,
    Impersonation,
    Webhook,
    Csr,
    NodesProxy,
    /// services/proxy and pods/proxy: a way around network policy.
    ServiceProxy,
    /// Asks the API server whose token it holds.
    TokenReview,
    /// A pod started directly, not by a controller.
    Pod,
    /// A workload that can take over its node.
    PrivilegedWorkload,
    /// A pod or workload put straight into a system namespace.
    SystemNamespace,
    /// Configuration that decides names or identities of the whole cluster.
    ClusterConfig,
    /// Events of the cluster deleted.
    Traces,
    /// Which server answers for a part of the API: it then sees what is sent there, and who sent
    /// it.
    ApiService,
    /// Custom resource definitions.
    CustomKind,
    /// Nodes: their labels and taints decide what runs where, their status where kubelets are
    /// reached.
    NodeChange,
}

/// Namespaces that belong to the cluster itself.
pub(crate) const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

impl Sensitive {
    /// What kind of sensitive act an event is, if any. exec is told by subresource: over WebSocket
    /// it is audited as `get`. `watch` on secrets is a read of secrets.
    #[must_use]
    pub fn of(event: &AuditEvent<'_>) -> Option<Sensitive> {
        if event.impersonated.is_some() || event.outcome == Outcome::ImpersonationRefused {
            return Some(Sensitive::Impersonation);
        }
        let operation = &event.operation;
        let writes = !operation.is_read();
        match (operation.group, operation.resource, operation.subresource) {
            ("", "secrets", _) => Some(if writes {
                Sensitive::SecretWrite
            } else {
                Sensitive::SecretRead
            }),
            ("", "serviceaccounts", "token") if writes => Some(Sensitive::Token),
            ("", "pods", "exec" | "attach" | "portforward") => Some(Sensitive::Exec),
            ("", "pods", "ephemeralcontainers") if writes => Some(Sensitive::Exec),
            ("", "nodes", "proxy") => Some(Sensitive::NodesProxy),
            ("", "services" | "pods", "proxy") => Some(Sensitive::ServiceProxy),
            ("authentication.k8s.io", "tokenreviews", _) => Some(Sensitive::TokenReview),
            ("", "configmaps", "") if writes && is_cluster_config(operation) => {
                Some(Sensitive::ClusterConfig)
            }
            ("" | "events.k8s.io", "events", "") if operation.verb.starts_with("delete") => {
                Some(Sensitive::Traces)
            }
            ("rbac.authorization.k8s.io" | "authorization.openshift.io", _, _) if writes => {
                Some(Sensitive::Rbac)
            }
            ("admissionregistration.k8s.io", _, "") if writes => Some(Sensitive::Webhook),
            ("certificates.k8s.io", _, _) if writes => Some(Sensitive::Csr),
            ("apiregistration.k8s.io", "apiservices", "") if writes => Some(Sensitive::ApiService),
            ("apiextensions.k8s.io", "customresourcedefinitions", "") if writes => {
                Some(Sensitive::CustomKind)
            }
            ("", "nodes", "" | "status") if writes => Some(Sensitive::NodeChange),
            _ if writes && is_workload(operation) => workload(event),
            _ => None,
        }
    }

    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Sensitive::SecretRead => "reads Secrets",
            Sensitive::SecretWrite => "writes Secrets",
            Sensitive::Exec => "enters pods",
            Sensitive::Token => "mints tokens",
            Sensitive::Rbac => "changes RBAC",
            Sensitive::Impersonation => "impersonates",
            Sensitive::Webhook => "changes admission webhooks",
            Sensitive::Csr => "requests or approves certificates",
            Sensitive::NodesProxy => "reaches kubelets through the API server",
            Sensitive::ServiceProxy => "reaches pods through the API server",
            Sensitive::TokenReview => "asks whose a token is",
            Sensitive::Pod => "starts pods by itself",
            Sensitive::ClusterConfig => "changes configuration of the whole cluster",
            Sensitive::Traces => "deletes events",
            Sensitive::PrivilegedWorkload => "starts a workload with power over its node",
            Sensitive::SystemNamespace => "starts a workload in a system namespace",
            Sensitive::ApiService => "changes which server answers for an API",
            Sensitive::CustomKind => "changes custom kinds",
            Sensitive::NodeChange => "changes Nodes",
        }
    }

    #[must_use]
    pub fn tactic(self) -> Tactic {
        match self {
            Sensitive::SecretRead
            | Sensitive::Token
            | Sensitive::TokenReview
            | Sensitive::ApiService => Tactic::CredentialAccess,
            Sensitive::SecretWrite
            | Sensitive::Webhook
            | Sensitive::Csr
            | Sensitive::SystemNamespace
            | Sensitive::CustomKind => Tactic::Persistence,
            Sensitive::Exec | Sensitive::Pod => Tactic::Execution,
            Sensitive::Rbac | Sensitive::Impersonation | Sensitive::PrivilegedWorkload => {
                Tactic::PrivilegeEscalation
            }
            Sensitive::NodesProxy | Sensitive::ServiceProxy | Sensitive::NodeChange => {
                Tactic::LateralMovement
            }
            Sensitive::ClusterConfig => Tactic::Impact,
            Sensitive::Traces => Tactic::DefenseEvasion,
        }
    }

    #[must_use]
    pub fn techniques(self) -> &'static [&'static str] {
        match self {
            Sensitive::SecretRead => &["T1552.007"],
            Sensitive::SecretWrite => &["T1098"],
            Sensitive::Exec => &["T1609"],
            Sensitive::Token => &["T1528", "T1098"],
            Sensitive::Rbac => &["T1098.006"],
            Sensitive::Impersonation => &["T1134"],
            Sensitive::Webhook => &["T1546"],
            Sensitive::Csr => &["T1098", "T1649"],
            Sensitive::NodesProxy => &["T1611", "T1550.001"],
            Sensitive::ServiceProxy => &["T1090"],
            Sensitive::TokenReview => &["T1528"],
            Sensitive::Pod => &["T1610"],
            Sensitive::ClusterConfig => &["T1565.001", "T1557"],
            Sensitive::Traces => &["T1070"],
            Sensitive::PrivilegedWorkload => &["T1611", "T1610"],
            Sensitive::SystemNamespace => &["T1610", "T1036.005"],
            Sensitive::ApiService => &["T1557"],
            Sensitive::CustomKind => &["T1546"],
            Sensitive::NodeChange => &["T1610"],
        }
    }
}

fn is_workload(operation: &Operation<'_>) -> bool {
    operation.subresource.is_empty()
        && matches!(
            (operation.group, operation.resource),
            ("", "pods" | "replicationcontrollers")
                | (
                    "apps",
                    "deployments" | "daemonsets" | "statefulsets" | "replicasets"
                )
                | ("batch", "jobs" | "cronjobs")
        )
}

/// Cluster DNS, and the EKS map of cloud identities to users.
fn is_cluster_config(operation: &Operation<'_>) -> bool {
    operation.namespace == "kube-system"
        && matches!(operation.name, "coredns" | "kube-dns" | "aws-auth")
}

fn workload(event: &AuditEvent<'_>) -> Option<Sensitive> {
    let pod = event.facts.as_ref().and_then(|facts| facts.pod.as_ref());
    let takes_over = |p: &crate::event::facts::PodFacts| {
        p.privileged || p.host_network || p.host_pid || p.host_ipc || !p.host_paths.is_empty()
    };
    if pod.is_some_and(takes_over) || event.facts.as_ref().is_some_and(|facts| facts.unread) {
        Some(Sensitive::PrivilegedWorkload)
    } else if event.operation.verb == "create"
        && SYSTEM_NAMESPACES.contains(&event.operation.namespace)
    {
        Some(Sensitive::SystemNamespace)
    } else if event.operation.verb == "create" && event.operation.resource == "pods" {
        Some(Sensitive::Pod)
    } else {
        None
    }
}

/// What a sensitive operation is aimed at, where that matters as much as the operation. Empty where
/// it does not, or where there are too many targets by nature.
pub fn target<'k>(
    sensitive: Option<Sensitive>,
    event: &AuditEvent<'_>,
    out: &'k mut String,
) -> &'k str {
    out.clear();
    let Some(sensitive) = sensitive else {
        return out;
    };
    let operation = &event.operation;
    match sensitive {
        Sensitive::Token => {
            let _ = write!(out, "token of {}/{}", operation.namespace, operation.name);
            for audience in audiences(event) {
                let _ = write!(out, " for {audience}");
            }
        }
        Sensitive::Impersonation => impersonated(event, out),
        Sensitive::Exec => {
            let _ = write!(out, "pods of {}", operation.namespace);
        }
        // Roles of applications are many by nature; those that Kubernetes ships are not.
        Sensitive::Rbac => {
            let bound = event
                .facts
                .as_ref()
                .and_then(|f| f.binding.as_ref())
                .map_or("", |b| b.role.as_str());
            if event.facts.as_ref().is_some_and(|f| f.unread) {
                out.push_str("what could not be looked at whole");
            } else if is_builtin_role(bound) {
                let _ = write!(out, "binding to {bound}");
            } else if is_builtin_role(operation.name) {
                let _ = write!(out, "role {}", operation.name);
            }
        }
        Sensitive::NodesProxy => {
            let _ = write!(out, "kubelet {}", kubelet_path(event.uri));
        }
        _ => {}
    }
    out
}

fn audiences<'e>(event: &'e AuditEvent<'_>) -> impl Iterator<Item = &'e str> {
    let token = event.facts.as_ref().and_then(|f| f.token.as_ref());
    token
        .into_iter()
        .flat_map(|t| t.audiences.iter().map(smol_str::SmolStr::as_str))
}

/// The strongest of all that is assumed: groups in any order, then the name. People are many and
/// alike; groups, controllers and nodes of the system are not.
fn impersonated(event: &AuditEvent<'_>, out: &mut String) {
    let Some(who) = &event.impersonated else {
        return;
    };
    let everyone = [
        "system:authenticated",
        "system:serviceaccounts",
        "system:unauthenticated",
    ];
    let is_common =
        |group: &str| everyone.contains(&group) || group.starts_with("system:serviceaccounts:");
    let masters = who.groups.iter().find(|group| *group == "system:masters");
    let system = who
        .groups
        .iter()
        .find(|group| group.starts_with("system:") && !is_common(group));
    let own = who
        .groups
        .iter()
        .find(|group| !group.starts_with("system:"));
    let foreign = who.groups.iter().find(|group| {
        group.starts_with("system:serviceaccounts:")
            && !who.username.starts_with("system:serviceaccount:")
    });
    let _ = match masters.or(system).or(foreign) {
        Some(group) => write!(out, "group {group}"),
        None if who.username.starts_with("system:") => write!(out, "{}", who.username),
        None => match own {
            Some(group) => write!(out, "group {group}"),
            None => write!(out, "a user"),
        },
    };
}

/// Roles that Kubernetes ships (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`).
#[must_use]
pub fn is_builtin_role(name: &str) -> bool {
    name.starts_with("system:") || matches!(name, "cluster-admin" | "admin" | "edit" | "view")
}

/// What a kubelet is asked for, by the path of a nodes/proxy URI: `metrics`, `exec`, `pods`. Empty
/// where there is no path; `obscured` where it has dots or escapes, for kubelets and proxies
/// resolve them as they like.
#[must_use]
pub fn kubelet_path(uri: &str) -> String {
    let path = uri.split('?').next().unwrap_or("");
    let after = path.split_once("/proxy/").map_or("", |(_, rest)| rest);
    let is_obscured =
        after.contains('%') || after.split('/').any(|part| part == "." || part == "..");
    if is_obscured {
        return "obscured".to_owned();
    }
    after
        .split('/')
        .find(|part| !part.is_empty())
        .unwrap_or("")
        .to_owned()
}
