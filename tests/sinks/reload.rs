//! Sinks that change while the daemon runs: nothing is lost, told twice, or told to nobody.

use super::harness::{Daemon, Home, incidents_of, sample};
use super::local::Local;
use serde_json::Value;
use std::collections::BTreeSet;

fn told(row: &Value) -> (String, u64) {
    (
        row["id"].as_str().unwrap().to_owned(),
        row["revision"].as_u64().unwrap(),
    )
}

#[test]
fn a_sink_that_moves_goes_on_where_it_was_and_the_others_are_left_alone() {
    let (home, log) = (Home::new(), sample());
    let (stays, old, new) = (Local::start(&[]), Local::start(&[]), Local::start(&[]));
    let config = home.path("t.yaml");
    let write = |moved: &Local| {
        let sink = |local: &Local| {
            format!(
                "{{ webhook: {{ url: '{}', every_revision: true }}, min_severity: info }}",
                local.url
            )
        };
        let text = format!(
            "daemon: {{ account_series: 2 }}\nsinks:\n  stays: {}\n  moves: {}\n",
            sink(&stays),
            sink(moved)
        );
        // Whole at once, as a mounted ConfigMap changes.
        std::fs::write(home.path("new.yaml"), text).unwrap();
        std::fs::rename(home.path("new.yaml"), &config).unwrap();
    };
    write(&old);
    let half = log.len() / 2;
    home.write_log(&log[..half]);
    let mut daemon = Daemon::start_with(&home, &["--config", config.to_str().unwrap()]);
    let lines = log[..half].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    daemon.wait_for_metric("tokentrail_bytes_read_total", lines as f64);
    let first: Vec<Value> = incidents_of(&std::fs::read_to_string(home.incidents()).unwrap());
    let keys = |local: &Local, rows: usize| {
        (0..rows)
            .map(|_| told(&local.next().json()["incident"]))
            .collect::<Vec<_>>()
    };
    let expected: Vec<_> = first.iter().map(told).collect();
    assert!(!expected.is_empty());
    assert_eq!(keys(&stays, expected.len()), expected);
    assert_eq!(keys(&old, expected.len()), expected);
    let loaded = daemon.metric("tokentrail_config_reloads_total");
    write(&new);
    daemon.wait_for_metric("tokentrail_config_reloads_total", loaded + 1.0);
    home.append(&log[half..]);
    daemon.wait_for_metric("tokentrail_bytes_read_total", log.len() as f64);
    let due: BTreeSet<_> = incidents_of(&std::fs::read_to_string(home.incidents()).unwrap())
        .iter()
        .map(told)
        .collect();
    let rest = due.len() - expected.len();
    assert!(rest > 0);
    let (at_new, at_stays) = (keys(&new, rest), keys(&stays, rest));
    assert_eq!(at_new, at_stays, "both go on with what comes after");
    assert!(
        at_new.iter().all(|key| !expected.contains(key)),
        "told twice"
    );
    let page = daemon.get("/metrics").1;
    let series = page
        .lines()
        .filter(|line| line.starts_with("tokentrail_account_incidents_total{"));
    assert_eq!(series.count(), 3, "two accounts, and one for the others");
    assert!(daemon.terminate());
}
