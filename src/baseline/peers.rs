//! Accounts that are alike: the kubelets of all nodes, and service accounts of one name in several
//! namespaces, as the instances of one operator or agent have them.
//!
//! Refuses to be taught: only accounts that are well known themselves count, several of them, and
//! what attackers need is never excused by peers.

use super::{Account, Learning, Population};
use crate::base::Time;
use crate::event::Principal;

/// Most peers that are asked about one event, in the order of their names.
const ASKED: usize = 64;
/// So many peers say that something is common, or that it is not.
const SOME: u32 = 3;

/// What an account's peers say to one word of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Peers {
    /// Well-known peers that were asked.
    pub asked: u32,
    /// Those of them that know the word.
    pub know: u32,
}

impl Peers {
    /// Many show it: a new version came to all of them.
    #[must_use]
    pub fn share(&self) -> bool {
        self.know >= SOME && 2 * self.know >= self.asked
    }

    /// There are peers, and none of them shows it.
    #[must_use]
    pub fn deny(&self) -> bool {
        self.asked >= SOME && self.know == 0
    }

    /// What they say, to be added to what was expected; empty if there are too few to say anything.
    #[must_use]
    pub fn words(&self) -> String {
        if self.asked < SOME {
            return String::new();
        }
        match self.know {
            0 => format!("; none of its {} peers does", self.asked),
            know => format!("; {know} of its {} peers do", self.asked),
        }
    }
}

/// The name that an account shares with its peers; `None` for accounts that have none: a
/// namespace's `default` account is everybody's, and people are no instances.
#[must_use]
pub fn family(username: &str) -> Option<&str> {
    match Principal::parse(username) {
        Principal::ServiceAccount { name, .. } if name != "default" => Some(name),
        Principal::Node { .. } => Some("system:node"),
        _ => None,
    }
}

impl Population {
    /// Asks the well-known peers of an account whether they know a word: those that use `agent`, if
    /// one is named.
    pub fn ask_peers(
        &self,
        username: &str,
        agent: Option<&str>,
        now: Time,
        learning: &Learning,
        knows: &dyn Fn(&Account) -> bool,
    ) -> Peers {
        let mut peers = Peers::default();
        let alike = |account: &&Account| {
            agent.is_none_or(|agent| account.agents.get(agent).is_some())
                && account.maturity(now, learning).mature
        };
        let others = self
            .family_of(username)
            .filter(|name| *name != username)
            .take(ASKED);
        for account in others.filter_map(|name| self.get(name)).filter(alike) {
            peers.asked += 1;
            peers.know += u32::from(knows(account));
        }
        peers
    }
}
