//! The daemon as the receiver of an audit webhook: what it answers is stored, what comes twice
//! counts once, and nothing is lost over kill -9.

#[path = "common/authority.rs"]
mod authority;
#[path = "common/client.rs"]
mod client;
#[expect(dead_code, reason = "the tests share more than each of them uses")]
#[path = "daemon/harness.rs"]
mod harness;

use authority::{Authority, Issued};
use client::Client;
use harness::{Daemon, Home, last_revisions, replay, sample};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// A home whose settings name a receiver.
struct Door {
    home: Home,
    authority: Authority,
    own: Issued,
    port: u16,
}

impl Door {
    fn new(more: &str) -> Door {
        let home = Home::new();
        let folder = home.path("pki");
        fs::create_dir_all(&folder).unwrap();
        let authority = Authority::new(&folder, "authority");
        let own = authority.issue(&folder, "server", "127.0.0.1");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let door = Door {
            home,
            authority,
            own,
            port,
        };
        door.set(more);
        door
    }

    fn set(&self, more: &str) {
        let settings = format!(
            "receive:\n  listen: 127.0.0.1:{}\n  cert_file: {:?}\n  key_file: {:?}\n{more}",
            self.port, self.own.certificate, self.own.key
        );
        fs::write(self.home.path("settings.yaml"), settings).unwrap();
    }

    fn open(&self) -> Daemon {
        let settings = self.home.path("settings.yaml");
        let settings = ["--config", settings.to_str().unwrap()];
        let mut daemon = Daemon::spawn(&self.home, &settings);
        daemon.wait("it receives", |_| {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        daemon
    }

    fn client(&self) -> Client {
        let url = format!("https://127.0.0.1:{}", self.port);
        Client::new(&url, &self.authority.file, None)
    }
}

fn list(lines: &[&[u8]]) -> Value {
    let items: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items})
}

fn events(home: &Home) -> u64 {
    let answer = home.query("SELECT count(*) AS n FROM events");
    let answer: Value = serde_json::from_str(answer.lines().next().unwrap()).unwrap();
    answer["n"].as_u64().unwrap()
}

/// As an API server sends: what was not answered with 200 comes again, and what was answered may,
/// too.
#[test]
fn what_is_sent_is_judged_as_the_log_is_over_kills_and_repeats() {
    let door = Door::new("");
    let text = sample();
    let lines: Vec<&[u8]> = text
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .collect();
    let client = door.client();
    let mut daemon = door.open();
    let batches: Vec<Value> = lines.chunks(400).map(list).collect();
    for (n, batch) in batches.iter().enumerate() {
        if n % 3 == 1 {
            daemon.kill();
            assert!(client.post("/audit?timeout=30s", batch).is_err());
            daemon = door.open();
        }
        let answered = client.post("/audit?timeout=30s", batch).unwrap();
        assert_eq!(answered.0, 200, "{}", answered.1);
        if n % 2 == 0 {
            assert_eq!(
                client.post("/other/path", batch).unwrap().0,
                200,
                "a repeat is no error"
            );
        }
    }
    daemon.wait("all is read", |_| events(&door.home) == lines.len() as u64);
    assert!(daemon.metric("tokentrail_receive_duration_seconds_count") > 0.0);
    assert!(daemon.terminate());

    let file = door.home.path("whole.log");
    fs::write(&file, &text).unwrap();
    let whole = replay(&[file], &[]);
    let told = |incidents: Vec<Value>| -> Vec<String> {
        let mut told: Vec<String> = incidents
            .iter()
            .map(|i| format!("{} {} {}", i["id"], i["severity"], i["requests"]))
            .collect();
        told.sort();
        told.dedup();
        told
    };
    let mut last = std::collections::BTreeMap::new();
    for incident in harness::incidents_of(&whole.stdout) {
        last.insert(incident["id"].to_string(), incident);
    }
    assert!(last.len() > 1);
    let received = told(last_revisions(&door.home.incidents()));
    assert_eq!(received, told(last.into_values().collect()));
    assert!(door.home.verify().contains("history and state agree"));
}

