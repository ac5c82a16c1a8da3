//! Pods that are gone: their tokens die with them.
//!
//! Refuses the word of whoever only asks for a deletion: a pod may take its time to end, and uses
//! its token until then. What ends it is its kubelet's own delete, which comes last, or one that
//! leaves it no time.

use crate::base::{Span, Time};
use crate::event::{AuditEvent, Component, Level, Outcome, Principal, PrincipalKind};
use hashbrown::{Equivalent, HashMap};
use smol_str::SmolStr;
use std::hash::{Hash, Hasher};

/// Most pods remembered, and most namespaces.
const LIMIT: usize = 8192;
const NAMESPACES_LIMIT: usize = 1024;
/// No client asks with a longer query; far below where one is cut off.
const QUERY_MAX: usize = 4096;
/// A bound token lives an hour, or a year where the kubelet asks for the extension; the memory of a
/// place that was heard of it is as long.
const KEPT: Span = Span::seconds(2 * 86_400);
/// Disorder between several logs.
const TOLERANCE: Span = Span::seconds(5);

/// Namespace and name: a StatefulSet gives the name to the next pod. Without a name it is all pods
/// of the namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Name(SmolStr, SmolStr);

#[derive(PartialEq, Eq)]
struct NameRef<'a>(&'a str, &'a str);

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NameRef(&self.0, &self.1).hash(state);
    }
}

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl Equivalent<Name> for NameRef<'_> {
    fn equivalent(&self, key: &Name) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

#[derive(Default)]
pub struct Departed {
    known: HashMap<Name, Time>,
    /// Namespaces whose pods were all ended together.
    emptied: HashMap<SmolStr, Time>,
    dirty: Vec<Name>,
}

impl Departed {
    /// When the pod of this name ended, if it is one that was heard of before (`first`): another
    /// one of the same name is its successor.
    #[must_use]
    pub fn since(&self, namespace: &str, pod: &str, first: Time, now: Time) -> Option<Time> {
        let ends = [
            self.known.get(&NameRef(namespace, pod)),
            self.emptied.get(namespace),
        ];
        let is_of_it = |gone: &Time| first + TOLERANCE < *gone && now.since(*gone) <= KEPT;
        ends.into_iter().flatten().copied().filter(is_of_it).min()
    }

    /// Takes note of the end of a pod, or of all pods of a namespace.
    pub fn learn(&mut self, event: &AuditEvent<'_>) {
        let Some(name) = ended(event) else { return };
        if name.1.is_empty() {
            let forgotten = make_room(&mut self.emptied, &name.0, NAMESPACES_LIMIT, |at| *at);
            self.dirty.extend(
                forgotten
                    .into_iter()
                    .map(|namespace| Name(namespace, SmolStr::default())),
            );
            self.emptied.insert(name.0.clone(), event.time);
        } else {
            self.dirty
                .extend(make_room(&mut self.known, &name, LIMIT, |at| *at));
            self.known.insert(name.clone(), event.time);
        }
        self.dirty.push(name);
    }

    /// Pods changed since the last call, as `namespace/name`, each once, in order; `None` for a
    /// forgotten one.
    pub fn drain_changes(&mut self) -> Vec<(String, Option<Time>)> {
        let mut changed = std::mem::take(&mut self.dirty);
        changed.sort_unstable();
        changed.dedup();
        let at = |name: &Name| match name.1.as_str() {
            "" => self.emptied.get(&name.0).copied(),
            _ => self.known.get(name).copied(),
        };
        changed
            .into_iter()
            .map(|name| (format!("{}/{}", name.0, name.1), at(&name)))
            .collect()
    }

    /// False if the key is not one of [`Departed::drain_changes`].
    pub fn restore(&mut self, key: &str, at: Time) -> bool {
        let Some((namespace, name)) = key.split_once('/') else {
            return false;
        };
        match name {
            "" => self.emptied.insert(namespace.into(), at),
            _ => self.known.insert(Name(namespace.into(), name.into()), at),
        };
        true
    }
}

