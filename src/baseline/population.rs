//! All accounts, within limits that an attacker cannot use against others.
//!
//! Refuses to forget a mature account for a new one: when full, the newcomer displaces the weakest
//! account that is still learning, or is not remembered at all (and is judged as never seen).

use super::Account;
use crate::base::Time;
use hashbrown::HashMap;
use smol_str::SmolStr;

/// Longest name that accounts are told apart by, in bytes.
const LONGEST_NAME: usize = 512;

/// Limits over all accounts.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most accounts remembered.
    pub accounts: usize,
    /// Bytes that accounts with more than four live credentials share.
    pub shared_credential_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { accounts: 100_000, shared_credential_bytes: 64 << 20 }
    }
}

pub struct Population {
    accounts: HashMap<SmolStr, Account>,
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
        Population { accounts: HashMap::new(), limits, shared_bytes: 0, dirty: Vec::new(), packed: false, refused: 0 }
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
        self.accounts.iter().map(|(name, account)| (name.as_str(), account))
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
            self.accounts.insert(username.into(), Account { first_seen: now, last_seen: now, ..Account::default() });
        }
        let Some((name, account)) = self.accounts.get_key_value_mut(username) else { return };
        let before = account.credentials.shared_bytes();
        change(account);
        // Succeeded by another of its name, it is new again.
        self.packed &= account.days >= 3;
        let newly_dirty = !std::mem::replace(&mut account.changed, true);
        self.shared_bytes = (self.shared_bytes + account.credentials.shared_bytes()).saturating_sub(before);
        if newly_dirty {
            self.dirty.push(name.clone());
        }
    }

    /// Forgets a sixteenth of the accounts, the weakest first, never one known for three days or more.
    fn make_room(&mut self) -> bool {
        let mut order: Vec<(u32, Time, SmolStr)> =
            self.accounts.iter().filter(|(_, a)| a.days < 3).map(|(n, a)| (a.days, a.last_seen, n.clone())).collect();
        order.sort_unstable();
        let doomed = (self.limits.accounts / 16).max(1);
        let any = !order.is_empty();
        self.packed = !any;
        for (_, _, name) in order.into_iter().take(doomed) {
            if let Some(account) = self.accounts.remove(&name) {
                self.shared_bytes = self.shared_bytes.saturating_sub(account.credentials.shared_bytes());
            }
            self.dirty.push(name);
        }
        any
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
        self.accounts.insert(username, account);
    }
}

/// Names of service accounts have at most 339 bytes; identity providers may send anything.
fn key(username: &str) -> &str {
    &username[..username.floor_char_boundary(LONGEST_NAME)]
}
