//! What the engine promises of any input: cuts, ticks and disorder change nothing that matters.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::{DAY, MINUTE, Request, SECOND, feed, json, last, recording};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tokentrail::base::Time;
use tokentrail::detect::{Policy, Severity};
use tokentrail::engine::{Engine, Input, Output, Record};
use tokentrail::incident::{Incident, Kind, to_json};
use tokentrail::store;

/// A week of habits, then requests out of a small world in which they often collide.
fn world(acts: &[(u8, u8, u8, u8, u32)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (day, n) in (0..7).flat_map(|d| (0..6).map(move |n| (d, n))) {
        for pod in 0..4 {
            let ip = format!("10.244.0.{}", 10 + pod);
            let request = Request::of_pod(
                &format!("shelf:acct-{}", pod % 3),
                &format!("pod-{pod}"),
                &ip,
            );
            lines.push(request.line(day * DAY + n * MINUTE + i64::from(pod)));
        }
    }
    let mut at = 7 * DAY;
    for (who, ip, verb, resource, pause) in acts {
        at += i64::from(*pause) * SECOND;
        let ip = format!(
            "{}.{}",
            if ip % 5 == 0 { "203.0.113" } else { "10.244.0" },
            10 + ip % 5
        );
        let mut request = match who % 6 {
            4 => Request::of_nobody(&ip),
            5 => Request {
                user: "system:anonymous".into(),
                ..Request::of_pod("x:y", "", &ip)
            },
            n => Request::of_pod(&format!("shelf:acct-{}", n % 3), &format!("pod-{n}"), &ip),
        };
        let resources = [
            "secrets",
            "pods/exec",
            "configmaps",
            "serviceaccounts/token",
            "nodes",
            "selfsubjectreviews",
        ];
        let verbs = ["get", "create", "list", "delete"];
        let resource = resources[usize::from(*resource) % 6];
        request = request.does(
            verbs[usize::from(*verb) % 4],
            resource,
            "vault",
            &format!("thing-{}", verb % 7),
        );
        if verb % 3 == 0 && request.code == 200 {
            request.code = 403;
        }
        lines.push(request.line(at));
    }
    lines
}

fn acts() -> impl Strategy<Value = Vec<(u8, u8, u8, u8, u32)>> {
    let pause = prop_oneof![8 => 0u32..30, 2 => 600u32..4000, 1 => 80_000u32..300_000];
    prop::collection::vec(
        (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), pause),
        10..120,
    )
}

/// Runs with a stop, a store and a new engine at each of the cuts.
fn run_cut(lines: &[String], cuts: &[usize]) -> Output {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let mut stored: BTreeMap<(u8, Vec<u8>), Vec<u8>> = BTreeMap::new();
    for (n, line) in lines.iter().enumerate() {
        if cuts.contains(&n) {
            let mut records: Vec<Record> = Vec::new();
            engine.drain_records(&mut records);
            for record in records {
                let key = (record.room as u8, record.key);
                match record.value {
                    Some(value) => stored.insert(key, value),
                    None => stored.remove(&key),
                };
            }
            engine = Engine::new(Policy::default());
            for ((room, key), value) in &stored {
                engine.restore(*room, key, value).expect("its own record");
            }
        }
        feed(&mut engine, 0, line, &mut out);
    }
    out
}

fn essence(incident: &Incident) -> (String, String, Vec<String>) {
    let mut detectors: Vec<String> = incident.detectors.iter().map(ToString::to_string).collect();
    detectors.sort();
    (
        incident.principal.to_string(),
        incident.severity.to_string(),
        detectors,
    )
}

