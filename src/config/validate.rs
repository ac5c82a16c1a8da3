//! What the types cannot say: values that would break judging, or silence it.
//!
//! Refuses to correct anything: what is wrong is said, and the settings in force stay.

use super::{Config, Daemon, Problem};
use crate::detect::{Policy, detectors, weigh};
use crate::engine::camera;
use crate::telemetry::accounts;

/// Longest name of a cluster: it is part of every incident.
const CLUSTER_NAME: usize = 63;
const LINE_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=256 << 20;
const POLL_SECONDS: std::ops::RangeInclusive<f64> = 0.05..=3600.0;

/// Ids that are told without a detector: what could not be seen.
pub(super) const VISIBILITY: [&str; camera::ALL.len()] = camera::ALL;

/// Everything that is wrong, in the order of the file.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut found = Vec::new();
    daemon(&config.daemon, &mut found);
    for (field, what, remedy) in config.receive.wrong() {
        say(&mut found, &format!("receive.{field}"), what, remedy);
    }
    cluster(&config.policy.cluster, &mut found);
    above_zero(&config.policy, &mut found);
    windows(&config.policy, &mut found);
    detectors_named(&config.policy, &mut found);
    weights(&config.policy, &mut found);
    sinks(config, &mut found);
    found
}

fn say(found: &mut Vec<Problem>, field: &str, what: &str, remedy: &str) {
    found.push(Problem {
        file: None,
        field: field.to_owned(),
        what: what.to_owned(),
        remedy: remedy.to_owned(),
        place: None,
    });
}

fn daemon(daemon: &Daemon, found: &mut Vec<Problem>) {
    if daemon.state.as_os_str().is_empty() {
        say(
            found,
            "daemon.state",
            "the path is empty",
            "name a directory that only tokentrail can write",
        );
    }
    let mut logs = daemon.audit_logs.clone();
    logs.sort();
    if logs.iter().any(|l| l.as_os_str().is_empty()) {
        say(
            found,
            "daemon.audit_logs",
            "a path is empty",
            "name the file that the API server writes",
        );
    }
    if let Some(pair) = logs.windows(2).find(|pair| pair[0] == pair[1]) {
        let what = format!("{} is named twice", pair[0].display());
        say(
            found,
            "daemon.audit_logs",
            &what,
            "name each log once: its events would count twice",
        );
    }
    if !LINE_BYTES.contains(&daemon.max_line_bytes) {
        let remedy = "set 65536 (64 KiB) to 268435456 (256 MiB); the default is 16777216";
        say(
            found,
            "daemon.max_line_bytes",
            "the longest line is out of range",
            remedy,
        );
    }
    if daemon.account_series > accounts::MOST {
        let remedy = "set 0 to 500; each is a series in Prometheus";
        say(found, "daemon.account_series", "there are too many", remedy);
    }
    if !POLL_SECONDS.contains(&daemon.poll_seconds) {
        let remedy = "set 0.05 to 3600 seconds; the default is 1";
        say(
            found,
            "daemon.poll_seconds",
            "the pause between looks is out of range",
            remedy,
        );
    }
}

fn sinks(config: &Config, found: &mut Vec<Problem>) {
    let known: Vec<&str> = detectors::ALL
        .iter()
        .map(|d| d.meta.id)
        .chain(VISIBILITY)
        .collect();
    let rules = &config.policy.rules.rules;
    let is_known = |id: &String| known.contains(&id.as_str()) || rules.iter().any(|r| r.id == *id);
    for (name, settings) in &config.sinks {
        let field = format!("sinks.{name}");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > CLUSTER_NAME || !name.chars().all(plain) {
            say(
                found,
                &field,
                "the name cannot be used",
                "use 1 to 63 letters, digits, - and _",
            );
        }
        for (below, what, remedy) in settings.wrong() {
            say(
                found,
                format!("{field}.{below}").trim_end_matches('.'),
                what,
                remedy,
            );
        }
        if !settings.detectors.iter().all(is_known) {
            let remedy = format!("use {}", known.join(", "));
            say(
                found,
                &format!("{field}.detectors"),
                "there is no such detector",
                &remedy,
            );
        }
    }
}

