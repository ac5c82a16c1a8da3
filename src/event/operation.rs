//! What was asked for: verb, kind, scope.
//!
//! Refuses API versions (a new CRD version is no new behaviour) and raw paths.

use super::Principal;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// The service account's own namespace.
    Own,
    /// Another namespace, named in the request. For users and nodes every namespace is another one.
    Other,
    /// No namespace: a cluster-scoped kind, or a namespaced one across the cluster.
    Cluster,
    /// No object at all: `/version`, `/apis`, `/metrics`.
    NonResource,
}

impl Scope {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Scope::Own => "own namespace",
            Scope::Other => "another namespace",
            Scope::Cluster => "cluster",
            Scope::NonResource => "no resource",
        }
    }

    /// One short word for keys.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Scope::Own => "own",
            Scope::Other => "other",
            Scope::Cluster => "cluster",
            Scope::NonResource => "path",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation<'a> {
    pub verb: &'a str,
    pub group: &'a str,
    /// Plural, lower case; empty for a non-resource request.
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    /// The path of a non-resource request without its query; empty otherwise.
    pub path: &'a str,
    pub scope: Scope,
}

impl<'a> Operation<'a> {
    #[must_use]
    pub fn scope_of(principal: Principal<'_>, resource: &str, namespace: &str) -> Scope {
        match (resource, namespace) {
            ("", _) => Scope::NonResource,
            (_, "") => Scope::Cluster,
            (_, ns) if ns == principal.namespace() => Scope::Own,
            _ => Scope::Other,
        }
    }

    /// Reads nothing and changes nothing.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(self.verb, "get" | "list" | "watch" | "head" | "options")
    }

    /// A request for what an account may do: it reveals permissions and changes nothing.
    #[must_use]
    pub fn is_self_review(&self) -> bool {
        matches!(
            self.resource,
            "selfsubjectaccessreviews" | "selfsubjectrulesreviews" | "selfsubjectreviews"
        )
    }

    /// A request for what the API offers: `/version`, `/api`, `/apis/...`, `/openapi/...`.
    #[must_use]
    pub fn is_discovery(&self) -> bool {
        let first = self
            .path
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap_or("");
        self.resource.is_empty()
            && matches!(
                first,
                "version" | "api" | "apis" | "openapi" | "swagger.json" | "swaggerapi"
            )
    }

    /// `group/resource/subresource` as people write it: `pods/exec`, `deployments.apps`.
    #[must_use]
    pub fn kind(&self) -> String {
        let mut out = String::from(if self.resource.is_empty() {
            self.path
        } else {
            self.resource
        });
        if !self.group.is_empty() {
            out.push('.');
            out.push_str(self.group);
        }
        if !self.subresource.is_empty() {
            out.push('/');
            out.push_str(self.subresource);
        }
        out
    }
}
