//! History judged again: it comes to what was, says where it does not, and never begins in the
//! middle.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use tokentrail::base::{Digest, Span, Time};
use tokentrail::config::Config;
use tokentrail::daemon::replay::{Audience, replay};
use tokentrail::daemon::rewind::backtest::{Verdict, backtest};
use tokentrail::daemon::rewind::explain::explain;
use tokentrail::daemon::rewind::verify::{Verified, verify};
use tokentrail::detect::{Policy, Severity};
use tokentrail::engine::{Room, VERSION};
use tokentrail::history::{SegmentKind, read_manifest};
use tokentrail::incident::{Incident, Kind, Status, to_json};
use tokentrail::store::{Commit, Record, Store};

/// Of the records that engine [`VERSION`] makes of the bundled log. If a change of yours changes
/// it, judgements or stored bytes are not what they were: raise `engine::VERSION`, and put the new
/// digest here.
const DIGEST: (u32, &str) = (4, "af63bc68f287744d583b16064628ac08");

struct Incidents(Vec<Incident>);

impl Audience for Incidents {
    fn incident(&mut self, incident: &Incident) -> anyhow::Result<()> {
        self.0.push(incident.clone());
        Ok(())
    }
    fn progress(&mut self, _: u64, _: u64, _: u64) {}
}

fn sample(dir: &Path) -> PathBuf {
    let packed = fs::File::open("tests/fixtures/sample/audit.log.zst").unwrap();
    let mut text = Vec::new();
    zstd::Decoder::new(packed)
        .unwrap()
        .read_to_end(&mut text)
        .unwrap();
    fs::write(dir.join("audit.log"), text).unwrap();
    dir.join("audit.log")
}

/// A state directory that the bundled log was replayed into, and the incidents in it.
fn replayed(config: &Config) -> (tempfile::TempDir, PathBuf, Vec<Incident>) {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut found = Incidents(Vec::new());
    replay(&[sample(dir.path())], Some(&state), config, &mut found).unwrap();
    (dir, state, found.0)
}

fn verified(state: &Path) -> Verified {
    verify(state, &mut |_, _| ()).unwrap()
}

#[test]
fn history_tells_what_the_state_says() {
    let (_dir, state, incidents) = replayed(&Config::default());
    let done = verified(&state);
    assert_eq!(done.difference, None);
    assert_eq!(done.incidents, incidents.len() as u64);
    let snapshots = read_manifest(&state)
        .unwrap()
        .segments
        .iter()
        .filter(|s| s.kind == SegmentKind::Snapshot)
        .count();
    assert!(snapshots > 3, "a snapshot a day");
    assert_eq!(
        done.compared, snapshots as u64,
        "each but the first, and the present state"
    );
    assert_eq!((VERSION, done.digest.to_string().as_str()), DIGEST);
}

#[test]
fn a_state_that_history_does_not_bring_about_is_named() {
    let (_dir, state, _) = replayed(&Config::default());
    let mut store = Store::open(&state).unwrap();
    let (seq, key, mut value) = {
        let recovered = store.load().unwrap();
        let row = recovered
            .records(Room::Account as u8)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        (recovered.seq, row.key().to_vec(), row.value().to_vec())
    };
    let room = Room::Account as u8;
    let put = |store: &mut Store, value: Option<&[u8]>| {
        let records = [Record {
            room,
            key: &key,
            value,
        }];
        let _ = store
            .commit(&Commit {
                seq,
                records: &records,
                ..Commit::default()
            })
            .unwrap();
    };
    let name = String::from_utf8(key.clone()).unwrap();
    put(&mut store, None);
    drop(store);
    let said = verified(&state).difference.unwrap();
    assert!(
        said.contains(&name) && said.contains("not in the state"),
        "{said}"
    );
    let last = value.len() - 1;
    value[last] ^= 1;
    put(&mut Store::open(&state).unwrap(), Some(&value));
    let said = verified(&state).difference.unwrap();
    assert!(
        said.contains(&name) && said.contains("in the state, and"),
        "{said}"
    );
}

#[test]
fn a_hole_in_history_is_an_error_that_names_it() {
    let (_dir, state, _) = replayed(&Config::default());
    let victim = read_manifest(&state)
        .unwrap()
        .segments
        .into_iter()
        .find(|s| s.kind == SegmentKind::Events)
        .unwrap();
    let change = tokentrail::history::Change {
        forget: vec![victim.id],
        ..Default::default()
    };
    let mut store = Store::open(&state).unwrap();
    let seq = store.load().unwrap().seq;
    let _ = store
        .commit(&Commit {
            seq,
            history: Some(&change),
            ..Commit::default()
        })
        .unwrap();
    drop(store);
    let said = format!("{:#}", verify(&state, &mut |_, _| ()).unwrap_err());
    assert!(
        said.contains(&format!("inputs {} to", victim.seq_min)),
        "{said}"
    );
}

