//! The operator's word: what rules find, exempt and silence, where mistakes are named, and what an
//! acknowledgement teaches.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;
#[path = "daemon/harness.rs"]
#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod harness;

use common::{DAY, HOUR, MINUTE, Request, SECOND, alarms, feed, last, run};
use harness::{Daemon, Home, incidents_of, last_revisions, replay, sample};
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use tokentrail::config::rules::{Checked, Loaded, Verdict, load};
use tokentrail::detect::{Policy, Severity};
use tokentrail::engine::{Ack, Command, Engine, Input, Output, Refusal, Width};
use tokentrail::incident::{Kind, Reason, Status};

fn loaded(name: &str, text: &str) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), text).unwrap();
    load(&[dir.path().to_owned()], Path::new(""))
}

fn policy(text: &str) -> Policy {
    let loaded = loaded("own.yaml", text);
    assert!(loaded.error().is_none(), "{:?}", loaded.checked);
    Policy {
        rules: Arc::new(loaded.rules),
        ..Policy::default()
    }
}

fn rule(condition: &str) -> String {
    format!(
        "rules:\n  - id: mine\n    title: Mine\n    severity: medium\n    condition: {condition}\n"
    )
}

fn only(loaded: &Loaded) -> &Checked {
    assert_eq!(loaded.checked.len(), 1, "{:?}", loaded.checked);
    &loaded.checked[0]
}

fn pod() -> Request {
    Request::of_pod("shop:web", "web-1", "10.0.1.5")
}

/// Six days of the same, which make the account mature.
fn habit() -> Vec<String> {
    (0..48).map(|n| pod().line(n * 3 * HOUR)).collect()
}

/// Whether a rule of this condition finds something in the line.
fn finds(condition: &str, line: &str) -> bool {
    let out = run(&policy(&rule(condition)), [line]);
    assert!(out.troubles.is_empty(), "{condition}: {:?}", out.troubles);
    out.findings.iter().any(|(id, _)| id == "mine")
}

#[test]
fn conditions_see_events_and_the_baseline_before_them() {
    let line = pod()
        .does("get", "pods/exec", "shop", "db-0")
        .line(23 * HOUR);
    let true_of_it = [
        "event.verb == 'get' && event.subresource == 'exec'",
        "event.hour >= 22 && event.weekday == 4",
        "event.name.startsWith('db-') && event.name.matches('-[0-9]+$')",
        "event.source_ips.exists(ip, ip.startsWith('10.0.'))",
        "event.namespace in ['shop', 'bank'] && size(event.groups) == 0",
        "event.user_namespace == 'shop' && event.user_name == 'web' && event.user_kind == 'service account'",
        "baseline.operation_days == 0 && !baseline.mature && baseline.agents.all(a, a == 'x')",
        "event.code / 100 == 2 ? event.outcome == 'allowed' : false",
        "event.agent.lowerAscii() == 'stock' && event.credential == 'pod-bound token'",
        "event.acts == ['pod.exec.o'] && event.gain == 5000 && event.weight > 0 && event.surprise > 0",
        "event.practised_days == 0 && event.causes.all(c, c != '')",
    ];
    for condition in true_of_it {
        assert!(finds(&format!("\"{condition}\""), &line), "{condition}");
        assert!(!finds(&format!("\"!({condition})\""), &line), "{condition}");
    }
}

#[test]
fn a_mistake_is_named_at_its_line_and_column() {
    let cases = [
        (
            "event.ressource == 'pods'",
            (5, 16),
            "no field event.ressource",
        ),
        (
            "event.verb == 'get' && event.code == '200'",
            (5, 53),
            "cannot compare",
        ),
        (
            "|\n      event.verb == 'get' &&\n      event.cod == 1",
            (7, 7),
            "no field event.cod",
        ),
        (
            ">-\n      event.verb\n      == 5",
            (7, 10),
            "cannot compare",
        ),
        ("event.verb == 'get' &&& true", (5, 38), "token recognition"),
        ("event.verb", (5, 16), "not a bool"),
        ("incident.severity == 'low'", (5, 16), "silences only"),
        ("event.name.matches('[')", (5, 35), "pattern"),
        ("event.groups == 'x'", (5, 32), "cannot compare"),
        ("event.code == 1.5", (5, 30), "whole"),
    ];
    for (condition, place, words) in cases {
        let loaded = loaded("own.yaml", &rule(condition));
        let checked = only(&loaded);
        let Verdict::Wrong { what, .. } = &checked.verdict else {
            panic!("{condition}: {checked:?}")
        };
        assert!(what.contains(words), "{condition}: {what}");
        assert_eq!(checked.place, Some(place), "{condition}: {what}");
    }
}

