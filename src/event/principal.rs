//! Who made a request.
//!
//! Refuses to know aliases or impersonation: this is the identity that authenticated.

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
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum PrincipalKind {
    ServiceAccount,
    Node,
    User,
    Anonymous,
    Nobody,
}

impl<'a> Principal<'a> {
    /// Reads `user.username` (`pkg/authentication/serviceaccount/util.go`, `pkg/authentication/user`).
    #[must_use]
    pub fn parse(username: &'a str) -> Principal<'a> {
        if let Some((namespace, name)) = username.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':'))
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

    #[must_use]
    pub fn kind(self) -> PrincipalKind {
        match self {
            Principal::ServiceAccount { .. } => PrincipalKind::ServiceAccount,
            Principal::Node { .. } => PrincipalKind::Node,
            Principal::User { .. } => PrincipalKind::User,
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

    /// Which of Kubernetes' own components this is. Every other name that begins with `system:` is a user's:
    /// `system:admin` is the first administrator of k3s, RKE2 and OpenShift.
    #[must_use]
    pub fn component(self) -> Option<Component> {
        let Principal::User { name } = self else { return None };
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

/// A component of Kubernetes that authenticates with a certificate or, in the API server's own process, with a token
/// that never leaves it (`system:apiserver`): the users of `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`.
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
            Principal::ServiceAccount { namespace, name } => write!(f, "{SERVICE_ACCOUNT}{namespace}:{name}"),
            Principal::Node { name } => write!(f, "{NODE}{name}"),
            Principal::User { name } => f.write_str(name),
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
        for name in ["system:admin", "system:evil", "system:node:n1", "kube-scheduler", "system:serviceaccount:a:b"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn a_half_written_service_account_is_a_user() {
        assert_eq!(Principal::parse("system:serviceaccount:ns:").kind(), PrincipalKind::User);
    }
}