#[test]
fn every_incident_is_explained_up_to_its_last_revision() {
    let (_dir, state, incidents) = replayed(&Config::default());
    for incident in &incidents {
        let told = explain(&state, &incident.id.to_string()[..12]).unwrap();
        let last = told.last.unwrap();
        assert_eq!(to_json(&last.incident, None), to_json(incident, None));
        assert!(told.since < incident.first_seen);
        let requests: Vec<&str> = told
            .steps
            .iter()
            .filter_map(|s| s.event.as_ref())
            .map(|e| e.audit_id.as_str())
            .collect();
        // What another account did before is evidence too, and no step.
        let own = incident
            .evidence
            .audit_ids()
            .filter(|id| requests.contains(id))
            .count();
        assert!(
            own > 0 || incident.evidence.count == 0,
            "{}",
            incident.summary()
        );
        for step in told.steps.iter().filter(|s| s.event.is_some()) {
            if incident.kind == Kind::Threat && step.incident.status != Status::Resolved {
                let trace = step.trace.as_ref().unwrap();
                assert!(
                    !trace.findings.is_empty(),
                    "a step without a judgement: {}",
                    incident.summary()
                );
                assert!(trace.known.iter().any(|k| k.feature == "origins"));
            }
        }
    }
    assert!(format!("{:#}", explain(&state, "zz").unwrap_err()).contains("no incident \"zz\""));
    assert!(format!("{:#}", explain(&state, "").unwrap_err()).contains("give more of the id"));
}

#[test]
fn a_backtest_shows_the_difference_that_a_policy_makes() {
    let (_dir, state, incidents) = replayed(&Config::default());
    let (since, until) = (
        Time::ZERO + Span::seconds(1),
        Time::from_seconds(4_000_000_000),
    );
    let try_it =
        |policy: &Policy| backtest(&state, Some(policy), since, until, &mut |_, _| ()).unwrap();
    let same = try_it(&Policy::default());
    assert_eq!(same.pairs.len(), incidents.len());
    assert!(same.pairs.iter().all(|pair| pair.verdict == Verdict::Same));
    let mut quiet = Policy::default();
    quiet.incidents.notify = Severity::Critical;
    let done = try_it(&quiet);
    let told = |side: &Option<tokentrail::daemon::rewind::backtest::Side>| {
        side.as_ref().is_some_and(|s| s.told)
    };
    let lost: Vec<_> = done
        .pairs
        .iter()
        .filter(|p| p.verdict == Verdict::Changed)
        .collect();
    assert!(!lost.is_empty() && lost.iter().all(|p| told(&p.was) && !told(&p.would_be)));
    let loud = |p: &&tokentrail::daemon::rewind::backtest::Pair| {
        p.incident().unwrap().severity >= Severity::Medium
    };
    let counts = done.told_by_detector();
    assert!(counts.values().all(|(was, would_be)| was >= would_be));
    assert!(done.pairs.iter().filter(loud).count() > 0);
    // What a policy without a detector does not tell is gone; nothing else is raised by it.
    let detector = incidents
        .iter()
        .find(|i| i.detectors.len() == 1)
        .unwrap()
        .detectors[0]
        .to_string();
    let mut deaf = Policy::default();
    deaf.detectors.entry(detector.clone()).or_default().disabled = true;
    let done = try_it(&deaf);
    let only = incidents
        .iter()
        .filter(|i| i.detectors.len() == 1 && i.detectors[0] == detector.as_str())
        .count();
    assert_eq!(
        done.pairs
            .iter()
            .filter(|p| p.verdict == Verdict::Gone)
            .count(),
        only
    );
    assert_eq!(
        done.pairs
            .iter()
            .filter(|p| p.verdict == Verdict::Raised)
            .count(),
        0
    );
}

#[test]
fn a_backtest_says_how_loud_each_profile_is() {
    use tokentrail::detect::profile::Profile;
    let (_dir, state, incidents) = replayed(&Config::default());
    let (since, until) = (
        Time::ZERO + Span::seconds(1),
        Time::from_seconds(4_000_000_000),
    );
    let done = backtest(&state, None, since, until, &mut |_, _| ()).unwrap();
    assert!(
        done.pairs.iter().all(|pair| pair.verdict == Verdict::Same),
        "the policy in force is compared with itself"
    );
    assert_eq!(
        done.profiles.iter().map(|p| p.profile).collect::<Vec<_>>(),
        Profile::ALL
    );
    let told: Vec<u64> = done.profiles.iter().map(|p| p.incidents).collect();
    let expected = incidents
        .iter()
        .filter(|i| i.severity >= Severity::Medium)
        .count() as u64;
    assert!(
        told[0] < told[1] && told[1] == expected && told[1] < told[2],
        "{told:?}"
    );
    // A profile does in a backtest what it does when it is set.
    let strict = Config::parse("profile: strict", Path::new("t.yaml"))
        .unwrap()
        .policy;
    let set = backtest(&state, Some(&strict), since, until, &mut |_, _| ()).unwrap();
    let by_detector = set
        .told_by_detector()
        .into_iter()
        .map(|(d, (_, is))| (d, is))
        .filter(|(_, is)| *is > 0);
    assert_eq!(
        by_detector.collect::<std::collections::BTreeMap<_, _>>(),
        done.profiles[2].by_detector
    );
    let text = tokentrail::report::compared(&done, tokentrail::report::Style::Plain);
    let line = |name: &str| {
        text.lines()
            .rfind(|l| l.starts_with(name))
            .unwrap_or_default()
            .split_whitespace()
            .count()
    };
    assert_eq!(
        (line("incidents "), line("sensitive-operation")),
        (4, 4),
        "{text}"
    );
}

