//! The 54 attacks of `docs/detectors/scenarios.md`, each played into an engine that knows the
//! cluster and into one that knows nothing: an incident must name the attack by audit id, with the
//! detectors expected, and little else.
//!
//! What is expected to be missed must be missed: whoever mends it mends the table.

/// A row is `ID "title": play, known ..., cold ...;`, as [`Scenario`] explains them.
macro_rules! scenarios {
    ($($id:ident $title:literal: $play:expr, known $known:expr, cold $cold:expr;)*) => {
        pub const SCENARIOS: &[Scenario] = &[$(Scenario {
            id: stringify!($id),
            title: $title,
            play: $play,
            known: $known,
            cold: $cold,
        }),*];
    };
}

mod actor;
mod benign;
mod chains;
#[path = "../simulator/chance.rs"]
mod chance;
mod clusters;
#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;
mod credentials;
mod escalation;
mod page;
mod recon;
mod recording;
mod replay;
mod templates;
mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tokentrail::detect::{Policy, Severity};
use tokentrail::incident::{Incident, Kind};
use world::{ATTACK, DAY, HOUR, Trace};

pub struct Scenario {
    pub id: &'static str,
    pub title: &'static str,
    pub play: fn(&mut Trace),
    /// After eight days of work.
    pub known: Expect,
    /// With an empty state, and the attacker's requests alone.
    pub cold: Expect,
}

pub enum Expect {
    /// One incident of these detectors at least, and this severe at least.
    Told(&'static [&'static str], Severity),
    /// No incident, and why none can be.
    Missed(&'static str),
}

fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    [
        recon::SCENARIOS,
        credentials::SCENARIOS,
        replay::SCENARIOS,
        escalation::SCENARIOS,
        chains::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}

/// Of a story's audit ids, at least this share of a hundred is the attacker's.
const PURE: usize = 70;

