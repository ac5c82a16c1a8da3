//! Who made a request.
//!
//! Refuses to know aliases or impersonation: this is the identity that authenticated.

use std::borrow::Cow;
use std::fmt;

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
const NODE: &str = "system:node:";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Principal<'a> {
    ServiceAccount {
        namespace: &'a str,
        name: &'a str,
    },
    Node {
        name: &'a str,
    },
    User {
        name: &'a str,
    },
    Anonymous,
    /// The request failed authentication (401), or died before it: there is no user at all.
    Nobody,
    /// The name of a node or a component of Kubernetes, in groups that no such certificate has. To
    /// the authorizer it is a user like any other.
    Impostor {
        name: &'a str,
    },
}

#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize,
)]
pub enum PrincipalKind {
    ServiceAccount,
    Node,
    User,
    Anonymous,
    Nobody,
}

impl<'a> Principal<'a> {
    /// Reads `user.username` (`pkg/authentication/serviceaccount/util.go`,
    /// `pkg/authentication/user`).
    #[must_use]
    pub fn parse(username: &'a str) -> Principal<'a> {
        if let Some((namespace, name)) = username
            .strip_prefix(SERVICE_ACCOUNT)
            .and_then(|rest| rest.split_once(':'))
            && !namespace.is_empty()
            && !name.is_empty()
        {
            return Principal::ServiceAccount { namespace, name };
        }
        if let Some(name) = username.strip_prefix(NODE)
            && !name.is_empty()
        {
            return Principal::Node { name };
        }
        match username {
            "" => Principal::Nobody,
            "system:anonymous" => Principal::Anonymous,
            name => Principal::User { name },
        }
    }

    /// The same, held against the groups that came with it. The node authorizer knows nodes by the
    /// group `system:nodes` (`plugin/pkg/auth/authorizer/node`); certificates of components have no
    /// group of an operator's making.
    #[must_use]
    pub fn of(username: &'a str, groups: &[Cow<'_, str>]) -> Principal<'a> {
        let principal = Principal::parse(username);
        let is_alien =
            |group: &Cow<'_, str>| group == "system:masters" || !group.starts_with("system:");
        let is_forged = match principal {
            Principal::Node { .. } if groups.is_empty() => false,
            Principal::Node { .. } => {
                !groups.iter().any(|group| group == "system:nodes") || groups.iter().any(is_alien)
            }
            // The API server calls itself with every right.
            _ if principal.component() == Some(Component::ApiServer) => false,
            _ if principal.component().is_some() => groups.iter().any(is_alien),
            _ => false,
        };
        if is_forged {
            Principal::Impostor { name: username }
        } else {
            principal
        }
    }

    #[must_use]
    pub fn kind(self) -> PrincipalKind {
        match self {
            Principal::ServiceAccount { .. } => PrincipalKind::ServiceAccount,
            Principal::Node { .. } => PrincipalKind::Node,
            Principal::User { .. } | Principal::Impostor { .. } => PrincipalKind::User,
            Principal::Anonymous => PrincipalKind::Anonymous,
            Principal::Nobody => PrincipalKind::Nobody,
        }
    }

    /// The namespace of a service account; empty for everybody else.
    #[must_use]
    pub fn namespace(self) -> &'a str {
        match self {
            Principal::ServiceAccount { namespace, .. } => namespace,
            _ => "",
        }
    }

    /// Which of Kubernetes' own components this is. Every other name that begins with `system:` is
    /// a user's: `system:admin` is the first administrator of k3s, RKE2 and OpenShift.
    #[must_use]
    pub fn component(self) -> Option<Component> {
        let Principal::User { name } = self else {
            return None;
        };
        Some(match name.strip_prefix("system:")? {
            "apiserver" => Component::ApiServer,
            "kube-controller-manager" => Component::ControllerManager,
            "cloud-controller-manager" => Component::CloudControllerManager,
            "kube-scheduler" => Component::Scheduler,
            "kube-proxy" => Component::KubeProxy,
            _ => return None,
        })
    }
}

/// A component of Kubernetes that authenticates with a certificate or, in the API server's own
/// process, with a token that never leaves it (`system:apiserver`): the users of
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Component {
    ApiServer,
    ControllerManager,
    CloudControllerManager,
    Scheduler,
    /// Runs on every node.
    KubeProxy,
}

/// `user.username` again.
impl fmt::Display for Principal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::ServiceAccount { namespace, name } => {
                write!(f, "{SERVICE_ACCOUNT}{namespace}:{name}")
            }
            Principal::Node { name } => write!(f, "{NODE}{name}"),
            Principal::User { name } | Principal::Impostor { name } => f.write_str(name),
            Principal::Anonymous => f.write_str("system:anonymous"),
            Principal::Nobody => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_username_reads_back() {
        for name in [
            "system:serviceaccount:ns:app",
            "system:node:n1",
            "erika",
            "system:anonymous",
            "",
            "system:serviceaccount::",
            "system:node:",
            "system:serviceaccount:only-a-namespace",
        ] {
            assert_eq!(Principal::parse(name).to_string(), name);
        }
    }

    #[test]
    fn only_components_of_kubernetes_are_components() {
        let of = |name| Principal::parse(name).component();
        assert_eq!(of("system:kube-scheduler"), Some(Component::Scheduler));
        for name in [
            "system:admin",
            "system:evil",
            "system:node:n1",
            "kube-scheduler",
            "system:serviceaccount:a:b",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn names_of_nodes_and_components_need_their_groups() {
        let of = |name, groups: &[&'static str]| {
            let groups: Vec<Cow<'_, str>> =
                groups.iter().map(|group| Cow::Borrowed(*group)).collect();
            Principal::of(name, &groups)
        };
        let node = Principal::Node { name: "n1" };
        assert_eq!(
            of("system:node:n1", &["system:nodes", "system:authenticated"]),
            node
        );
        assert_eq!(
            of("system:node:n1", &[]),
            node,
            "clouds leave the groups out"
        );
        assert_eq!(
            of("system:node:n1", &["ops"]),
            Principal::Impostor {
                name: "system:node:n1"
            }
        );
        assert_eq!(
            of("system:kube-scheduler", &["system:authenticated"]).component(),
            Some(Component::Scheduler)
        );
        assert_eq!(
            of("system:kube-scheduler", &["system:masters"]).component(),
            None
        );
        assert!(
            of("system:apiserver", &["system:masters"])
                .component()
                .is_some()
        );
    }

    #[test]
    fn a_half_written_service_account_is_a_user() {
        assert_eq!(
            Principal::parse("system:serviceaccount:ns:").kind(),
            PrincipalKind::User
        );
    }
}