#[test]
fn what_no_event_can_meet_is_named() {
    for condition in [
        "event.verb == 'exec'",
        "event.resource == 'pods/exec'",
        "event.code in [0, 200] && event.code == 999",
    ] {
        let loaded = loaded("own.yaml", &rule(condition));
        assert!(
            matches!(&only(&loaded).verdict, Verdict::Never(why) if why.contains("never")),
            "{condition}"
        );
        assert!(loaded.error().is_none() && loaded.warnings().len() == 1);
    }
}

#[test]
fn a_rule_without_an_answer_is_counted_and_changes_nothing_else() {
    let lines: Vec<String> = habit().into_iter().chain([evil(7 * DAY)]).collect();
    let plain = run(&Policy::default(), lines.iter().map(String::as_str));
    for condition in [
        "1 / (event.code - 200) == 1",
        "event.code * 9223372036854775807 > 1",
    ] {
        let broken = run(&policy(&rule(condition)), lines.iter().map(String::as_str));
        assert_eq!(
            broken.troubles.iter().map(|(_, times)| times).sum::<u64>(),
            lines.len() as u64
        );
        assert_eq!(common::json(&broken), common::json(&plain));
        assert_eq!(broken.findings, plain.findings);
    }
}

/// Conditions that never hold, and have no answer: at every event, at some, or when there is much
/// to look at.
const BROKEN: [&str; 6] = [
    "1 / (event.code - event.code) == 1",
    "event.code % (event.code - 200) == 1",
    "event.code * 9223372036854775807 > 1",
    "baseline.operation_days / (baseline.operation_days - 1) == 77",
    "!baseline.operations.all(a, baseline.operations.all(b, baseline.operations.all(c, size(a) < 999)))",
    "9223372036854775807 + event.code > 0 && event.verb == 'get'",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// Among sound rules and exemptions, broken ones of any number and order change nothing but the
    /// count of troubles.
    #[test]
    fn rules_without_an_answer_change_nothing_else(
        broken in proptest::collection::vec((0usize..BROKEN.len(), 0usize..4, 0usize..2), 1..6),
        acts in proptest::collection::vec((0usize..4, 0usize..4, 0u32..4000, 0usize..3), 1..40),
    ) {
        let sound = [("a", "event.verb == 'get' && event.resource == 'secrets'"), ("b", "event.code == 403"),
            ("c", "baseline.operation_days == 0")];
        let rule = |id: &str, condition: &str| {
            format!("  - id: {id}\n    title: T\n    severity: medium\n    condition: \"{condition}\"\n")
        };
        let exemption = |id: &str, condition: &str| format!(
            "  - id: {id}\n    owner: o\n    reason: r\n    expires: 2027-01-01\n    detectors: [enumeration, \
             sensitive-operation]\n    condition: \"{condition}\"\n"
        );
        let text = |broken: &[(usize, usize, usize)]| {
            let (mut rules, mut exempt) = (vec![String::new(); 4], exemption("fine", "event.code == 404"));
            rules.iter_mut().zip(sound).for_each(|(slot, (id, condition))| slot.push_str(&rule(id, condition)));
            for (n, (which, place, kind)) in broken.iter().enumerate() {
                match kind {
                    0 => rules[*place].push_str(&rule(&format!("broken-{n}"), BROKEN[*which])),
                    _ => exempt.push_str(&exemption(&format!("broken-{n}"), BROKEN[*which])),
                }
            }
            format!("rules:\n{}exemptions:\n{exempt}", rules.concat())
        };
        let mut lines = habit();
        let mut at = 6 * DAY;
        for (verb, resource, pause, code) in acts {
            at += i64::from(pause) * SECOND;
            let verb = ["get", "list", "create", "delete"][verb];
            let resource = ["secrets", "pods/exec", "configmaps", "selfsubjectreviews"][resource];
            let code = [200, 403, 404][code];
            lines.push(Request { code, ..pod() }.does(verb, resource, "vault", "x").line(at));
        }
        let judged = |text: &str| run(&policy(text), lines.iter().map(String::as_str));
        let (plain, with) = (judged(&text(&[])), judged(&text(&broken)));
        proptest::prop_assert!(plain.troubles.is_empty());
        proptest::prop_assert!(with.troubles.iter().all(|(t, _)| t.id.starts_with("broken-")));
        proptest::prop_assert_eq!(common::json(&with), common::json(&plain));
        proptest::prop_assert_eq!((&with.findings, with.exempted), (&plain.findings, plain.exempted));
    }
}

