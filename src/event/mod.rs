//! What an audit event says: line -> [`AuditEvent`], in the words of Kubernetes.
//!
//! Refuses to judge, to remember and to fail: a line that cannot be read becomes a
//! [`decode::Malformed`], which is data like any other.

pub mod credential;
pub mod decode;
pub mod envelopes;
pub mod facts;
pub mod geo;
pub mod operation;
pub mod origin;
pub mod outcome;
pub mod principal;
pub mod wire;

mod normalise;
mod purge;

pub use credential::{Credential, CredentialKind};
pub use facts::Facts;
pub use geo::Geo;
pub use operation::{Operation, Scope};
pub use outcome::Outcome;
pub use principal::{Component, Principal, PrincipalKind};

use crate::base::Time;
use std::net::IpAddr;

/// How much of a request the audit policy records (`audit.k8s.io` `Level`), in rising order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    Metadata,
    Request,
    RequestResponse,
}

/// Where in its life a request was recorded (`audit.k8s.io` `Stage`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    RequestReceived,
    ResponseStarted,
    ResponseComplete,
    Panic,
}

/// One audit event, normalised. Borrows from the line that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent<'a> {
    /// `stageTimestamp`: the only clock that the engine knows.
    pub time: Time,
    /// `requestReceivedTimestamp`; equals `time` where the line has none.
    pub received: Time,
    pub level: Level,
    pub stage: Stage,
    /// Chosen by the client if it sends an `Audit-ID` header: never a key on its own.
    pub audit_id: &'a str,
    pub principal: Principal<'a>,
    /// `user.username`, verbatim; empty for a request that failed authentication.
    pub username: &'a str,
    /// The uid of the ServiceAccount object: a new one means another account of the same name.
    pub user_uid: &'a str,
    pub groups: &'a [std::borrow::Cow<'a, str>],
    pub impersonated: Option<Impersonated<'a>>,
    pub credential: Credential<'a>,
    /// `authentication.kubernetes.io/issued-credential-id` of a TokenRequest; empty otherwise.
    pub issued_credential_id: &'a str,
    pub operation: Operation<'a>,
    /// As written by the server: only the last entry is its own (`pkg/apis/audit/v1/types.go`).
    /// What cannot be read is [`origin::UNREADABLE`].
    pub source_ips: smallvec::SmallVec<[IpAddr; 2]>,
    pub user_agent: &'a str,
    /// HTTP status, 0 where the event has none (stage `RequestReceived`).
    pub code: u16,
    pub outcome: Outcome,
    /// `authorization.k8s.io/decision`: `allow`, `forbid`, or empty where authorization was not
    /// reached.
    pub decision: &'a str,
    /// `authorization.k8s.io/reason`, unescaped on demand: which binding allowed it.
    pub reason: wire::Raw<'a>,
    pub uri: &'a str,
    /// What detectors need of the bodies; the bodies themselves go no further.
    pub facts: Option<Box<Facts>>,
    /// What the operator's GeoIP files said of the origin when the event was read.
    pub geo: Option<&'a Geo<'a>>,
}

/// The identity assumed with `Impersonate-User` and its kin; authorization speaks about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Impersonated<'a> {
    pub username: &'a str,
    pub groups: &'a [std::borrow::Cow<'a, str>],
}

impl AuditEvent<'_> {
    /// Whether the audit policy gives a request of this kind two response events (watch, exec,
    /// logs, proxies).
    #[must_use]
    pub fn is_long_running(&self) -> bool {
        matches!(self.operation.verb, "watch" | "proxy")
            || matches!(
                self.operation.subresource,
                "exec" | "attach" | "portforward" | "log" | "proxy"
            )
    }
}
