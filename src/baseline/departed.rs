//! Pods that are gone: their tokens die with them.
//!
//! Refuses the word of whoever asks for a deletion: a pod may take its time to end, and uses its token until then. Only
//! its kubelet's own delete, which comes last, ends it.

use crate::base::{Span, Time};
use crate::event::{AuditEvent, Outcome, PrincipalKind};
use hashbrown::{Equivalent, HashMap};
use smol_str::SmolStr;
use std::hash::{Hash, Hasher};

/// Most pods remembered.
const LIMIT: usize = 8192;
/// A bound token lives an hour, or a year where the kubelet asks for the extension; the memory of a place that was
/// heard of it is as long.
const KEPT: Span = Span::seconds(2 * 86_400);
/// Disorder between several logs.
const TOLERANCE: Span = Span::seconds(5);

/// Namespace and name: a StatefulSet gives the name to the next pod.
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
    dirty: Vec<Name>,
}

impl Departed {
    /// When the pod of this name ended, if it is one that was heard of before (`first`): another one of the same name
    /// is its successor.
    #[must_use]
    pub fn since(&self, namespace: &str, pod: &str, first: Time, now: Time) -> Option<Time> {
        let gone = *self.known.get(&NameRef(namespace, pod))?;
        (first + TOLERANCE < gone && now.since(gone) <= KEPT).then_some(gone)
    }

    /// Takes note of a kubelet's last word on a pod.
    pub fn learn(&mut self, event: &AuditEvent<'_>) {
        let operation = &event.operation;
        let is_end = operation.verb == "delete"
            && (operation.group, operation.resource, operation.subresource) == ("", "pods", "")
            && event.principal.kind() == PrincipalKind::Node
            && event.outcome == Outcome::Allowed
            && !operation.name.is_empty();
        if !is_end {
            return;
        }
        if self.known.len() >= LIMIT {
            self.make_room();
        }
        let name = Name(operation.namespace.into(), operation.name.into());
        self.known.insert(name.clone(), event.time);
        self.dirty.push(name);
    }

    /// Forgets an eighth, the oldest first.
    fn make_room(&mut self) {
        let mut order: Vec<(Time, Name)> = self.known.iter().map(|(name, at)| (*at, name.clone())).collect();
        order.sort_unstable();
        for (_, name) in order.into_iter().take(LIMIT / 8) {
            self.known.remove(&name);
            self.dirty.push(name);
        }
    }

    /// Pods changed since the last call, as `namespace/name`, each once, in order; `None` for a forgotten one.
    pub fn drain_changes(&mut self) -> Vec<(String, Option<Time>)> {
        let mut changed = std::mem::take(&mut self.dirty);
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().map(|name| (format!("{}/{}", name.0, name.1), self.known.get(&name).copied())).collect()
    }

    /// False if the key is not one of [`Departed::drain_changes`].
    pub fn restore(&mut self, key: &str, at: Time) -> bool {
        let Some((namespace, name)) = key.split_once('/') else { return false };
        self.known.insert(Name(namespace.into(), name.into()), at);
        true
    }
}