#[test]
fn work_is_bounded() {
    let deep = "baseline.operations.all(a, baseline.operations.all(b, baseline.operations.all(c, a + b != c)))";
    assert!(
        loaded("own.yaml", &rule(deep)).error().is_some(),
        "texts are not added"
    );
    let costly = "baseline.operations.all(a, baseline.operations.all(b, baseline.operations.all(c, size(a) < 999)))";
    let mut lines: Vec<String> = (0..40)
        .map(|n| {
            pod()
                .does("list", &format!("kind{n}"), "shop", "")
                .line(n * SECOND)
        })
        .collect();
    lines.push(pod().line(HOUR));
    let out = run(&policy(&rule(costly)), lines.iter().map(String::as_str));
    assert!(
        out.troubles
            .iter()
            .any(|(t, _)| t.fault.words().contains("steps")),
        "{:?}",
        out.troubles
    );
}

/// A mature account reads Secrets for the first time, with another program.
fn evil(at: i64) -> String {
    Request {
        agent: "curl/8".into(),
        ..pod()
    }
    .does("list", "secrets", "shop", "")
    .line(at)
}

#[test]
fn what_has_expired_is_named_by_the_events_own_time() {
    let text = "exemptions:\n  - id: old\n    owner: o\n    reason: r\n    expires: 2026-01-02\n    detectors: \
                [unexpected-agent]\n    condition: event.verb == 'list'\n  - id: lasting\n    owner: o\n    reason: r\n    \
                detectors: [unexpected-agent]\n    condition: event.verb == 'list'\n";
    let rules = policy(text).rules;
    let at = |text: &str| tokentrail::base::Time::parse(text).unwrap();
    assert_eq!(
        rules.expired(at("2026-01-01T23:00:00Z")),
        Vec::<String>::new()
    );
    let said = rules.expired(at("2026-02-01T00:00:00Z"));
    assert!(
        said.len() == 1 && said[0].starts_with("exemption old of o holds no more since 2026-01-0"),
        "{said:?}"
    );
}

#[test]
fn an_exemption_covers_what_it_names_until_it_expires() {
    let text = |expires: &str| {
        format!(
            "exemptions:\n  - id: known\n    owner: o\n    reason: r\n    expires: {expires}\n    detectors: \
             [sensitive-operation, unexpected-agent, unexpected-operation]\n    condition: event.resource == 'secrets'\n"
        )
    };
    let lines: Vec<String> = habit().into_iter().chain([evil(7 * DAY)]).collect();
    let judged = |policy: &Policy| {
        let out = run(policy, lines.iter().map(String::as_str));
        (alarms(&out).len(), out.exempted)
    };
    assert_eq!(judged(&Policy::default()), (1, 0));
    let (alarms, exempted) = judged(&policy(&text("2026-02-01")));
    assert!(alarms == 0 && exempted > 0);
    assert_eq!(judged(&policy(&text("2026-01-07"))), (1, 0));
}

#[test]
fn a_silence_keeps_incidents_and_tells_nobody_until_it_ends() {
    let text = |until: &str| {
        format!(
            "silences:\n  - id: quiet\n    owner: o\n    reason: r\n    until: {until}\n    condition: \
             incident.principal.endsWith(':web')\n"
        )
    };
    let lines: Vec<String> = habit().into_iter().chain([evil(7 * DAY)]).collect();
    let silent = run(
        &policy(&text("2026-02-01")),
        lines.iter().map(String::as_str),
    );
    assert_eq!(alarms(&silent).len(), 1, "it is recorded");
    assert!(
        silent
            .revisions
            .iter()
            .filter(|r| r.incident.kind == Kind::Threat)
            .all(|r| !r.notice.tell),
        "and nobody is told"
    );
    assert!(
        silent
            .revisions
            .iter()
            .any(|r| r.notice.reason == Reason::Silenced)
    );
    let over = run(
        &policy(&text("2026-01-07")),
        lines.iter().map(String::as_str),
    );
    assert!(
        over.revisions
            .iter()
            .any(|r| r.notice.tell && r.notice.reason == Reason::Opened)
    );
}

