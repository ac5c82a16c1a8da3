//! All accounts, within limits that an attacker cannot use against others.
//!
//! Refuses to forget a mature account for a new one: when full, the newcomer displaces the weakest
//! account that is still learning, or is not remembered at all (and is judged as never seen).

use super::{Account, peers};
use crate::base::Time;
use hashbrown::HashMap;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Longest name that accounts are told apart by, in bytes.
const LONGEST_NAME: usize = 512;

/// Limits over all accounts.
#[derive(
    Clone, Copy, PartialEq, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most accounts remembered. A lower number takes effect with the next newcomer, and on
    /// accounts known for less than three days only.
    pub accounts: usize,
    /// Bytes that accounts with more than four live credentials share.
    pub shared_credential_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            accounts: 100_000,
            shared_credential_bytes: 64 << 20,
        }
    }
}

pub struct Population {
    accounts: HashMap<SmolStr, Account>,
    /// Names of accounts by that of their family: what stands in `accounts`, the other way round.
    families: HashMap<SmolStr, BTreeSet<SmolStr>>,
    limits: Limits,
    shared_bytes: usize,
    dirty: Vec<SmolStr>,
    /// Every account is well known: nobody has to look again for one that could go.
    packed: bool,
    /// Accounts that found no place, saturating.
    pub refused: u64,
}

impl Population {
    #[must_use]
    pub fn new(limits: Limits) -> Population {
        Population {
            accounts: HashMap::new(),
            families: HashMap::new(),
            limits,
            shared_bytes: 0,
            dirty: Vec::new(),
            packed: false,
            refused: 0,
        }
    }

    #[must_use]
    pub fn get(&self, username: &str) -> Option<&Account> {
        self.accounts.get(key(username))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// All accounts, in no order: for counting only.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.accounts
            .iter()
            .map(|(name, account)| (name.as_str(), account))
    }

    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.packed = false;
    }

    /// Whether an account may have more than its four credentials.
    #[must_use]
    pub fn has_credential_budget(&self) -> bool {
        self.shared_bytes < self.limits.shared_credential_bytes
    }

    /// Changes an account, which is made if there is room for it. `change` is not called otherwise.
    pub fn update(&mut self, username: &str, now: Time, change: impl FnOnce(&mut Account)) {
        let username = key(username);
        if !self.accounts.contains_key(username) {
            if self.accounts.len() >= self.limits.accounts && (self.packed || !self.make_room()) {
                self.refused = self.refused.saturating_add(1);
                return;
            }
            let name = SmolStr::new(username);
            self.join_family(&name);
            self.accounts.insert(name, Account::begun(now));
        }
        let Some((name, account)) = self.accounts.get_key_value_mut(username) else {
            return;
        };
        let before = account.credentials.shared_bytes();
        change(account);
        // Succeeded by another of its name, it is new again.
        self.packed &= account.days >= 3;
        let newly_dirty = !std::mem::replace(&mut account.changed, true);
        self.shared_bytes =
            (self.shared_bytes + account.credentials.shared_bytes()).saturating_sub(before);
        if newly_dirty {
            self.dirty.push(name.clone());
        }
    }

    /// Forgets a sixteenth of the accounts and what is over the limit, the weakest first, never one
    /// known for three days or more.
    fn make_room(&mut self) -> bool {
        let mut order: Vec<(u32, Time, SmolStr)> = self
            .accounts
            .iter()
            .filter(|(_, a)| a.days < 3)
            .map(|(n, a)| (a.days, a.last_seen, n.clone()))
            .collect();
        order.sort_unstable();
        let over = self.accounts.len().saturating_sub(self.limits.accounts);
        let doomed = (self.limits.accounts / 16).max(1) + over;
        let any = !order.is_empty();
        self.packed = !any;
        for (_, _, name) in order.into_iter().take(doomed) {
            if let Some(account) = self.accounts.remove(&name) {
                self.shared_bytes = self
                    .shared_bytes
                    .saturating_sub(account.credentials.shared_bytes());
            }
            self.leave_family(&name);
            self.dirty.push(name);
        }
        any
    }

    /// Accounts of the same family, its own among them, in the order of their names.
    pub fn family_of(&self, username: &str) -> impl Iterator<Item = &str> {
        let family = peers::family(username).and_then(|family| self.families.get(family));
        family.into_iter().flatten().map(SmolStr::as_str)
    }

    fn join_family(&mut self, name: &SmolStr) {
        if let Some(family) = peers::family(name) {
            self.families
                .entry_ref(family)
                .or_default()
                .insert(name.clone());
        }
    }

    fn leave_family(&mut self, name: &SmolStr) {
        let Some(family) = peers::family(name) else {
            return;
        };
        if let Some(members) = self.families.get_mut(family) {
            members.remove(name);
            if members.is_empty() {
                self.families.remove(family);
            }
        }
    }

    /// Accounts changed since the last call, each once, in order; `None` for a forgotten one.
    pub fn drain_changes(&mut self) -> Vec<(SmolStr, Option<&Account>)> {
        let mut changed = std::mem::take(&mut self.dirty);
        changed.sort_unstable();
        changed.dedup();
        for name in &changed {
            if let Some(account) = self.accounts.get_mut(name) {
                account.changed = false;
            }
        }
        changed
            .into_iter()
            .map(|name| {
                let account = self.accounts.get(&name);
                (name, account)
            })
            .collect()
    }

    pub fn restore(&mut self, username: SmolStr, account: Account) {
        self.shared_bytes += account.credentials.shared_bytes();
        self.join_family(&username);
        self.accounts.insert(username, account);
    }
}

/// Names of service accounts have at most 339 bytes; identity providers may send anything.
fn key(username: &str) -> &str {
    &username[..username.floor_char_boundary(LONGEST_NAME)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_limit_is_reached_with_the_next_newcomer_and_spares_who_is_known() {
        let mut population = Population::new(Limits {
            accounts: 100,
            ..Limits::default()
        });
        for n in 0..100 {
            let days = if n < 20 { 5 } else { 1 };
            population.update(
                &format!("system:serviceaccount:a{n}:app"),
                Time::from_seconds(n),
                |a| a.days = days,
            );
        }
        population.set_limits(Limits {
            accounts: 32,
            ..Limits::default()
        });
        population.update(
            "system:serviceaccount:new:app",
            Time::from_seconds(200),
            |a| a.days = 1,
        );
        assert_eq!(population.len(), 31, "a sixteenth is made room for");
        assert!((0..20).all(|n| {
            population
                .get(&format!("system:serviceaccount:a{n}:app"))
                .is_some()
        }));
        assert_eq!(
            population
                .family_of("system:serviceaccount:new:app")
                .count(),
            31,
            "the index follows"
        );
    }
}
