//! An attacker's path across accounts is one story, by facts of the log; look-alikes of such a path
//! are not.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::{DAY, HOUR, MINUTE, Request, SECOND, last, run};
use tokentrail::detect::{Policy, Severity};
use tokentrail::engine::Output;
use tokentrail::incident::{Incident, Kind};

/// Four accounts with a week of habits, each in a pod of its own; two of one account, so that
/// addresses tell.
fn habits() -> Vec<(i64, String)> {
    let mut lines = Vec::new();
    for (day, n) in (0..8).flat_map(|d| (0..6).map(move |n| (d, n))) {
        for (i, account) in ["shelf:stock", "till:cash", "desk:clerk", "shelf:bell"]
            .iter()
            .enumerate()
        {
            let at = day * DAY + n * MINUTE + i as i64 * SECOND;
            lines.push((at, of(account).line(at)));
        }
    }
    lines
}

fn of(account: &str) -> Request {
    let n = ["shelf:stock", "till:cash", "desk:clerk", "shelf:bell"]
        .iter()
        .position(|a| *a == account)
        .unwrap();
    Request::of_pod(account, &format!("pod-{n}"), &format!("10.251.0.{}", 9 + n))
}

/// Asks for what it never asked and is refused: a grave incident of its own.
fn sweep(base: &Request, at: i64) -> Vec<(i64, String)> {
    let kinds = [
        "secrets",
        "nodes",
        "pods/exec",
        "roles",
        "jobs",
        "leases",
        "events",
    ];
    let one = |(n, kind): (usize, &&str)| {
        let refused = Request {
            code: 403,
            ..base.clone().does("list", kind, "vault", "")
        };
        let at = at + n as i64 * SECOND;
        (at, refused.line(at))
    };
    kinds.iter().enumerate().map(one).collect()
}

fn told(mut acts: Vec<(i64, String)>) -> Output {
    let mut lines = habits();
    lines.append(&mut acts);
    lines.sort();
    run(
        &Policy::default(),
        lines.iter().map(|(_, line)| line.as_str()),
    )
}

fn grave(out: &Output) -> Vec<&Incident> {
    let loud = |i: &&Incident| i.kind == Kind::Threat && i.severity >= Severity::Medium;
    last(out).into_values().filter(loud).collect()
}

fn user(account: &str) -> String {
    format!("system:serviceaccount:{account}")
}

fn minted(line: String, id: &str) -> String {
    line.replace(
        r#""annotations":{"#,
        &format!(
            r#""annotations":{{"authentication.kubernetes.io/issued-credential-id":"JTI={id}","#
        ),
    )
}

const T: i64 = 8 * DAY;

#[test]
fn enter_a_pod_misuse_its_account_and_mint_with_it_is_one_story() {
    let mut acts = sweep(&of("shelf:stock"), T);
    let mut put = |at: i64, line: String| acts.push((at, line));
    let enter = Request {
        code: 101,
        stage: "ResponseStarted",
        ..of("shelf:stock").does("create", "pods/exec", "till", "pod-1")
    };
    put(T + MINUTE, enter.line(T + MINUTE));
    put(
        T + 2 * MINUTE,
        of("till:cash")
            .does("get", "secrets", "till", "drawer")
            .line(T + 2 * MINUTE),
    );
    let mint = of("till:cash").does("create", "serviceaccounts/token", "desk", "clerk");
    put(
        T + 3 * MINUTE,
        minted(
            Request { code: 201, ..mint }.line(T + 3 * MINUTE),
            "minted-1",
        ),
    );
    let away = Request {
        pod: String::new(),
        credential: "JTI=minted-1".into(),
        ..of("till:cash")
    };
    let with_it = Request {
        user: user("desk:clerk"),
        ..away
    };
    put(
        T + 4 * MINUTE,
        with_it
            .does("get", "secrets", "desk", "safe")
            .line(T + 4 * MINUTE),
    );
    let out = told(acts);
    let stories = grave(&out);
    assert_eq!(stories.len(), 1, "{:?}", common::alarms(&out));
    let story = stories[0];
    assert_eq!(story.severity, Severity::Critical);
    assert_eq!(story.principal, user("shelf:stock"));
    assert_eq!(story.principals.len(), 3);
    let path: Vec<String> = story.lineage.iter().map(|s| s.words()).collect();
    assert_eq!(
        path,
        [
            "pod till/pod-1 entered by system:serviceaccount:shelf:stock at 2026-01-09T00:01:00.000000Z, its account used \
             by system:serviceaccount:till:cash from 10.251.0.10 at 2026-01-09T00:02:00.000000Z",
            "token JTI=minted-1 minted by system:serviceaccount:till:cash at 2026-01-09T00:03:00.000000Z, used by \
             system:serviceaccount:desk:clerk from 10.251.0.10 at 2026-01-09T00:04:00.000000Z",
        ]
    );
}