fn ack(engine: &mut Engine, incident: tokentrail::base::Digest, out: &mut Output) {
    ack_wider(engine, incident, Width::Act, out);
}

fn ack_wider(
    engine: &mut Engine,
    incident: tokentrail::base::Digest,
    width: Width,
    out: &mut Output,
) {
    let ack = Ack {
        command: "c-1".into(),
        incident,
        owner: "ann".into(),
        reason: "the new backup".into(),
        width,
    };
    engine.step(Input::Command(Box::new(Command::Ack(ack))), out);
}

/// What an operator calls normal at each width, and what stays odd.
#[test]
fn an_acknowledgement_is_as_wide_as_the_operator_says() {
    let read = |name: &str| pod().does("get", "secrets", "vault", name);
    let exec = pod().does("create", "pods/exec", "vault", "vault-0");
    let stolen = Request {
        ip: "203.0.113.9".into(),
        ..read("first")
    };
    let told = |width: Width, act: &Request| {
        let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
        habit()
            .iter()
            .for_each(|line| feed(&mut engine, 0, line, &mut out));
        feed(&mut engine, 0, &read("first").line(7 * DAY), &mut out);
        let is_threat = |i: &&tokentrail::incident::Incident| i.kind == Kind::Threat;
        let id = last(&out).into_values().find(is_threat).unwrap().id;
        ack_wider(&mut engine, id, width, &mut out);
        let mut after = Output::default();
        feed(&mut engine, 0, &act.line(7 * DAY + HOUR), &mut after);
        after
            .findings
            .iter()
            .any(|(detector, _)| detector != "log-silent")
    };
    for (act, odd_at) in [
        (read("first"), [false, false, false]),
        (read("second"), [true, false, false]),
        (exec, [true, true, false]),
        (stolen, [true, true, true]),
    ] {
        let odd = [Width::Act, Width::Kind, Width::Account].map(|width| told(width, &act));
        assert_eq!(
            odd, odd_at,
            "{} {} {} from {}",
            act.verb, act.resource, act.name, act.ip
        );
    }
}

#[test]
fn after_an_acknowledgement_the_same_raises_nothing_and_something_else_does() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    habit()
        .iter()
        .for_each(|line| feed(&mut engine, 0, line, &mut out));
    feed(&mut engine, 0, &evil(7 * DAY), &mut out);
    let id = last(&out)
        .into_values()
        .find(|i| i.kind == Kind::Threat && i.severity >= Severity::Medium)
        .unwrap()
        .id;
    ack(&mut engine, id, &mut out);
    let ended = out.revisions.last().unwrap();
    assert_eq!(
        (ended.incident.status, ended.notice.reason),
        (Status::Resolved, Reason::Acknowledged)
    );
    assert_eq!(
        ended.incident.acknowledged.as_ref().unwrap().reason,
        "the new backup"
    );

    // Through the store's form and back, as after a restart.
    let mut records = Vec::new();
    engine.drain_records(&mut records);
    let mut engine = Engine::new(Policy::default());
    for record in records {
        // Without a value it is one that the store would delete.
        let Some(value) = record.value else { continue };
        engine
            .restore(record.room as u8, &record.key, &value)
            .unwrap();
    }
    let mut after = Output::default();
    for n in 0..5 {
        feed(&mut engine, 0, &evil(8 * DAY + n * MINUTE), &mut after);
    }
    // The day without an event is told, and nobody's behaviour.
    after
        .findings
        .retain(|(detector, _)| detector != "log-silent");
    assert!(after.findings.is_empty(), "{:?}", after.findings);
    ack(&mut engine, id, &mut after);
    assert_eq!(after.answers[0].outcome, Err(Refusal::Repeated));

    let other = pod()
        .does("create", "pods/exec", "shop", "web-2")
        .line(8 * DAY + HOUR);
    feed(&mut engine, 0, &other, &mut after);
    assert!(
        !after.findings.is_empty(),
        "another sensitive operation is no part of it"
    );
    ack(&mut engine, tokentrail::base::Digest([7; 16]), &mut after);
    assert_eq!(after.answers[1].outcome, Err(Refusal::NothingToLearn));
}