#[test]
fn who_sends_has_to_say_who_they_are() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "s3cret\n").unwrap();
    let door = Door::new(&format!("  token_file: {:?}\n", secret.path()));
    let mut daemon = door.open();
    let client = door.client();
    let event = json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": []});
    assert_eq!(client.post("/", &event).unwrap().0, 401);
    let shown = client
        .post_with("/", &event, &[("authorization", "Bearer s3cret")])
        .unwrap();
    assert_eq!(shown.0, 200, "{}", shown.1);
    assert_eq!(
        client
            .post_with("/", &event, &[("authorization", "Bearer another")])
            .unwrap()
            .0,
        401
    );
    let key = [("x-amz-firehose-access-key", "s3cret")];
    assert_eq!(client.post_with("/", &event, &key).unwrap().0, 200);
    // The file is looked at again while the daemon runs.
    fs::write(secret.path(), "changed\n").unwrap();
    daemon.wait("the new token is in force", |_| {
        client
            .post_with("/", &event, &[("authorization", "Bearer changed")])
            .unwrap()
            .0
            == 200
    });
    assert_eq!(
        client
            .post_with("/", &event, &[("authorization", "Bearer s3cret")])
            .unwrap()
            .0,
        401
    );
}

#[test]
fn whatever_else_comes_is_answered_and_costs_nothing() {
    let door = Door::new("  body_megabytes: 1\n");
    let daemon = door.open();
    let client = door.client();
    assert_eq!(client.get("/").unwrap().0, 400, "a GET is no batch");
    assert_eq!(client.post("/", &json!("no events")).unwrap().0, 200);
    // The answer may come before the body is sent, and then nobody reads it.
    let large = client.post("/", &json!({"x": "y".repeat(2 << 20)}));
    assert!(large.is_err() || large.is_ok_and(|answer| answer.0 == 413));
    let too_large = "tokentrail_received_requests_total{outcome=\"too_large\"}";
    assert!(daemon.metric(too_large) > 0.0);
    // Half a handshake, no TLS at all, and a request without its end hold up nobody.
    let mut strangers = Vec::new();
    for bytes in [&b"\x16\x03\x01\x02"[..], b"GET / HTTP/1.1\r\n\r\n", b""] {
        let mut stream = TcpStream::connect(("127.0.0.1", door.port)).unwrap();
        stream.write_all(bytes).unwrap();
        strangers.push(stream);
    }
    let text = sample();
    let lines: Vec<&[u8]> = text
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .collect();
    assert_eq!(client.post("/", &list(&lines[..10])).unwrap().0, 200);
    let mut answer = Vec::new();
    strangers[1].read_to_end(&mut answer).unwrap();
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "plain HTTP is no way in"
    );
    drop(daemon);
}

/// Other senders bring what they carry events in.
#[test]
fn carriers_come_through_the_same_door() {
    let door = Door::new("");
    let mut daemon = door.open();
    let client = door.client();
    let carriers = include_str!("fixtures/audit/carriers.jsonl");
    let sent = carriers.lines().filter(|line| line.starts_with('{'));
    for line in sent {
        let body: Value = serde_json::from_str(line).unwrap();
        assert_eq!(client.post("/", &body).unwrap().0, 200, "{line}");
    }
    daemon.wait("all carriers are opened", |daemon| {
        daemon.metric("tokentrail_events_decoded_total") >= 16.0
    });
    assert!(daemon.terminate());
    assert_eq!(
        door.home
            .query("SELECT DISTINCT audit_id FROM events")
            .lines()
            .count(),
        1
    );
}

/// Firehose sends a delivery again with another time, and takes nothing for an answer but its form.
#[test]
fn firehose_hears_its_own_request_id_and_its_repeats_count_once() {
    let door = Door::new("");
    let mut daemon = door.open();
    let client = door.client();
    let carriers = include_str!("fixtures/audit/carriers.jsonl");
    let delivery = carriers
        .lines()
        .find(|line| line.contains("\"requestId\""))
        .unwrap();
    let mut delivery: Value = serde_json::from_str(delivery).unwrap();
    let id = delivery["requestId"].as_str().unwrap().to_owned();
    for time in [1, 2] {
        delivery["timestamp"] = time.into();
        let headers = [("x-amz-firehose-request-id", id.as_str())];
        let (status, answer) = client.post_with("/firehose", &delivery, &headers).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (status, &answer["requestId"]),
            (200, &delivery["requestId"])
        );
        assert!(answer["timestamp"].as_u64().is_some(), "{answer}");
    }
    daemon.wait("it is read", |daemon| {
        daemon.metric("tokentrail_events_decoded_total") > 0.0
    });
    let repeated = "tokentrail_received_requests_total{outcome=\"repeated\"}";
    assert!(daemon.metric(repeated) > 0.0);
    assert!(daemon.terminate());
    assert_eq!(events(&door.home), 1);
}
