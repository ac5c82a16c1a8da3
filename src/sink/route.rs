//! Which notices a sink is for: by severity, detector and namespace.
//!
//! Refuses to widen what `incident/notice.rs` lets through, but for sinks that ask for every
//! revision.

use super::note::Note;
use crate::detect::Severity;
use crate::incident::Reason;

/// Everything must hold; an empty list holds for all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    pub min_severity: Severity,
    pub detectors: Vec<String>,
    pub namespaces: Vec<String>,
    /// Also revisions that people are not told of.
    pub every_revision: bool,
}

impl Route {
    /// Whether the sink wants this revision. The end of an incident is for the caller: it is due to
    /// whoever was told.
    ///
    /// `known` says whether the sink heard of the incident. If not, it is told with the next
    /// revision: that a detector of its own joined is no news for those who know of the incident,
    /// and all the news for those who do not.
    #[must_use]
    pub fn wants(&self, note: &Note, known: bool) -> bool {
        let namespace = note
            .service_account()
            .map_or("", |(namespace, _)| namespace);
        let late = !known && note.notice.reason == Reason::NothingNew;
        (note.notice.tell || self.every_revision || late)
            && note.severity >= self.min_severity
            && (self.detectors.is_empty()
                || note.detectors.iter().any(|d| self.detectors.contains(d)))
            && (self.namespaces.is_empty() || self.namespaces.iter().any(|n| n == namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::super::note::tests::note;
    use super::*;

    #[test]
    fn every_condition_must_hold() {
        let all = Route {
            min_severity: Severity::Info,
            detectors: vec![],
            namespaces: vec![],
            every_revision: false,
        };
        let note = note(1, 1, "open", "medium", true);
        assert!(all.wants(&note, false));
        let list = |word: &str| vec![word.to_owned()];
        assert!(
            !Route {
                min_severity: Severity::High,
                ..all.clone()
            }
            .wants(&note, false)
        );
        assert!(
            !Route {
                detectors: list("enumeration"),
                ..all.clone()
            }
            .wants(&note, false)
        );
        assert!(
            Route {
                detectors: list("test"),
                ..all.clone()
            }
            .wants(&note, false)
        );
        assert!(
            !Route {
                namespaces: list("shop"),
                ..all.clone()
            }
            .wants(&note, false)
        );
        assert!(
            Route {
                namespaces: list("tokentrail-test"),
                ..all
            }
            .wants(&note, false)
        );
    }
}
