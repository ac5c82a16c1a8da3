//! End to end: the binary as people run it, on the bundled real log.
//!
//! The daemon that followed the lines, with kills and rotations in between, ends with the same incidents
//! as a replay of them; and the incidents file has every revision once.

#[path = "daemon/harness.rs"]
mod harness;

use harness::{Daemon, Home, incidents_of, last_revisions, replay, sample};
use std::collections::BTreeMap;
use std::fs;

type Essence = BTreeMap<String, (String, String, String)>;

/// Id to principal, severity and detectors.
fn essence(incidents: &[serde_json::Value]) -> Essence {
    let text = |v: &serde_json::Value, key: &str| v[key].to_string();
    incidents
        .iter()
        .map(|i| (text(i, "id"), (text(i, "principal"), text(i, "severity"), text(i, "detectors"))))
        .collect()
}

#[test]
fn replay_gives_the_same_bytes_twice_and_finds_the_attacks() {
    let home = Home::new();
    home.write_log(&sample());
    let first = replay(&[home.log()], &[]);
    assert_eq!(first.stdout, replay(&[home.log()], &[]).stdout);
    let found = incidents_of(&first.stdout);
    let severe = found
        .iter()
        .filter(|i| i["kind"] == "threat" && ["medium", "high", "critical"].contains(&i["severity"].as_str().unwrap()));
    assert!(severe.count() >= 12, "of the seventeen attacks of the sample");
    assert!(first.stderr.contains("4130 events"), "{}", first.stderr);
}

#[test]
fn exit_codes_say_what_was_asked_for() {
    let home = Home::new();
    home.write_log(&sample());
    assert_eq!(replay(&[home.log()], &[]).code, 0);
    assert_eq!(replay(&[home.log()], &["--fail-on", "critical"]).code, 2);
    assert_eq!(replay(&[home.path("missing.log")], &[]).code, 1);
    let broken = "not json\n{\"kind\":\"Event\"}\n";
    home.write_log(broken.as_bytes());
    let run = replay(&[home.log()], &["--fail-on", "info"]);
    assert_eq!(run.code, 0, "malformed lines are data: {}", run.stderr);
    assert!(run.stderr.contains("malformed lines: 2"), "{}", run.stderr);
}

#[test]
fn the_daemon_ends_with_the_incidents_of_a_replay() {
    let home = Home::new();
    let log = sample();
    let mut daemon = Daemon::start(&home);
    home.write_log(&log);
    daemon.wait_for_bytes(log.len() as u64);
    daemon.terminate();
    let expected = essence(&incidents_of(&replay(&[home.log()], &[]).stdout));
    assert_eq!(essence(&last_revisions(&home.incidents())), expected);
}

#[test]
fn kills_and_rotations_lose_and_double_nothing() {
    let home = Home::new();
    let log = sample();
    let lines: Vec<&[u8]> = log.split_inclusive(|b| *b == b'\n').collect();
    let mut written = 0;
    for (round, chunk) in lines.chunks(lines.len() / 9 + 1).enumerate() {
        let mut daemon = Daemon::start(&home);
        let (a, b) = chunk.split_at(chunk.len() / 2);
        home.append(&a.concat());
        if round % 3 == 2 {
            // Killed while it may be anywhere.
            daemon.kill();
            home.append(&b.concat());
        } else {
            home.append(&b.concat());
            daemon.wait_for_any_commit();
            daemon.kill();
        }
        written += chunk.len();
        if round % 2 == 1 {
            home.rotate(round, round % 4 == 3);
        }
    }
    assert_eq!(written, lines.len());
    let mut daemon = Daemon::start(&home);
    daemon.wait_until_caught_up();
    daemon.terminate();
    let once = Home::new();
    once.write_log(&log);
    let expected = incidents_of(&replay(&[once.log()], &[]).stdout);
    assert_eq!(essence(&last_revisions(&home.incidents())), essence(&expected));
    let revisions: Vec<String> = fs::read_to_string(home.incidents()).unwrap().lines().map(revision_key).collect();
    let mut distinct = revisions.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), revisions.len(), "a revision was written twice");
    let counts = "SELECT count(*) AS events, count(DISTINCT seq) AS numbers FROM events";
    assert_eq!(home.query(counts), "{\"events\":4130,\"numbers\":4130}\n", "each event is in history once");
    let by_file = "SELECT count(*) AS n FROM (SELECT DISTINCT file, position FROM events)";
    assert_eq!(home.query(by_file), "{\"n\":4130}\n");
}

