//! The one settings file: what the daemon reads and writes, and the policy that judging goes by.
//!
//! Refuses unknown settings, and values that would silence the auditor without saying so.

mod error;
mod geoip;
mod place;
pub mod reference;
mod reload;
pub mod rules;
mod validate;

pub use error::{ConfigError, Problem};
pub use geoip::{Databases, Found, Geoip};
pub use reload::Reloader;

use crate::base::Span;
use crate::baseline::{Learning, population::Limits};
use crate::detect::Policy;
use crate::detect::policy::{
    DetectorPolicy, Enumeration, Incidents, Network, Thresholds, Unauthenticated, Visibility,
};
use crate::detect::profile::Profile;
use crate::history::Retention;
use crate::sink;
use crate::source::receive;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Read when no file is named and it exists.
pub const DEFAULT_PATH: &str = "/etc/tokentrail/tokentrail.yaml";
/// The documented defaults, in force where no file is.
pub const BUNDLED: &str = include_str!("../../config/tokentrail.yaml");

/// All settings.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// What takes effect when the daemon starts.
    pub daemon: Daemon,
    /// The door for senders; takes effect when the daemon starts.
    pub receive: receive::Settings,
    /// Where notices go, by name; takes effect while it runs.
    pub sinks: BTreeMap<String, sink::Settings>,
    /// Files and directories of rules, exemptions and silences; relative paths begin at the
    /// settings file.
    pub rules: Vec<PathBuf>,
    /// Files that say whose network a public address is in; relative paths begin at the settings
    /// file.
    pub geoip: Geoip,
    /// What these files hold.
    pub databases: Arc<Databases>,
    /// What takes effect while it runs.
    pub policy: Policy,
    /// Rules that match less than they say, a sentence each.
    pub warnings: Vec<String>,
}

/// Where a log that was never read begins.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    /// With its oldest rotated file.
    #[default]
    Oldest,
    /// At its present end.
    End,
}

/// What the daemon reads, keeps and serves. Changes need a restart.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Daemon {
    /// The audit logs that API servers write, one for each. They need not exist yet.
    pub audit_logs: Vec<PathBuf>,
    /// The directory of baselines, positions and incidents; made if it is missing.
    pub state: PathBuf,
    /// A file that every revision of every incident is appended to, a JSON object a line.
    pub incidents: Option<PathBuf>,
    /// Address and port of /metrics, /livez and /readyz.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Where to begin in a log that was never read: with its `oldest` rotated file, or at its
    /// present `end`.
    pub start: Begin,
    /// Longest line in bytes; a longer one is counted as malformed.
    pub max_line_bytes: usize,
    /// Seconds between looks at the logs where the file system does not wake the daemon; fractions
    /// are allowed.
    pub poll_seconds: f64,
    /// Days that audit events stay in history; the daily rollup stays longer.
    pub history_days: u32,
    /// Megabytes (10^6) that the event files of history may take; the oldest go first.
    pub history_megabytes: u64,
    /// Service accounts with a series of their own in `tokentrail_account_incidents_total`, at most
    /// 500; 0 for none.
    pub account_series: usize,
}

impl Default for Daemon {
    fn default() -> Daemon {
        Daemon {
            audit_logs: Vec::new(),
            state: "/var/lib/tokentrail".into(),
            incidents: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
            start: Begin::Oldest,
            max_line_bytes: 16 << 20,
            poll_seconds: 1.0,
            history_days: 90,
            history_megabytes: 10_000,
            account_series: 0,
        }
    }
}

impl Daemon {
    /// How long history is kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            age: Span::seconds(i64::from(self.history_days) * 86_400),
            bytes: self.history_megabytes.saturating_mul(1_000_000),
        }
    }
}

