//! What has changed in the cluster lately, and explains what would be odd of one account alone:
//! accounts that were made, roles that were written, pods that somebody made, and what many
//! accounts began at once.
//!
//! Refuses to excuse a change that only one account makes, or that several make from one place.
//! Bounded; the oldest go first.

use super::features::probes::hash;
use crate::base::{Bits, Span, Time};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Most entries of each kind.
const LIMIT: usize = 512;
/// Most accounts of one wave that are told apart.
const WAVE_LIMIT: usize = 16;
/// An account that was made within this is being installed.
const INSTALLED: Span = Span::seconds(86_400);
/// A pod belongs to whoever made it for so long.
const OWN_POD: Span = Span::seconds(86_400);
/// What is begun within so much time is begun together.
const TOGETHER: Span = Span::seconds(600);
/// Accounts that began something together are taken for one for so long.
const WAVE_KEPT: Span = Span::seconds(3600);
/// Moves of so long ago belong to one change of the network.
const MOVED: Span = Span::seconds(86_400);
/// So many other accounts, of pods on several nodes, make a change of the network.
const MOVES: usize = 3;
/// So many other accounts make a wave.
const WAVE: usize = 3;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Member {
    account: u32,
    /// The address it called from.
    place: u32,
    at: Time,
}

/// What several accounts began, each for itself.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Wave {
    members: Vec<Member>,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Causes {
    /// ServiceAccounts that were made, as `namespace/name`.
    accounts: VecDeque<(SmolStr, Time)>,
    /// Roles that were written, as `namespace/name`, and what a binding to each is worth.
    roles: BTreeMap<SmolStr, (Bits, Time)>,
    /// Pods that were made by name, as a hash, and by whom.
    pods: VecDeque<(u32, u32, Time)>,
    waves: BTreeMap<SmolStr, Wave>,
    /// Accounts whose credentials appeared at another address, and the nodes of their pods.
    moves: VecDeque<Member>,
}

impl Causes {
    pub fn note_account(&mut self, namespace: &str, name: &str, at: Time) {
        push_bounded(&mut self.accounts, (join(namespace, name), at));
    }

    /// When the ServiceAccount was made, if that was within a day.
    #[must_use]
    pub fn made_account(&self, namespace: &str, name: &str, now: Time) -> Option<Time> {
        let is_it = |known: &str| known.split_once('/') == Some((namespace, name));
        let made = self
            .accounts
            .iter()
            .rev()
            .find(|(known, _)| is_it(known))
            .map(|(_, at)| *at)?;
        (now.since(made) <= INSTALLED).then_some(made)
    }

    pub fn note_role(&mut self, namespace: &str, name: &str, worth: Bits, at: Time) {
        let key = join(namespace, name);
        if self.roles.len() >= LIMIT
            && !self.roles.contains_key(&key)
            && let Some(oldest) = self
                .roles
                .iter()
                .min_by_key(|(key, (_, at))| (*at, *key))
                .map(|(key, _)| key.clone())
        {
            self.roles.remove(&oldest);
        }
        self.roles.insert(key, (worth, at));
    }

    /// What a binding to a role is worth, if the role was seen to be written. A ClusterRole has no
    /// namespace.
    #[must_use]
    pub fn role(&self, namespace: &str, name: &str) -> Option<Bits> {
        let of = |namespace| {
            self.roles
                .get(&join(namespace, name))
                .map(|(worth, _)| *worth)
        };
        of(namespace).or_else(|| of(""))
    }

    pub fn note_pod(&mut self, namespace: &str, name: &str, by: &str, at: Time) {
        push_bounded(&mut self.pods, (hash(&[namespace, name]), hash(&[by]), at));
    }

    /// Whether the pod was made by this account within a day.
    #[must_use]
    pub fn is_own_pod(&self, namespace: &str, name: &str, by: &str, now: Time) -> bool {
        let (pod, by) = (hash(&[namespace, name]), hash(&[by]));
        self.pods
            .iter()
            .any(|(known, maker, at)| (*known, *maker) == (pod, by) && now.since(*at) <= OWN_POD)
    }

