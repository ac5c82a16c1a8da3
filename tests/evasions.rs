//! Ways around the engine that were open once.

mod common;

use common::{DAY, Request, SECOND, alarms, feed, run};
use tokentrail::detect::Policy;
use tokentrail::engine::{Engine, Output};

fn stock() -> Request {
    Request::of_pod("shelf:stock", "pod-1", "10.251.0.9")
}

fn with_habits(acts: Vec<(i64, Request)>) -> Output {
    let mut lines: Vec<String> = (0..8).flat_map(|d| (0..6).map(move |n| stock().line(d * DAY + n * SECOND))).collect();
    for pod in 2..6 {
        let neighbour = Request::of_pod("shelf:bell", &format!("pod-{pod}"), &format!("10.251.0.{}", 9 + pod));
        lines.push(neighbour.line(7 * DAY + pod * 60 * SECOND));
    }
    lines.extend(acts.into_iter().map(|(at, request)| request.line(at)));
    run(&Policy::default(), lines.iter().map(String::as_str))
}

#[test]
fn to_be_refused_first_does_not_wash_what_is_allowed_the_day_after() {
    let read = stock().does("get", "secrets", "shelf", "ledger-key");
    let refused = Request { code: 403, ..read.clone() };
    assert_eq!(alarms(&with_habits(vec![(8 * DAY, refused), (9 * DAY, read)])).len(), 1);
}

#[test]
fn a_stolen_token_does_not_teach_where_it_lives() {
    let away = Request { ip: "192.0.2.9".into(), pod: "pod-9".into(), credential: "JTI=pod-9".into(), ..stock() };
    let out = with_habits(vec![(8 * DAY, away.clone()), (8 * DAY + SECOND, away)]);
    let told = out.findings.iter().filter(|(d, _)| *d == "unknown-origin").count();
    assert_eq!(told, 2, "the second request is as odd as the first");
}

#[test]
fn what_anybody_may_do_is_told() {
    let anonymous = Request { user: "system:anonymous".into(), ..Request::of_pod("x:y", "", "192.0.2.9") };
    let out = run(&Policy::default(), [anonymous.does("get", "secrets", "shelf", "ledger-key").line(0).as_str()]);
    assert_eq!(alarms(&out).len(), 1);
}

#[test]
fn a_straggler_of_a_deleted_account_does_not_wash_its_successor() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let new = Request { uid: "5a1e0000-0000-4000-8000-000000000002", ..stock() };
    for (n, request) in [stock(), new.clone(), new.clone(), stock(), new].iter().enumerate() {
        feed(&mut engine, 0, &request.line(n as i64 * SECOND), &mut out);
    }
    let account = engine.population().get("system:serviceaccount:shelf:stock").expect("known");
    assert_eq!((account.events, account.uid.to_string().ends_with('2')), (3, true));
}

#[test]
fn a_copied_token_past_its_time_is_told_though_its_pod_is_known() {
    let stale = |at| {
        let line = stock().line(at);
        line.replace(r#""annotations":{"#, r#""annotations":{"authentication.k8s.io/stale-token":"subject: x","#)
    };
    let mut lines: Vec<String> = (0..8).flat_map(|d| (0..6).map(move |n| stock().line(d * DAY + n * SECOND))).collect();
    lines.push(stale(8 * DAY));
    lines.push(stale(8 * DAY + SECOND));
    let out = run(&Policy::default(), lines.iter().map(String::as_str));
    let told = out.findings.iter().filter(|(d, _)| *d == "legacy-token").count();
    assert_eq!(told, 1, "and it is told once");
}