fn run_ticked(lines: &[String], ticks: &[(usize, i64)]) -> Output {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    for (n, line) in lines.iter().enumerate() {
        for (_, after) in ticks.iter().filter(|(at, _)| *at == n) {
            let now = engine.now();
            engine.step(Input::Tick(Time(now.0 + after * 1_000_000)), &mut out);
        }
        feed(&mut engine, 0, line, &mut out);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stopping_anywhere_changes_nothing(acts in acts(), cuts in prop::collection::vec(0usize..290, 1..6)) {
        let lines = world(&acts);
        prop_assert_eq!(json(&run_cut(&lines, &cuts)), json(&run_cut(&lines, &[])));
    }

    #[test]
    fn ticks_change_no_id_severity_or_detector(
        acts in acts(), ticks in prop::collection::vec((0usize..290, 0i64..10_000), 1..12),
    ) {
        let lines = world(&acts);
        let (plain, ticked) = (run_ticked(&lines, &[]), run_ticked(&lines, &ticks));
        let told = |out: &Output| -> BTreeMap<String, _> {
            let threats = last(out).into_iter().filter(|(_, i)| i.kind == Kind::Threat);
            threats.map(|(id, i)| (id, essence(i))).collect()
        };
        prop_assert_eq!(told(&plain), told(&ticked));
    }

    #[test]
    fn hostile_text_never_reaches_the_json(user in "[\\x00-\\x1f\\x7f-\\x9f\u{202a}-\u{202e}\u{2066}-\u{2069}a-z]{1,20}", name in "\\PC{0,20}") {
        let mut request = Request::of_pod("shelf:app", "pod", "10.244.0.9").does("get", "secrets", "shelf", &name);
        request.agent = format!("{user}/1 eyJhbGciOiJSUzI1NiIs.eyJpc3MiOiJrdWJl.c2lnbmF0dXJl");
        request.user = user;
        let out = common::run(&Policy::default(), [request.line(0).as_str()]);
        prop_assert!(!out.revisions.is_empty());
        for json in json(&out).values() {
            let hostile = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
            prop_assert!(!json.contains(hostile));
            prop_assert!(!json.contains("eyJhbGci"), "a token was printed: {json}");
        }
    }
}

#[test]
fn stops_do_not_change_the_recording() {
    let Some(lines) = recording() else { return };
    let lines = &lines[..lines.len().min(40_000)];
    let cuts: Vec<usize> = (1..8).map(|n| n * 4_937).collect();
    assert_eq!(json(&run_cut(lines, &cuts)), json(&run_cut(lines, &[])));
}

type Told = Vec<(String, String, Vec<String>)>;

/// The alarms of the recording as it is, and as two logs of which one lags behind by some four
/// seconds.
fn in_order_and_disordered() -> Option<(Told, Told)> {
    let lines = recording()?;
    // Every third line comes from a log that lags behind by as many lines as fit into about four
    // seconds.
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (n, line) in lines.iter().enumerate() {
        let lag = if n % 3 == 0 { 100 } else { 0 };
        let list = if lag == 0 { &mut first } else { &mut second };
        list.push((n + lag, u16::from(lag != 0), line));
    }
    let mut merged: Vec<_> = first.into_iter().chain(second).collect();
    merged.sort_by_key(|(at, source, _)| (*at, *source));
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    for (_, source, line) in merged {
        feed(&mut engine, source, line, &mut out);
    }
    let plain = common::run(&Policy::default(), lines.iter().map(String::as_str));
    Some((loud(&plain), loud(&out)))
}

/// Threats of `medium` and up: principal, severity, and the detectors that made them so.
fn loud(out: &Output) -> Vec<(String, String, Vec<String>)> {
    let alarms = last(out)
        .into_values()
        .filter(|i| i.kind == Kind::Threat && i.severity >= Severity::Medium);
    let mut all: Vec<_> = alarms
        .map(|incident| {
            let made = incident
                .findings
                .iter()
                .filter(|f| f.severity >= Severity::Low);
            let detectors: BTreeSet<String> = made.map(|f| f.detector.to_string()).collect();
            (
                incident.principal.to_string(),
                incident.severity.to_string(),
                detectors.into_iter().collect(),
            )
        })
        .collect();
    // Ids depend on which event opened an incident.
    all.sort();
    all
}

/// Each alarm stays, of the same severity and with the same evidence at least. One more may stand
/// apart: of an account whose token was used before the log said who minted it, and which joins the
/// minter's story otherwise.
#[test]
fn disorder_of_seconds_loses_no_alarm() {
    let Some((plain, disordered)) = in_order_and_disordered() else {
        return;
    };
    let is_kept = |(who, severity, detectors): &(String, String, Vec<String>)| {
        let has_all =
            |others: &Vec<String>| detectors.iter().all(|detector| others.contains(detector));
        disordered
            .iter()
            .any(|other| other.0 == *who && other.1 == *severity && has_all(&other.2))
    };
    let lost: Vec<_> = plain.iter().filter(|alarm| !is_kept(alarm)).collect();
    assert!(lost.is_empty(), "{lost:?} of {disordered:#?}");
    let known = |who: &str| plain.iter().any(|alarm| alarm.0 == who);
    let is_apart =
        |alarm: &&(String, String, Vec<String>)| alarm.2.iter().any(|d| d == "minted-credential");
    let more: Vec<_> = disordered
        .iter()
        .filter(|alarm| !known(&alarm.0) && !is_apart(alarm))
        .collect();
    assert!(more.is_empty(), "{more:?}");
}

/// Everything an attacker invents is new in each event; nothing may grow without a limit.
#[test]
fn a_hostile_stream_meets_limits() {
    let mut policy = Policy::default();
    policy.limits.accounts = 200;
    policy.incidents.open_limit = 64;
    let (mut engine, mut out) = (Engine::new(policy), Output::default());
    for day in 0..6 {
        for n in 0..6 {
            feed(
                &mut engine,
                0,
                &Request::of_pod("shelf:old", "old", "10.244.0.9").line(day * DAY + n),
                &mut out,
            );
        }
    }
    for n in 0..20_000i64 {
        let ip = format!("10.{}.{}.{}", 1 + n / 65_536, n / 256 % 256, n % 256);
        let account = if n % 2 == 0 {
            "lair:spider".to_owned()
        } else {
            format!("lair-{n}:spider")
        };
        let mut request = Request::of_pod(&account, &format!("pod-{n}"), &ip);
        request.agent = format!("agent-{n}");
        let request = request.does(
            "create",
            &format!("kinds-{n}"),
            &format!("space-{n}"),
            &format!("thing-{n}"),
        );
        let request = if n % 5 == 0 {
            request.does("get", "secrets", "vault", &format!("s-{n}"))
        } else {
            request
        };
        feed(&mut engine, 0, &request.line(6 * DAY + n * 10), &mut out);
        out.revisions.clear();
        out.findings.clear();
        if n % 1000 == 0 {
            engine.drain_records(&mut Vec::new());
        }
    }
    let population = engine.population();
    assert!(population.len() <= 200);
    let old = population
        .get("system:serviceaccount:shelf:old")
        .expect("a mature account is not displaced");
    assert_eq!(old.credentials.holders().len(), 1);
    let spider = population
        .get("system:serviceaccount:lair:spider")
        .expect("seen last");
    assert!(
        spider.operations.len() <= 512 && spider.agents.len() <= 24 && spider.reach.len() <= 64
    );
    assert!(spider.credentials.holders().len() <= 2048);
    assert!(engine.addresses().len() <= 65_536 && engine.incidents().open().count() <= 64);
}

/// A header may hold a megabyte, so any text that a client chose may: what is stored of it has its
/// limits.
#[test]
fn hostile_lengths_meet_limits() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let long = |n: i64, what: &str| format!("{n}{what}").repeat(100_000);
    for n in 0..40i64 {
        let mut request = Request::of_pod("shelf:old", "old", "10.244.0.9");
        request.agent = long(n, "agent");
        request.credential = long(n, "credential");
        if n % 3 == 0 {
            request.user = format!("system:{}", long(n, "user"));
        }
        request.code = if n % 2 == 0 { 403 } else { 201 };
        let (kind, space, name) = (long(n, "kind"), long(n, "space"), long(n, "name"));
        let kind = if n % 4 == 0 { "secrets" } else { &kind };
        feed(
            &mut engine,
            0,
            &request.does(&long(n, "VERB"), kind, &space, &name).line(n),
            &mut out,
        );
    }
    let longest = out
        .revisions
        .iter()
        .map(|revision| to_json(&revision.incident, None).len())
        .max();
    assert!(
        longest.expect("incidents") < store::INCIDENT_BYTES_MAX / 4,
        "{longest:?}"
    );
    let mut records = Vec::new();
    engine.drain_records(&mut records);
    let keys = records.iter().map(|record| record.key.len()).max();
    assert!(keys.expect("records") < store::KEY_BYTES_MAX, "{keys:?}");
    let values = records
        .iter()
        .filter_map(|record| record.value.as_ref())
        .map(Vec::len)
        .max();
    assert!(
        values.expect("records") < store::VALUE_BYTES_MAX / 16,
        "{values:?}"
    );
}

