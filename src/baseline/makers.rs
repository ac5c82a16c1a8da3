//! Who made which Secret in the last minute: the token controller fills in what others ordered.

use crate::base::{Span, Time};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Most Secrets remembered, over all accounts.
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
    /// Its baseline was, when it made the Secret.
    pub mature: bool,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Makers(Vec<Maker>);

impl Makers {
    #[must_use]
    pub fn of(&self, namespace: &str, secret: &str, now: Time) -> Option<&Maker> {
        self.0.iter().rev().find(|m| m.secret == secret && m.namespace == namespace && now.since(m.at) <= KEPT)
    }

    pub fn note(&mut self, maker: Maker) {
        let now = maker.at;
        self.0.retain(|m| now.since(m.at) <= KEPT);
        if self.0.len() >= LIMIT {
            self.0.remove(0);
        }
        self.0.push(maker);
    }
}
