//! How a request ended.
//!
//! Refuses to lump refusals together: RBAC, admission and impersonation refuse for different
//! reasons (the API server's filters `authorization.go`, `impersonation.go`).

use super::Stage;

/// Decided from the status code and the annotation `authorization.k8s.io/decision`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// No response yet (stage `RequestReceived`), or none was recorded.
    Pending,
    Allowed,
    /// 403 and decision `forbid`.
    ForbiddenByRbac,
    /// 403 although authorization said `allow`: admission, quota, Pod Security, NodeRestriction.
    RefusedByAdmission,
    /// 403 without a decision: the caller may not impersonate.
    ImpersonationRefused,
    /// 401.
    Unauthenticated,
    /// 404.
    NotFound,
    /// 429: API Priority and Fairness, or an eviction budget.
    Throttled,
    /// Any other 4xx (409 conflicts, 422 invalid).
    Rejected,
    /// 5xx and panics.
    ServerError,
}

impl Outcome {
    #[must_use]
    pub fn of(code: u16, decision: &str) -> Outcome {
        match code {
            0 => Outcome::Pending,
            401 => Outcome::Unauthenticated,
            403 => match decision {
                "forbid" => Outcome::ForbiddenByRbac,
                "allow" => Outcome::RefusedByAdmission,
                _ => Outcome::ImpersonationRefused,
            },
            404 => Outcome::NotFound,
            429 => Outcome::Throttled,
            400..500 => Outcome::Rejected,
            500.. => Outcome::ServerError,
            _ => Outcome::Allowed,
        }
    }

    /// The outcome of an event of `stage`: a panic before the response is written leaves no code.
    #[must_use]
    pub fn at(stage: Stage, code: u16, decision: &str) -> Outcome {
        Outcome::of(
            if stage == Stage::Panic && code == 0 {
                500
            } else {
                code
            },
            decision,
        )
    }

    /// The request was turned away for who asked, not for what it looked like.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Outcome::ForbiddenByRbac
                | Outcome::RefusedByAdmission
                | Outcome::ImpersonationRefused
                | Outcome::Unauthenticated
        )
    }

    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Pending => "pending",
            Outcome::Allowed => "allowed",
            Outcome::ForbiddenByRbac => "forbidden by RBAC",
            Outcome::RefusedByAdmission => "refused by admission",
            Outcome::ImpersonationRefused => "impersonation refused",
            Outcome::Unauthenticated => "unauthenticated",
            Outcome::NotFound => "not found",
            Outcome::Throttled => "throttled",
            Outcome::Rejected => "rejected",
            Outcome::ServerError => "server error",
        }
    }
}
