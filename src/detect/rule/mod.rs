//! The operator's word: rules of their own, exemptions and silences, compiled.
//!
//! Refuses to read text: `config::rules` compiles YAML and CEL into these values. Here they are
//! plain data that can be stored with a policy, evaluated within limits, and never fail the stream.

mod dispatch;
mod eval;
mod expr;
mod fields;
mod judge;
mod needs;
mod never;
pub mod reference;
mod value;

pub use dispatch::Dispatch;
pub use eval::{COST_MAX, Fault};
pub use expr::{Arithmetic, Compare, Expr, Pattern, Quantifier, TextTest, Type};
pub use fields::{Domain, FIELDS, Field, Info, Scope, Story};
pub use judge::{Trouble, exempt, judge};
pub use never::never;
pub use value::Value;

use super::{Severity, Tactic, View};
use crate::base::Time;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// Most rules, exemptions and silences together.
pub const RULES_MAX: usize = 2_000;

/// A condition that was checked when it was loaded.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Condition(pub Expr);

/// A detector that an operator wrote.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Rule {
    pub id: SmolStr,
    pub title: SmolStr,
    pub severity: Severity,
    pub tactic: Tactic,
    pub techniques: Vec<SmolStr>,
    /// Steps for the responder, as the operator wrote them.
    pub respond: Vec<String>,
    pub condition: Condition,
}

/// Findings of these detectors are no findings where the condition holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Exemption {
    pub id: SmolStr,
    pub reason: String,
    pub owner: SmolStr,
    /// Event time from which on it holds no more.
    pub expires: Option<Time>,
    /// Ids; never empty.
    pub detectors: Vec<SmolStr>,
    pub condition: Condition,
}

/// Nobody is told of incidents that it matches; they are recorded and shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Silence {
    pub id: SmolStr,
    pub reason: String,
    pub owner: SmolStr,
    /// Event time from which on it holds no more.
    pub until: Time,
    pub condition: Condition,
}

/// All that the rule files say.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    pub rules: Vec<Arc<Rule>>,
    pub exemptions: Vec<Exemption>,
    pub silences: Vec<Silence>,
}

impl Rules {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.exemptions.is_empty() && self.silences.is_empty()
    }

    /// A sentence for each exemption and silence that holds no more at `now`, the events' own time.
    #[must_use]
    pub fn expired(&self, now: Time) -> Vec<String> {
        let exemptions = self
            .exemptions
            .iter()
            .filter_map(|e| Some(("exemption", &e.id, &e.owner, e.expires?)));
        let silences = self
            .silences
            .iter()
            .map(|s| ("silence", &s.id, &s.owner, s.until));
        let over = exemptions.chain(silences).filter(|(.., end)| now >= *end);
        over.map(|(kind, id, owner, end)| {
            format!("{kind} {id} of {owner} holds no more since {end}: renew it, or remove it from the rule files")
        })
        .collect()
    }

    /// The silence that holds for an incident at `now`; one whose condition cannot be evaluated
    /// holds nothing back.
    #[must_use]
    pub fn silence(&self, story: &Story<'_>, now: Time) -> Option<&Silence> {
        self.silences
            .iter()
            .find(|s| now < s.until && s.condition.holds_of(story) == Ok(true))
    }
}

impl Condition {
    /// Makes a condition of a checked expression.
    #[must_use]
    pub fn new(expr: Expr) -> Condition {
        Condition(needs::cheap_first(expr))
    }

    /// Whether it holds of an event.
    ///
    /// # Errors
    /// Arithmetic that has no answer, or more work than [`COST_MAX`].
    pub fn holds(&self, view: &View<'_>) -> Result<bool, Fault> {
        eval::truth(&self.0, &fields::Subject::Event(view))
    }

    /// Whether it holds of an incident.
    ///
    /// # Errors
    /// As [`Condition::holds`].
    pub fn holds_of(&self, story: &Story<'_>) -> Result<bool, Fault> {
        eval::truth(&self.0, &fields::Subject::Story(story))
    }
}