#[test]
fn history_is_asked_while_the_daemon_writes_it() {
    let home = Home::new();
    let log = sample();
    let mut daemon = Daemon::start(&home);
    home.write_log(&log);
    daemon.wait_for_bytes(log.len() as u64);
    assert_eq!(home.query("SELECT count(*) AS n FROM events"), "{\"n\":4130}\n");
    let incidents = home.query("SELECT count(*) AS n FROM incidents");
    let told: std::collections::BTreeSet<String> =
        last_revisions(&home.incidents()).iter().map(|incident| incident["id"].to_string()).collect();
    assert_eq!(incidents, format!("{{\"n\":{}}}\n", told.len()));
    assert!(daemon.terminate());
}

fn revision_key(line: &str) -> String {
    let incident: serde_json::Value = serde_json::from_str(line).unwrap();
    format!("{}/{}", incident["id"], incident["revision"])
}

#[test]
fn a_baseline_bootstrapped_by_replay_goes_on_live() {
    let home = Home::new();
    let log = sample();
    let half = log.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(2500).unwrap().0 + 1;
    home.write_log(&log[..half]);
    let state = home.state();
    assert_eq!(replay(&[home.log()], &["--state", state.to_str().unwrap()]).code, 0);
    let again = replay(&[home.log()], &["--state", state.to_str().unwrap()]);
    assert!(again.stderr.contains("0 events"), "read twice: {}", again.stderr);
    home.append(&log[half..]);
    let mut daemon = Daemon::start(&home);
    daemon.wait_until_caught_up();
    daemon.terminate();
    let once = Home::new();
    once.write_log(&log);
    let all = essence(&incidents_of(&replay(&[once.log()], &[]).stdout));
    let live = essence(&last_revisions(&home.incidents()));
    assert!(!live.is_empty());
    for (id, said) in &live {
        assert_eq!(all.get(id), Some(said), "an incident that a whole replay does not know");
    }
}

#[test]
fn ready_on_an_idle_log_and_on_none() {
    let home = Home::new();
    let mut daemon = Daemon::start(&home);
    daemon.wait_until_caught_up();
    let verbose = daemon.get("/readyz?verbose").1;
    assert!(verbose.contains("[+]"), "{verbose}");
    assert_eq!(daemon.get("/livez").0, 200);
    assert!(daemon.get("/metrics").1.contains("tokentrail_build_info"));
    assert_eq!(daemon.get("/nothing").0, 404);
    assert!(daemon.terminate(), "ends by itself on SIGTERM");
}

#[test]
fn a_full_disk_stops_the_reading_and_nothing_is_lost() {
    let Some(disk) = harness::SmallDisk::mount(6 << 20) else {
        println!("skipped: no small file system can be mounted here (it takes root and tmpfs)");
        return;
    };
    let home = Home::with_state(disk.path().join("state"));
    let log = sample();
    // So little that the state has to grow for the rest.
    let begin = log.iter().position(|b| *b == b'\n').unwrap() + 1;
    home.append(&log[..begin]);
    let mut daemon = Daemon::start(&home);
    daemon.wait_for_any_commit();
    disk.fill();
    home.append(&log[begin..]);
    daemon.wait_until_not_ready();
    disk.free();
    daemon.wait_until_caught_up();
    daemon.terminate();
    let once = Home::new();
    once.write_log(&log);
    let expected = essence(&incidents_of(&replay(&[once.log()], &[]).stdout));
    assert_eq!(essence(&last_revisions(&home.incidents())), expected);
}

#[test]
fn a_changed_configuration_is_taken_and_a_wrong_one_is_told() {
    let home = Home::new();
    let config = home.path("tokentrail.yaml");
    fs::write(&config, "cluster: before\n").unwrap();
    let mut daemon = Daemon::start_with(&home, &["--config", config.to_str().unwrap()]);
    daemon.wait_until_caught_up();
    fs::write(&config, "cluster: after\nlearning: {min_dais: 3}\n").unwrap();
    daemon.wait_for_metric("tokentrail_config_last_reload_successful", 0.0);
    fs::write(&config, "cluster: after\n").unwrap();
    daemon.wait_for_metric("tokentrail_config_last_reload_successful", 1.0);
    let log = sample();
    home.write_log(&log);
    daemon.wait_for_bytes(log.len() as u64);
    daemon.terminate();
    let told = last_revisions(&home.incidents());
    assert!(!told.is_empty() && told.iter().all(|i| i["cluster"] == "after"));
}
