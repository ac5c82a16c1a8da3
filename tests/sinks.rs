//! Sinks against receivers: the shapes that vendors document, refusals, time-outs, restarts.
//!
//! Real servers where they install by name; else a local receiver that keeps what it gets, byte for
//! byte.

#[path = "sinks/alertmanager.rs"]
mod alertmanager;
#[path = "common/authority.rs"]
mod authority;
#[path = "sinks/bodies.rs"]
mod bodies;
#[path = "daemon/harness.rs"]
#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod harness;
#[path = "sinks/local.rs"]
mod local;
#[path = "sinks/opensearch.rs"]
mod opensearch;
#[path = "sinks/reload.rs"]
mod reload;
#[path = "common/skipped.rs"]
mod skipped;
#[path = "sinks/syslog.rs"]
mod syslog;
#[path = "sinks/tls.rs"]
mod tls;

use harness::{Daemon, Home, incidents_of, sample};
use hmac::{Hmac, Mac};
use local::{Local, Reply};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokentrail::base::Time;
use tokentrail::sink::{
    self, Answer, Link, Note, Outcome, Parcel, Receiver, Settings, receivers_of,
};

fn settings(text: &str) -> Settings {
    let file = format!("sinks:\n  s: {{ {text} }}\n");
    let config = tokentrail::config::Config::parse(&file, Path::new("t.yaml"))
        .unwrap_or_else(|e| panic!("{e}"));
    config.sinks["s"].clone()
}

/// A revision of one incident of a service account, as the engine writes it.
fn note(revision: u32, status: &str, severity: &str) -> Arc<Note> {
    let base = sink::sample(
        "c1",
        Time::parse("2026-01-02T03:04:05Z").unwrap(),
        status == "resolved",
    );
    let mut row: Value = serde_json::from_slice(&base.line).unwrap();
    row["revision"] = revision.into();
    row["status"] = status.into();
    row["severity"] = severity.into();
    Arc::new(Note::read(row.to_string().as_bytes()).unwrap())
}

/// A connection belongs to the runtime that made it, so there is one for all.
fn deliver(receiver: &mut Receiver, parcel: &Parcel) -> (Outcome, Option<Answer>) {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let made = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    RUNTIME
        .get_or_init(made)
        .block_on(receiver.deliver(parcel, sink::wall_clock()))
}

fn receiver(text: &str) -> Receiver {
    receivers_of("s", &settings(text), "c1").remove(0)
}

fn send(text: &str, note: &Arc<Note>) -> Outcome {
    deliver(
        &mut receiver(text),
        &Parcel::Notice {
            note: note.clone(),
            before: None,
        },
    )
    .0
}

fn secret(dir: &tempfile::TempDir, text: &str) -> String {
    let path = dir.path().join("secret");
    std::fs::write(&path, format!("{text}\n")).unwrap();
    path.display().to_string()
}

