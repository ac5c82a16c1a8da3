//! What a sensitive operation does, how far it reaches, and what it would win an intruder: THE
//! table of gains of operations. What bodies and commands show besides stands in `acts.rs`.
//!
//! Refuses to say whether one is wrong: that depends on who does it, which `weigh.rs` asks.

use super::sensitive::{SYSTEM_NAMESPACES, Sensitive, is_builtin_role, kubelet_path};
use super::{Tactic, View};
use crate::base::Bits;
use crate::event::{AuditEvent, Operation, Scope};

/// Whose things an act touches, seen from the account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reach {
    Own,
    Other,
    /// A namespace of the cluster itself.
    System,
    Cluster,
}

impl Reach {
    #[must_use]
    pub fn of(operation: &Operation<'_>) -> Reach {
        match operation.scope {
            Scope::Own => Reach::Own,
            _ if SYSTEM_NAMESPACES.contains(&operation.namespace) => Reach::System,
            Scope::Other => Reach::Other,
            Scope::Cluster | Scope::NonResource => Reach::Cluster,
        }
    }

    /// One letter for keys.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Reach::Own => "o",
            Reach::Other => "n",
            Reach::System => "s",
            Reach::Cluster => "c",
        }
    }

    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Reach::Own => "in its own namespace",
            Reach::Other => "in another namespace",
            Reach::System => "in a system namespace",
            Reach::Cluster => "across the cluster",
        }
    }
}

macro_rules! deeds {
    ($($name:ident $key:literal [$own:literal $other:literal $system:literal $cluster:literal]
        $title:literal $tactic:ident [$($technique:literal),*];)*) => {
        /// A kind of sensitive operation. The comment beside each says what an intruder wins by it.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Deed { $($name),* }

        impl Deed {
            pub const ALL: &[Deed] = &[$(Deed::$name),*];

            /// The word that baselines and settings know it by. It never changes its meaning.
            #[must_use]
            pub fn key(self) -> &'static str {
                match self { $(Deed::$name => $key),* }
            }

            /// Whole bits by reach: its own namespace, another, one of the system, the cluster.
            #[must_use]
            pub fn gain(self, reach: Reach) -> Bits {
                let gains = match self { $(Deed::$name => [$own, $other, $system, $cluster]),* };
                Bits::whole(gains[reach as usize])
            }

            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Deed::$name => $title),* }
            }

            #[must_use]
            pub fn tactic(self) -> Tactic {
                match self { $(Deed::$name => Tactic::$tactic),* }
            }

            #[must_use]
            pub fn techniques(self) -> &'static [&'static str] {
                match self { $(Deed::$name => &[$($technique),*]),* }
            }
        }
    };
}

