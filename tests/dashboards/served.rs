//! Every expression of `dashboards/` asked of a real Prometheus that scrapes the real daemon,
//! before and after faults.
//!
//! Refuses to wait for the `for` of alerts: `promtool test rules` proves those with time as an
//! argument.

use super::files::{Expression, panel_expressions, rule_expressions, rules_file, substituted};
use super::harness::{Daemon, Home, sample};
use super::prometheus::{Prometheus, can_run, check};
use std::fs;

/// What fills a panel, or the expression of an alert, that is empty otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// The bundled log: attacks, and times of silence.
    Sample,
    /// Lines that are no JSON.
    Malformed,
    /// A log that became shorter.
    Hole,
    /// A settings file with an unknown setting.
    Settings,
    /// A daemon that was killed.
    Killed,
}

/// Panels that may be empty.
const EMPTY_PANELS: [(&str, Fault); 9] = [
    ("soc-overview: Findings by detector", Fault::Sample),
    ("service-account-explorer: Chosen detectors", Fault::Sample),
    (
        "service-account-explorer: Most active detectors",
        Fault::Sample,
    ),
    (
        "service-account-explorer: Incidents by account",
        Fault::Sample,
    ),
    ("soc-overview: Malformed lines by reason", Fault::Malformed),
    ("pipeline-health: Malformed lines", Fault::Malformed),
    ("soc-overview: Holes by kind", Fault::Sample),
    ("pipeline-health: Holes", Fault::Sample),
    ("pipeline-health: Changes of the settings", Fault::Settings),
];

/// Panels of a receiver, which this daemon has not: `tests/receive.rs` asks for their metrics.
const WITHOUT_RECEIVER: [&str; 1] = ["pipeline-health: Duration of an answer"];

/// Alerts whose fault is cheap to make. The faults of the others are in the unit tests of the
/// rules.
const CHEAP_ALERTS: [(&str, Fault); 9] = [
    ("TokentrailCriticalIncident", Fault::Sample),
    ("TokentrailHighIncident", Fault::Sample),
    ("TokentrailMediumIncident", Fault::Sample),
    ("TokentrailMalformedLines", Fault::Malformed),
    ("TokentrailGap", Fault::Sample),
    ("TokentrailVisibilityIncident", Fault::Sample),
    ("TokentrailSinkFailing", Fault::Sample),
    ("TokentrailConfigReloadFailed", Fault::Settings),
    ("TokentrailDown", Fault::Killed),
];

/// Alerts that an empty log is already a fault for.
const SILENCE: [&str; 2] = ["TokentrailLogSilent", "TokentrailCommitOld"];

struct Stage {
    home: Home,
    _other_home: Home,
    daemon: Daemon,
    other: Daemon,
    prometheus: Prometheus,
    /// The expressions that may be empty, with their faults.
    waiting: Vec<(Expression, Fault)>,
}

impl Stage {
    fn set() -> Stage {
        let home = Home::new();
        home.write_log(b"");
        let config = home.path("tokentrail.yaml");
        // One sink that works, and one whose receiver is never there.
        let sinks =
            "sinks:\n  out: { stdout: {} }\n  gone: { webhook: { url: 'http://127.0.0.1:1/' } }\n";
        fs::write(
            &config,
            format!("cluster: before\ndaemon: {{account_series: 20}}\n{sinks}"),
        )
        .unwrap();
        let daemon = Daemon::start_with(&home, &["--config", config.to_str().unwrap()]);
        let other_home = Home::new();
        let other = Daemon::start(&other_home);
        let prometheus = Prometheus::start(&home.path(""), &[&daemon.address, &other.address]);
        let mut waiting = listed(&panel_expressions(), &EMPTY_PANELS);
        waiting.extend(listed(&rule_expressions("alert"), &CHEAP_ALERTS));
        // The sample has holes of another kind already.
        let text = "ALERTS{alertname=\"TokentrailGap\", kind=\"truncated\"}".to_owned();
        waiting.push((
            Expression {
                place: "a log that became shorter".to_owned(),
                text,
            },
            Fault::Hole,
        ));
        Stage {
            home,
            _other_home: other_home,
            daemon,
            other,
            prometheus,
            waiting,
        }
    }

