//! # What it sees
//! A token that somebody minted by hand (bound to no pod and no node) is used, and this account is
//! not known to be used so, or not with tokens of this issuer. Or a client certificate in the name
//! of a service account is used: service accounts have tokens, and nobody issues certificates for
//! them.
//!
//! # Why it matters
//! Kubelets and the controller manager mint tokens for everybody; all others who do mint a second
//! key to somebody else's door. The lineage tells who.
//!
//! # How it decides
//! Who minted the token is known from the TokenRequest that returned its id. Another service
//! account: 10 bits; unknown: 7; a person: 5; and how surprising it is of the account, its program
//! and its place. A client certificate in the name of a service account: 16. Tokens that
//! kube-controller-manager mints for controllers are left out, and so is an issuer that is known on
//! two days.
//!
//! # When it is wrong
//! A person with `kubectl create token`, or an operator that starts to use TokenRequest.
//!
//! # Tuning
//! `learning.min_days`.
//!
//! # Respond
//! An unbound token cannot be revoked alone: delete and re-create the ServiceAccount, and take
//! `serviceaccounts/token` from the issuer. A certificate cannot be revoked at all: take the
//! account's rights, and look for the CertificateSigningRequest that brought it.

use crate::base::Bits;
use crate::baseline::Account;
use crate::detect::{Finding, Marks, Meta, Tactic, View, weigh};
use crate::event::CredentialKind;

pub const META: Meta = Meta {
    id: "minted-credential",
    title: "Minted token in use",
    weighs: "10 bits where another service account minted it, 7 of an unknown issuer, 5 of a person, and how well the account is known",
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
        let observed = format!(
            "{}, was used before this was read",
            issuer_words(view.event.username)
        );
        tell(view, target, view.event.username, observed, findings);
    } else if view.event.credential.kind == CredentialKind::Unbound {
        let observed = format!("{}, came from {}", issuer_words(view.issuer()), view.origin);
        tell(view, view.account, view.issuer(), observed, findings);
    }
}

/// Unless `account` is known to be used with unbound tokens of this issuer.
fn tell(
    view: &View<'_>,
    account: &Account,
    issuer: &str,
    observed: String,
    findings: &mut Vec<Finding>,
) {
    let target = if view.used_before.is_some() {
        view.event.operation.namespace
    } else {
        ""
    };
    let namespace = if target.is_empty() {
        view.event.principal.namespace()
    } else {
        target
    };
    let known = account
        .issuers
        .get(&issuer_words(issuer))
        .is_some_and(|s| s.days > 1);
    // The controllers' own tokens; for other accounts kube-controller-manager mints none.
    let of_controller = issuer == "system:kube-controller-manager" && namespace == "kube-system";
    if known || of_controller {
        return;
    }
    let foreign = issuer.starts_with("system:serviceaccount:")
        && (issuer != view.event.username || view.used_before.is_some());
    let gain = match (foreign, issuer.is_empty()) {
        (true, _) => FOREIGN,
        (false, true) => UNKNOWN,
        (false, false) => PERSON,
    };
    let weight = weigh::weight(
        gain,
        surprise(view, account) + view.weights.program + view.weights.origin,
    );
    if weight < Bits::whole(1) {
        return;
    }
    findings.push(Finding {
        expected: usual(account),
        observed,
        also: (!issuer.is_empty()).then(|| issuer.into()),
        ..Finding::of(&META, weight)
    });
}

/// Another service account has a second key to this one's door.
const FOREIGN: Bits = Bits::whole(10);
const UNKNOWN: Bits = Bits::whole(7);
const PERSON: Bits = Bits::whole(5);
/// Nobody issues certificates for service accounts.
const FORGERY: Bits = Bits::whole(16);

/// How surprising another kind of credential is of an account that is known so well.
fn surprise(view: &View<'_>, account: &Account) -> Bits {
    let days = u64::from(account.days);
    let kinds = account.issuers.len().max(1) as u64;
    let raw = Bits::surprise(100 * kinds.min(5), 1000 * (days + 1)).min(Bits::whole(8));
    let days = days.min(1000) as i32;
    // On the first days of a log every credential is new.
    let least = Bits(1500).times(
        view.prevalence.days_before(view.now()).min(3).cast_signed(),
        3,
    );
    raw.times(days, days + 1).max(least)
}

fn usual(account: &Account) -> String {
    match account.issuers.most(2).join(", ") {
        usual if usual.is_empty() => "this account is used with tokens of its pods".to_owned(),
        usual => format!("this account is used with: {usual}"),
    }
}

/// The words by which a baseline remembers a certificate in the name of a service account.
pub const FORGED: &str = "client certificate in its name";

/// A certificate that names a service account as its holder.
#[must_use]
pub fn is_forged(view: &View<'_>) -> bool {
    view.is_service_account() && view.event.credential.kind == CredentialKind::Certificate
}

fn tell_forged(view: &View<'_>, findings: &mut Vec<Finding>) {
    if view
        .account
        .issuers
        .get(FORGED)
        .is_some_and(|seen| seen.days > 1)
    {
        return;
    }
    let weight = weigh::weight(FORGERY, surprise(view, view.account).max(Bits::whole(2)));
    findings.push(Finding {
        title: "Client certificate in the name of a service account".into(),
        techniques: &["T1649", "T1078"],
        key: "certificate".into(),
        expected: "service accounts are used with tokens; nobody issues certificates for them"
            .to_owned(),
        observed: format!("a {FORGED} came from {}", view.origin),
        ..Finding::of(&META, weight)
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
