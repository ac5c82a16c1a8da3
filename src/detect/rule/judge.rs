//! The operator's rules among the detectors: what they find, and what they exempt.
//!
//! Refuses to let one rule touch another: a fault of one is told, and changes nothing else.

use super::{Dispatch, Fault, Rule, Rules};
use crate::detect::describe;
use crate::detect::finding::Source;
use crate::detect::{Finding, View};
use smol_str::SmolStr;
use std::sync::Arc;

/// A condition that had no answer at an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// Id of the rule or exemption.
    pub id: SmolStr,
    pub fault: Fault,
}

/// What the rules of the view's policy make of an event; `dispatch` is of these rules.
pub fn judge(
    view: &View<'_>,
    dispatch: &Dispatch,
    findings: &mut Vec<Finding>,
    troubles: &mut Vec<Trouble>,
) {
    let rules = &view.policy.rules.rules;
    for rule in dispatch.candidates(view).filter_map(|at| rules.get(at)) {
        match rule.condition.holds(view) {
            Ok(true) => findings.push(finding(view, rule)),
            Ok(false) => {}
            Err(fault) => troubles.push(Trouble {
                id: rule.id.clone(),
                fault,
            }),
        }
    }
}

fn finding(view: &View<'_>, rule: &Arc<Rule>) -> Finding {
    Finding {
        detector: Source::Rule(rule.clone()),
        title: rule.title.clone(),
        weight: view.policy.severity.weight(rule.severity),
        tactic: rule.tactic,
        techniques: &[],
        key: rule.id.clone(),
        object: SmolStr::default(),
        expected: format!(
            "no request that the rule {} describes; {}",
            rule.id,
            view.usual_operations()
        ),
        observed: describe::observed(view),
        causes: Vec::new(),
        also: None,
        culprit: None,
        is_theft: false,
    }
}

/// Takes out the findings that an exemption covers, and returns how many. An exemption without an
/// answer covers nothing.
pub fn exempt(
    rules: &Rules,
    view: &View<'_>,
    findings: &mut Vec<Finding>,
    troubles: &mut Vec<Trouble>,
) -> u64 {
    let before = findings.len();
    for exemption in &rules.exemptions {
        let is_over = exemption.expires.is_some_and(|end| view.now() >= end);
        let covers = |f: &Finding| exemption.detectors.iter().any(|d| d == f.detector.id());
        if is_over || !findings.iter().any(covers) {
            continue;
        }
        match exemption.condition.holds(view) {
            Ok(true) => findings.retain(|f| !covers(f)),
            Ok(false) => {}
            Err(fault) => troubles.push(Trouble {
                id: exemption.id.clone(),
                fault,
            }),
        }
    }
    (before - findings.len()) as u64
}