const SIGMA: &str = "title: Made up\nid: 9a1d7c52-0000-4000-8000-000000000001\ntags:\n    - attack.credential-access\n    - \
    attack.t1552.007\nlogsource:\n    product: kubernetes\n    service: audit\nlevel: low\ndetection:\n";

fn sigma(detection: &str) -> Loaded {
    loaded("rule.yml", &format!("{SIGMA}{detection}"))
}

#[test]
fn sigma_rules_are_rules() {
    let detection = "    sel_verb:\n        verb:\n            - GET\n            - li*\n    sel_what:\n        \
        objectRef.resource|startswith: secr\n        responseStatus.code: 200\n    filter:\n        \
        user.username|contains|all: [system, ':bank:']\n    condition: all of sel_* and not filter\n";
    let loaded = sigma(detection);
    assert_eq!(only(&loaded).verdict, Verdict::Fine);
    assert_eq!(loaded.rules.rules[0].techniques, ["T1552.007"]);
    let policy = Policy {
        rules: Arc::new(loaded.rules),
        ..Policy::default()
    };
    let hits = |line: String| {
        run(&policy, [line.as_str()])
            .findings
            .iter()
            .any(|(id, _)| id.starts_with("9a1d"))
    };
    assert!(hits(pod().does("list", "secrets", "shop", "").line(0)));
    assert!(!hits(pod().does("watch", "secrets", "shop", "").line(0)));
    assert!(!hits(pod().does("list", "pods", "shop", "").line(0)));
    let bank = Request::of_pod("bank:web", "web-1", "10.0.1.5").does("list", "secrets", "bank", "");
    assert!(!hits(bank.line(0)));
}

#[test]
fn a_sigma_rule_that_cannot_match_is_named() {
    let never = [
        ("hostPath: '*'", "event.host_paths"),
        ("apiGroup: apps", "objectRef.apiGroup"),
        ("responseStatus.code: ALLOW", "is a number"),
        ("verb: exec", "never"),
        ("requestObject.spec: x", "not kept"),
    ];
    for (test, words) in never {
        let loaded = sigma(&format!(
            "    selection:\n        {test}\n    condition: selection\n"
        ));
        let Verdict::Never(why) = &only(&loaded).verdict else {
            panic!("{test}: {:?}", loaded.checked)
        };
        assert!(why.contains(words), "{test}: {why}");
        assert_eq!(only(&loaded).place.map(|p| p.0), Some(12), "{test}");
    }
    let part = sigma("    selection:\n        verb: [create, replace]\n    condition: selection\n");
    assert!(matches!(only(&part).verdict, Verdict::Partly(_)));
    for wrong in [
        "        verb|base64: x\n    condition: selection\n",
        "        verb: get\n    condition: other\n",
    ] {
        assert!(
            sigma(&format!("    selection:\n{wrong}")).error().is_some(),
            "{wrong}"
        );
    }
}

#[test]
fn a_sigma_file_may_hold_several_rules() {
    let one = |id: &str, test: &str| {
        let head = SIGMA.replace("9a1d", id);
        format!("{head}    selection:\n        {test}\n    condition: selection\n")
    };
    let lines = |text: &str| text.lines().count();
    let (first, second, third) = (
        one("9a1d", "verb: list"),
        one("9a1e", "hostPath: '*'"),
        one("9a1f", "verb|base64: x"),
    );
    let file = format!("# Ours\n---\n{first}--- # the second\n{second}---\n\n---\n{third}");
    let loaded = loaded("many.yml", &file);
    assert_eq!(
        (loaded.checked.len(), loaded.rules.rules.len()),
        (3, 2),
        "{:?}",
        loaded.checked
    );
    assert_eq!(loaded.checked[0].verdict, Verdict::Fine);
    assert!(matches!(loaded.checked[1].verdict, Verdict::Never(_)));
    assert!(matches!(loaded.checked[2].verdict, Verdict::Wrong { .. }));
    let offset = |n: usize| loaded.checked[n].place.unwrap().0;
    // Both name the line of their test, which is the 12th of each rule.
    assert_eq!(offset(1), 2 + lines(&first) + 1 + 12);
    assert_eq!(offset(2), 2 + lines(&first) + 1 + lines(&second) + 3 + 12);
    let broken = format!("{first}---\ntitle: [\nlogsource:\n");
    let said = loaded_error(&broken);
    assert!(
        said.contains(&format!("many.yml:{}", lines(&first) + 2)),
        "{said}"
    );
}

