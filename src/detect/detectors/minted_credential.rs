//! # What it sees
//! A token that somebody minted by hand (bound to no pod and no node) is used, and this account is not
//! known to be used so, or not with tokens of this issuer. Or a client certificate in the name of a service account
//! is used: service accounts have tokens, and nobody issues certificates for them.
//!
//! # Why it matters
//! Kubelets and the controller manager mint tokens for everybody; all others who do mint a second key
//! to somebody else's door. The lineage tells who.
//!
//! # How it decides
//! The credential has an id and no binding. The issuer is the account whose TokenRequest returned this
//! id. `high` if the issuer is a service account that never issued for this account before and this
//! account is mature; `medium` if the issuer is unknown; `low` while the account is learning. The control plane's own
//! controllers are left out. A certificate is `high` for a mature account and `medium` for any other, until it has been
//! used on two days.
//!
//! # When it is wrong
//! A person with `kubectl create token`, or an operator that starts to use TokenRequest.
//!
//! # Tuning
//! `learning.min_days`.
//!
//! # Respond
//! An unbound token cannot be revoked alone: delete and re-create the ServiceAccount, and take
//! `serviceaccounts/token` from the issuer. A certificate cannot be revoked at all: take the account's rights, and look
//! for the CertificateSigningRequest that brought it.

use crate::baseline::Account;
use crate::detect::{Finding, Marks, Meta, Novelty, Severity, Tactic, View};
use crate::event::CredentialKind;

pub const META: Meta = Meta {
    id: "minted-credential",
    title: "Minted token in use",
    severities: &[Severity::Low, Severity::Medium, Severity::High],
    tactic: Tactic::CredentialAccess,
    techniques: &["T1528", "T1550.001"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["learning.min_days"],
    wakes_on: Marks::ODD_CREDENTIAL,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    if view.is_own_controller() || view.is_own_work() {
        return;
    }
    if is_forged(view) {
        return tell_forged(view, findings);
    }
    if let Some(target) = view.used_before {
        let observed = format!("{}, was used before this was read", issuer_words(view.event.username));
        let mature = target.maturity(view.now(), &view.policy.learning).mature;
        tell(view, target, mature, view.event.username, observed, findings);
    } else if view.event.credential.kind == CredentialKind::Unbound {
        let observed = format!("{}, came from {}", issuer_words(view.issuer()), view.origin);
        tell(view, view.account, view.maturity.mature, view.issuer(), observed, findings);
    }
}

/// Unless `account` is known to be used with unbound tokens of this issuer.
fn tell(view: &View<'_>, account: &Account, mature: bool, issuer: &str, observed: String, findings: &mut Vec<Finding>) {
    let target = if view.used_before.is_some() { view.event.operation.namespace } else { "" };
    let namespace = if target.is_empty() { view.event.principal.namespace() } else { target };
    let horizon = view.policy.learning.horizon(view.now());
    let known = account.issuers.get(&issuer_words(issuer), horizon).is_some_and(|s| s.days > 1);
    // The controllers' own tokens; for other accounts kube-controller-manager mints none.
    let of_controller = issuer == "system:kube-controller-manager" && namespace == "kube-system";
    if known || of_controller {
        return;
    }
    let foreign =
        issuer.starts_with("system:serviceaccount:") && (issuer != view.event.username || view.used_before.is_some());
    let severity = match (mature, foreign) {
        (true, true) => Severity::High,
        (true, false) => Severity::Medium,
        (false, _) => Severity::Low,
    };
    findings.push(Finding {
        detector: META.id.into(),
        title: META.title.into(),
        severity,
        tactic: META.tactic,
        techniques: META.techniques,
        expected: match account.issuers.most(2).join(", ") {
            usual if usual.is_empty() => "this account is used with tokens of its pods".to_owned(),
            usual => format!("this account is used with: {usual}"),
        },
        observed,
        also: (!issuer.is_empty()).then(|| issuer.into()),
        culprit: None,
        novelty: mature.then_some(Novelty::Credential),
    });
}

/// The words by which a baseline remembers a certificate in the name of a service account.
pub const FORGED: &str = "client certificate in its name";

/// A certificate that names a service account as its holder.
#[must_use]
pub fn is_forged(view: &View<'_>) -> bool {
    view.is_service_account() && view.event.credential.kind == CredentialKind::Certificate
}

fn tell_forged(view: &View<'_>, findings: &mut Vec<Finding>) {
    let horizon = view.policy.learning.horizon(view.now());
    if view.account.issuers.get(FORGED, horizon).is_some_and(|seen| seen.days > 1) {
        return;
    }
    let mature = view.maturity.mature;
    findings.push(Finding {
        detector: META.id.into(),
        title: "Client certificate in the name of a service account".into(),
        severity: if mature { Severity::High } else { Severity::Medium },
        tactic: META.tactic,
        techniques: &["T1649", "T1078"],
        expected: "service accounts are used with tokens; nobody issues certificates for them".to_owned(),
        observed: format!("a {FORGED} came from {}", view.origin),
        also: None,
        culprit: None,
        novelty: mature.then_some(Novelty::Credential),
    });
}

/// The words by which a baseline remembers who issued an unbound token.
#[must_use]
pub fn issuer_words(issuer: &str) -> String {
    if issuer.is_empty() {
        "unbound token of unknown issuer".to_owned()
    } else {
        format!("unbound token minted by {issuer}")
    }
}
