//! What time, patience and crowds buy an intruder: how far an act grows familiar, in bits, and that
//! no severity leaps.
//!
//! Each world is some weeks of a small cluster; the last request is the one that is asked about.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::{DAY, HOUR, MINUTE, Request, SECOND, last, run};
use std::fmt::Write;
use tokentrail::base::Bits;
use tokentrail::detect::{Policy, Severity};

/// The account that is asked about.
fn reader() -> Request {
    Request::of_pod("shelf:reader", "reader-1", "10.251.0.9")
}

/// So many days of five accounts' work.
fn life(days: i64) -> Vec<(i64, Request)> {
    let mut acts = Vec::new();
    for (day, turn) in (0..days).flat_map(|day| (0..6).map(move |turn| (day, turn))) {
        acts.push((day * DAY + turn * HOUR, reader()));
        for n in 0..4 {
            let name = format!("quiet-{n}");
            let mut other = Request::of_pod(
                &format!("desk:{name}"),
                &name,
                &format!("10.251.0.{}", 20 + n),
            );
            other.agent = format!("{name}/v1");
            acts.push((day * DAY + turn * HOUR + n * SECOND, other));
        }
    }
    acts
}

/// The gravest incident of `account` that `act` is in, at `at`.
fn told(mut acts: Vec<(i64, Request)>, at: i64, act: Request) -> (Bits, Severity) {
    let account = act.user.clone();
    acts.push((at, act));
    acts.sort_by_key(|(at, _)| *at);
    let lines: Vec<String> = acts.iter().map(|(at, request)| request.line(*at)).collect();
    let out = run(&Policy::default(), lines.iter().map(String::as_str));
    let begun = tokentrail::base::Time((1_767_225_600_000 + at) * 1000);
    let of_act = last(&out)
        .into_values()
        .filter(|i| i.principal == account && i.last_seen >= begun);
    of_act
        .map(|i| (i.score(), i.severity))
        .max()
        .unwrap_or((Bits::ZERO, Severity::Info))
}

fn all_secrets() -> Request {
    reader().does("list", "secrets", "", "")
}

fn apart(a: Severity, b: Severity) -> u8 {
    (a as u8).abs_diff(b as u8)
}

#[test]
fn no_day_of_an_accounts_age_changes_a_severity_by_more_than_a_step() {
    let mut by_age = String::new();
    let mut before: Option<Severity> = None;
    for age in 0..20 {
        let mut acts = life(20);
        acts.retain(|(at, request)| request.user != reader().user || *at >= (20 - age) * DAY);
        let (score, severity) = told(acts, 20 * DAY, all_secrets());
        let _ = write!(by_age, " {age}: {score} {severity};");
        assert!(
            before.is_none_or(|before| apart(before, severity) <= 1),
            "{by_age}"
        );
        before = Some(severity);
    }
    assert!(before >= Some(Severity::Medium), "{by_age}");
}

#[test]
fn an_act_becomes_habit_day_by_day() {
    let (mut acts, mut scores) = (life(20), Vec::new());
    for day in 20..28 {
        let at = day * DAY + 12 * HOUR;
        scores.push(told(acts.clone(), at, all_secrets()));
        acts.push((at, all_secrets()));
        acts.extend((0..6).map(|turn| (day * DAY + turn * HOUR, reader())));
    }
    assert!(scores[0].1 >= Severity::Medium, "{scores:?}");
    assert!(
        scores.windows(2).all(|pair| pair[1].0 <= pair[0].0),
        "{scores:?}"
    );
    assert_eq!(scores[6].0, Bits::ZERO, "{scores:?}");
}

