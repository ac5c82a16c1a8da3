//! Which token or certificate was used, and what it is bound to.
//!
//! Refuses to hold a secret: a credential id is a name (KEP-4193), not a credential.

use serde::{Deserialize, Serialize};

/// What the authenticator said about the credential; see `docs` of each variant for the evidence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CredentialKind {
    /// `JTI=` id and a pod: the projected token of a pod.
    PodBound,
    /// A pod and no id: the same, issued before Kubernetes 1.30.
    PodBoundWithoutId,
    /// `JTI=` id and a node, no pod.
    NodeBound,
    /// `JTI=` id of a service account and nothing that it is bound to: minted by hand or by a
    /// controller.
    Unbound,
    /// A long-lived token from a Secret (annotation `authentication.k8s.io/legacy-token*`).
    Legacy,
    /// `X509SHA256=` id: a client certificate.
    Certificate,
    /// `JTI=` id of somebody who is no service account: a token of an identity provider.
    External,
    /// Authenticated, and nothing says with what.
    Unknown,
    /// Not authenticated.
    None,
}

impl CredentialKind {
    /// The field's words for it, as they stand in findings.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            CredentialKind::PodBound => "pod-bound token",
            CredentialKind::PodBoundWithoutId => "pod-bound token without an id",
            CredentialKind::NodeBound => "node-bound token",
            CredentialKind::Unbound => "unbound token",
            CredentialKind::Legacy => "legacy Secret token",
            CredentialKind::Certificate => "client certificate",
            CredentialKind::External => "external identity token",
            CredentialKind::Unknown => "unknown credential",
            CredentialKind::None => "no credential",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credential<'a> {
    pub kind: CredentialKind,
    /// `JTI=<uuid>` or `X509SHA256=<hex>`, verbatim; empty where the server says none (a legacy
    /// token has none: see `legacy_secret`).
    pub id: &'a str,
    pub pod: &'a str,
    pub pod_uid: &'a str,
    pub node: &'a str,
    /// The Secret of a legacy token, where the server names it.
    pub legacy_secret: &'a str,
    /// Used after its `warnafter` time (annotation `authentication.k8s.io/stale-token`).
    pub stale: bool,
}
