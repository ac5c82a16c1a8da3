//! One source address: whose pod it is, which node's, how many share it.
//!
//! Refuses to take a successor for a thief: an address passes from a dead pod to a new one within
//! minutes, so two pods share it only once both were heard, the older one after the newer one came.

use crate::base::{Id, Span, Time};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A pod that has been silent for longer may be gone, and its address another's.
pub const POD_ALIVE: Span = Span::seconds(3600);
/// So many pods or nodes beside the owner, all alive, make an address a shared one.
const SHARED_BY: u8 = 3;
/// An address that many share stays shared for so long after it was last heard.
const SHARED_KEPT: Span = Span::seconds(86_400);
/// Disorder between several logs.
const TOLERANCE: Span = Span::seconds(5);
/// A newcomer that outlasts the owner by so much has inherited the address.
const HANDOVER: Span = Span::seconds(600);
/// Kubelets renew their lease every ten seconds: one that was heard within this is alive.
const NODE_ALIVE: Span = Span::seconds(120);
/// Most nodes remembered that an address had before.
const FORMERS: usize = 4;
/// Owners are touched once a minute: an address that changes with every event would be stored with
/// every commit.
const TOUCH: Span = Span::seconds(60);

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PodAt {
    pub uid: Id,
    pub name: SmolStr,
    pub username: SmolStr,
    pub first: Time,
    pub last: Time,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct NodeAt {
    pub name: SmolStr,
    pub first: Time,
    pub last: Time,
    /// Nodes that called from here before it, the last one last.
    formers: Vec<SmolStr>,
}

/// Requests without a user (401) from one address in one window.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Failures {
    pub since: Time,
    pub count: u32,
    /// A bit for each distinct kind of request, by a hash of resource and path: 64 at most.
    pub kinds: u64,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Address {
    /// The pod that was first seen here, while it lives.
    pub pod: Option<Box<PodAt>>,
    /// A pod that was never seen elsewhere and came while `pod` seemed to live: its successor, or
    /// not.
    pub newcomer: Option<Box<PodAt>>,
    /// Both were heard since: the newcomer is no successor.
    pub overlap: bool,
    /// The node whose kubelet calls from here; its name is empty if none does.
    pub node: NodeAt,
    /// A component of the control plane calls from here with a certificate of its own.
    pub control_plane: bool,
    pub last: Time,
    /// Others that were heard here while the owner lived: saturating at [`SHARED_BY`].
    crowd: u8,
    pub failures: Failures,
}

/// What learning changed, for those who count over all addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing worth storing.
    None,
    /// Stored, and nothing to count.
    Touched,
    /// A pod or node has this address for its own.
    Owned,
    /// Another one was heard beside the owner.
    Crowded,
}

