//! The audit ids of an incident: at most 200, the earliest, with every detector represented.
//!
//! Refuses long ids: the client chooses them.

use crate::base::text::cut;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Most audit ids kept.
const LIMIT: usize = 200;
/// Longest audit id kept, in bytes (a UUID has 36).
const LONGEST: usize = 128;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Item {
    audit_id: SmolStr,
    /// Index of the detector in the incident's list.
    detector: u16,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Evidence {
    items: Vec<Item>,
    /// Distinct requests that were seen, saturating; more than are kept.
    pub count: u32,
}

impl Evidence {
    /// Adds the request that a detector (by its index in the incident) spoke about.
    pub fn add(&mut self, audit_id: &str, detector: usize) {
        let audit_id = cut(audit_id, LONGEST);
        if audit_id.is_empty() || self.items.iter().any(|i| i.audit_id == audit_id) {
            return;
        }
        self.count = self.count.saturating_add(1);
        let item = Item {
            audit_id: audit_id.into(),
            detector: u16::try_from(detector).unwrap_or(u16::MAX),
        };
        if self.items.len() < LIMIT {
            self.items.push(item);
        } else if !self.items.iter().any(|i| i.detector == item.detector)
            && let Some(spare) = self.last_of_a_pair()
        {
            self.items.remove(spare);
            self.items.push(item);
        }
    }

    /// The latest item whose detector has another one.
    fn last_of_a_pair(&self) -> Option<usize> {
        let of = |d: u16| self.items.iter().filter(|i| i.detector == d).count();
        (0..self.items.len())
            .rev()
            .find(|i| of(self.items[*i].detector) > 1)
    }

    pub fn audit_ids(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|i| i.audit_id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detector_keeps_a_place() {
        let mut evidence = Evidence::default();
        for n in 0..300 {
            evidence.add(&format!("a{n}"), 0);
        }
        evidence.add("late", 1);
        assert_eq!(evidence.audit_ids().count(), LIMIT);
        assert_eq!(evidence.audit_ids().last(), Some("late"));
        assert_eq!(evidence.audit_ids().next(), Some("a0"));
    }

    #[test]
    fn a_request_counts_once() {
        let mut evidence = Evidence::default();
        evidence.add("a", 0);
        evidence.add("a", 1);
        assert_eq!(evidence.count, 1);
    }
}