fn cluster(name: &str, found: &mut Vec<Problem>) {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '@');
    if name.len() > CLUSTER_NAME || !name.chars().all(plain) {
        let remedy = "use at most 63 letters, digits and - _ . : / @";
        say(
            found,
            "cluster",
            "the name of the cluster is too long or has other characters",
            remedy,
        );
    }
}

/// The most bits that a setting may give to an act.
const GAIN_MAX: u32 = 40;

fn weights(policy: &Policy, found: &mut Vec<Problem>) {
    let t = &policy.severity;
    if !(0 < t.low && t.low < t.medium && t.medium < t.high && t.high < t.critical) {
        let remedy = "let them rise from low to critical; the defaults are 5, 12, 18 and 27";
        say(
            found,
            "severity",
            "the bits of the severities do not rise",
            remedy,
        );
    }
    for (key, bits) in &policy.gains {
        let field = format!("gains.{key}");
        if !weigh::is_key(key) {
            let remedy =
                "use a key of docs/design/judgement.md, such as secret.list or secret.list.c";
            say(found, &field, "there is no such act", remedy);
        }
        if *bits > GAIN_MAX {
            say(found, &field, "it is more than 40 bits", "set 0 to 40");
        }
    }
}

fn above_zero(policy: &Policy, found: &mut Vec<Problem>) {
    let usize_of = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let values = [
        ("learning.min_events", policy.learning.min_events),
        ("learning.forget_days", policy.learning.forget_days),
        ("learning.sensitive_days", policy.learning.sensitive_days),
        ("limits.accounts", usize_of(policy.limits.accounts)),
        (
            "enumeration.window_seconds",
            policy.enumeration.window_seconds,
        ),
        (
            "enumeration.slow_window_seconds",
            policy.enumeration.slow_window_seconds,
        ),
        ("enumeration.threshold", policy.enumeration.threshold),
        ("unauthenticated.outside", policy.unauthenticated.outside),
        ("unauthenticated.inside", policy.unauthenticated.inside),
        ("incidents.quiet_seconds", policy.incidents.quiet_seconds),
        ("incidents.longest_hours", policy.incidents.longest_hours),
        (
            "incidents.open_limit",
            usize_of(policy.incidents.open_limit),
        ),
        (
            "visibility.silent_seconds",
            policy.visibility.silent_seconds,
        ),
        (
            "visibility.vanished_events",
            policy.visibility.vanished_events,
        ),
    ];
    for (field, _) in values.into_iter().filter(|(_, value)| *value == 0) {
        let remedy = "set 1 or more; to do without a detector, set `disabled: true` for it under `detectors`";
        say(
            found,
            field,
            "it is 0, with which nothing can be judged",
            remedy,
        );
    }
}

fn windows(policy: &Policy, found: &mut Vec<Problem>) {
    if policy.enumeration.slow_window_seconds < policy.enumeration.window_seconds {
        let remedy = "make it longer than enumeration.window_seconds";
        say(
            found,
            "enumeration.slow_window_seconds",
            "the slow window is shorter than the fast one",
            remedy,
        );
    }
    if policy.learning.forget_days < policy.learning.min_days.max(policy.learning.sensitive_days) {
        let remedy = "make it at least learning.min_days and learning.sensitive_days";
        say(
            found,
            "learning.forget_days",
            "behaviour is forgotten before it can become habit",
            remedy,
        );
    }
    if policy.incidents.longest_hours.saturating_mul(3600) < policy.incidents.quiet_seconds {
        let remedy = "make it longer than incidents.quiet_seconds";
        say(
            found,
            "incidents.longest_hours",
            "an incident would end before it can fall quiet",
            remedy,
        );
    }
}

fn detectors_named(policy: &Policy, found: &mut Vec<Problem>) {
    let known: Vec<&str> = detectors::ALL
        .iter()
        .map(|d| d.meta.id)
        .chain(VISIBILITY)
        .collect();
    for (id, settings) in &policy.detectors {
        let field = format!("detectors.{id}");
        if !known.contains(&id.as_str()) {
            say(
                found,
                &field,
                "there is no such detector",
                &format!("use one of {}", known.join(", ")),
            );
        } else if settings.disabled && VISIBILITY.contains(&id.as_str()) {
            let remedy = "use `at_most: info` to keep it in the record without notice";
            say(
                found,
                &field,
                "what could not be seen cannot be disabled",
                remedy,
            );
        }
    }
}