    fn wait_for_data(&mut self, expression: &Expression) {
        let what = format!("data of {expression:?}");
        self.daemon
            .wait(&what, |_| self.prometheus.has_data(&expression.text));
    }

    /// What no fault was made for yet is empty.
    fn the_rest_is_quiet(&self) {
        for (expression, fault) in &self.waiting {
            assert!(
                !self.prometheus.has_data(&expression.text),
                "before {fault:?}: {expression:?}"
            );
        }
    }

    fn wait_for(&mut self, fault: Fault) {
        let (made, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, of)| *of == fault);
        self.waiting = rest;
        let made: Vec<(Expression, Fault)> = made;
        assert!(!made.is_empty(), "{fault:?} fills nothing");
        made.iter()
            .for_each(|(expression, _)| self.wait_for_data(expression));
        self.the_rest_is_quiet();
    }
}

fn listed(all: &[Expression], faults: &[(&str, Fault)]) -> Vec<(Expression, Fault)> {
    let found = faults.iter().map(|(place, fault)| {
        let expression = all
            .iter()
            .find(|e| e.place == *place)
            .unwrap_or_else(|| panic!("no {place}"));
        (substituted_if_panel(expression), *fault)
    });
    found.collect()
}

/// Rules have templates only in annotations.
fn substituted_if_panel(expression: &Expression) -> Expression {
    if expression.text.contains('$') {
        substituted(expression)
    } else {
        expression.clone()
    }
}

#[test]
fn panels_and_rules_have_data_where_it_is_due() {
    if !can_run("prometheus") {
        return;
    }
    let mut stage = Stage::set();
    for alert in rule_expressions("alert")
        .iter()
        .filter(|e| SILENCE.contains(&e.place.as_str()))
    {
        stage.wait_for_data(alert);
    }
    stage.the_rest_is_quiet();

    let log = sample();
    stage.home.append(&log);
    stage.daemon.wait_for_bytes(log.len() as u64);
    stage.wait_for(Fault::Sample);
    let may_be_empty = |e: &Expression| {
        WITHOUT_RECEIVER.contains(&&*e.place)
            || EMPTY_PANELS.iter().any(|(place, _)| *place == e.place)
    };
    for expression in panel_expressions().iter().filter(|e| !may_be_empty(e)) {
        stage.wait_for_data(&substituted(expression));
    }
    for recording in rule_expressions("record") {
        stage.wait_for_data(&Expression {
            text: recording.place.clone(),
            place: recording.place,
        });
    }
    for alert in rule_expressions("alert") {
        stage.prometheus.has_data(&alert.text);
    }

    stage.home.append("not an event\n".repeat(500).as_bytes());
    stage.wait_for(Fault::Malformed);
    let first_line = log.iter().position(|b| *b == b'\n').unwrap() + 1;
    stage.home.write_log(&log[..first_line]);
    stage.wait_for(Fault::Hole);
    fs::write(
        stage.home.path("tokentrail.yaml"),
        "learning: {min_dais: 3}\n",
    )
    .unwrap();
    stage.wait_for(Fault::Settings);
    stage.other.kill();
    stage.wait_for(Fault::Killed);
    let told = stage.prometheus.get("alerts").unwrap().to_string();
    assert!(
        told.contains("TokentrailGap") && !told.contains("<error expanding"),
        "{told}"
    );
}

#[test]
fn promtool_is_content() {
    if !can_run("promtool") {
        return;
    }
    check(
        "promtool",
        &["check", "rules", rules_file().to_str().unwrap()],
        "",
    );
    check(
        "promtool",
        &["test", "rules", "rules/tokentrail.rules.test.yaml"],
        "",
    );
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let page = daemon.get("/metrics").1;
    check(
        "promtool",
        &["check", "metrics"],
        page.split_once("\r\n\r\n").unwrap().1,
    );
}

#[test]
fn amtool_is_content() {
    if can_run("amtool") {
        check("amtool", &["check-config", "alertmanager.example.yaml"], "");
    }
}