/// An API server whose auditing was turned off is seen beside others that go on, and its silence is
/// over when it speaks.
#[test]
fn one_silent_log_of_several_is_told_until_it_speaks() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let request = |pod: &str| Request::of_pod("shelf:old", pod, "10.244.0.9");
    feed(&mut engine, 1, &request("b").line(0), &mut out);
    let hours = 9 * 60;
    for minute in 0..hours {
        feed(
            &mut engine,
            0,
            &request("a").line(minute * MINUTE),
            &mut out,
        );
        if engine.misses_a_log() || minute % 7 == 0 {
            engine.step(Input::Tick(engine.now()), &mut out);
        }
    }
    let told = last(&out);
    let silent = told
        .values()
        .find(|i| i.kind == Kind::Visibility)
        .expect("an incident");
    assert!(silent.ended.is_none(), "{silent:?}");
    feed(&mut engine, 1, &request("b").line(hours * MINUTE), &mut out);
    for minute in hours..hours + 90 {
        feed(
            &mut engine,
            0,
            &request("a").line(minute * MINUTE),
            &mut out,
        );
        feed(
            &mut engine,
            1,
            &request("b").line(minute * MINUTE + 1),
            &mut out,
        );
    }
    let told = last(&out);
    let over: Vec<&&Incident> = told
        .values()
        .filter(|i| i.kind == Kind::Visibility)
        .collect();
    assert_eq!(over.len(), 1, "{over:?}");
    assert!(
        over[0].ended.is_some()
            && over[0].last_seen.since(over[0].first_seen).as_seconds() > 8 * 3600
    );
}