fn loaded_error(text: &str) -> String {
    loaded("many.yml", text).error().unwrap().to_string()
}

#[test]
fn every_example_of_the_page_is_right_and_finds_what_it_says() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md"))
        .unwrap();
    let examples: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 3);
    for example in &examples {
        assert_eq!(
            only(&loaded("own.yaml", example)).verdict,
            Verdict::Fine,
            "{example}"
        );
    }
    let exec = |namespace| pod().does("create", "pods/exec", namespace, "db-0").line(0);
    let found = |line: String| {
        run(&policy(examples[0]), [line.as_str()])
            .findings
            .iter()
            .any(|(id, _)| id == "payments-exec")
    };
    assert!(found(exec("payments")) && !found(exec("shop")));
    let vault = Request::of_pod("vault:sync", "vault-0", "10.0.1.7")
        .does("get", "secrets", "shop", "x")
        .line(0);
    assert!(
        run(&Policy::default(), [vault.as_str()])
            .findings
            .iter()
            .any(|(id, _)| id == "sensitive-operation")
    );
    assert!(
        !run(&policy(examples[1]), [vault.as_str()])
            .findings
            .iter()
            .any(|(id, _)| id == "sensitive-operation")
    );
}

#[test]
fn ids_are_unique_and_people_answer_for_exemptions() {
    let twice = format!(
        "{}  - id: mine\n    title: T\n    severity: low\n    condition: true\n",
        rule("true")
    );
    assert!(
        loaded("own.yaml", &twice)
            .error()
            .unwrap()
            .to_string()
            .contains("same id")
    );
    let taken = rule("true").replace("mine", "sensitive-operation");
    assert!(loaded("own.yaml", &taken).error().is_some());
    let nobody = "exemptions:\n  - id: x\n    reason: r\n    detectors: [enumeration]\n    condition: true\n";
    let error = loaded("own.yaml", nobody).error().unwrap().to_string();
    assert!(error.contains("owner is missing"), "{error}");
}

fn tokentrail(args: &[&str], state: &Path) -> std::process::Output {
    Process::new(env!("CARGO_BIN_EXE_tokentrail"))
        .args(args)
        .arg("--state")
        .arg(state)
        .output()
        .unwrap()
}

fn acked(file: &Path, id: &str) -> bool {
    let last = last_revisions(file);
    last.iter()
        .any(|i| i["id"] == id && i["acknowledged"]["owner"] == "ann" && i["status"] == "resolved")
}

/// A daemon that has judged the bundled sample.
fn over_the_sample() -> (Home, Daemon) {
    let home = Home::new();
    home.write_log(&sample());
    let mut daemon = Daemon::start(&home);
    daemon.wait_for_bytes(sample().len() as u64);
    daemon.wait_for_metric("tokentrail_bytes_behind", 0.0);
    daemon.wait_until_caught_up();
    (home, daemon)
}

