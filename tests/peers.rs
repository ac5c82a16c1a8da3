//! What many of a kind show at once is no news, and what only one of them shows is; sensitive acts
//! are never excused.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::{DAY, MINUTE, Request, SECOND, alarms, last, run};
use tokentrail::detect::{Policy, Severity};
use tokentrail::engine::Output;

const SHOPS: i64 = 6;
const T: i64 = 8 * DAY;

/// The instance of one operator in namespace `shop-<n>`.
fn instance(n: i64) -> Request {
    Request::of_pod(
        &format!("shop-{n}:restocker"),
        &format!("pod-{n}"),
        &format!("10.251.0.{}", 9 + n),
    )
}

fn told(acts: Vec<(i64, Request)>) -> Output {
    let mut lines = Vec::new();
    for (day, n) in (0..8).flat_map(|d| (0..6).map(move |n| (d, n))) {
        lines.extend(
            (0..SHOPS).map(|shop| instance(shop).line(day * DAY + n * MINUTE + shop * SECOND)),
        );
    }
    lines.extend(acts.into_iter().map(|(at, request)| request.line(at)));
    run(&Policy::default(), lines.iter().map(String::as_str))
}

/// A new version: other kinds of object, and another program.
fn upgraded(n: i64, kinds: &[&str]) -> Vec<Request> {
    let namespace = format!("shop-{n}");
    let act = |kind: &&str| Request {
        agent: "restocker2/v2".into(),
        ..instance(n).does("list", kind, &namespace, "")
    };
    kinds.iter().map(act).collect()
}

/// Each instance does it a minute after the one before.
fn rollout(kinds: &[&str]) -> Vec<(i64, Request)> {
    let of = |n: i64| {
        upgraded(n, kinds)
            .into_iter()
            .zip(0..)
            .map(move |(r, i)| (T + n * MINUTE + i * SECOND, r))
    };
    (0..SHOPS).flat_map(of).collect()
}

const KINDS: [&str; 11] = [
    "endpoints",
    "services",
    "events",
    "pods",
    "nodes",
    "limitranges",
    "podtemplates",
    "replicationcontrollers",
    "resourcequotas",
    "persistentvolumeclaims",
    "componentstatuses",
];

fn story_of(out: &Output, n: i64) -> Option<(Severity, String)> {
    let name = format!("system:serviceaccount:shop-{n}:restocker");
    last(out)
        .into_values()
        .find(|i| i.principal == name)
        .map(|i| (i.severity, i.findings[0].expected.clone()))
}

#[test]
fn a_rollout_is_loud_at_its_first_instances_only() {
    let out = told(rollout(&KINDS));
    for n in 0..3 {
        assert!(
            story_of(&out, n).is_some_and(|(s, _)| s >= Severity::Medium),
            "nobody knew it before instance {n}"
        );
    }
    for n in 3..SHOPS {
        assert!(
            story_of(&out, n).is_none_or(|(severity, _)| severity == Severity::Info),
            "instance {n}"
        );
    }
}

#[test]
fn what_only_one_of_them_shows_is_sharper_and_says_so() {
    let list = |n: i64| instance(n).does("list", "endpoints", &format!("shop-{n}"), "");
    let name = "system:serviceaccount:shop-2:restocker";
    let score = |out: &Output| {
        last(out)
            .into_values()
            .find(|i| i.principal == name)
            .map(|i| i.score())
    };
    let alone = told(vec![(T, list(2))]);
    let (_, expected) = story_of(&alone, 2).expect("it is kept");
    assert!(expected.contains("none of its 5 peers does"), "{expected}");
    let fourth = told(
        [0, 1, 3, 2]
            .into_iter()
            .map(|n| (T + n * 2 * DAY, list(n)))
            .collect(),
    );
    assert!(
        score(&alone) > score(&fourth),
        "{:?} {:?}",
        score(&alone),
        score(&fourth)
    );
}

#[test]
fn peers_excuse_no_grave_operation() {
    let list = |n: i64| instance(n).does("list", "secrets", "", "");
    let out = told((0..SHOPS).map(|n| (T + n * 2 * DAY, list(n))).collect());
    assert_eq!(alarms(&out).len() as i64, SHOPS);
    let at_once = told((0..SHOPS).map(|n| (T + n * MINUTE, list(n))).collect());
    assert_eq!(
        alarms(&at_once).len(),
        3,
        "what all of them begin at once is one change"
    );
}

#[test]
fn accounts_that_are_new_themselves_vouch_for_nobody() {
    // An attacker makes accounts of the same name in namespaces of their own, and has them show
    // what is to come.
    let helper = |n: i64| {
        Request::of_pod(
            &format!("lair-{n}:restocker"),
            &format!("lair-{n}"),
            "10.251.0.77",
        )
    };
    let mut acts: Vec<(i64, Request)> = Vec::new();
    for n in 0..9 {
        acts.extend(
            KINDS
                .iter()
                .zip(0..)
                .map(|(kind, i)| (T + n * SECOND + i, helper(n).does("list", kind, "lair", ""))),
        );
    }
    acts.extend(
        upgraded(5, &KINDS)
            .into_iter()
            .zip(0..)
            .map(|(r, i)| (T + MINUTE + i * SECOND, r)),
    );
    assert!(story_of(&told(acts), 5).is_some_and(|(s, _)| s >= Severity::Medium));
}

#[test]
fn a_namespaces_default_account_has_no_peers() {
    assert_eq!(
        tokentrail::baseline::peers::family("system:serviceaccount:shop:default"),
        None
    );
    assert_eq!(tokentrail::baseline::peers::family("erin"), None);
}