fn in_order(mut lines: Vec<(i64, String)>) -> Vec<String> {
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The attack, and the lines in which it stands.
fn played(scenario: &Scenario, is_known: bool) -> (BTreeSet<String>, Vec<String>) {
    let mut trace = Trace::beginning(ATTACK);
    (scenario.play)(&mut trace);
    let mut around = Trace::default();
    if is_known {
        world::work(&mut around, trace.now + HOUR);
    }
    around.lines.extend(trace.lines);
    (trace.attack, in_order(around.lines))
}

fn is_threat(incident: &Incident) -> bool {
    incident.kind == Kind::Threat
}

/// Whether an incident tells the attack, by audit id and by little else.
fn names(incident: &Incident, attack: &BTreeSet<String>) -> bool {
    let ids: Vec<&str> = incident.evidence.audit_ids().collect();
    let own = ids.iter().filter(|id| attack.contains(**id)).count();
    is_threat(incident) && own > 0 && own * 100 >= ids.len() * PURE
}

/// What is wrong, if something is.
fn judged(scenario: &Scenario, expect: &Expect, is_known: bool, policy: &Policy) -> Option<String> {
    let (attack, lines) = played(scenario, is_known);
    let out = common::run(policy, lines.iter().map(String::as_str));
    let told: Vec<&Incident> = common::last(&out)
        .into_values()
        .filter(|i| names(i, &attack))
        .collect();
    let is_met = match expect {
        Expect::Told(detectors, floor) => told.iter().any(|i| {
            i.severity >= *floor
                && detectors
                    .iter()
                    .all(|d| i.detectors.iter().any(|have| have == d))
        }),
        Expect::Missed(_) => told.is_empty(),
    };
    let said = || {
        let all = common::last(&out).into_values().filter(|i| is_threat(i));
        all.map(|i| {
            format!(
                "\n    {} ({}) {:?} of {}: {}",
                i.severity,
                i.score(),
                i.detectors,
                i.principal,
                names(i, &attack)
            )
        })
        .collect::<String>()
    };
    let wanted = match expect {
        Expect::Told(detectors, floor) => format!("wanted {floor} {detectors:?}"),
        Expect::Missed(_) => "wanted nothing".to_owned(),
    };
    let way = if is_known { "known" } else { "cold" };
    (!is_met).then(|| format!("{} ({way}): {wanted}{}", scenario.id, said()))
}

#[test]
fn every_attack_is_told_where_the_cluster_is_known() {
    let wrong: Vec<String> = scenarios()
        .filter_map(|s| judged(s, &s.known, true, &Policy::default()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_attack_is_told_with_an_empty_state() {
    let wrong: Vec<String> = scenarios()
        .filter_map(|s| judged(s, &s.cold, false, &Policy::default()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_attack_is_told_by_an_engine_without_one_of_its_detectors() {
    for scenario in scenarios() {
        let Expect::Told(detectors, _) = scenario.known else {
            continue;
        };
        for detector in detectors {
            let mut policy = Policy::default();
            policy
                .detectors
                .entry((*detector).to_owned())
                .or_default()
                .disabled = true;
            let wrong = judged(scenario, &scenario.known, true, &policy);
            assert!(
                wrong.is_some(),
                "{} is told without {detector}",
                scenario.id
            );
        }
    }
}

#[test]
fn the_work_around_the_attacks_is_quiet() {
    let mut trace = Trace::default();
    world::work(&mut trace, 16 * DAY);
    let lines = in_order(trace.lines);
    let out = common::run(&Policy::default(), lines.iter().map(String::as_str));
    assert_eq!(common::alarms(&out), Vec::<String>::new());
}

/// The loud incidents of a look-alike, and all of them.
fn heard(look_alike: &benign::LookAlike) -> Vec<String> {
    let mut trace = Trace::default();
    for day in look_alike.days {
        trace.now = benign::begin(*day);
        (look_alike.play)(&mut trace, *day);
    }
    let mut around = Trace::default();
    world::work(&mut around, trace.now + HOUR);
    around.lines.extend(trace.lines);
    let policy = Policy {
        rules: rules(look_alike.declared),
        ..Policy::default()
    };
    common::alarms(&common::run(
        &policy,
        in_order(around.lines).iter().map(String::as_str),
    ))
}

/// What an operator has written.
fn rules(text: &str) -> Arc<tokentrail::detect::rule::Rules> {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("own.yaml"), text).expect("a file");
    let loaded = tokentrail::config::rules::load(&[dir.path().to_owned()], Path::new(""));
    assert!(loaded.error().is_none(), "{:?}", loaded.checked);
    Arc::new(loaded.rules)
}

#[test]
fn what_only_looks_like_an_attack_stays_quiet() {
    let loud: Vec<String> = benign::LOOK_ALIKES
        .iter()
        .flat_map(|l| heard(l).into_iter().map(move |a| format!("{}: {a}", l.id)))
        .collect();
    assert!(loud.is_empty(), "{}", loud.join("\n"));
}

#[test]
fn what_has_to_be_declared_is_loud_until_it_is() {
    for look_alike in benign::LOOK_ALIKES
        .iter()
        .filter(|l| !l.declared.is_empty())
    {
        let undeclared = benign::LookAlike {
            declared: "",
            ..*look_alike
        };
        assert!(
            !heard(&undeclared).is_empty(),
            "{} needs no rules",
            look_alike.id
        );
    }
}

#[test]
fn every_scenario_is_there_once() {
    let ids: Vec<&str> = scenarios().map(|s| s.id).collect();
    let expected: Vec<String> = (1..=54).map(|n| format!("S{n:02}")).collect();
    assert_eq!(ids, expected);
    let ids: Vec<&str> = benign::LOOK_ALIKES.iter().map(|l| l.id).collect();
    let expected: Vec<String> = (1..=36).map(|n| format!("B{n:02}")).collect();
    assert_eq!(ids, expected);
}

#[test]
fn the_page_says_what_is_expected() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/detectors/scenarios.md");
    let page = page::markdown(scenarios(), benign::LOOK_ALIKES);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, &page).expect("a page that can be written");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == page,
        "{path} is out of date: UPDATE_REFERENCE=1 cargo test --release --test scenarios"
    );
}