/// Ids of the incidents of `medium` that name somebody.
fn threats(home: &Home) -> Vec<String> {
    last_revisions(&home.incidents())
        .iter()
        .filter(|i| i["kind"] == "threat" && i["severity"] == "medium" && i["principal"] != "")
        .map(|i| i["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The daemon takes an acknowledgement while it runs, and the next run takes one that was left
/// without a daemon.
#[test]
fn the_daemon_takes_acknowledgements_and_remembers_them() {
    let (home, mut daemon) = over_the_sample();
    daemon.wait("every commit", |d| {
        d.metric("tokentrail_outbox_rows") == 0.0
    });
    let threats = threats(&home);
    let words = ["--owner", "ann", "--reason", "known"];
    let say = |id: &str| tokentrail(&[&["ack", id], &words[..]].concat(), &home.state());
    let said = say(&threats[0][..12]);
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    daemon.wait("the acknowledgement", |_| {
        acked(&home.incidents(), &threats[0])
    });
    daemon.wait("the end of the command", |_| {
        std::fs::read_dir(home.state().join("commands"))
            .unwrap()
            .count()
            == 0
    });
    assert!(
        !say("ffffffffffff").status.success(),
        "an unknown incident is an error"
    );
    assert!(daemon.terminate());
    assert!(say(&threats[1]).status.success());
    let mut again = Daemon::start(&home);
    again.wait("the other acknowledgement", |_| {
        acked(&home.incidents(), &threats[1])
    });
    assert!(again.terminate());
}

/// A kill between the commit that took an acknowledgement and the removal of its file: the file is
/// found again.
#[test]
fn an_acknowledgement_that_comes_back_after_a_kill_is_taken_once() {
    let (home, mut daemon) = over_the_sample();
    assert!(daemon.terminate());
    let threat = threats(&home).swap_remove(0);
    assert!(
        tokentrail(
            &["ack", &threat, "--owner", "ann", "--reason", "known"],
            &home.state()
        )
        .status
        .success()
    );
    let commands = home.state().join("commands");
    let left: Vec<PathBuf> = std::fs::read_dir(&commands)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(left.len(), 1);
    let command = std::fs::read(&left[0]).unwrap();
    let mut daemon = Daemon::start(&home);
    daemon.wait("the acknowledgement", |_| acked(&home.incidents(), &threat));
    daemon.kill();
    let told = std::fs::read_to_string(home.incidents())
        .unwrap()
        .lines()
        .count();
    std::fs::write(&left[0], command).unwrap();
    let mut again = Daemon::start(&home);
    again.wait("the end of the command", |_| {
        std::fs::read_dir(&commands).unwrap().count() == 0
    });
    assert!(again.terminate());
    let lines = std::fs::read_to_string(home.incidents()).unwrap();
    assert_eq!(lines.lines().count(), told, "nothing is told twice");
    let said = home.verify();
    assert!(said.contains("history and state agree"), "{said}");
}

#[test]
fn rules_judge_in_a_replay_and_are_checked_on_the_command_line() {
    let home = Home::new();
    home.write_log(&sample());
    std::fs::create_dir(home.path("rules")).unwrap();
    let own: PathBuf = home.path("rules/own.yaml");
    std::fs::write(
        &own,
        rule("event.verb == 'list' && event.resource == 'secrets'"),
    )
    .unwrap();
    std::fs::write(home.path("settings.yaml"), "rules: [rules]\n").unwrap();
    let settings = home.path("settings.yaml");
    let with = replay(&[home.log()], &["--config", settings.to_str().unwrap()]);
    assert_eq!(with.code, 0, "{}", with.stderr);
    assert!(
        incidents_of(&with.stdout)
            .iter()
            .any(|i| i["detectors"].as_array().unwrap().contains(&"mine".into()))
    );

    let check = || {
        let out = Process::new(env!("CARGO_BIN_EXE_tokentrail"));
        let mut out = out;
        out.args(["rules", "check", "-o", "json"])
            .arg(&own)
            .output()
            .unwrap()
    };
    assert!(check().status.success());
    std::fs::write(&own, rule("event.vrb == 'list'")).unwrap();
    let failed = check();
    assert_eq!(failed.status.code(), Some(1));
    let line: serde_json::Value = serde_json::from_slice(&failed.stdout).unwrap();
    assert_eq!(
        (&line["verdict"], &line["line"], &line["column"]),
        (&"error".into(), &5.into(), &16.into())
    );
    let refused = replay(&[home.log()], &["--config", settings.to_str().unwrap()]);
    assert!(
        refused.code == 1 && refused.stderr.contains("own.yaml:5:16"),
        "{}",
        refused.stderr
    );
}

#[test]
fn changed_rule_files_are_noticed_and_the_last_good_ones_stay() {
    use tokentrail::config::Reloader;
    let dir = tempfile::tempdir().unwrap();
    let (settings, own) = (
        dir.path().join("settings.yaml"),
        dir.path().join("own.yaml"),
    );
    std::fs::write(&settings, "rules: [own.yaml]\n").unwrap();
    std::fs::write(&own, rule("true")).unwrap();
    let (config, mut reloader) = Reloader::open(Some(&settings)).unwrap();
    assert_eq!(config.policy.rules.rules.len(), 1);
    assert!(reloader.check().is_none());
    std::fs::write(&own, rule("event.vrb == ''")).unwrap();
    assert!(reloader.check().unwrap().is_err());
    assert!(reloader.check().is_none(), "told once");
    std::fs::write(&own, rule("event.verb == 'get'")).unwrap();
    assert_eq!(
        reloader.check().unwrap().unwrap().policy.rules.rules.len(),
        1
    );
}