#[test]
fn without_a_snapshot_before_it_a_window_is_refused_by_its_day() {
    let (dir, state, incidents) = replayed(&Config::default());
    // All but the newest events go, and with them what they led to.
    let mut config = Config::default();
    config.daemon.history_days = 2;
    fs::write(dir.path().join("audit.log"), "").unwrap();
    replay(
        &[dir.path().join("audit.log")],
        Some(&state),
        &config,
        &mut Incidents(Vec::new()),
    )
    .unwrap();
    assert_eq!(
        verified(&state).difference,
        None,
        "what is left still agrees"
    );
    let first = incidents.iter().min_by_key(|i| i.first_seen).unwrap();
    let said = format!("{:#}", explain(&state, &first.id.to_string()).unwrap_err());
    assert!(
        said.contains(&first.first_seen.to_string()[..10]) && said.contains("no snapshot"),
        "{said}"
    );
    let last = incidents.iter().max_by_key(|i| i.first_seen).unwrap();
    assert_eq!(
        explain(&state, &last.id.to_string())
            .unwrap()
            .last
            .unwrap()
            .incident
            .id,
        last.id
    );
}

#[test]
fn a_policy_that_changed_between_two_runs_is_part_of_history() {
    let dir = tempfile::tempdir().unwrap();
    let (log, state) = (sample(dir.path()), dir.path().join("state"));
    let text = fs::read_to_string(&log).unwrap();
    let half = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    let mut config = Config::default();
    for (lines, threshold) in [(&text[..half], 50), (&text[half..], 20)] {
        let part = dir.path().join(format!("{threshold}.log"));
        fs::write(&part, lines).unwrap();
        config.policy.enumeration.threshold = threshold;
        replay(&[part], Some(&state), &config, &mut Incidents(Vec::new())).unwrap();
    }
    assert_eq!(verified(&state).difference, None);
    assert_ne!(verified(&state).digest, Digest::default());
}

#[test]
fn what_could_not_be_read_and_what_is_not_kept_are_judged_the_same_again() {
    let dir = tempfile::tempdir().unwrap();
    let (log, state) = (sample(dir.path()), dir.path().join("state"));
    let text = fs::read(&log).unwrap();
    let half = text[..text.len() / 2]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;
    let line = text[half..].split(|b| *b == b'\n').next().unwrap();
    let mut exec: serde_json::Value = serde_json::from_slice(line).unwrap();
    let uri =
        "/api/v1/namespaces/n/pods/p/exec?%63ommand=cat&command=--token&command=%2Fetc%2Fshadow";
    exec["requestURI"] = uri.into();
    exec["stage"] = "ResponseStarted".into();
    exec["verb"] = "create".into();
    exec["user"] = serde_json::json!({"username": "erika"});
    exec["objectRef"] = serde_json::json!({"resource": "pods", "subresource": "exec", "namespace": "n", "name": "p"});
    exec["responseStatus"] = serde_json::json!({"code": 101});
    let mut broken = text[..half].to_vec();
    broken.extend_from_slice(format!("{exec}\n{{\"kind\":\"Ev\n").as_bytes());
    broken.extend_from_slice(b"{\"kind\":\"\xff\"}\n");
    broken.extend_from_slice(&text[half..]);
    fs::write(&log, broken).unwrap();
    let mut found = Incidents(Vec::new());
    replay(&[log], Some(&state), &Config::default(), &mut found).unwrap();
    let unread: Vec<_> = found
        .0
        .iter()
        .filter(|i| i.detectors.iter().any(|d| d == "log-unreadable"))
        .collect();
    assert!(unread.iter().all(|i| i.kind == Kind::Visibility));
    let mut severities: Vec<Severity> = unread.iter().map(|i| i.severity).collect();
    severities.sort_unstable();
    assert_eq!(
        severities,
        [Severity::Low, Severity::Medium],
        "a torn line, and one that hides a request"
    );
    let reads = |i: &&Incident| {
        i.findings
            .iter()
            .any(|f| f.observed.contains("reads a token or key file"))
    };
    assert_eq!(
        found
            .0
            .iter()
            .filter(|i| i.principal == "erika")
            .filter(reads)
            .count(),
        1
    );
    assert_eq!(verified(&state).difference, None);
}
