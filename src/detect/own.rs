//! The cluster's own work: what Kubernetes' components do by trade, which no detector wonders at.
//!
//! Refuses a name as an excuse. What a component is never seen to do is as odd of it as of anybody
//! else, and odder: its certificate is in other hands.

use super::View;
use super::sensitive::Sensitive;
use crate::base::Span;
use crate::event::{Component, CredentialKind, Operation};

/// How the names of the accounts of controllers end (`cmd/kube-controller-manager/names`,
/// `bootstrappolicy/controller_policy.go`).
const CONTROLLERS: [&str; 8] = [
    "-controller",
    "-collector",
    "-publisher",
    "-cleaner",
    "-autoscaler",
    "-binder",
    "-signer",
    "-provider",
];

/// Products of clients that people and scripts use, and no component is built with.
const CLIENTS: [&str; 22] = [
    "(none)",
    "Go-http-client",
    "Helm",
    "OpenAPI-Generator",
    "PostmanRuntime",
    "Python-urllib",
    "Ruby",
    "Swagger-Codegen",
    "Wget",
    "axios",
    "busybox",
    "curl",
    "helm",
    "k9s",
    "kubectl",
    "nc",
    "node-fetch",
    "oc",
    "python-httpx",
    "python-requests",
    "python-urllib3",
    "wget",
];

/// What a component is heard with so soon after it was first heard is its own program.
const FIRST_HEARD: Span = Span::seconds(3600);

/// Seconds of life that controllers ask for their tokens stay far below this.
const LONG_TOKEN: i64 = 86_400;

/// A request of a component, or of one of its controllers, that is its work.
#[must_use]
pub(super) fn is_own_work(view: &View<'_>) -> bool {
    match view.event.principal.component() {
        Some(component) => is_trade(component, view),
        None => is_controller(view) && is_trade_of_controller(view),
    }
}

/// The same, by what it says of itself: for what is only worth a line on the first day. Logs of
/// servers that name no credentials show no more.
#[must_use]
pub(super) fn seems_own_work(view: &View<'_>) -> bool {
    let kind = view.event.credential.kind;
    is_own_work(view)
        || (matches!(kind, CredentialKind::Unbound | CredentialKind::Unknown)
            && is_controller_account(view)
            && is_trade_of_controller(view))
}

/// An unbound token of a controller's account, used from where the control plane's own certificates
/// are used.
#[must_use]
pub(super) fn is_controller(view: &View<'_>) -> bool {
    view.event.credential.kind == CredentialKind::Unbound
        && view.address.is_some_and(|a| a.control_plane)
        && is_controller_account(view)
}

/// What a kubelet does by trade; the node authorizer sees to whose objects.
#[must_use]
pub(super) fn is_trade_of_kubelet(sensitive: Sensitive, view: &View<'_>) -> bool {
    use Sensitive as S;
    let operation = &view.event.operation;
    match sensitive {
        // One after the other, by name; and tokens that end with their pod.
        S::SecretRead => !operation.name.is_empty(),
        S::Token => {
            let asked = view
                .event
                .facts
                .as_ref()
                .and_then(|facts| facts.token.as_ref());
            asked.is_none_or(|token| token.bound_to == "Pod")
        }
        S::NodeChange => !operation.verb.starts_with("delete"),
        S::Csr => operation.subresource != "approval",
        S::TokenReview | S::Pod | S::PrivilegedWorkload | S::SystemNamespace => true,
        _ => false,
    }
}

/// A program of people and their scripts.
#[must_use]
pub(super) fn is_client(agent: &str) -> bool {
    CLIENTS.contains(&agent)
}

fn is_controller_account(view: &View<'_>) -> bool {
    let principal = view.event.principal;
    let crate::event::Principal::ServiceAccount {
        namespace: "kube-system",
        name,
    } = principal
    else {
        return false;
    };
    CONTROLLERS.iter().any(|end| name.ends_with(end)) && is_program_of_components(view)
}

/// A program that is one of the components, or all of them in one (`k3s`, `rke2`): the control
/// plane's own identities are used with it by habit.
fn is_program_of_components(view: &View<'_>) -> bool {
    let own = [
        "kube-controller-manager",
        "cloud-controller-manager",
        "kube-scheduler",
    ];
    let users = ["system:kube-controller-manager", "system:kube-scheduler"];
    let uses = |user: &&str| {
        let seen = view
            .population
            .get(user)
            .and_then(|account| account.agents.get(view.agent));
        seen.is_some_and(|seen| seen.count > 1)
    };
    own.contains(&view.agent) || (!is_client(view.agent) && users.iter().any(uses))
}

