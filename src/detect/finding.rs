//! One detector, one judgement, with its evidence.

use super::rule::Rule;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

/// How much a person should care. The order is the order of the words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// One novelty on a harmless resource; stays in the record.
    Info,
    /// A dangerous kind of act by an account that is not well known; kept and shown.
    Low,
    /// A sensitive operation new to a mature account, two independent novelties, or a gap in what we see.
    Medium,
    /// Evidence of credential theft.
    High,
    /// A chain over two or more tactics.
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 5] =
        [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|s| s.label() == text)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// ATT&CK tactics that the API's audit log can show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tactic {
    InitialAccess,
    Execution,
    Persistence,
    PrivilegeEscalation,
    DefenseEvasion,
    CredentialAccess,
    Discovery,
    LateralMovement,
    Impact,
    /// Not an attacker's: what we could not see.
    Visibility,
    /// A rule of the operator's that names none: it makes no chain with others.
    Unnamed,
}

/// Who found it: a detector of ours, or a rule of the operator's.
#[derive(Clone, PartialEq, Debug)]
pub enum Source {
    BuiltIn(&'static str),
    Rule(Arc<Rule>),
}

impl Source {
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Source::BuiltIn(id) => id,
            Source::Rule(rule) => &rule.id,
        }
    }

    /// The id to keep.
    #[must_use]
    pub fn name(&self) -> SmolStr {
        match self {
            Source::BuiltIn(id) => SmolStr::new_static(id),
            Source::Rule(rule) => rule.id.clone(),
        }
    }

    /// What the operator wrote for the responder; empty for our own, whose pages say it.
    #[must_use]
    pub fn respond(&self) -> &[String] {
        match self {
            Source::BuiltIn(_) => &[],
            Source::Rule(rule) => &rule.respond,
        }
    }
}

impl From<&'static str> for Source {
    fn from(id: &'static str) -> Source {
        Source::BuiltIn(id)
    }
}

/// What a detector returns. The engine adds who, when and which event.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    pub detector: Source,
    pub title: SmolStr,
    pub severity: Severity,
    pub tactic: Tactic,
    /// Of a detector of ours; a rule brings its own.
    pub techniques: &'static [&'static str],
    /// One plain sentence: what this account does otherwise.
    pub expected: String,
    /// One plain sentence: what it did now.
    pub observed: String,
    /// Another principal whose story this is too: the account a token was minted for, or by.
    pub also: Option<SmolStr>,
    /// Whose story it is, where that is not who made the request, and the audit id of what they did.
    pub culprit: Option<(SmolStr, SmolStr)>,
    /// The dimension in which this was never seen of a mature account: two different ones add up.
    pub novelty: Option<Novelty>,
}

/// Dimensions of behaviour that are independent of each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Novelty {
    Operation,
    Agent,
    Origin,
    Credential,
}

impl Finding {
    /// ATT&CK technique ids.
    pub fn techniques(&self) -> impl Iterator<Item = &str> {
        let own: &[SmolStr] = match &self.detector {
            Source::BuiltIn(_) => &[],
            Source::Rule(rule) => &rule.techniques,
        };
        self.techniques.iter().copied().chain(own.iter().map(SmolStr::as_str))
    }
}