/// `docs/sinks.md`, webhook.
#[test]
fn the_webhook_carries_the_incident_whole_and_its_signature_holds() {
    let (dir, local, note) = (
        tempfile::tempdir().unwrap(),
        Local::start(&[]),
        note(2, "updated", "high"),
    );
    let key = secret(&dir, "s3cret");
    let text = format!(
        "webhook: {{ url: '{}', signing_key: {{ file: '{key}' }} }}",
        local.url
    );
    assert_eq!(send(&text, &note), Outcome::Delivered);
    let request = local.next();
    assert!(
        request.head.starts_with("POST /hook HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("idempotency-key"), Some(note.key().as_str()));
    let timestamp = request.header("tokentrail-timestamp").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret").unwrap();
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(&request.body);
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(
        request.header("tokentrail-signature"),
        Some(format!("v1={hex}").as_str())
    );
    let body = request.json();
    assert_eq!(
        (&body["version"], &body["key"]),
        (&"tokentrail.incident/v1".into(), &note.key().into())
    );
    assert_eq!(
        body["incident"],
        serde_json::from_slice::<Value>(&note.line).unwrap()
    );
}

/// <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks> and
/// <https://docs.slack.dev/reference/block-kit/blocks>.
#[test]
fn slack_gets_blocks_and_a_fallback() {
    let (dir, local) = (tempfile::tempdir().unwrap(), Local::start(&[]));
    let url = secret(&dir, &local.url);
    let outcome = send(
        &format!("slack: {{ url: {{ file: '{url}' }} }}"),
        &note(1, "open", "high"),
    );
    assert_eq!(outcome, Outcome::Delivered);
    let body = local.next().json();
    assert!(
        body["text"]
            .as_str()
            .unwrap()
            .starts_with("[high] TEST from tokentrail"),
        "{body}"
    );
    assert_eq!(body["blocks"][0]["type"], "header");
    assert_eq!(body["blocks"][0]["text"]["type"], "plain_text");
}

/// <https://docs.slack.dev/reference/methods/chat.postMessage> and `chat.update`: `ok`, `channel`
/// and `ts` in the answer.
#[test]
fn a_slack_bot_tried_by_hand_posts_changes_and_answers() {
    let dir = tempfile::tempdir().unwrap();
    let took = Reply::Status(
        200,
        r#"{"ok":true,"channel":"C9","ts":"1700000000.000100"}"#,
    );
    let local = Local::start(&[took.clone(), took.clone(), took]);
    let token = secret(&dir, "xoxb-1");
    let config = dir.path().join("t.yaml");
    let slack = format!(
        "{{ token: {{ file: '{token}' }}, channel: C1, api: '{}' }}",
        local.url
    );
    std::fs::write(&config, format!("sinks:\n  bot: {{ slack: {slack} }}\n")).unwrap();
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_tokentrail"))
        .args(["sink", "test", "bot", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert!(out.status.success(), "{out:?}");
    let calls: Vec<_> = (0..3).map(|_| local.next()).collect();
    let methods = calls
        .iter()
        .map(|call| call.head.split(' ').nth(1).unwrap());
    let expected = [
        "/hook/chat.postMessage",
        "/hook/chat.update",
        "/hook/chat.postMessage",
    ];
    assert_eq!(methods.collect::<Vec<_>>(), expected);
    assert!(
        calls
            .iter()
            .all(|call| call.header("authorization") == Some("Bearer xoxb-1"))
    );
    let [first, change, reply] = [0, 1, 2].map(|i| calls[i].json());
    assert_eq!(
        (&first["channel"], &change["channel"]),
        (&"C1".into(), &"C9".into())
    );
    assert_eq!(
        (&change["ts"], &reply["thread_ts"]),
        (&"1700000000.000100".into(), &"1700000000.000100".into())
    );
    assert!(
        change["text"]
            .as_str()
            .unwrap()
            .starts_with("[resolved] TEST"),
        "{change}"
    );
}

/// <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>: required are routing_key,
/// event_action and, for triggers, payload.summary, payload.source and payload.severity; a resolve
/// needs the dedup_key.
#[test]
fn pagerduty_triggers_and_resolves_under_one_key() {
    let (dir, local) = (
        tempfile::tempdir().unwrap(),
        Local::start(&[Reply::Status(202, "ok")]),
    );
    let key = secret(&dir, "0123456789abcdef0123456789abcdef");
    let text = format!(
        "pagerduty: {{ routing_key: {{ file: '{key}' }}, url: '{}' }}",
        local.url
    );
    let (open, end) = (note(1, "open", "high"), note(2, "resolved", "high"));
    assert_eq!(send(&text, &open), Outcome::Delivered);
    let body = local.next().json();
    assert_eq!(
        (&body["event_action"], &body["dedup_key"]),
        (&"trigger".into(), &open.id.as_str().into())
    );
    let payload = &body["payload"];
    assert_eq!(
        (&payload["severity"], &payload["source"]),
        (&"error".into(), &"c1".into())
    );
    assert!(
        Time::parse(payload["timestamp"].as_str().unwrap()).is_some()
            && payload["summary"].is_string()
    );
    assert_eq!(send(&text, &end), Outcome::Delivered);
    let resolve = json!({ "routing_key": "0123456789abcdef0123456789abcdef", "event_action": "resolve",
        "dedup_key": end.id });
    assert_eq!(local.next().json(), resolve);
}

#[test]
fn each_way_to_fail_is_told_apart() {
    let note = note(1, "open", "medium");
    let of = |reply: Reply| {
        let local = Local::start(&[reply]);
        send(
            &format!("webhook: {{ url: '{}' }}, timeout_seconds: 1", local.url),
            &note,
        )
    };
    let asked = |outcome: Outcome| match outcome {
        Outcome::Retry { asked, .. } => asked,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        asked(of(Reply::Status(429, "Retry-After: 30\r\n|slow down"))),
        Some(Duration::from_secs(30))
    );
    assert_eq!(asked(of(Reply::Status(503, "busy"))), None);
    assert_eq!(asked(of(Reply::HalfClose)), None);
    assert_eq!(asked(of(Reply::Silence)), None);
    let Outcome::Refused { why } = of(Reply::Status(400, "no \u{1b}[31msuch field")) else {
        panic!("not refused")
    };
    assert!(
        why.contains("400") && why.contains("such field") && !why.contains('\u{1b}'),
        "{why}"
    );
    assert!(matches!(
        of(Reply::Status(302, "Location: http://127.0.0.1:1/\r\n|")),
        Outcome::Refused { .. }
    ));
    let gone = send(
        "webhook: { url: 'http://127.0.0.1:1/' }, timeout_seconds: 1",
        &note,
    );
    assert_eq!(asked(gone), None);
    let text = "webhook: { url: 'http://127.0.0.1:1/', bearer_token: { file: /nonexistent/x } }";
    let Outcome::Retry { why, .. } = send(text, &note) else {
        panic!("a secret may be mounted later")
    };
    assert!(why.contains("/nonexistent/x"), "{why}");
}

#[test]
fn a_receiver_that_is_silent_holds_up_nobody_else() {
    let (silent, good) = (Local::start(&vec![Reply::Silence; 100]), Local::start(&[]));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let start = |local: &Local| {
        let settings = settings(&format!(
            "webhook: {{ url: '{}', every_revision: true }}",
            local.url
        ));
        Link::start(receivers_of("s", &settings, "c1").remove(0), 0, Vec::new())
    };
    let (stuck, well) = (start(&silent), start(&good));
    let rows: sink::Rows = (0..50)
        .map(|row| (row, note(row as u32 + 1, "updated", "medium")))
        .collect();
    stuck.feed(rows.clone());
    well.feed(rows);
    for revision in 1..=50 {
        assert_eq!(good.next().json()["incident"]["revision"], revision);
    }
    assert_eq!(silent.next().json()["incident"]["revision"], 1);
    drop(stuck);
    runtime.shutdown_background();
}

#[test]
fn over_kills_and_refusals_every_notice_arrives_and_in_order() {
    let (home, log) = (Home::new(), sample());
    let local = Local::start(&[Reply::Status(503, "busy"), Reply::HalfClose]);
    let config = home.path("t.yaml");
    let text = format!(
        "sinks:\n  hook: {{ webhook: {{ url: '{}', every_revision: true }}, min_severity: info }}\n",
        local.url
    );
    std::fs::write(&config, text).unwrap();
    let more = ["--config", config.to_str().unwrap()];
    let half = log.len() / 2;
    home.write_log(&log[..half]);
    let mut daemon = Daemon::start_with(&home, &more);
    daemon.wait_for_any_commit();
    daemon.kill();
    drop(daemon);
    home.append(&log[half..]);
    let mut daemon = Daemon::start_with(&home, &more);
    daemon.wait_for_bytes(1);
    daemon.wait_until_caught_up();
    daemon.wait_for_metric("tokentrail_outbox_rows", 0.0);
    let told = |row: &Value| {
        (
            row["id"].as_str().unwrap().to_owned(),
            row["revision"].as_u64().unwrap(),
        )
    };
    let file = incidents_of(&std::fs::read_to_string(home.incidents()).unwrap());
    let due: BTreeSet<_> = file.iter().map(told).collect();
    let (mut seen, mut last) = (BTreeSet::new(), std::collections::BTreeMap::new());
    while seen != due {
        let (id, revision) = told(&local.next().json()["incident"]);
        // After a kill the same may come again, but never news before what is older.
        let newest = last.entry(id.clone()).or_insert(0);
        assert!(revision <= *newest + 1, "{id}: {revision} after {newest}");
        *newest = revision.max(*newest);
        seen.insert((id, revision));
    }
    assert!(daemon.terminate());
}

#[test]
fn sink_test_says_what_the_receiver_answered_even_where_there_are_no_authorities() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::start(&[
        Reply::Status(200, "taken"),
        Reply::Status(200, "over"),
        Reply::Status(403, "who?"),
    ]);
    let config = dir.path().join("t.yaml");
    std::fs::write(
        &config,
        format!(
            "sinks:\n  hook: {{ webhook: {{ url: '{}' }} }}\n",
            local.url
        ),
    )
    .unwrap();
    let test = |name: &str| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_tokentrail"))
            .args(["sink", "test", name, "--config"])
            .arg(&config)
            .env("SSL_CERT_FILE", "/nonexistent")
            .env("SSL_CERT_DIR", "/nonexistent")
            .output()
            .unwrap();
        let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
        (out.status.code(), text)
    };
    let took = "hook: took the sample: 200 taken\nhook: took its end: 200 over\n";
    assert_eq!(test("hook"), (Some(0), took.to_owned()));
    assert!(
        local.next().json()["incident"]["summary"]
            .as_str()
            .unwrap()
            .contains("TEST")
    );
    let (code, text) = test("hook");
    assert!(
        code == Some(1) && text.contains("refused the sample") && text.contains("403: who?"),
        "{text}"
    );
    let (code, text) = test("hooks");
    assert!(
        code == Some(1) && text.contains("there are: hook"),
        "{text}"
    );
}
