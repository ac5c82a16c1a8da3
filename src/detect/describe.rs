//! The sentences of findings about acts: what was asked for, and what the account does otherwise.
//!
//! Refuses to be a key of anything: wording may change at any time.

use crate::base::Bits;
use crate::base::text::counted;
use crate::detect::View;
use crate::detect::deed::Deed;
use crate::detect::weigh::{Weighed, What, Why};
use smol_str::SmolStr;
use std::fmt::Write;

/// Most known objects, places or programs named in a sentence.
const NAMED: usize = 3;

/// The request: verb, kind, object, and what it is aimed at.
pub fn request(view: &View<'_>) -> String {
    let operation = &view.event.operation;
    let verb = if operation.verb.is_empty() {
        "(unknown method)"
    } else {
        operation.verb
    };
    let mut out = format!("{verb} {}", operation.kind());
    if !operation.name.is_empty() {
        let _ = write!(out, " {}", operation.name);
    }
    if !operation.namespace.is_empty() {
        let _ = write!(out, " in namespace {}", operation.namespace);
    }
    let Some(facts) = &view.event.facts else {
        return out;
    };
    if let Some(binding) = &facts.binding {
        let _ = write!(
            out,
            ", binds {} to {}",
            binding.role,
            binding.subjects.join(", ")
        );
    }
    if let Some(pod) = facts.pod.as_ref().filter(|pod| pod.containers) {
        let _ = write!(out, ", image {}", pod.image);
        if !pod.host_paths.is_empty() {
            let _ = write!(out, ", host path {}", pod.host_paths.join(", "));
        }
        if !pod.service_account.is_empty() {
            let _ = write!(out, ", as service account {}", pod.service_account);
        }
    }
    if !facts.volume_path.is_empty() {
        let _ = write!(out, ", host path {}", facts.volume_path);
    }
    if !facts.calls.is_empty() {
        let _ = write!(out, ", calls {}", facts.calls);
    }
    out
}

/// The request, its target and how it ended.
pub fn observed(view: &View<'_>) -> String {
    let event = view.event;
    let mut out = request(view);
    if event.impersonated.is_some() {
        let _ = write!(out, " as {}", view.target);
    } else if !view.target.is_empty() && event.operation.resource == "nodes" {
        let _ = write!(out, ", {}", view.target);
    }
    let _ = write!(out, " by {} from {}", view.agent, view.origin);
    let _ = write!(out, ": {} ({})", event.outcome.words(), event.code);
    out
}

/// What several of the same add up by.
pub fn object(view: &View<'_>, weighed: &Weighed) -> SmolStr {
    let is_known = matches!(weighed.familiarity.why, Why::Seldom | Why::Habit);
    if is_known && view.weights.program + view.weights.origin == Bits::ZERO {
        return SmolStr::default();
    }
    let operation = &view.event.operation;
    match weighed.what {
        What::Deed(Deed::ListSecrets, _) => operation.namespace.into(),
        _ if !weighed.object.is_empty() => weighed.object.as_str().into(),
        _ if operation.name.is_empty() => operation.namespace.into(),
        _ => smol_str::format_smolstr!("{}/{}", operation.namespace, operation.name),
    }
}

/// What the account does otherwise, in the dimension in which the act is unusual.
pub fn expected(view: &View<'_>, weighed: &Weighed) -> String {
    let account = view.account;
    if account.events == 0 {
        return "this account was never seen before".to_owned();
    }
    let days = counted(account.days.into(), "day");
    let names = |mark| known(view, &weighed.key, mark);
    let mut out = match weighed.familiarity.why {
        Why::Kind => format!(
            "this account never did this in {days}; {}",
            view.usual_operations()
        ),
        Why::Object => format!("until now it did this to {}", names(' ')),
        Why::Place => format!("until now it did this in {}", names('@')),
        Why::Program => format!("until now it did this with {}", names(':')),
        Why::Seldom => format!(
            "it did this on {} of {days}",
            counted(weighed.familiarity.days.into(), "day")
        ),
        Why::Busy => match account.practices.get(&weighed.key) {
            Some(practice) => {
                format!(
                    "it did this at most {} times a day, and {} times today",
                    practice.busiest, practice.today
                )
            }
            None => format!("it seldom did this in {days}"),
        },
        Why::Habit => format!(
            "it did this on {}",
            counted(weighed.familiarity.days.into(), "day")
        ),
    };
    if view.weights.program > Bits::ZERO && weighed.familiarity.why != Why::Program {
        let _ = write!(out, "; with {}", account.agents.most(NAMED).join(", "));
    }
    if view.weights.origin > Bits::ZERO {
        let _ = write!(out, "; from {}", account.origins.most(NAMED).join(", "));
    }
    out
}

/// Up to three of what is known behind a mark, those done most first, and how many more.
fn known(view: &View<'_>, key: &str, mark: char) -> String {
    let head = format!("{key}{mark}");
    let all: Vec<&str> = view.account.objects.most(usize::MAX);
    let mut named: Vec<&str> = all
        .into_iter()
        .filter_map(|word| word.strip_prefix(&head))
        .collect();
    let more = named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    match (named.is_empty(), more) {
        (true, _) => "other objects".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} and {more} more", named.join(", ")),
    }
}
