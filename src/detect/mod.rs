//! Judging: (event, baseline before the event, policy) -> findings.
//!
//! Refuses state: a detector gets a [`View`] and returns findings. Adding one changes no stored
//! byte.

pub mod acts;
pub mod coverage;
pub mod deed;
mod describe;
pub mod detectors;
pub mod finding;
mod own;
pub mod policy;
pub mod profile;
pub mod reference;
pub mod rule;
pub mod sensitive;
mod view;
pub mod weigh;

pub use finding::{Finding, Severity, Tactic};
pub use policy::Policy;
pub use view::{Marks, Moved, Rival, View};

/// What a detector says of itself; the reference page is generated from it and from its doc
/// comment.
#[derive(Debug)]
pub struct Meta {
    /// Kebab-case, stable: a label of metrics, alerts and silences.
    pub id: &'static str,
    pub title: &'static str,
    /// What one finding of it weighs, in words.
    pub weighs: &'static str,
    pub tactic: Tactic,
    /// ATT&CK for Containers technique ids.
    pub techniques: &'static [&'static str],
    /// The audit level it needs; `Metadata` works everywhere.
    pub level: &'static str,
    /// The first version that has it.
    pub since: &'static str,
    /// Paths of the policy settings that tune it.
    pub tunables: &'static [&'static str],
    /// It looks at events that carry any of these marks, and at no others.
    pub wakes_on: Marks,
}

/// One judgement over one event.
pub struct Detector {
    pub meta: &'static Meta,
    pub judge: fn(&View<'_>, &mut Vec<Finding>),
    /// The source text, whose doc comment is the page.
    pub source: &'static str,
}

/// Runs every detector that the marks of the view wake, in the order of the registry.
pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    for detector in detectors::ALL {
        if view.marks.intersects(detector.meta.wakes_on) && !view.policy.disabled(detector.meta.id)
        {
            (detector.judge)(view, findings);
        }
    }
}
