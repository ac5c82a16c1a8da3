//! End to end: the binary as people run it, on the bundled real log.
//!
//! The daemon that followed the lines, with kills and rotations in between, ends with the same
//! incidents as a replay of them; and the incidents file has every revision once.

#[path = "daemon/harness.rs"]
mod harness;
#[path = "common/skipped.rs"]
mod skipped;

use harness::{Daemon, Home, incidents_of, last_revisions, replay, sample};
use std::collections::BTreeMap;
use std::fs;

type Essence = BTreeMap<String, (String, String, String)>;

/// Id to principal, severity and detectors.
fn essence(incidents: &[serde_json::Value]) -> Essence {
    let text = |v: &serde_json::Value, key: &str| v[key].to_string();
    incidents
        .iter()
        .map(|i| {
            (
                text(i, "id"),
                (
                    text(i, "principal"),
                    text(i, "severity"),
                    text(i, "detectors"),
                ),
            )
        })
        .collect()
}

#[test]
fn replay_gives_the_same_bytes_twice_and_finds_the_attacks() {
    let home = Home::new();
    home.write_log(&sample());
    let first = replay(&[home.log()], &[]);
    assert_eq!(first.stdout, replay(&[home.log()], &[]).stdout);
    let found = incidents_of(&first.stdout);
    let severe = found.iter().filter(|i| {
        i["kind"] == "threat"
            && ["medium", "high", "critical"].contains(&i["severity"].as_str().unwrap())
    });
    assert!(
        severe.count() >= 12,
        "of the seventeen attacks of the sample"
    );
    assert!(first.stderr.contains("4130 events"), "{}", first.stderr);
}

#[test]
fn exit_codes_say_what_was_asked_for() {
    let home = Home::new();
    home.write_log(&sample());
    assert_eq!(replay(&[home.log()], &[]).code, 0);
    assert_eq!(replay(&[home.log()], &["--fail-on", "critical"]).code, 2);
    assert_eq!(replay(&[home.path("missing.log")], &[]).code, 1);
    let broken = b"not json\n{\"kind\":\"Event\"}\n";
    let first = sample()
        .split_inclusive(|b| *b == b'\n')
        .next()
        .unwrap()
        .to_vec();
    for log in [broken.to_vec(), [&broken[..], &first].concat()] {
        home.write_log(&log);
        let run = replay(&[home.log()], &["--fail-on", "medium"]);
        assert_eq!(run.code, 0, "malformed lines are data: {}", run.stderr);
        assert_eq!(
            replay(&[home.log()], &["--fail-on", "low"]).code,
            2,
            "and what they hid is told"
        );
        assert!(run.stderr.contains("malformed lines: 2"), "{}", run.stderr);
    }
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

/// Kills, at moments that a generator chooses, of a daemon on a log that grows and rotates.
const KILLS: usize = 110;

#[test]
fn kills_and_rotations_lose_and_double_nothing() {
    let home = Home::new();
    let log = sample();
    let lines: Vec<&[u8]> = log.split_inclusive(|b| *b == b'\n').collect();
    let (mut written, mut kills, mut moment) = (0, 0, 1_u64);
    for (round, chunk) in lines.chunks(lines.len() / KILLS).enumerate() {
        moment = moment
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut daemon = Daemon::start(&home);
        let (a, b) = chunk.split_at(chunk.len() / 2);
        home.append(&a.concat());
        // From at once to beyond the next commit.
        daemon.ask((moment >> 33) as usize % 600);
        if round % 3 == 2 {
            daemon.kill();
            home.append(&b.concat());
        } else {
            home.append(&b.concat());
            daemon.ask((moment >> 48) as usize % 600);
            daemon.kill();
        }
        kills += 1;
        written += chunk.len();
        if round % 10 == 9 {
            home.rotate(round / 10, round % 20 == 19);
        }
    }
    assert_eq!(written, lines.len());
    assert!(kills >= 100, "{kills}");
    let mut daemon = Daemon::start(&home);
    daemon.wait_until_caught_up();
    daemon.terminate();
    let once = Home::new();
    once.write_log(&log);
    let uninterrupted = replay(&[once.log()], &["--state", once.state().to_str().unwrap()]);
    let expected = incidents_of(&uninterrupted.stdout);
    assert_eq!(
        essence(&last_revisions(&home.incidents())),
        essence(&expected)
    );
    let revisions: Vec<String> = fs::read_to_string(home.incidents())
        .unwrap()
        .lines()
        .map(revision_key)
        .collect();
    let mut distinct = revisions.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(
        distinct.len(),
        revisions.len(),
        "a revision was written twice"
    );
    // All but where the line stood: rotation made many files of one.
    for table in [
        "seq, time, audit_id, stage, principal, uri, facts FROM events",
        "* FROM incidents",
    ] {
        let statement = format!("SELECT {table} ORDER BY 1");
        let (killed, whole) = (home.query(&statement), once.query(&statement));
        assert_eq!(killed.lines().count(), whole.lines().count(), "{table}");
        assert!(killed.lines().eq(whole.lines()), "{table}");
    }
    // Baselines, addresses, clock, open incidents: by their bytes.
    let (killed, whole) = (home.verify(), once.verify());
    assert!(
        killed.starts_with("history and state agree; digest "),
        "{killed}"
    );
    assert_eq!(killed, whole);
}

#[test]
fn history_is_asked_while_the_daemon_writes_it() {
    let home = Home::new();
    let log = sample();
    let mut daemon = Daemon::start(&home);
    home.write_log(&log);
    daemon.wait_for_bytes(log.len() as u64);
    assert_eq!(
        home.query("SELECT count(*) AS n FROM events"),
        "{\"n\":4130}\n"
    );
    let incidents = home.query("SELECT count(*) AS n FROM incidents");
    let told: std::collections::BTreeSet<String> = last_revisions(&home.incidents())
        .iter()
        .map(|incident| incident["id"].to_string())
        .collect();
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
    let half = log
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'\n')
        .nth(2500)
        .unwrap()
        .0
        + 1;
    home.write_log(&log[..half]);
    let state = home.state();
    assert_eq!(
        replay(&[home.log()], &["--state", state.to_str().unwrap()]).code,
        0
    );
    let again = replay(&[home.log()], &["--state", state.to_str().unwrap()]);
    assert!(
        again.stderr.contains("0 events"),
        "read twice: {}",
        again.stderr
    );
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
        assert_eq!(
            all.get(id),
            Some(said),
            "an incident that a whole replay does not know"
        );
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
        skipped::because("no small file system can be mounted here (it takes root and tmpfs)");
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
    daemon.hang_up();
    daemon.wait_for_metric("tokentrail_config_last_reload_successful", 1.0);
    let log = sample();
    home.write_log(&log);
    daemon.wait_for_bytes(log.len() as u64);
    daemon.terminate();
    let told = last_revisions(&home.incidents());
    assert!(!told.is_empty() && told.iter().all(|i| i["cluster"] == "after"));
}