impl Address {
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.crowd >= SHARED_BY
    }

    #[must_use]
    pub fn has_live_pod(&self, now: Time) -> bool {
        self.pod
            .as_ref()
            .is_some_and(|pod| now.since(pod.last) <= POD_ALIVE)
    }

    /// Never seen elsewhere, and nothing says that it is not the owner's successor.
    #[must_use]
    pub fn is_successor(&self, uid: &str) -> bool {
        !self.overlap && self.newcomer.as_ref().is_some_and(|n| n.uid == *uid)
    }

    /// The kubelet of `name` called from here.
    pub fn hear_node(&mut self, name: &str, now: Time) -> Change {
        if self.node.name == name {
            if now.since(self.node.last) < TOUCH {
                return Change::None;
            }
            self.node.last = now;
            return Change::Touched;
        }
        if self.is_shared() {
            return Change::None;
        }
        // A replaced node hands its address on, and does not come back; two that are alive are
        // behind one address.
        let is_back = self.node.formers.iter().any(|former| former == name);
        let crowded =
            !self.node.name.is_empty() && (is_back || now.since(self.node.last) <= NODE_ALIVE);
        let mut formers = std::mem::take(&mut self.node.formers);
        if !self.node.name.is_empty() {
            if formers.len() >= FORMERS {
                formers.remove(0);
            }
            formers.push(std::mem::take(&mut self.node.name));
        }
        self.node = NodeAt {
            name: name.into(),
            first: now,
            last: now,
            formers,
        };
        if crowded {
            self.crowd = self.crowd.saturating_add(1);
        }
        if crowded {
            Change::Crowded
        } else {
            Change::Owned
        }
    }

    /// A pod that lives here was heard again; `None` if `uid` is neither owner nor newcomer.
    pub fn hear_known_pod(&mut self, uid: &str, now: Time) -> Option<Change> {
        let pod = self.pod.as_mut()?;
        if pod.uid == *uid {
            let proof = !self.overlap
                && self
                    .newcomer
                    .as_ref()
                    .is_some_and(|n| now.since(n.first) > TOLERANCE);
            if proof || now.since(pod.last) >= TOUCH {
                pod.last = pod.last.max(now);
            } else {
                return Some(Change::None);
            }
            if proof {
                self.overlap = true;
                self.crowd = self.crowd.saturating_add(1).min(SHARED_BY);
                return Some(Change::Crowded);
            }
            return Some(Change::Touched);
        }
        let newcomer = self.newcomer.as_mut().filter(|n| n.uid == *uid)?;
        let inherits = !self.overlap && now.since(newcomer.first) >= HANDOVER;
        if !inherits && now.since(newcomer.last) < TOUCH {
            return Some(Change::None);
        }
        newcomer.last = newcomer.last.max(now);
        if inherits {
            self.pod = self.newcomer.take();
            return Some(Change::Owned);
        }
        Some(Change::Touched)
    }

    /// A pod that was never seen anywhere is heard here.
    pub fn hear_new_pod(&mut self, pod: PodAt) -> Change {
        if !self.node.name.is_empty() {
            return Change::None;
        }
        // What many shared a day ago is no pod's own because the last of them is silent.
        if self.is_shared() && pod.first.since(self.last) <= SHARED_KEPT {
            return Change::Touched;
        }
        if !self.has_live_pod(pod.first) {
            // Visitors come to a gateway one by one, while now this pod and now that is taken for
            // its owner.
            let crowd = if pod.first.since(self.last) <= SHARED_KEPT {
                self.crowd
            } else {
                0
            };
            (self.pod, self.newcomer, self.overlap, self.crowd) =
                (Some(Box::new(pod)), None, false, crowd);
            return Change::Owned;
        }
        // A third one: the second had inherited from the first, or both live on.
        if let Some(second) = self.newcomer.take()
            && !self.overlap
        {
            self.pod = Some(second);
        }
        self.newcomer = Some(Box::new(pod));
        self.overlap = false;
        Change::Touched
    }

    /// A pod that has its home elsewhere is heard here for the first time.
    pub fn hear_visitor(&mut self, now: Time) -> Change {
        if self.is_shared() || !self.node.name.is_empty() {
            return Change::None;
        }
        // Before anybody has it for their own, a gateway is known by those who pass.
        if !self.has_live_pod(now) {
            self.crowd = self.crowd.saturating_add(1);
            return Change::Touched;
        }
        self.crowd = self.crowd.saturating_add(1);
        Change::Crowded
    }

    /// A pod of another node is heard at this node's address.
    pub fn hear_stray(&mut self) -> Change {
        if self.is_shared() {
            return Change::None;
        }
        self.crowd = self.crowd.saturating_add(1);
        Change::Crowded
    }

    /// A pod that has its home elsewhere is heard here again: what many share stays shared while it
    /// is used.
    pub fn hear_passer(&mut self, now: Time) -> Change {
        if self.is_shared() && now.since(self.last) >= POD_ALIVE {
            Change::Touched
        } else {
            Change::None
        }
    }

    /// A pod whose home is here, and whose place another has taken, is heard again: both live.
    pub fn hear_displaced(&mut self, now: Time) -> Change {
        let settled = self
            .newcomer
            .as_ref()
            .or(self.pod.as_ref())
            .is_some_and(|p| now.since(p.first) > TOLERANCE);
        if !settled || !self.node.name.is_empty() || self.is_shared() {
            return Change::None;
        }
        self.crowd = self.crowd.saturating_add(1);
        Change::Crowded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_by_turns_share_an_address_and_a_successor_inherits_it() {
        let hour = |n: i64| Time::from_seconds(n * 3600);
        let heard = |names: &[&str]| {
            let mut address = Address::default();
            names
                .iter()
                .zip(1..)
                .map(|(name, n)| address.hear_node(name, hour(n)))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            heard(&["a", "b", "a"]),
            [Change::Owned, Change::Owned, Change::Crowded]
        );
        assert_eq!(heard(&["a", "b", "c"]), [Change::Owned; 3]);
    }
}
