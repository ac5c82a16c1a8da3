//! # What it sees
//! A long-lived token from a Secret is used by an account that is not known to be used so, or a
//! projected token is used after its time (stale).
//!
//! # Why it matters
//! A Secret token has no expiry and no binding: whoever copied it once has it for good. It is also the
//! usual way to stay.
//!
//! # How it decides
//! Annotations `authentication.k8s.io/legacy-token*`. A Secret that this account was not used with
//! before is `high` if the account is mature and has only been used with tokens of pods, `low` if another
//! Secret was in use, or while it is learning. A stale token is `low` where the account is not known for
//! stale tokens: a pod reads its token anew, whoever copied one does not.
//!
//! # When it is wrong
//! A person rotates a Secret token; an old client reads its token file only once (stale).
//!
//! # Tuning
//! `learning.min_days`.
//!
//! # Respond
//! Delete the Secret: that revokes the token. Move the client to projected tokens.

use crate::detect::{Finding, Marks, Meta, Novelty, Severity, Tactic, View};
use crate::event::{Credential, CredentialKind};

pub const META: Meta = Meta {
    id: "legacy-token",
    title: "Long-lived or stale token in use",
    severities: &[Severity::Low, Severity::Medium, Severity::High],
    tactic: Tactic::Persistence,
    techniques: &["T1528", "T1078"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["learning.min_days"],
    wakes_on: Marks::ODD_CREDENTIAL,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let credential = &view.event.credential;
    let words = legacy_words(credential);
    let horizon = view.policy.learning.horizon(view.now());
    let known = view.account.issuers.get(&words, horizon);
    let (severity, observed) = match (credential.kind, known) {
        (CredentialKind::Legacy, None) => (new_secret(view), words),
        (CredentialKind::Legacy, Some(seen)) if seen.days == 1 && recently(view, seen.first()) => {
            (new_secret(view), words)
        }
        // An unbound token is remembered by its issuer, not by its age.
        (kind, None) if credential.stale && (kind != CredentialKind::Unbound || view.holder.is_none()) => {
            (Severity::Low, format!("the token of pod {} was used after it should have been replaced", credential.pod))
        }
        _ => return,
    };
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity,
        tactic: META.tactic,
        techniques: META.techniques,
        expected: match view.account.issuers.most(2).join(", ") {
            usual if usual.is_empty() => "this account is used with tokens of its pods".to_owned(),
            usual => format!("this account is used with: {usual}"),
        },
        observed: format!("{observed}, from {}", view.origin),
        also: None,
        culprit: None,
        novelty: (known.is_none() && view.maturity.mature).then_some(Novelty::Credential),
    });
}

fn new_secret(view: &View<'_>) -> Severity {
    let used_before = view.account.issuers.iter().any(|(words, seen)| words.starts_with(LEGACY) && seen.days > 1);
    match (view.maturity.mature, used_before) {
        (false, _) => Severity::Low,
        // A Secret token replaced by another: how it came to be is told by `token-secret-made`.
        (true, true) => Severity::Low,
        (true, false) => Severity::High,
    }
}

/// All requests of the first hour belong to the same story.
fn recently(view: &View<'_>, first: crate::base::Time) -> bool {
    view.maturity.mature && first > view.account.first_seen && view.now().since(first).as_seconds() < 3600
}

const LEGACY: &str = "legacy token";

/// The words by which a baseline remembers a Secret token, or that a token was stale.
#[must_use]
pub fn legacy_words(credential: &Credential<'_>) -> String {
    match credential.kind {
        CredentialKind::Legacy => format!("{LEGACY} of Secret {}", credential.legacy_secret),
        _ => "stale token".to_owned(),
    }
}