fn is_trade(component: Component, view: &View<'_>) -> bool {
    let operation = &view.event.operation;
    if component != Component::ApiServer && !is_own_program(view) {
        return false;
    }
    let Some(sensitive) = view.sensitive else {
        return !operation.is_self_review();
    };
    match component {
        // In its own process; nobody else calls from there by this name.
        Component::ApiServer => {
            view.origin.ip.is_none_or(|ip| ip.is_loopback())
                && !is_never(sensitive)
                && sensitive != Sensitive::Token
        }
        Component::ControllerManager => {
            (manages(sensitive, operation) && is_of_its_role(sensitive, view))
                || (sensitive == Sensitive::Token && is_controllers_token(view))
        }
        Component::CloudControllerManager => match sensitive {
            Sensitive::SecretRead | Sensitive::TokenReview | Sensitive::NodeChange => true,
            Sensitive::Token => is_controllers_token(view),
            _ => false,
        },
        Component::Scheduler => sensitive == Sensitive::TokenReview,
        Component::KubeProxy => false,
    }
}

/// Whether the program may be the component: by habit, or because it is the first that is known of
/// it and no client of people and their scripts.
fn is_own_program(view: &View<'_>) -> bool {
    let (account, learning) = (view.account, &view.policy.learning);
    match view.agent_seen {
        Some(seen) if u32::from(seen.days) >= learning.sensitive_days => true,
        _ if CLIENTS.contains(&view.agent) => false,
        Some(seen) => seen.first().since(account.first_seen) <= FIRST_HEARD,
        None => account.agents.is_empty(),
    }
}

/// Each client of kube-controller-manager adds its role to the user agent: the name of a
/// controller, `shared-informers`. Where the controllers have accounts of their own, for which it
/// mints tokens, it does nothing of their work itself.
fn is_of_its_role(sensitive: Sensitive, view: &View<'_>) -> bool {
    let operation = &view.event.operation;
    let role = role(view.event.user_agent);
    match sensitive {
        Sensitive::TokenReview => true,
        // Requests of kubelets are approved and signed by it, whether its controllers have accounts
        // of their own or not.
        Sensitive::Csr => !is_client(view.agent),
        // Informers look at all namespaces; what is deleted with its namespace is looked at there.
        Sensitive::SecretRead if operation.verb != "get" => {
            !role.is_empty() && (operation.namespace.is_empty() || role == "namespace-controller")
        }
        Sensitive::SecretRead | Sensitive::SecretWrite if role == "tokens-controller" => true,
        _ => {
            !matches!(role, "" | "shared-informers" | "metadata-informers")
                && !mints_for_controllers(view)
        }
    }
}

/// What stands in a user agent of `client-go` behind the commit:
/// `kubernetes/98b3519/tokens-controller`.
fn role(user_agent: &str) -> &str {
    let build = user_agent
        .split_once(" kubernetes/")
        .map_or("", |(_, build)| build);
    build.split_once('/').map_or("", |(_, role)| role)
}

fn mints_for_controllers(view: &View<'_>) -> bool {
    view.account
        .operations
        .iter()
        .any(|(operation, _)| operation.starts_with("create serviceaccounts/token "))
}

fn is_trade_of_controller(view: &View<'_>) -> bool {
    match view.sensitive {
        Some(sensitive) => manages(sensitive, &view.event.operation),
        None => !view.event.operation.is_self_review(),
    }
}

/// No component enters pods, takes another's name or goes through a proxy.
fn is_never(sensitive: Sensitive) -> bool {
    use Sensitive as S;
    matches!(
        sensitive,
        S::Exec | S::Impersonation | S::NodesProxy | S::ServiceProxy
    )
}

/// The controllers of kube-controller-manager: namespaces and garbage are deleted, pods made, roles
/// aggregated, certificates signed. They bind nobody and install nothing.
fn manages(sensitive: Sensitive, operation: &Operation<'_>) -> bool {
    use Sensitive as S;
    let deletes = operation.verb.starts_with("delete");
    match sensitive {
        S::SecretRead | S::SecretWrite | S::TokenReview | S::Traces | S::Pod | S::NodeChange => {
            true
        }
        S::Rbac => deletes || (operation.resource == "clusterroles" && operation.verb != "create"),
        S::Csr => deletes || matches!(operation.subresource, "approval" | "status"),
        S::Webhook | S::ClusterConfig | S::ApiService | S::CustomKind => deletes,
        S::PrivilegedWorkload | S::SystemNamespace => {
            operation.verb != "create"
                || matches!(operation.resource, "pods" | "replicasets" | "jobs")
        }
        S::Token | S::Exec | S::Impersonation | S::NodesProxy | S::ServiceProxy => false,
    }
}

/// A short token for an account of `kube-system`, as `--use-service-account-credentials` asks for.
fn is_controllers_token(view: &View<'_>) -> bool {
    let asked = view
        .event
        .facts
        .as_ref()
        .and_then(|facts| facts.token.as_ref());
    view.event.operation.namespace == "kube-system"
        && asked.is_none_or(|token| token.lifetime_seconds <= LONG_TOKEN && !token.cloud)
}