/// The settings may name fewer logs than they did: nobody waits for the others.
#[test]
fn a_log_that_is_followed_no_more_is_not_missed() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let request = Request::of_pod("shelf:old", "a", "10.244.0.9");
    feed(&mut engine, 1, &request.line(0), &mut out);
    feed(&mut engine, 0, &request.line(MINUTE), &mut out);
    assert!(!engine.misses_others_than(&[0, 1]) && engine.misses_others_than(&[0]));
    engine.step(Input::Logs(&[0]), &mut out);
    for minute in 2..9 * 60 {
        feed(&mut engine, 0, &request.line(minute * MINUTE), &mut out);
    }
    assert!(!engine.misses_a_log());
    engine.step(Input::Tick(engine.now()), &mut out);
    assert!(
        last(&out).values().all(|i| i.kind != Kind::Visibility),
        "{:?}",
        last(&out)
    );
}

/// Three logs without a hole, read in turns of an hour each, then ticks: nobody was silent.
#[test]
fn catching_up_on_several_logs_is_no_silence() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let request = Request::of_pod("shelf:acct", "pod", "10.244.0.10");
    let minutes = |hour: i64| (0..60).map(move |minute| hour * 60 * MINUTE + minute * MINUTE);
    for hour in 0..5 {
        for source in 0..3 {
            minutes(hour).for_each(|at| feed(&mut engine, source, &request.line(at), &mut out));
        }
        engine.step(Input::Tick(engine.now()), &mut out);
    }
    assert_eq!(silences(&out), 0);
}

/// One server's clock is 20 minutes behind: its log is as loud as the other.
#[test]
fn a_log_that_lags_is_not_silent() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let request = Request::of_pod("shelf:acct", "pod", "10.244.0.10");
    for minute in 30..300 {
        feed(&mut engine, 0, &request.line(minute * MINUTE), &mut out);
        feed(
            &mut engine,
            1,
            &request.line((minute - 20) * MINUTE),
            &mut out,
        );
        engine.step(Input::Tick(engine.now()), &mut out);
    }
    assert_eq!(silences(&out), 0);
    (300..400).for_each(|minute| feed(&mut engine, 0, &request.line(minute * MINUTE), &mut out));
    engine.step(Input::Tick(engine.now()), &mut out);
    assert_eq!(silences(&out), 1, "now it is");
}

fn silences(out: &Output) -> usize {
    out.findings
        .iter()
        .filter(|(detector, _)| detector == "log-silent")
        .count()
}
