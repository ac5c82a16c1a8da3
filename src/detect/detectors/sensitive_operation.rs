//! # What it sees
//! An account does something that attackers need and most accounts never do: reads or writes Secrets,
//! enters pods, mints tokens, changes RBAC, impersonates, changes webhooks, requests certificates,
//! reaches kubelets through the API server, starts workloads with power over their node, changes which server
//! answers for a part of the API, which kinds there are, or Nodes. A body that could not be looked at whole counts
//! as the worst that it may hold.
//!
//! # Why it matters
//! These are the steps from one stolen token to the whole cluster.
//!
//! # How it decides
//! The operation, or its target where that matters (whose token, which role, which identity), is not
//! habit: it was seen on fewer than `learning.sensitive_days` distinct days. First done by a mature
//! account: `medium` all day (`high` for what leaves no doubt: tokens of kube-system accounts,
//! `system:masters`, cluster-admin). First done while learning, refused, or done by a person: `low`; so is a role without power
//! over others, within one namespace, as every application's chart brings along.
//! What Kubernetes' own components, controllers and kubelets do by trade is left out. What a component never does
//! (kube-controller-manager enters no pods and binds nobody) is `medium` or `high` without any baseline: its
//! certificate is in other hands. So is what it does with another program than its own (`kubectl`, `curl`, or one that
//! came after the first), and what none of kube-controller-manager's roles does, which it names in its user agent
//! (`.../tokens-controller`): to read one Secret as an informer, to list the Secrets of one namespace, and, where it mints
//! tokens for its controllers, to do their work by itself. All other users whose names begin with `system:` are people.
//!
//! # When it is wrong
//! A new version of an operator that needs more; a rare administrative job run by a service account; a
//! kube-controller-manager whose `--use-service-account-credentials` was turned off.
//!
//! Not seen: whoever has kube-controller-manager's certificate, calls from the control plane's own address and copies its
//! user agent with the fitting role does what this role does: lists all Secrets as `shared-informers`, reads and writes
//! one after the other as `tokens-controller`. The log shows no difference.
//!
//! # Tuning
//! `learning.sensitive_days`, `learning.min_days`.
//!
//! # Respond
//! If nobody planned it: revoke the credential, undo the change (the incident has the object), narrow
//! the role that allowed it.

use crate::base::text::counted;
use crate::detect::own::is_trade_of_kubelet;
use crate::detect::sensitive::Sensitive;
use crate::detect::{Finding, Marks, Meta, Novelty, Severity, Tactic, View};
use crate::event::{Principal, PrincipalKind};

pub const META: Meta = Meta {
    id: "sensitive-operation",
    title: "Sensitive operation that is not habit",
    severities: &[Severity::Low, Severity::Medium, Severity::High],
    tactic: Tactic::CredentialAccess,
    techniques: &["T1552.007", "T1609", "T1528", "T1098.006", "T1134", "T1546", "T1649", "T1611", "T1610"],
    level: "Metadata; Request for workloads, bindings and audiences",
    since: "0.1.0",
    tunables: &["learning.sensitive_days", "learning.min_days"],
    wakes_on: Marks::SENSITIVE,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let Some(sensitive) = view.sensitive else { return };
    // Who has no name is told by `anonymous-access`, whatever it did.
    if view.event.principal == Principal::Anonymous
        || view.is_own_work()
        || (view.event.principal.kind() == PrincipalKind::Node && is_trade_of_kubelet(sensitive))
        || !was_tried(view)
    {
        return;
    }
    // Having been refused is no habit of being allowed.
    let before =
        if view.event.outcome.is_refusal() { view.operation_seen.or(view.denial_seen) } else { view.operation_seen };
    let operation = standing(view, before);
    // A new target matters where the operation itself is habit; one that is habit says nothing of a new operation.
    let target = if view.target.is_empty() { Standing::Habit } else { standing(view, view.target_seen) };
    let target = if is_generalist(view) && !is_grave(sensitive, view) { Standing::Habit } else { target };
    let standing = operation.min(target);
    let Some(severity) = severity(view, sensitive, standing) else { return };
    findings.push(Finding {
        detector: META.id.into(),
        title: format!("Account {}, which is not its habit", sensitive.words()).into(),
        severity,
        tactic: sensitive.tactic(),
        techniques: sensitive.techniques(),
        expected: expected(view, sensitive),
        observed: observed(view),
        also: None,
        culprit: None,
        novelty: (standing == Standing::New && view.maturity.mature).then_some(Novelty::Operation),
    });
}

/// How used an account is to something, the least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    New,
    /// First done today, by an account that was mature then.
    Today,
    /// On fewer days than make a habit.
    Seldom,
    Habit,
}

fn standing(view: &View<'_>, seen: Option<&crate::base::remembered::Seen>) -> Standing {
    let Some(seen) = seen else { return Standing::New };
    let learned =
        seen.first().since(view.account.first_seen).as_seconds() / 3600 < i64::from(view.policy.learning.min_age_hours);
    if u32::from(seen.days) >= view.policy.learning.sensitive_days {
        Standing::Habit
    } else if !learned && seen.first().day() == view.now().day() {
        Standing::Today
    } else {
        Standing::Seldom
    }
}

