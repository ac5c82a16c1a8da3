//! # What it sees
//! A long-lived token from a Secret is used by an account that is not known to be used so, or a
//! projected token is used after its time (stale).
//!
//! # Why it matters
//! A Secret token has no expiry and no binding: whoever copied it once has it for good. It is also
//! the usual way to stay.
//!
//! # How it decides
//! A Secret token of an account that was never used with one: 10 bits and how surprising it is of
//! an account that is known for so long; a rotated Secret, or a token used after it should have
//! been replaced: 2. Program and place add to it.
//!
//! # When it is wrong
//! A person rotates a Secret token; an old client reads its token file only once (stale).
//!
//! # Tuning
//! `learning.min_days`.
//!
//! # Respond
//! Delete the Secret: that revokes the token. Move the client to projected tokens.

use crate::base::Bits;
use crate::detect::{Finding, Marks, Meta, Tactic, View, weigh};
use crate::event::{Credential, CredentialKind};

pub const META: Meta = Meta {
    id: "legacy-token",
    title: "Long-lived or stale token in use",
    weighs: "10 bits and how well the account is known; 2 for a rotated Secret or a stale token",
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
    let known = view.account.issuers.get(&words);
    let (gain, observed) = match (credential.kind, known) {
        (CredentialKind::Legacy, None) => (new_secret(view), words.clone()),
        (CredentialKind::Legacy, Some(seen)) if seen.days == 1 && recently(view, seen.first()) => {
            (new_secret(view), words.clone())
        }
        // An unbound token is remembered by its issuer, not by its age.
        (kind, None)
            if credential.stale && (kind != CredentialKind::Unbound || view.holder.is_none()) =>
        {
            let whose = if credential.pod.is_empty() {
                String::new()
            } else {
                format!(" of pod {}", credential.pod)
            };
            (
                Bits::whole(2),
                format!("the token{whose} was used after it should have been replaced"),
            )
        }
        _ => return,
    };
    let weight = weigh::weight(gain, surprise(view));
    if weight < Bits::whole(1) {
        return;
    }
    findings.push(Finding {
        key: words.into(),
        expected: match view.account.issuers.most(2).join(", ") {
            usual if usual.is_empty() => "this account is used with tokens of its pods".to_owned(),
            usual => format!("this account is used with: {usual}"),
        },
        observed: format!("{observed}, from {}", view.origin),
        ..Finding::of(&META, weight)
    });
}

/// A Secret token that replaces another is a rotation; how it came to be is told by
/// `token-secret-made`.
fn new_secret(view: &View<'_>) -> Bits {
    let used_before = view
        .account
        .issuers
        .iter()
        .any(|(words, seen)| words.starts_with(LEGACY) && seen.days > 1);
    if used_before {
        Bits::whole(2)
    } else {
        Bits::whole(10)
    }
}

/// How surprising another kind of credential is of an account that was known for so many days.
fn surprise(view: &View<'_>) -> Bits {
    let days = u64::from(view.account.days);
    let kinds = view.account.issuers.len().max(1) as u64;
    let raw = Bits::surprise(100 * kinds.min(5), 1000 * (days + 1)).min(Bits::whole(8));
    let days = days.min(1000) as i32;
    raw.times(days, days + 1) + view.weights.program + view.weights.origin
}

/// All requests of the first hour belong to the same story.
fn recently(view: &View<'_>, first: crate::base::Time) -> bool {
    first > view.account.first_seen && view.now().since(first).as_seconds() < 3600
}

const LEGACY: &str = "legacy token";

/// The words by which a baseline remembers a Secret token, or that a token was stale.
#[must_use]
pub fn legacy_words(credential: &Credential<'_>) -> String {
    match credential.kind {
        CredentialKind::Legacy if credential.legacy_secret.is_empty() => {
            format!("{LEGACY} of a Secret without a name")
        }
        CredentialKind::Legacy => format!("{LEGACY} of Secret {}", credential.legacy_secret),
        _ => "stale token".to_owned(),
    }
}