#[test]
fn days_later_the_story_names_the_incident_that_it_goes_on_with() {
    let mut acts = sweep(&of("shelf:stock"), T);
    let enter = Request {
        code: 101,
        stage: "ResponseStarted",
        ..of("shelf:stock").does("get", "pods/exec", "till", "pod-1")
    };
    acts.push((T + MINUTE, enter.line(T + MINUTE)));
    let later = T + 6 * DAY;
    acts.push((
        later,
        of("till:cash").does("list", "secrets", "", "").line(later),
    ));
    acts.extend(sweep(&of("desk:clerk"), later + HOUR));
    let out = told(acts);
    let mut stories = grave(&out);
    stories.sort_by_key(|i| i.first_seen);
    assert_eq!(stories.len(), 3, "{:?}", common::alarms(&out));
    assert_eq!(stories[1].continues, Some(stories[0].id));
    assert_eq!(stories[1].lineage.len(), 1);
    assert_eq!(stories[2].continues, None, "nothing leads to it");
}

#[test]
fn a_copied_secret_token_leads_back_to_who_read_it() {
    let mut acts = sweep(&of("shelf:stock"), T);
    acts.push((
        T + MINUTE,
        of("shelf:stock")
            .does("get", "secrets", "desk", "clerk-key")
            .line(T + MINUTE),
    ));
    let legacy = |ip: &str, at: i64| {
        let base = Request {
            pod: String::new(),
            credential: String::new(),
            ip: ip.into(),
            ..of("desk:clerk")
        };
        base.line(at).replace(
            r#""annotations":{"#,
            r#""annotations":{"authentication.k8s.io/legacy-token-manual-secret":"clerk-key","authentication.k8s.io/legacy-token":"x","#,
        )
    };
    acts.push((T + 2 * MINUTE, legacy("198.51.100.7", T + 2 * MINUTE)));
    let out = told(acts);
    let stories = grave(&out);
    assert_eq!(stories.len(), 1, "{:?}", common::alarms(&out));
    assert_eq!(stories[0].lineage[0].what, "secret desk/clerk-key");
}

#[test]
fn a_stolen_token_used_in_the_pod_of_a_known_thief_is_the_thiefs_story() {
    let mut acts = sweep(&of("shelf:stock"), T);
    let stolen = Request {
        ip: of("shelf:stock").ip,
        ..of("till:cash")
    };
    acts.push((T + MINUTE, stolen.line(T + MINUTE)));
    let out = told(acts);
    let stories = grave(&out);
    assert_eq!(stories.len(), 1, "{:?}", common::alarms(&out));
    assert_eq!(stories[0].principals.len(), 2);
}

#[test]
fn two_accounts_that_misbehave_at_once_are_two_stories() {
    let mut acts = sweep(&of("shelf:stock"), T);
    acts.extend(sweep(&of("till:cash"), T + MINUTE));
    assert_eq!(grave(&told(acts)).len(), 2);
}

#[test]
fn what_is_only_kept_is_named_and_joins_nothing() {
    // A person enters a pod, which is low; what its account does then is its own story, that names
    // the person.
    let person = Request {
        user: "erin".into(),
        uid: "",
        pod: String::new(),
        ..of("shelf:bell")
    };
    let enter = Request {
        code: 101,
        stage: "ResponseStarted",
        ..person.does("create", "pods/exec", "till", "pod-1")
    };
    let read = of("till:cash").does("list", "secrets", "", "");
    let out = told(vec![
        (T, enter.line(T)),
        (T + MINUTE, read.line(T + MINUTE)),
    ]);
    let stories = grave(&out);
    assert_eq!(stories.len(), 1, "{:?}", common::alarms(&out));
    assert_eq!(
        (stories[0].principal.as_str(), stories[0].continues),
        (user("till:cash").as_str(), None)
    );
    assert_eq!(stories[0].lineage[0].by, "erin");
}

#[test]
fn another_pod_of_the_account_stays_out_of_the_story() {
    let mut acts = sweep(&of("shelf:stock"), T);
    let enter = Request {
        code: 101,
        stage: "ResponseStarted",
        ..of("shelf:stock").does("create", "pods/exec", "till", "pod-1")
    };
    acts.push((T + MINUTE, enter.line(T + MINUTE)));
    let other = Request::of_pod("till:cash", "pod-9", "10.251.0.40");
    acts.push((
        T + 2 * MINUTE,
        other.does("list", "secrets", "", "").line(T + 2 * MINUTE),
    ));
    let out = told(acts);
    let stories = grave(&out);
    assert_eq!(stories.len(), 2, "{:?}", common::alarms(&out));
    assert!(stories.iter().all(|i| i.lineage.is_empty()));
}

#[test]
fn novelties_of_two_accounts_do_not_add_up() {
    // A grave incident would; two single novelties that a link joins stay what they are.
    let person = Request {
        user: "erin".into(),
        uid: "",
        pod: String::new(),
        ..of("shelf:bell")
    };
    let enter = Request {
        code: 101,
        stage: "ResponseStarted",
        ..person.does("create", "pods/exec", "till", "pod-1")
    };
    let new = of("till:cash").does("list", "endpoints", "till", "");
    assert_eq!(
        common::alarms(&told(vec![
            (T, enter.line(T)),
            (T + MINUTE, new.line(T + MINUTE))
        ])),
        Vec::<String>::new()
    );
}
