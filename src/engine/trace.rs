//! One judgement in slow motion: what was known of each word of an event before it, and what
//! detectors said.
//!
//! Refuses to be taken when nobody asked: the hot path pays one branch.

use crate::base::remembered::Seen;
use crate::baseline::Maturity;
use crate::detect::{Finding, View};

/// One judged event.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Maturity of the account, before the event.
    pub baseline: Maturity,
    pub known: Vec<Known>,
    pub findings: Vec<Finding>,
}

/// One dimension of the baseline.
#[derive(Clone, Debug)]
pub struct Known {
    pub feature: &'static str,
    /// The word that the event is remembered by.
    pub value: String,
    /// `None`: never before, or so long ago that it was forgotten.
    pub seen: Option<Seen>,
}

impl Trace {
    pub(super) fn of(view: &View<'_>, findings: &[Finding]) -> Trace {
        let known = |feature, value: &str, seen: Option<&Seen>| Known {
            feature,
            value: value.to_owned(),
            seen: seen.copied(),
        };
        let operation = match view.event.outcome.is_refusal() {
            true => known("denials", view.operation, view.denial_seen),
            false => known("operations", view.operation, view.operation_seen),
        };
        let mut all = vec![
            operation,
            known("origins", view.origin_words, view.origin_seen),
            known("agents", view.agent, view.agent_seen),
        ];
        if let Some(geo) = view.geo {
            all.push(known("networks", &geo.to_string(), view.network_seen));
        }
        if !view.target.is_empty() {
            all.push(known("targets", view.target, view.target_seen));
        }
        Trace {
            baseline: view.maturity,
            known: all,
            findings: findings.to_vec(),
        }
    }
}
