//! Who made which Secret in the last minute: the token controller fills in what others ordered.

use crate::base::{Bits, Span, Time};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Most Secrets remembered of either kind, over all accounts.
const LIMIT: usize = 256;
/// The token controller acts within seconds.
const KEPT: Span = Span::seconds(60);

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Maker {
    pub namespace: SmolStr,
    pub secret: SmolStr,
    pub by: SmolStr,
    pub audit_id: SmolStr,
    pub at: Time,
    /// What it weighs that this account made a Secret that comes to hold a token.
    pub weight: Bits,
}

/// The token controller filled a Secret in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Filled {
    namespace: SmolStr,
    secret: SmolStr,
    at: Time,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Makers {
    makers: Vec<Maker>,
    filled: Vec<Filled>,
}

impl Makers {
    #[must_use]
    pub fn of(&self, namespace: &str, secret: &str, now: Time) -> Option<&Maker> {
        self.makers
            .iter()
            .rev()
            .find(|m| m.secret == secret && m.namespace == namespace && is_recent(m.at, now))
    }

    /// Whether a Secret was filled in before its making was read: logs of several API servers are
    /// read some seconds apart.
    #[must_use]
    pub fn was_filled(&self, namespace: &str, secret: &str, now: Time) -> bool {
        self.filled
            .iter()
            .any(|f| f.secret == secret && f.namespace == namespace && is_recent(f.at, now))
    }

    pub fn note(&mut self, maker: Maker) {
        let now = maker.at;
        self.makers.retain(|m| is_recent(m.at, now));
        push_bounded(&mut self.makers, maker);
    }

    pub fn note_filled(&mut self, namespace: &str, secret: &str, at: Time) {
        self.filled.retain(|f| is_recent(f.at, at));
        push_bounded(
            &mut self.filled,
            Filled {
                namespace: namespace.into(),
                secret: secret.into(),
                at,
            },
        );
    }
}

fn is_recent(at: Time, now: Time) -> bool {
    now.since(at).0.abs() <= KEPT.0
}

fn push_bounded<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= LIMIT {
        list.remove(0);
    }
    list.push(item);
}
