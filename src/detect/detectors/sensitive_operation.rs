//! # What it sees
//! An account does something that attackers need and most accounts never do: reads or writes
//! Secrets, enters pods, mints tokens, changes RBAC, impersonates, changes webhooks, requests
//! certificates, reaches kubelets through the API server, starts workloads with power over their
//! node, changes which server answers for a part of the API, which kinds there are, or Nodes. A
//! body that could not be looked at whole counts as the worst that it may hold.
//!
//! # Why it matters
//! These are the steps from one stolen token to the whole cluster.
//!
//! # How it decides
//! The gain of the operation (what an intruder would win by it, by kind and reach) and its surprise
//! (how unlikely this account is to do it now, with this program, from this place) make its weight;
//! docs/design/judgement.md has the arithmetic. What is done on five days weighs nothing. A new
//! Secret, namespace, role or identity of a kind that the account does is as odd as such news is
//! rare for it. A kind that it never did is as odd as it is rare in this cluster, among accounts of
//! its role, and for how long the account is known. What Kubernetes' own components, controllers
//! and kubelets do by trade is left out: with their own programs, and, for kube-controller-manager,
//! in the role that its user agent names. A kubelet reads Secrets one by one and mints tokens bound
//! to pods, and nothing else. A name of a node or component without its groups is nobody's trade.
//!
//! # When it is wrong
//! A new version of an operator that needs more; a rare administrative job run by a service
//! account; a kube-controller-manager whose `--use-service-account-credentials` was turned off.
//!
//! Not seen: whoever has kube-controller-manager's certificate, calls from the control plane's own
//! address and copies its user agent with the fitting role does what this role does: lists all
//! Secrets as `shared-informers`, reads and writes one after the other as `tokens-controller`. The
//! log shows no difference.
//!
//! # Tuning
//! `learning.sensitive_days`, `learning.min_days`.
//!
//! # Respond
//! If nobody planned it: revoke the credential, undo the change (the incident has the object),
//! narrow the role that allowed it.

use crate::base::Bits;
use crate::detect::weigh::What;
use crate::detect::{Finding, Marks, Meta, Tactic, View, describe};

pub const META: Meta = Meta {
    id: "sensitive-operation",
    title: "Sensitive operation unusual for the account",
    weighs: "what the operation would win an intruder, and how surprising it is of this account",
    tactic: Tactic::CredentialAccess,
    techniques: &[
        "T1552.007",
        "T1609",
        "T1528",
        "T1098.006",
        "T1134",
        "T1546",
        "T1649",
        "T1611",
        "T1610",
    ],
    level: "Metadata; Request for workloads, bindings and audiences",
    since: "0.1.0",
    tunables: &["gains", "learning.forget_days"],
    wakes_on: Marks::SENSITIVE,
};

/// What weighs less is not worth a line.
const LEAST: Bits = Bits(500);

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let Some(weighed) = view.weights.gravest(|what| matches!(what, What::Deed(..))) else {
        return;
    };
    let What::Deed(deed, _) = weighed.what else {
        return;
    };
    if weighed.weight < LEAST {
        return;
    }
    findings.push(Finding {
        title: deed.title().into(),
        tactic: deed.tactic(),
        techniques: deed.techniques(),
        key: weighed.key.clone(),
        object: describe::object(view, weighed),
        expected: describe::expected(view, weighed),
        observed: describe::observed(view),
        causes: weighed.causes.iter().map(ToString::to_string).collect(),
        ..Finding::of(&META, weighed.weight)
    });
}