/// Server errors and conflicts tell nothing; refusals do.
fn was_tried(view: &View<'_>) -> bool {
    use crate::event::Outcome as O;
    !matches!(view.event.outcome, O::Throttled | O::ServerError | O::Pending)
}

/// Does this to many targets by trade: one more is no news.
fn is_generalist(view: &View<'_>) -> bool {
    let prefix = kind_of(view.target);
    view.account.targets.iter().filter(|(t, s)| t.starts_with(prefix) && s.days > 1).count() >= 8
}

fn is_grave(sensitive: Sensitive, view: &View<'_>) -> bool {
    match sensitive {
        Sensitive::Token => {
            let asked = view.event.facts.as_ref();
            let cloud = asked.is_some_and(|f| f.unread || f.token.as_ref().is_some_and(|t| t.cloud));
            cloud || view.event.operation.namespace == "kube-system"
        }
        Sensitive::Impersonation => view.target.starts_with("as group") || view.target.starts_with("as system:"),
        Sensitive::Rbac => !view.target.is_empty(),
        Sensitive::PrivilegedWorkload | Sensitive::ApiService => true,
        // Of a component: no part of Kubernetes enters pods.
        Sensitive::Exec | Sensitive::NodesProxy => view.event.principal.component().is_some(),
        _ => false,
    }
}

/// What every application's chart brings along: a role without power over others, or its binding, in one
/// namespace. Only where the body says so.
fn is_mild(sensitive: Sensitive, view: &View<'_>) -> bool {
    let Some(facts) = view.event.facts.as_ref().filter(|facts| !facts.unread) else { return false };
    let harmless = facts.rules.is_some_and(|rules| !rules.is_powerful());
    let bound = facts.binding.is_some() && view.target.is_empty();
    sensitive == Sensitive::Rbac && !view.event.operation.namespace.is_empty() && (harmless || bound)
}

fn severity(view: &View<'_>, sensitive: Sensitive, standing: Standing) -> Option<Severity> {
    let refused = view.event.outcome.is_refusal();
    match standing {
        Standing::Habit => None,
        // Once a day is enough for what is known and only not yet habit.
        Standing::Seldom => {
            view.operation_seen.is_none_or(|s| s.last().day() != view.now().day()).then_some(Severity::Low)
        }
        Standing::New | Standing::Today => {
            // To be refused Secrets is a program without its rights; to be refused another identity is not.
            let refused = refused && sensitive != Sensitive::Impersonation;
            // What a component of Kubernetes does is known without having watched it.
            let known = view.event.principal.component().is_some()
                || (view.is_service_account() && view.maturity.mature && !is_mild(sensitive, view));
            if refused || !known {
                Some(Severity::Low)
            } else if is_grave(sensitive, view) {
                Some(Severity::High)
            } else {
                Some(Severity::Medium)
            }
        }
    }
}

fn expected(view: &View<'_>, sensitive: Sensitive) -> String {
    let days = view.policy.learning.sensitive_days;
    match view.operation_seen {
        None => format!("this account is not known to {}; {}", verb_phrase(sensitive), view.usual_operations()),
        Some(seen) if view.target.is_empty() || view.target_seen.is_some() => {
            format!(
                "{} is no habit yet: seen on {}, {days} days make one",
                view.in_words(view.operation),
                counted(seen.days.into(), "day")
            )
        }
        Some(_) => {
            let kind = kind_of(view.target);
            let targets = view.account.targets.most(usize::MAX);
            let known: Vec<&str> = targets.into_iter().filter(|t| kind_of(t) == kind).take(3).collect();
            format!("{} is aimed at {}", view.in_words(view.operation), list(&known))
        }
    }
}

/// Targets that begin alike are targets of the same operations.
fn kind_of(target: &str) -> &str {
    target.split(' ').next().unwrap_or("")
}

fn list(words: &[&str]) -> String {
    if words.is_empty() { "nothing known".to_owned() } else { words.join(", ") }
}

fn verb_phrase(sensitive: Sensitive) -> String {
    let words = sensitive.words();
    let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
    let infinitive = match verb {
        "reaches" => "reach",
        "asks" => "ask",
        other => other.strip_suffix('s').unwrap_or(other),
    };
    format!("{infinitive} {rest}").trim_end().to_owned()
}

/// What was asked for, of what, and how it ended.
pub fn observed(view: &View<'_>) -> String {
    let event = view.event;
    let operation = &event.operation;
    let mut out = format!("{} {}", operation.verb, operation.kind());
    if !operation.name.is_empty() {
        out.push_str(&format!(" {}", operation.name));
    }
    if !operation.namespace.is_empty() {
        out.push_str(&format!(" in namespace {}", operation.namespace));
    }
    let is_said = |word: &str| word == "of" || out.split([' ', '/']).any(|said| said == word);
    if !view.target.is_empty() && !view.target.split([' ', '/']).all(is_said) {
        out.push_str(&format!(", {}", view.target));
    }
    out.push_str(&format!(": {} ({})", event.outcome.words(), event.code));
    out
}
