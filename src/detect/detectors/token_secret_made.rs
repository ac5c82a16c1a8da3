//! # What it sees
//! Somebody makes a Secret, and the API server's token controller fills a long-lived token into it.
//!
//! # Why it matters
//! It is how an attacker stays: a token without expiry for any account of the namespace, by nothing
//! more than the right to create Secrets.
//!
//! # How it decides
//! The token controller fills a Secret in that somebody made within a minute. It weighs what making
//! such a Secret weighs of its maker: 9 bits and how surprising that is.
//!
//! # When it is wrong
//! A Helm chart or an operator that still makes token Secrets.
//!
//! # Tuning
//! None.
//!
//! # Respond
//! Delete the Secret, then ask what the maker's token does in other hands.

use crate::detect::{Finding, Marks, Meta, Tactic, View};

pub const META: Meta = Meta {
    id: "token-secret-made",
    title: "Long-lived token Secret made",
    weighs: "as making such a Secret weighs of its maker: 8 bits and what is odd about it",
    tactic: Tactic::Persistence,
    techniques: &["T1098", "T1528"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &[],
    wakes_on: Marks::TOKEN_SECRET,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let Some(maker) = &view.secret_maker else {
        return;
    };
    let observed = format!(
        "{} made Secret {}/{}, which now holds a token without expiry",
        maker.by, view.event.operation.namespace, view.event.operation.name
    );
    findings.push(Finding {
        expected: "service accounts are used with tokens of their pods, which expire".to_owned(),
        observed,
        object: view.event.operation.namespace.into(),
        culprit: Some((maker.by.clone(), maker.audit_id.clone())),
        ..Finding::of(&META, maker.weight)
    });
}