deeds! {
    // One credential of an application.
    ReadSecret "secret.get" [3 5 7 5] "Secret read" CredentialAccess ["T1552.007"];
    // All of them, tokens and keys of others among them.
    ListSecrets "secret.list" [5 8 10 11] "Secrets listed" CredentialAccess ["T1552.007"];
    // Another's configuration, a credential of one's own put in its place.
    WriteSecret "secret.write" [2 3 5 3] "Secret written" Persistence ["T1098"];
    DeleteSecret "secret.delete" [2 3 5 5] "Secret deleted" Impact ["T1485"];
    // Whatever the pod holds: its token, its data, its network.
    EnterPod "pod.exec" [5 9 10 9] "Command run in a pod" Execution ["T1609"];
    ForwardPort "pod.forward" [2 4 6 4] "Port of a pod forwarded" LateralMovement ["T1090"];
    // Another account, for as long as the token lives.
    MintToken "token" [4 6 9 6] "Token minted" CredentialAccess ["T1528", "T1098"];
    // Everything, for good.
    BindAdmin "bind.admin" [6 8 12 14] "Role with all rights bound" PrivilegeEscalation ["T1098.006"];
    // What the role holds, which is much: Secrets, exec, other roles.
    BindStrong "bind.strong" [4 5 10 10] "Powerful role bound" PrivilegeEscalation ["T1098.006"];
    // What the role holds, which the log does not say.
    BindRole "bind" [2 3 5 6] "Role bound" PrivilegeEscalation ["T1098.006"];
    BindView "bind.view" [1 1 2 2] "Read-only role bound" PrivilegeEscalation ["T1098.006"];
    // Nothing yet: a role is worth what its binding is.
    WriteAll "role.all" [6 6 9 11] "Role with all rights written" PrivilegeEscalation ["T1098.006"];
    WriteStrong "role.strong" [3 4 6 7] "Powerful role written" PrivilegeEscalation ["T1098.006"];
    // The rights of everybody who has the role, now and later.
    WriteBuiltin "role.builtin" [12 12 12 12] "Built-in role changed" PrivilegeEscalation ["T1098.006"];
    WriteRole "role" [1 1 2 2] "Role written" PrivilegeEscalation ["T1098.006"];
    DeleteRbac "rbac.delete" [1 2 3 3] "Role or binding deleted" Impact ["T1531"];
    // Everything, unseen by RBAC.
    ActAsMasters "as.masters" [16 16 16 16] "Group system:masters impersonated" PrivilegeEscalation ["T1134"];
    // A component, a node, a service account.
    ActAsSystem "as.system" [9 9 9 9] "System identity impersonated" PrivilegeEscalation ["T1134"];
    // What the group may do.
    ActAsGroup "as.group" [6 6 6 6] "Group impersonated" PrivilegeEscalation ["T1134"];
    ActAsUser "as.user" [3 3 3 3] "User impersonated" PrivilegeEscalation ["T1134"];
    // Sight of every object that is written, and the power to change it.
    WriteWebhook "webhook" [8 8 8 8] "Admission webhook created" Persistence ["T1546"];
    ChangeWebhook "webhook.change" [6 6 6 6] "Admission webhook changed" Persistence ["T1546"];
    // The same, taken over from whoever was trusted with it.
    RedirectWebhook "webhook.redirect" [10 10 10 10] "Admission webhook redirected" Persistence ["T1546", "T1557"];
    DeleteWebhook "webhook.delete" [5 5 5 5] "Admission control removed" DefenseEvasion ["T1562.001"];
    // A credential that cannot be revoked.
    ApproveCertificate "csr.approve" [8 8 8 8] "Certificate approved" PrivilegeEscalation ["T1098", "T1649"];
    RequestCertificate "csr" [3 3 3 3] "Certificate requested" PrivilegeEscalation ["T1098", "T1649"];
    // A command in any pod of the node, past admission and past the log of exec.
    KubeletExec "kubelet.exec" [11 11 11 11] "Command run through a kubelet" LateralMovement ["T1609", "T1550.001"];
    KubeletLogs "kubelet.logs" [5 5 5 5] "Logs read through a kubelet" LateralMovement ["T1550.001"];
    KubeletRead "kubelet" [3 3 3 3] "Kubelet asked through the API server" LateralMovement ["T1550.001"];
    // A way around network policy.
    ProxyPod "proxy" [3 5 6 5] "Pod or Service reached through the API server" LateralMovement ["T1090"];
    ReviewToken "tokenreview" [2 2 2 2] "Token reviewed" CredentialAccess ["T1528"];
    // A place to run in.
    StartPod "pod" [2 3 7 3] "Pod started directly" Execution ["T1610"];
    StartWorkload "workload" [2 3 7 3] "Workload started" Execution ["T1610"];
    // Names or identities of the whole cluster.
    ClusterConfig "config" [10 10 10 10] "Configuration of the cluster changed" Impact ["T1565.001", "T1557"];
    DeleteEvents "events.delete" [4 5 6 6] "Events deleted" DefenseEvasion ["T1070"];
    // All requests for an API, with the credentials of those who make them.
    WriteApiService "apiservice" [7 7 7 7] "APIService written" CredentialAccess ["T1557"];
    DeleteApiService "apiservice.delete" [4 4 4 4] "APIService deleted" Impact ["T1489"];
    WriteKind "crd" [2 2 2 2] "Custom kind written" Persistence ["T1546"];
    // Every object of the kind.
    DeleteKind "crd.delete" [7 7 7 7] "Custom kind deleted" Impact ["T1485"];
    ChangeNode "node" [2 2 2 2] "Node changed" LateralMovement ["T1610"];
    DeleteNode "node.delete" [3 3 3 3] "Node deleted" Impact ["T1489"];
}

impl Deed {
    /// The deed of a sensitive operation.
    #[must_use]
    pub fn of(sensitive: Sensitive, view: &View<'_>) -> Deed {
        let event = view.event;
        let operation = &event.operation;
        let deletes = operation.verb.starts_with("delete");
        match sensitive {
            Sensitive::SecretRead if operation.name.is_empty() => Deed::ListSecrets,
            Sensitive::SecretRead => Deed::ReadSecret,
            Sensitive::SecretWrite if deletes => Deed::DeleteSecret,
            Sensitive::SecretWrite => Deed::WriteSecret,
            Sensitive::Exec if operation.subresource == "portforward" => Deed::ForwardPort,
            Sensitive::Exec => Deed::EnterPod,
            Sensitive::Token => Deed::MintToken,
            Sensitive::Rbac if deletes => Deed::DeleteRbac,
            Sensitive::Rbac => rbac(view),
            Sensitive::Impersonation => impersonation(event),
            Sensitive::Webhook if deletes => Deed::DeleteWebhook,
            Sensitive::Webhook if operation.verb == "create" => Deed::WriteWebhook,
            Sensitive::Webhook if event.facts.as_ref().is_some_and(|f| !f.calls.is_empty()) => {
                Deed::RedirectWebhook
            }
            Sensitive::Webhook => Deed::ChangeWebhook,
            Sensitive::Csr if operation.subresource == "approval" => Deed::ApproveCertificate,
            Sensitive::Csr => Deed::RequestCertificate,
            Sensitive::NodesProxy => kubelet(event),
            Sensitive::ServiceProxy => Deed::ProxyPod,
            Sensitive::TokenReview => Deed::ReviewToken,
            Sensitive::Pod => Deed::StartPod,
            Sensitive::PrivilegedWorkload | Sensitive::SystemNamespace
                if operation.resource == "pods" =>
            {
                Deed::StartPod
            }
            Sensitive::PrivilegedWorkload | Sensitive::SystemNamespace => Deed::StartWorkload,
            Sensitive::ClusterConfig => Deed::ClusterConfig,
            Sensitive::Traces => Deed::DeleteEvents,
            Sensitive::ApiService if deletes => Deed::DeleteApiService,
            Sensitive::ApiService => Deed::WriteApiService,
            Sensitive::CustomKind if deletes => Deed::DeleteKind,
            Sensitive::CustomKind => Deed::WriteKind,
            Sensitive::NodeChange if deletes => Deed::DeleteNode,
            Sensitive::NodeChange => Deed::ChangeNode,
        }
    }
}