/// The file as it is written: the sections of the policy stand beside `daemon`.
///
/// A flattened policy would lose both the refusal of unknown settings and their place in the file.
#[derive(Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct File {
    daemon: Daemon,
    receive: receive::Settings,
    /// The name of the cluster: part of every incident and of its id.
    cluster: String,
    /// How loud judging is. It decides the settings of the table at the end that still have their
    /// default.
    profile: Profile,
    learning: Learning,
    limits: Limits,
    network: Network,
    geoip: Geoip,
    enumeration: Enumeration,
    unauthenticated: Unauthenticated,
    incidents: Incidents,
    visibility: Visibility,
    severity: Thresholds,
    /// Bits that acts would win an intruder, in place of the built-in ones: by key (`secret.list`),
    /// or by key and reach (`secret.list.c`). At most 40; docs/detectors/gains.md lists them.
    gains: BTreeMap<String, u32>,
    /// Per detector, by its id.
    detectors: BTreeMap<String, DetectorPolicy>,
    /// Files and directories of rules, exemptions and silences; relative paths begin at this file.
    rules: Vec<PathBuf>,
    /// Where notices about incidents go, by names of yours; docs/sinks.md has a section for each
    /// kind.
    sinks: BTreeMap<String, sink::Settings>,
}

impl From<File> for Config {
    fn from(file: File) -> Config {
        let File {
            daemon,
            receive,
            cluster,
            profile,
            learning,
            limits,
            network,
            geoip,
            enumeration,
            unauthenticated,
            incidents,
            visibility,
            severity,
            gains,
            detectors,
            rules,
            sinks,
        } = file;
        let mut policy = Policy {
            cluster,
            learning,
            limits,
            network,
            enumeration,
            unauthenticated,
            incidents,
            visibility,
            severity,
            gains,
            detectors,
            rules: Arc::default(),
        };
        profile.apply(&mut policy);
        Config {
            daemon,
            receive,
            sinks,
            rules,
            geoip,
            databases: Arc::default(),
            policy,
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the named file; without a name the one at [`DEFAULT_PATH`], or the bundled one where
    /// there is none.
    ///
    /// # Errors
    /// The file cannot be read, is over 1 MiB, is not YAML, or a setting in it is unknown or makes
    /// no sense.
    pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
        Reloader::open(path).map(|(config, _)| config)
    }

    /// Reads settings out of `text`; `file` is named in errors, and relative paths of rules begin
    /// beside it. The files of `geoip` are left closed.
    ///
    /// # Errors
    /// As [`Config::load`], but for reading.
    pub fn parse(text: &str, file: &Path) -> Result<Config, ConfigError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let parsed: File = if text.lines().all(place::is_blank) {
            File::default()
        } else {
            serde_saphyr::from_str_with_options(text, options)
                .map_err(|e| ConfigError::yaml(file, text, &e))?
        };
        let mut config = Config::from(parsed);
        if !config.rules.is_empty() {
            let loaded = rules::load(&config.rules, config_dir(file));
            if let Some(error) = loaded.error() {
                return Err(error);
            }
            config.warnings = loaded.warnings();
            config.policy.rules = Arc::new(loaded.rules);
        }
        let problems = validate::problems(&config);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::settings(file, text, problems))
        }
    }

    /// The directory of the spool; `None` where nothing is received.
    #[must_use]
    pub fn spool(&self) -> Option<PathBuf> {
        self.receive.listen?;
        Some(
            self.receive
                .spool
                .clone()
                .unwrap_or_else(|| self.daemon.state.join("spool")),
        )
    }

    /// A sentence about what in `newer` takes effect only after a restart; `None` where nothing
    /// does.
    #[must_use]
    pub fn restart_warning(&self, newer: &Config) -> Option<String> {
        let mut changed = changes("daemon", &self.daemon, &newer.daemon);
        changed.extend(changes("receive", &self.receive, &newer.receive));
        let verb = if changed.len() == 1 { "takes" } else { "take" };
        let names = changed.join(", ");
        (!changed.is_empty()).then(|| {
            format!("{names} changed in the configuration and {verb} effect only when tokentrail is restarted")
        })
    }
}

/// Settings of a section that differ.
fn changes(section: &str, old: &impl Serialize, new: &impl Serialize) -> Vec<String> {
    let (old, new) = (
        serde_json::to_value(old).unwrap_or_default(),
        serde_json::to_value(new).unwrap_or_default(),
    );
    let differ =
        |(name, value): &(&String, &serde_json::Value)| new.get(name.as_str()) != Some(*value);
    old.as_object()
        .into_iter()
        .flatten()
        .filter(differ)
        .map(|(name, _)| format!("{section}.{name}"))
        .collect()
}

fn config_dir(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests;
