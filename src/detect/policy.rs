//! The numbers that detectors decide by, as the operator may set them.
//!
//! Refuses defaults in code that the documented policy file does not show: a test compares them.

use super::Severity;
use super::rule::Rules;
use crate::base::Bits;
use crate::baseline::{Learning, population::Limits};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All settings of judging and of incidents. Every field has a default.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The name of the cluster: part of every incident and of its id.
    pub cluster: String,
    pub learning: Learning,
    pub limits: Limits,
    pub network: Network,
    pub enumeration: Enumeration,
    pub unauthenticated: Unauthenticated,
    pub incidents: Incidents,
    pub visibility: Visibility,
    /// Bits of evidence from which an incident has each severity.
    pub severity: Thresholds,
    /// What acts would win an intruder, in bits, by their key (`secret.list`) or their key and
    /// reach (`secret.list.c`): in place of the built-in ones. At most 40.
    pub gains: BTreeMap<String, u32>,
    /// Per detector, by its id.
    pub detectors: BTreeMap<String, DetectorPolicy>,
    /// What the rule files say, compiled.
    #[schemars(skip)]
    pub rules: Arc<Rules>,
}

/// Bits of evidence that make an incident as severe.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Bits from which an incident is `low`: kept, and found by whoever looks for it.
    pub low: u32,
    /// Bits from which an incident is `medium`: look today.
    pub medium: u32,
    /// Bits from which an incident is `high`: look within the hour.
    pub high: u32,
    /// Bits from which an incident is `critical`: wake someone.
    pub critical: u32,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds {
            low: 5,
            medium: 12,
            high: 18,
            critical: 27,
        }
    }
}

impl Thresholds {
    /// The severity of so much evidence.
    #[must_use]
    pub fn severity(&self, weight: Bits) -> Severity {
        let reached = Severity::ALL
            .into_iter()
            .rev()
            .find(|severity| weight >= self.weight(*severity));
        reached.unwrap_or(Severity::Info)
    }

    /// The least evidence of a severity.
    #[must_use]
    pub fn weight(&self, severity: Severity) -> Bits {
        let bits = match severity {
            Severity::Info => 0,
            Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
            Severity::Critical => self.critical,
        };
        Bits::whole(bits.min(1000).cast_signed())
    }
}

/// What the operator knows of addresses.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Proxies and load balancers in front of the API server: entries of `sourceIPs` that they
    /// append to are believed. Networks in CIDR form.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Networks of pods and nodes. What is not named is learned from the log.
    #[schemars(with = "Vec<String>")]
    pub cluster: Vec<IpNet>,
}

/// Points of one account within a window; at `threshold` they are an enumeration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Enumeration {
    /// Seconds that a fast sweep is looked for in.
    pub window_seconds: u32,
    /// Seconds that a slow sweep is looked for in.
    pub slow_window_seconds: u32,
    /// Points that make an enumeration.
    pub threshold: u32,
    /// Points of each refused kind that is not known to be refused.
    pub denied: u32,
    /// Points of each refused kind that is sensitive.
    pub denied_sensitive: u32,
    /// Points of each question for one's own rights or name.
    pub self_review: u32,
    /// Points of each discovery path.
    pub discovery: u32,
    /// The most points that all discovery paths give.
    pub discovery_most: u32,
    /// Points of each new operation of a mature account.
    pub novel: u32,
    /// Points of each distinct secret read by name, by an account that does not do so by habit.
    pub secret: u32,
}

impl Default for Enumeration {
    fn default() -> Enumeration {
        Enumeration {
            window_seconds: 300,
            slow_window_seconds: 86_400,
            threshold: 50,
            denied: 10,
            denied_sensitive: 20,
            self_review: 8,
            discovery: 5,
            discovery_most: 20,
            novel: 5,
            secret: 5,
        }
    }
}

/// Requests without a valid credential, from one address within five minutes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Unauthenticated {
    /// From outside the cluster.
    pub outside: u32,
    /// From an address of the cluster, where an expired token is retried for harmless reasons.
    pub inside: u32,
    /// Distinct kinds of request below which a burst from inside is only a retry.
    pub inside_kinds: u32,
    /// From many networks outside the cluster together.
    pub spread: u32,
}

impl Default for Unauthenticated {
    fn default() -> Unauthenticated {
        Unauthenticated {
            outside: 10,
            inside: 20,
            inside_kinds: 3,
            spread: 400,
        }
    }
}

/// How findings become incidents.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Incidents {
    /// An incident ends when nothing joined it for so many seconds.
    pub quiet_seconds: u32,
    /// An incident ends after so many hours; what goes on opens another that continues it.
    pub longest_hours: u32,
    /// Most open incidents; beyond, the least severe and oldest is ended.
    pub open_limit: usize,
    /// The lowest severity that people are told of.
    pub notify: Severity,
}

impl Default for Incidents {
    fn default() -> Incidents {
        Incidents {
            quiet_seconds: 3600,
            longest_hours: 72,
            open_limit: 4096,
            notify: Severity::Medium,
        }
    }
}

/// When the camera itself is a concern.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Visibility {
    /// Seconds without an event after which a log is silent.
    pub silent_seconds: u32,
    /// A stage or level that made up at least one in a thousand events is missed after so many
    /// events without it, and an hour.
    pub vanished_events: u32,
}

impl Default for Visibility {
    fn default() -> Visibility {
        Visibility {
            silent_seconds: 900,
            vanished_events: 20_000,
        }
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorPolicy {
    /// The detector does not judge.
    pub disabled: bool,
    /// The most severe that this detector may be.
    pub at_most: Option<Severity>,
}

impl Policy {
    #[must_use]
    pub fn disabled(&self, detector: &str) -> bool {
        !self.detectors.is_empty() && self.detectors.get(detector).is_some_and(|d| d.disabled)
    }

    /// The weight of a detector's finding, within the most severe that the operator lets it be.
    #[must_use]
    pub fn capped(&self, detector: &str, weight: Bits) -> Bits {
        let most = self.detectors.get(detector).and_then(|d| d.at_most);
        let next =
            most.and_then(|most| Severity::ALL.into_iter().find(|severity| *severity > most));
        next.map_or(weight, |next| {
            weight.min(self.severity.weight(next) - Bits(1))
        })
    }

    /// The severity that a finding has alone.
    #[must_use]
    pub fn severity_of(&self, finding: &super::Finding) -> Severity {
        self.severity
            .severity(self.capped(finding.detector.id(), finding.weight))
    }
}