/// A Secret a day, for thirty days: the next one is habit by then, and nothing else is.
#[test]
fn thirty_days_of_patience_buy_three_bits_of_other_acts() {
    let taught: Vec<(i64, Request)> = (20..50)
        .map(|day| {
            (
                day * DAY + 12 * HOUR,
                reader().does("get", "secrets", "shelf", &format!("key-{day}")),
            )
        })
        .collect();
    let others = [
        all_secrets(),
        reader().does("list", "secrets", "vault", ""),
        reader().does("create", "pods/exec", "vault", "vault-0"),
        reader().does(
            "create",
            "serviceaccounts/token",
            "kube-system",
            "generic-garbage-collector",
        ),
    ];
    let at = 50 * DAY + HOUR / 2;
    for act in others {
        let fresh = told(life(50), at, act.clone());
        let mut acts = life(50);
        acts.extend(taught.clone());
        let patient = told(acts, at, act.clone());
        let bought = fresh.0 - patient.0;
        assert!(
            bought <= Bits::whole(3),
            "{} {}: {fresh:?} {patient:?}",
            act.verb,
            act.resource
        );
    }
    let mut acts = life(50);
    acts.extend(taught);
    let one_more = reader().does("get", "secrets", "shelf", "key-60");
    let next = told(acts.clone(), at, one_more.clone());
    assert!(
        next.1 <= Severity::Info,
        "what it does every day is habit: {next:?}"
    );
    let by_hand = Request {
        agent: "curl/8".into(),
        ..one_more
    };
    let (fresh, patient) = (told(life(50), at, by_hand.clone()), told(acts, at, by_hand));
    assert!(
        fresh.0 - patient.0 <= Bits::whole(5),
        "{fresh:?} {patient:?}"
    );
    assert!(
        patient.1 >= Severity::Low,
        "but not with another program: {patient:?}"
    );
}

/// Accounts that an intruder makes, to show what is to come.
#[test]
fn a_flood_of_young_accounts_makes_no_grave_act_ordinary() {
    let fresh = told(life(20), 20 * DAY, all_secrets());
    let mut acts = life(20);
    for n in 0..300 {
        let name = format!("made-{n}");
        let young = Request::of_pod(
            &format!("lair:{name}"),
            &name,
            &format!("10.251.{}.{}", 1 + n / 200, n % 200),
        );
        acts.push((19 * DAY + n * MINUTE, young.does("list", "secrets", "", "")));
    }
    let flooded = told(acts, 20 * DAY, all_secrets());
    assert!(
        flooded.1 >= Severity::Low && fresh.0 - flooded.0 <= Bits::whole(5),
        "{fresh:?} {flooded:?}"
    );
}

/// Names of its own making, by the hundred, are no licence for the Secrets of others.
#[test]
fn a_flood_of_invented_values_buys_nothing_of_other_acts() {
    let fresh = told(life(20), 20 * DAY, all_secrets());
    let mut acts = life(20);
    acts.extend((0..500).map(|n| {
        (
            19 * DAY + n * SECOND,
            reader().does(
                "get",
                "configmaps",
                &format!("ns-{}", n % 50),
                &format!("map-{n}"),
            ),
        )
    }));
    let flooded = told(acts, 20 * DAY, all_secrets());
    assert!(
        fresh.0 - flooded.0 <= Bits::whole(4),
        "{fresh:?} {flooded:?}"
    );
    assert!(flooded.1 >= Severity::Low, "{flooded:?}");
}

/// Many accounts begin the same at once; one of them does something else besides.
#[test]
fn who_hides_in_a_rollout_is_told_by_what_he_does() {
    let mut acts = life(20);
    let at = 20 * DAY;
    for n in 0..4 {
        let name = format!("quiet-{n}");
        let mut other = Request::of_pod(
            &format!("desk:{name}"),
            &name,
            &format!("10.251.0.{}", 20 + n),
        );
        other.agent = "helper/v2".into();
        acts.push((at + n * SECOND, other.does("list", "secrets", "desk", "")));
    }
    acts.push((
        at + 10 * SECOND,
        reader().does("list", "secrets", "shelf", ""),
    ));
    let thief = told(
        acts,
        at + MINUTE,
        reader().does("create", "serviceaccounts/token", "kube-system", "admin"),
    );
    assert!(thief.1 >= Severity::Medium, "{thief:?}");
}
