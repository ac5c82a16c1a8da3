//! What an operator can teach a baseline at once: words that count as habit from then on.
//!
//! Refuses to teach by itself: only the operator's word is worth more than days of watching.

use super::account::Account;
use super::features::{agents, networks, operations, origins, practices};
use super::{Learning, account};
use crate::base::Time;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Most accepted findings remembered of one account.
pub const ACCEPTED_LIMIT: usize = 64;

/// The word for all objects or namespaces of a kind of act, or for all findings. No object of
/// Kubernetes has this name.
pub const ANY: &str = "*";

/// Which dimension a word belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    Operation,
    Denial,
    Agent,
    Origin,
    Target,
    Issuer,
    /// A finding that no other dimension explains, by its signature.
    Finding,
    Network,
    /// A kind of act, by its key.
    Practice,
    /// An object, namespace or program of a kind of act.
    Object,
}

/// One word of one account.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Lesson {
    /// `user.username` of the account that is taught.
    pub principal: SmolStr,
    pub dimension: Dimension,
    pub word: SmolStr,
}

impl Account {
    /// Takes a word for habit, as if it had been seen on as many days as a sensitive one needs.
    pub fn learn_lesson(&mut self, lesson: &Lesson, now: Time, policy: &Learning) {
        let days = u16::try_from(policy.sensitive_days.max(5)).unwrap_or(u16::MAX);
        let (memory, limit) = match lesson.dimension {
            Dimension::Operation => (&mut self.operations, operations::LIMIT),
            Dimension::Denial => (&mut self.denials, operations::DENIALS_LIMIT),
            Dimension::Agent => (&mut self.agents, agents::LIMIT),
            Dimension::Origin => (&mut self.origins, origins::LIMIT),
            Dimension::Target => (&mut self.targets, account::TARGETS_LIMIT),
            Dimension::Issuer => (&mut self.issuers, account::ISSUERS_LIMIT),
            Dimension::Finding => (&mut self.accepted, ACCEPTED_LIMIT),
            Dimension::Network => (&mut self.networks, networks::LIMIT),
            Dimension::Object => (&mut self.objects, practices::OBJECTS_LIMIT),
            Dimension::Practice => return self.practices.teach(&lesson.word, now, days),
        };
        memory.teach(&lesson.word, now, policy.horizon(now), limit, days);
    }
}
