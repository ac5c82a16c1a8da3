//! The settings of sinks, as they stand in the file under `sinks`.
//!
//! Refuses values that are wrong in themselves; whether a receiver likes them is for `tokentrail sink test`.

use super::queue::Keep;
use super::route::Route;
use super::secret::Secret;
use crate::detect::Severity;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A sink: where notices go, and which. Exactly one of `webhook`, `alertmanager`, `slack` and `pagerduty`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// JSON to a URL of yours, signed.
    pub webhook: Option<Webhook>,
    /// Prometheus Alertmanager, API v2.
    pub alertmanager: Option<Alertmanager>,
    /// A Slack incoming webhook.
    pub slack: Option<Slack>,
    /// PagerDuty, Events API v2.
    pub pagerduty: Option<Pagerduty>,
    /// The lowest severity that goes there; below `incidents.notify` nothing does.
    pub min_severity: Severity,
    /// Only incidents in which one of these detectors spoke; empty for all.
    pub detectors: Vec<String>,
    /// Only incidents of service accounts in these namespaces; empty for all, and for those of nobody.
    pub namespaces: Vec<String>,
    /// Most notices that wait; beyond it the oldest is dropped and counted.
    pub keep_notices: usize,
    /// Most bytes of notices that wait; beyond it the oldest is dropped and counted.
    pub keep_bytes: usize,
    /// Seconds that a notice waits, from when it happened or the daemon started; then it is dropped and counted.
    pub keep_seconds: u64,
    /// Seconds for one request, from connecting to the end of the answer.
    pub timeout_seconds: u64,
    /// Certificates of authorities in PEM, trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            webhook: None,
            alertmanager: None,
            slack: None,
            pagerduty: None,
            min_severity: Severity::Medium,
            detectors: Vec::new(),
            namespaces: Vec::new(),
            keep_notices: 10_000,
            keep_bytes: 16 << 20,
            keep_seconds: 86_400,
            timeout_seconds: 10,
            ca_file: None,
        }
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to POST; without user and password.
    pub url: String,
    /// The key of the signature; without it nothing is signed.
    #[serde(default)]
    pub signing_key: Option<Secret>,
    /// Sent as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token: Option<Secret>,
    /// Send every revision, also those that people are not told of.
    #[serde(default)]
    pub every_revision: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alertmanager {
    /// The base URL of every replica, never of a balancer in front of them.
    pub urls: Vec<String>,
    /// Sent as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token: Option<Secret>,
    /// Seconds after which alerts that go on are sent again; they end by themselves after four times that.
    #[serde(default = "resend_seconds")]
    pub resend_seconds: u64,
}

fn resend_seconds() -> u64 {
    60
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// The URL of the incoming webhook, which is a secret.
    pub url: Secret,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pagerduty {
    /// The integration key of the service.
    pub routing_key: Secret,
    /// The endpoint; `https://events.eu.pagerduty.com/v2/enqueue` for accounts in the EU.
    #[serde(default = "pagerduty_url")]
    pub url: String,
}

fn pagerduty_url() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

/// What is wrong: the setting below the sink, what, and what to do.
pub type Wrong = (&'static str, &'static str, &'static str);

/// Most waiting notices of one sink: the outbox holds 100,000, and a sink must not be able to fill it.
const KEEP_NOTICES_MAX: usize = 50_000;
const KEEP_BYTES_MAX: usize = 256 << 20;

impl Settings {
    #[must_use]
    pub fn route(&self) -> Route {
        Route {
            min_severity: self.min_severity,
            detectors: self.detectors.clone(),
            namespaces: self.namespaces.clone(),
            every_revision: self.webhook.as_ref().is_some_and(|w| w.every_revision),
        }
    }

    #[must_use]
    pub fn keep(&self) -> Keep {
        let age = Duration::from_secs(self.keep_seconds);
        Keep { notices: self.keep_notices, bytes: self.keep_bytes, age }
    }

    /// Everything that is wrong, in the order of the fields.
    #[must_use]
    pub fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        let kinds =
            [self.webhook.is_some(), self.alertmanager.is_some(), self.slack.is_some(), self.pagerduty.is_some()];
        if kinds.iter().filter(|there| **there).count() != 1 {
            let remedy = "name exactly one of webhook, alertmanager, slack and pagerduty under each sink";
            found.push(("", "the sink has no receiver, or more than one", remedy));
        }
        let url =
            "write http:// or https://, a host and no user, password or line break; secrets have settings of their own";
        if self.webhook.as_ref().is_some_and(|w| !is_url(&w.url)) {
            found.push(("webhook.url", "it is not a URL that can be used", url));
        }
        if let Some(manager) = &self.alertmanager {
            let mut urls = manager.urls.clone();
            urls.sort();
            if manager.urls.is_empty() || !manager.urls.iter().all(|u| is_url(u)) {
                found.push(("alertmanager.urls", "there is none, or one is not a URL that can be used", url));
            } else if urls.windows(2).any(|pair| pair[0] == pair[1]) {
                found.push(("alertmanager.urls", "a replica is named twice", "name each replica once"));
            }
            if !(5..=3600).contains(&manager.resend_seconds) {
                found.push(("alertmanager.resend_seconds", "it is out of range", "set 5 to 3600; the default is 60"));
            }
        }
        if self.pagerduty.as_ref().is_some_and(|p| !is_url(&p.url)) {
            found.push(("pagerduty.url", "it is not a URL that can be used", url));
        }
        if !(1..=KEEP_NOTICES_MAX).contains(&self.keep_notices) {
            found.push(("keep_notices", "it is out of range", "set 1 to 50000; the default is 10000"));
        }
        if !(1 << 20..=KEEP_BYTES_MAX).contains(&self.keep_bytes) {
            let remedy = "set 1048576 (1 MiB) to 268435456 (256 MiB); the default is 16777216";
            found.push(("keep_bytes", "it is out of range", remedy));
        }
        if !(60..=30 * 86_400).contains(&self.keep_seconds) {
            found.push(("keep_seconds", "it is out of range", "set 60 to 2592000 (30 days); the default is 86400"));
        }
        if !(1..=300).contains(&self.timeout_seconds) {
            found.push(("timeout_seconds", "it is out of range", "set 1 to 300; the default is 10"));
        }
        found
    }
}

fn is_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        let plain = url.username().is_empty() && url.password().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && plain && !text.contains(char::is_whitespace)
    })
}
