//! One detector, one judgement, with its evidence.

use super::Meta;
use super::rule::Rule;
use crate::base::Bits;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

/// How much a person should care. The order is the order of the words.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Little evidence; stays in the record.
    Info,
    /// Some evidence; kept and shown.
    Low,
    /// Look today.
    Medium,
    /// Look within the hour.
    High,
    /// Wake someone.
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 5] = [
        Severity::Info,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

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
    /// How much it says that somebody else is at work.
    pub weight: Bits,
    pub tactic: Tactic,
    /// Techniques of a built-in detector; a rule brings its own.
    pub techniques: &'static [&'static str],
    /// What makes it another piece of evidence than the others of its detector: the key of an act;
    /// empty for one that has only one.
    pub key: SmolStr,
    /// What it is about, where several of the same add up: an object, a namespace, an address.
    pub object: SmolStr,
    /// One plain sentence: what this account does otherwise.
    pub expected: String,
    /// One plain sentence: what it did now.
    pub observed: String,
    /// Why it weighs less than it could, in words.
    pub causes: Vec<String>,
    /// Another principal whose story this is too: the account a token was minted for, or by.
    pub also: Option<SmolStr>,
    /// Whose story it is, where that is not who made the request, and the audit id of what they
    /// did.
    pub culprit: Option<(SmolStr, SmolStr)>,
    /// Physical evidence that the credential is in other hands: nothing is learned from where it
    /// was used.
    pub is_theft: bool,
}

impl Finding {
    /// A finding of a detector of ours, to be filled in.
    #[must_use]
    pub fn of(meta: &Meta, weight: Bits) -> Finding {
        Finding {
            detector: meta.id.into(),
            title: SmolStr::new_static(meta.title),
            weight,
            tactic: meta.tactic,
            techniques: meta.techniques,
            key: SmolStr::default(),
            object: SmolStr::default(),
            expected: String::new(),
            observed: String::new(),
            causes: Vec::new(),
            also: None,
            culprit: None,
            is_theft: false,
        }
    }

    /// ATT&CK technique ids.
    pub fn techniques(&self) -> impl Iterator<Item = &str> {
        let own: &[SmolStr] = match &self.detector {
            Source::BuiltIn(_) => &[],
            Source::Rule(rule) => &rule.techniques,
        };
        self.techniques
            .iter()
            .copied()
            .chain(own.iter().map(SmolStr::as_str))
    }
}
