//! A receiver of every kind and variant, for the tests that hold for all.

use super::destination::Message;
use super::receiver::{Receiver, receivers_of};
use super::settings::{KINDS, Settings};
use serde_json::{Value, json};
use std::path::Path;

/// By kind and variant, such as `syslog udp cef`.
pub(super) fn receivers(dir: &Path) -> Vec<(String, Receiver)> {
    let secret = json!({ "file": dir.join("secret") });
    std::fs::write(dir.join("secret"), "https://secret.example/x\n").unwrap();
    let mut all: Vec<(String, Value)> = vec![
        ("alertmanager".into(), json!({ "urls": ["http://am:9093"] })),
        ("slack webhook".into(), json!({ "url": secret })),
        (
            "slack bot".into(),
            json!({ "token": secret, "channel": "C1" }),
        ),
        ("pagerduty".into(), json!({ "routing_key": secret })),
        ("teams".into(), json!({ "url": secret })),
        (
            "splunk".into(),
            json!({ "url": "http://splunk:8088", "token": secret }),
        ),
        (
            "elasticsearch".into(),
            json!({ "url": "http://elastic:9200" }),
        ),
        ("kubernetes".into(), json!({ "token": secret })),
    ];
    for transport in ["udp", "tcp"] {
        for body in ["cef", "json"] {
            let settings = json!({ "address": "syslog:514", "transport": transport, "body": body });
            all.push((format!("syslog {transport} {body}"), settings));
        }
    }
    for format in ["tokentrail", "ecs", "ocsf", "falco"] {
        all.push((
            format!("file {format}"),
            json!({ "path": "/x.jsonl", "format": format }),
        ));
        all.push((format!("stdout {format}"), json!({ "format": format })));
        for events in ["off", "structured", "binary"] {
            let settings = json!({ "url": "http://hook/x", "format": format, "cloudevents": events,
                "signing_key": secret });
            all.push((format!("webhook {format} {events}"), settings));
        }
    }
    let receiver = |(name, settings): (String, Value)| {
        let kind = name.split(' ').next().unwrap();
        let settings: Settings = serde_json::from_value(json!({ kind: settings })).unwrap();
        assert_eq!(settings.wrong(), [], "{name}");
        let one = receivers_of(&name, &settings, "c").remove(0);
        (name, one)
    };
    all.into_iter().map(receiver).collect()
}

/// Everything that goes out, one text for each request or line.
pub(super) fn texts(message: &Message) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match message {
        Message::Posts(posts) => posts.iter().map(|post| text(&post.body)).collect(),
        Message::Line(line) => vec![text(line)],
    }
}

#[test]
fn every_kind_of_the_list_is_tested() {
    let dir = tempfile::tempdir().unwrap();
    let tested: Vec<String> = receivers(dir.path())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let kinds = KINDS
        .split_once(": ")
        .unwrap()
        .1
        .trim_end_matches(" are the kinds");
    assert!(kinds.split(' ').count() >= 11, "{kinds}");
    for kind in kinds.split(' ').filter(|k| !k.is_empty()) {
        assert!(
            tested
                .iter()
                .any(|name| name.split(' ').next() == Some(kind)),
            "{kind} is not among {tested:?}"
        );
    }
}