    /// An account begins something, by its own program and from where it always calls.
    pub fn note_beginning(&mut self, what: &str, account: &str, place: Option<IpAddr>, at: Time) {
        if self.waves.len() >= LIMIT && !self.waves.contains_key(what) {
            self.waves
                .retain(|_, wave| wave.members.iter().any(|m| at.since(m.at) <= WAVE_KEPT));
            if self.waves.len() >= LIMIT {
                return;
            }
        }
        let wave = self.waves.entry(what.into()).or_default();
        wave.members.retain(|m| at.since(m.at) <= WAVE_KEPT);
        let member = Member {
            account: hash(&[account]),
            place: place_of(place),
            at,
        };
        if !wave.members.iter().any(|m| m.account == member.account)
            && wave.members.len() < WAVE_LIMIT
        {
            wave.members.push(member);
        }
    }

    /// Whether so many other accounts began the same within minutes, or began something together
    /// with this one within the hour, that it is one change and not the deed of one. Accounts that
    /// call from one address count as one.
    #[must_use]
    pub fn is_wave(&self, what: &str, account: &str, place: Option<IpAddr>, now: Time) -> bool {
        let (account, place) = (hash(&[account]), place_of(place));
        let others = |wave: &Wave, around: Time, span: Span| {
            let near = |m: &&Member| {
                m.account != account && m.place != place && around.since(m.at).0.abs() <= span.0
            };
            let mut places: Vec<u32> = wave.members.iter().filter(near).map(|m| m.place).collect();
            places.sort_unstable();
            places.dedup();
            places.len()
        };
        let begins = self
            .waves
            .get(what)
            .is_some_and(|wave| others(wave, now, TOGETHER) >= WAVE);
        begins
            || self.waves.values().any(|wave| {
                let own = wave
                    .members
                    .iter()
                    .find(|m| m.account == account && now.since(m.at) <= WAVE_KEPT);
                own.is_some_and(|own| others(wave, own.at, TOGETHER) >= WAVE)
            })
    }
}

impl Causes {
    /// A credential appears at an address where it was not before, with its own program. `node` is
    /// where its pod runs.
    pub fn note_move(&mut self, account: &str, node: &str, at: Time) {
        push_bounded(
            &mut self.moves,
            Member {
                account: hash(&[account]),
                place: hash(&[node]),
                at,
            },
        );
    }

    /// Whether so many other accounts moved lately, from several nodes, that the network has
    /// changed: what was taken from one node moves together and alone.
    #[must_use]
    pub fn has_network_changed(&self, account: &str, now: Time) -> bool {
        let account = hash(&[account]);
        let recent = self
            .moves
            .iter()
            .filter(|m| m.account != account && now.since(m.at).0.abs() <= MOVED.0);
        let distinct = |of: fn(&Member) -> u32| {
            let mut all: Vec<u32> = recent.clone().map(of).collect();
            all.sort_unstable();
            all.dedup();
            all.len()
        };
        distinct(|m| m.account) >= MOVES && distinct(|m| m.place) > 1
    }
}

fn join(namespace: &str, name: &str) -> SmolStr {
    smol_str::format_smolstr!("{namespace}/{name}")
}

fn place_of(ip: Option<IpAddr>) -> u32 {
    ip.map_or(0, |ip| hash(&[&ip.to_string()]))
}

fn push_bounded<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= LIMIT {
        list.pop_front();
    }
    list.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn what_many_begin_at_once_is_one_change_and_what_one_place_begins_is_not() {
        let ip = |n: u8| Some(IpAddr::from([10, 0, 0, n]));
        let (mut apart, mut together) = (Causes::default(), Causes::default());
        for n in 0..4 {
            apart.note_beginning("kind", &format!("a{n}"), ip(n), at(i64::from(n)));
            together.note_beginning("kind", &format!("a{n}"), ip(7), at(i64::from(n)));
        }
        assert!(apart.is_wave("kind", "new", ip(9), at(30)));
        assert!(
            apart.is_wave("another kind", "a1", ip(1), at(1800)),
            "they are one for an hour"
        );
        assert!(!apart.is_wave("another kind", "new", ip(9), at(30)));
        assert!(!apart.is_wave("kind", "new", ip(9), at(7200)));
        assert!(!together.is_wave("kind", "new", ip(9), at(30)));
    }
}
