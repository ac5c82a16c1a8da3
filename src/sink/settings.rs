//! The settings of sinks, as they stand in the file under `sinks`.
//!
//! Refuses values that are wrong in themselves; whether a receiver likes them is for `tokentrail
//! sink test`.

use super::alertmanager::Alertmanager;
use super::destination::Destination;
use super::elasticsearch::Elasticsearch;
use super::kubernetes::Kubernetes;
use super::pagerduty::Pagerduty;
use super::queue::Keep;
use super::rotated::Rotated;
use super::route::Route;
use super::slack::Slack;
use super::splunk::Splunk;
use super::stdout::Stdout;
use super::syslog::Syslog;
use super::teams::Teams;
use super::tls::Tls;
use super::webhook::Webhook;
use crate::detect::Severity;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What is wrong: the setting below the sink, what, and what to do.
pub type Wrong = (&'static str, &'static str, &'static str);

/// What to do about a URL.
pub(super) const URL: &str = "write http:// or https://, a host and no user, password or line break; secrets have settings of their own";
/// Most waiting notices of one sink: the outbox holds 100,000, and a sink must not be able to fill
/// it.
const KEEP_NOTICES_MAX: usize = 50_000;
const KEEP_BYTES_MAX: usize = 256 << 20;

/// THE list of kinds: a line each, and all else follows.
macro_rules! kinds {
    ($($(#[doc = $about:literal])+ $kind:ident: $type:ty,)*) => {
        /// A sink: where notices go, and which. Exactly one kind of receiver, with its settings.
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Settings {
            $($(#[doc = $about])+ pub $kind: Option<$type>,)*
            /// The lowest severity that goes there; below `incidents.notify` nothing does.
            pub min_severity: Severity,
            /// Only incidents in which one of these detectors spoke; empty for all.
            pub detectors: Vec<String>,
            /// Only incidents of service accounts in these namespaces; empty for all, and for those
            /// of nobody.
            pub namespaces: Vec<String>,
            /// Most notices that wait; beyond it the oldest is dropped and counted.
            pub keep_notices: usize,
            /// Most bytes of notices that wait; beyond it the oldest is dropped and counted.
            pub keep_bytes: usize,
            /// Seconds that a notice waits, from when it happened or the daemon started; then it is
            /// dropped and counted.
            pub keep_seconds: u64,
            /// Seconds for one request, from connecting to the end of the answer.
            pub timeout_seconds: u64,
            /// Certificates of authorities in PEM, trusted in place of the system's.
            pub ca_file: Option<PathBuf>,
            /// Our certificate in PEM, for receivers that ask for one; with `client_key_file`.
            pub client_cert_file: Option<PathBuf>,
            /// The key of `client_cert_file`, in PEM.
            pub client_key_file: Option<PathBuf>,
        }

        impl Default for Settings {
            fn default() -> Settings {
                Settings {
                    $($kind: None,)*
                    min_severity: Severity::Medium,
                    detectors: Vec::new(),
                    namespaces: Vec::new(),
                    keep_notices: 10_000,
                    keep_bytes: 16 << 20,
                    keep_seconds: 86_400,
                    timeout_seconds: 10,
                    ca_file: None,
                    client_cert_file: None,
                    client_key_file: None,
                }
            }
        }

        /// What to do about a sink without exactly one of them.
        pub(super) const KINDS: &str = concat!("name exactly one under each sink: ", $(stringify!($kind), " ",)* "are the kinds");

        impl Settings {
            /// The kinds that are named: one, if nothing is wrong.
            pub(super) fn destinations(&self) -> Vec<Arc<dyn Destination>> {
                let mut found: Vec<Arc<dyn Destination>> = Vec::new();
                $(if let Some(kind) = &self.$kind {
                    found.push(Arc::new(kind.clone()));
                })*
                found
            }
        }
    };
}

kinds! {
    /// JSON to a URL of yours, signed.
    webhook: Webhook,
    /// Prometheus Alertmanager, API v2.
    alertmanager: Alertmanager,
    /// Slack, by an incoming webhook or a bot.
    slack: Slack,
    /// PagerDuty, Events API v2.
    pagerduty: Pagerduty,
    /// Microsoft Teams, by a webhook of Workflows.
    teams: Teams,
    /// Syslog, RFC 5424.
    syslog: Syslog,
    /// Splunk, HTTP Event Collector.
    splunk: Splunk,
    /// Elasticsearch or OpenSearch.
    elasticsearch: Elasticsearch,
    /// A file of JSON lines that rotates.
    file: Rotated,
    /// JSON lines on standard output.
    stdout: Stdout,
    /// Events beside the service account, in the cluster.
    kubernetes: Kubernetes,
}

impl Settings {
    #[must_use]
    pub fn route(&self) -> Route {
        Route {
            min_severity: self.min_severity,
            detectors: self.detectors.clone(),
            namespaces: self.namespaces.clone(),
            every_revision: self.destinations().iter().any(|d| d.every_revision()),
        }
    }

    #[must_use]
    pub fn keep(&self) -> Keep {
        let age = Duration::from_secs(self.keep_seconds);
        Keep {
            notices: self.keep_notices,
            bytes: self.keep_bytes,
            age,
        }
    }

    /// `known` are the authorities that the kind has where the settings name none.
    pub(super) fn tls(&self, known: Option<&Path>) -> Tls {
        Tls {
            ca_file: self.ca_file.clone().or(known.map(Path::to_owned)),
            client: self
                .client_cert_file
                .clone()
                .zip(self.client_key_file.clone()),
        }
    }

    /// Everything that is wrong, in the order of the fields.
    #[must_use]
    pub fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        let kinds = self.destinations();
        if kinds.len() != 1 {
            found.push(("", "the sink has no receiver, or more than one", KINDS));
        }
        kinds.iter().for_each(|kind| found.extend(kind.wrong()));
        if !(1..=KEEP_NOTICES_MAX).contains(&self.keep_notices) {
            found.push((
                "keep_notices",
                "it is out of range",
                "set 1 to 50000; the default is 10000",
            ));
        }
        if !(1 << 20..=KEEP_BYTES_MAX).contains(&self.keep_bytes) {
            let remedy = "set 1048576 (1 MiB) to 268435456 (256 MiB); the default is 16777216";
            found.push(("keep_bytes", "it is out of range", remedy));
        }
        if !(60..=30 * 86_400).contains(&self.keep_seconds) {
            found.push((
                "keep_seconds",
                "it is out of range",
                "set 60 to 2592000 (30 days); the default is 86400",
            ));
        }
        if !(1..=300).contains(&self.timeout_seconds) {
            found.push((
                "timeout_seconds",
                "it is out of range",
                "set 1 to 300; the default is 10",
            ));
        }
        if self.client_cert_file.is_some() != self.client_key_file.is_some() {
            found.push((
                "client_cert_file",
                "a certificate goes with its key",
                "name client_key_file, too",
            ));
        }
        found
    }
}

/// With a scheme and a host, and without anything that is a secret.
pub(super) fn is_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        let plain = url.username().is_empty() && url.password().is_none();
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && plain
            && !text.contains(char::is_whitespace)
    })
}