/// Forgets an eighth, the oldest first, where all places are taken and `key` has none; returns what
/// was forgotten.
pub(super) fn make_room<K: Clone + Ord + Hash, V>(
    known: &mut HashMap<K, V>,
    key: &K,
    limit: usize,
    at: fn(&V) -> Time,
) -> Vec<K> {
    if known.len() < limit || known.contains_key(key) {
        return Vec::new();
    }
    let mut order: Vec<(Time, K)> = known
        .iter()
        .map(|(key, value)| (at(value), key.clone()))
        .collect();
    order.sort_unstable();
    let oldest: Vec<K> = order
        .into_iter()
        .take(limit / 8)
        .map(|(_, key)| key)
        .collect();
    oldest.iter().for_each(|key| drop(known.remove(key)));
    oldest
}

/// What is gone once the event has happened.
fn ended(event: &AuditEvent<'_>) -> Option<Name> {
    let operation = &event.operation;
    let is_end = event.outcome == Outcome::Allowed
        && match (
            operation.verb,
            operation.group,
            operation.resource,
            operation.subresource,
        ) {
            ("delete", "", "pods", "") => !operation.name.is_empty() && is_final(event),
            ("create", "", "pods", "eviction") => !operation.name.is_empty() && is_at_once(event),
            // Which pods bear the labels of a selector the log does not say.
            ("deletecollection", "", "pods", "") => {
                is_at_once(event) && parameter(event, "Selector").is_none()
            }
            // Written when nothing is left in the namespace, and the namespace goes with it.
            ("update", "", "namespaces", "finalize") => {
                is_of_manager(event, "namespace-controller")
            }
            _ => false,
        };
    let name = if operation.resource == "pods" {
        operation.name
    } else {
        ""
    };
    (is_end && !operation.namespace.is_empty())
        .then(|| Name(operation.namespace.into(), name.into()))
}

/// Kubelets delete what they have ended, and the collector of pods what no kubelet will: a body
/// that is not shown says nothing else.
fn is_final(event: &AuditEvent<'_>) -> bool {
    let ends = event.principal.kind() == PrincipalKind::Node
        || is_of_manager(event, "pod-garbage-collector");
    (ends && event.facts.is_none()) || is_at_once(event)
}

/// No time is left to the pod: by the body of the request, or by its query where it is plain that
/// it has no body. The server reads only one of them.
fn is_at_once(event: &AuditEvent<'_>) -> bool {
    let asked = match &event.facts {
        Some(facts) => facts.at_once,
        None => {
            event.level != Level::Metadata && parameter(event, "gracePeriodSeconds") == Some("0")
        }
    };
    asked && is_plain(event) && parameter(event, "dryRun").is_none()
}

/// The query is read as it stands: a name that is written otherwise than clients do, or cut off,
/// may say that nothing is to be ended.
fn is_plain(event: &AuditEvent<'_>) -> bool {
    let Some((_, query)) = event.uri.split_once('?') else {
        return true;
    };
    query.len() < QUERY_MAX
        && !query
            .split('&')
            .any(|pair| pair.split('=').next().unwrap_or(pair).contains('%'))
}

/// The value of the first parameter of the query whose name ends like this.
fn parameter<'a>(event: &AuditEvent<'a>, name: &str) -> Option<&'a str> {
    let (_, query) = event.uri.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.ends_with(name))
        .map(|(_, value)| value)
}

/// A controller of kube-controller-manager, by its own account or by the name that it adds to the
/// manager's agent.
fn is_of_manager(event: &AuditEvent<'_>, controller: &str) -> bool {
    match event.principal {
        Principal::ServiceAccount { namespace, name } => {
            (namespace, name) == ("kube-system", controller)
        }
        principal => {
            principal.component() == Some(Component::ControllerManager)
                && event.user_agent.rsplit(['/', ':']).next() == Some(controller)
        }
    }
}
