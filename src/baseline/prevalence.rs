//! How common each kind of act is among the accounts of this cluster, and for how long the log has
//! been read.
//!
//! Refuses names: it counts accounts, by the kind of principal. What is rare among all accounts is
//! rare for one that is hardly known.

use crate::base::Time;
use crate::base::remembered::Novelty;
use crate::event::PrincipalKind;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Most kinds of act counted.
const LIMIT: usize = 1024;

/// Accounts that are judged alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Group {
    ServiceAccounts,
    Nodes,
    /// Users, whether people or machines, and requests without a user.
    Users,
}

impl Group {
    #[must_use]
    pub fn of(kind: PrincipalKind) -> Group {
        match kind {
            PrincipalKind::ServiceAccount => Group::ServiceAccounts,
            PrincipalKind::Node => Group::Nodes,
            PrincipalKind::User | PrincipalKind::Anonymous | PrincipalKind::Nobody => Group::Users,
        }
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Prevalence {
    /// Accounts that ever did something, saturating.
    accounts: [u32; 3],
    /// Accounts that practise a kind of act, saturating.
    practising: BTreeMap<SmolStr, [u32; 3]>,
    /// Days of which events were read.
    days: Novelty,
}

impl Prevalence {
    /// The number of accounts of a group, and of those that practise a kind of act.
    #[must_use]
    pub fn practising(&self, key: &str, group: Group) -> (u32, u32) {
        let practising = self
            .practising
            .get(key)
            .map_or(0, |counts| counts[group as usize]);
        (practising, self.accounts[group as usize])
    }

    /// Whole days before today of which events were read.
    #[must_use]
    pub fn days_before(&self, now: Time) -> u32 {
        self.days.days_before(now)
    }

    pub fn hear(&mut self, now: Time) {
        self.days.note(now);
    }

    pub fn count_account(&mut self, group: Group) {
        let count = &mut self.accounts[group as usize];
        *count = count.saturating_add(1);
    }

    pub fn count_practice(&mut self, key: &str, group: Group) {
        if self.practising.len() >= LIMIT && !self.practising.contains_key(key) {
            return;
        }
        let counts = self.practising.entry(key.into()).or_default();
        counts[group as usize] = counts[group as usize].saturating_add(1);
    }
}