/// Each event is what the file of its time says; one that cannot be used changes nothing.
#[test]
fn a_geoip_file_is_replaced_while_the_daemon_runs() {
    let home = Home::new();
    let (config, file, new) = (
        home.path("tokentrail.yaml"),
        home.path("asn.mmdb"),
        home.path("new"),
    );
    fs::write(&config, "geoip: { asn: asn.mmdb }\n").unwrap();
    let replace = |name: &str| {
        fs::copy(format!("tests/fixtures/geoip/{name}.mmdb"), &new).unwrap();
        fs::rename(&new, &file).unwrap();
    };
    let sample = sample();
    let outside =
        |line: &&[u8]| String::from_utf8_lossy(line).contains("\"sourceIPs\":[\"203.0.113.66\"]");
    let line = sample
        .split_inclusive(|b| *b == b'\n')
        .find(outside)
        .unwrap();
    replace("asn");
    let mut daemon = Daemon::start_with(&home, &["--config", config.to_str().unwrap()]);
    home.append(line);
    daemon.wait_for_bytes(line.len() as u64);
    replace("neither");
    daemon.wait_for_metric("tokentrail_config_last_reload_successful", 0.0);
    home.append(line);
    daemon.wait_for_bytes(2 * line.len() as u64);
    replace("later");
    daemon.hang_up();
    daemon.wait_for_metric("tokentrail_config_last_reload_successful", 1.0);
    home.append(line);
    daemon.wait_for_bytes(3 * line.len() as u64);
    assert!(daemon.terminate());
    let told = home.query("SELECT origin_asn, origin_network FROM events ORDER BY seq");
    let first = r#"{"origin_asn":64501,"origin_network":"Other Net Inc."}"#;
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            first,
            first,
            r#"{"origin_asn":64511,"origin_network":"Later Net"}"#
        ]
    );
}

#[test]
fn a_log_that_gives_nothing_is_named_and_one_that_may_not_be_read_is_not_ready() {
    let home = Home::new();
    let mut daemon = Daemon::start(&home);
    daemon.wait_until_caught_up();
    let words = format!(
        "[+]logs-readable ok: {}: there is no such file yet",
        home.log().display()
    );
    daemon.wait(&words, |d| d.get("/readyz?verbose").1.contains(&words));
    // Root may read everything, but nobody can follow a link to itself.
    let looped = home.path("loop");
    std::os::unix::fs::symlink(&looped, &looped).unwrap();
    let other = Home::new();
    let log = looped.join("audit.log");
    let mut withheld = Daemon::start_with(&other, &["--audit-log", log.to_str().unwrap()]);
    withheld.wait_until_not_ready();
    withheld.wait("its name", |d| {
        d.get("/readyz").1.contains("[-]logs-readable failed: ")
    });
    home.write_log(b"{}\n");
    daemon.wait("the log is there", |d| {
        d.get("/readyz?verbose").1.contains("[+]logs-readable ok\n")
    });
}

/// Silence, gaps and history go by a log's number: it belongs to its path, wherever the settings
/// name that.
#[test]
fn a_log_keeps_its_number_when_another_is_named_before_it() {
    let home = Home::new();
    let sample = sample();
    let lines: Vec<&[u8]> = sample.split_inclusive(|b| *b == b'\n').take(3).collect();
    let [old, new] = ["old.log", "new.log"].map(|name| home.path(name));
    let run = |logs: &[&std::path::Path], bytes: usize| {
        let named: Vec<&str> = logs
            .iter()
            .flat_map(|path| ["--audit-log", path.to_str().unwrap()])
            .collect();
        let mut daemon = Daemon::start_with(&home, &named);
        daemon.wait_for_bytes(bytes as u64);
        assert!(daemon.terminate());
    };
    fs::write(&old, lines[0]).unwrap();
    run(&[&old], lines[0].len());
    fs::write(&new, lines[1]).unwrap();
    fs::write(&old, [lines[0], lines[2]].concat()).unwrap();
    run(&[&new, &old], lines[1].len() + lines[2].len());
    let told =
        home.query("SELECT source, count(*) AS events FROM events GROUP BY source ORDER BY source");
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(
        told,
        [r#"{"source":1,"events":2}"#, r#"{"source":2,"events":1}"#]
    );
}