fn rbac(view: &View<'_>) -> Deed {
    let event = view.event;
    let facts = event.facts.as_deref();
    let binds = event.operation.resource.ends_with("bindings");
    if !binds && is_given_to_many(event.operation.name) {
        return Deed::WriteBuiltin;
    }
    if let Some(rules) = facts.and_then(|facts| facts.rules) {
        return match () {
            () if rules.any_verb && rules.any_resource => Deed::WriteAll,
            () if rules.is_powerful() => Deed::WriteStrong,
            () => Deed::WriteRole,
        };
    }
    let role = facts
        .and_then(|facts| facts.binding.as_ref())
        .map_or("", |binding| binding.role.as_str());
    if !binds {
        return Deed::WriteRole;
    }
    if let Some(worth) = view.role_worth.filter(|_| !is_builtin_role(role)) {
        return match worth {
            _ if worth >= Bits::whole(10) => Deed::BindAdmin,
            _ if worth >= Bits::whole(5) => Deed::BindStrong,
            _ => Deed::BindRole,
        };
    }
    match role {
        "cluster-admin"
        | "system:masters"
        | "system:controller:clusterrole-aggregation-controller" => Deed::BindAdmin,
        "admin"
        | "edit"
        | "system:node"
        | "system:kube-controller-manager"
        | "system:kube-scheduler" => Deed::BindStrong,
        "view"
        | "system:auth-delegator"
        | "extension-apiserver-authentication-reader"
        | "system:discovery"
        | "system:basic-user"
        | "system:public-info-viewer" => Deed::BindView,
        role if role.starts_with("system:controller:") => Deed::BindStrong,
        _ => Deed::BindRole,
    }
}

/// Roles that Kubernetes binds to groups and components, or people to each other.
fn is_given_to_many(role: &str) -> bool {
    matches!(
        role,
        "cluster-admin"
            | "admin"
            | "edit"
            | "view"
            | "system:basic-user"
            | "system:discovery"
            | "system:public-info-viewer"
            | "system:node"
            | "system:kube-controller-manager"
            | "system:kube-scheduler"
            | "system:monitoring"
    )
}

/// The strongest of all that is assumed: the groups in any order, then the name.
fn impersonation(event: &AuditEvent<'_>) -> Deed {
    let Some(who) = &event.impersonated else {
        return Deed::ActAsGroup;
    };
    let is_of_system = |name: &str| {
        let everyone = [
            "system:authenticated",
            "system:unauthenticated",
            "system:serviceaccounts",
        ];
        name.starts_with("system:") && !everyone.contains(&name)
    };
    let own_groups = who.username.starts_with("system:serviceaccount:");
    if who.groups.iter().any(|group| group == "system:masters") {
        return Deed::ActAsMasters;
    }
    let strong_group = |group: &str| {
        is_of_system(group) && !(own_groups && group.starts_with("system:serviceaccounts:"))
    };
    if is_of_system(who.username) || who.groups.iter().any(|group| strong_group(group)) {
        return Deed::ActAsSystem;
    }
    let plain = who.groups.iter().all(|group| group.starts_with("system:"));
    if plain {
        Deed::ActAsUser
    } else {
        Deed::ActAsGroup
    }
}

fn kubelet(event: &AuditEvent<'_>) -> Deed {
    let path = kubelet_path(event.uri);
    match path.as_str() {
        "metrics" | "stats" | "healthz" | "spec" | "configz" | "" | "pods" | "runningpods" => {
            Deed::KubeletRead
        }
        "containerLogs" | "logs" => Deed::KubeletLogs,
        // `exec`, `run`, `attach`, `portForward`, `cri`, and whatever is written so that it cannot
        // be read.
        _ => Deed::KubeletExec,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_short_and_distinct_and_gains_rise_with_reach() {
        let keys: BTreeSet<&str> = Deed::ALL.iter().map(|deed| deed.key()).collect();
        assert_eq!(keys.len(), Deed::ALL.len());
        for deed in Deed::ALL {
            assert!(deed.key().len() <= 18, "{deed:?}");
            assert!(deed.gain(Reach::Own) <= deed.gain(Reach::Other), "{deed:?}");
            assert!(
                deed.gain(Reach::Other) <= deed.gain(Reach::System),
                "{deed:?}"
            );
        }
    }
}
