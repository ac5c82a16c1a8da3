//! Text of attackers through every kind of sink (DESIGN, invariant 11): nothing separates, mentions
//! or grows.

use super::destination::Message;
use super::every_tests::{receivers, texts};
use super::note::{Note, tests::note};
use super::queue::Parcel;
use crate::base::{Time, text};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// Separators of every format, markup of every chat, and anything else.
fn hostile() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "|",
        "\\",
        "=",
        "\\|",
        "]",
        "\"",
        "\n<13>1 - evil - - - ",
        "\r\nX-Evil: 1",
        "<!channel>",
        "<@U1>",
        "[x](http://e)",
        "**b**",
        "`",
        "${7*7}",
        "{{x}}",
        "CEF:0|a|b|",
        " src=1.2.3.4 ",
        "\u{202e}",
        "\u{1b}[31m",
        "\0",
        "é",
        "漢",
        "😀",
        "../..",
        "\u{feff}",
        "=cmd|' /C calc'!A0",
        "'; DROP TABLE",
        "</script>",
        "a",
    ]);
    let word = prop_oneof![words.prop_map(str::to_owned), ".{0,20}"];
    (prop::collection::vec(word, 0..12), 1..30_usize)
        .prop_map(|(words, times)| words.concat().repeat(times))
}

/// A row as the engine writes it: `incident/json.rs` passes every text of the log through
/// `base/text.rs`.
fn row(texts: &[String], over: bool) -> Arc<Note> {
    let base = note(
        3,
        2,
        if over { "resolved" } else { "updated" },
        "high",
        true,
    );
    let mut row: Value = serde_json::from_slice(&base.line).unwrap();
    let mut next = texts
        .iter()
        .cycle()
        .map(|t| Value::from(text::name(t).into_owned()));
    let mut one = || next.next().unwrap();
    for name in ["principal", "cluster", "summary"] {
        row[name] = one();
    }
    for name in [
        "principals",
        "detectors",
        "techniques",
        "audit_ids",
        "credentials",
        "origins",
        "user_agents",
        "respond",
    ] {
        row[name] = (0..16).map(|_| one()).collect();
    }
    let finding = |title, expected, observed| {
        json!({ "detector": "unexpected-agent", "title": title, "severity": "high", "expected": expected,
            "observed": observed, "count": 1, "first_seen": "2026-01-02T03:04:05Z", "last_seen": "" })
    };
    row["findings"] = (0..16).map(|_| finding(one(), one(), one())).collect();
    if texts[0].len().is_multiple_of(2) {
        let account = format!("system:serviceaccount:{}:{}", texts[0], texts[1]);
        row["principal"] = text::name(&account).into_owned().into();
    }
    Arc::new(Note::read(row.to_string().as_bytes()).unwrap())
}

fn check(name: &str, note: &Note, message: &Message) -> Result<(), TestCaseError> {
    if let Message::Posts(posts) = message {
        for post in posts {
            prop_assert!(reqwest::Url::parse(&post.url).is_ok());
            for (header, value) in &post.headers {
                prop_assert!(
                    reqwest::header::HeaderValue::from_str(value).is_ok(),
                    "{name}: {header}"
                );
            }
        }
    }
    for text in texts(message) {
        let lines = text.lines().count();
        prop_assert!(text.contains(&note.id), "{name}");
        if name == "elasticsearch" {
            prop_assert_eq!(lines, 2);
            prop_assert!(
                text.ends_with('\n')
                    && text
                        .lines()
                        .all(|l| serde_json::from_str::<Value>(l).is_ok())
            );
            continue;
        }
        prop_assert!(!text.contains(char::is_control), "{name}: {text:?}");
        if name.starts_with("syslog") {
            syslog(name, note, &text)?;
            continue;
        }
        let body: Value =
            serde_json::from_str(&text).map_err(|e| TestCaseError::fail(format!("{name}: {e}")))?;
        match name {
            "teams" => {
                let content = &body["attachments"][0]["content"]["body"];
                let plain = |block: &Value| block["type"] == "RichTextBlock";
                prop_assert!(text.len() < 28 * 1024, "{}", text.len());
                prop_assert!(
                    content.as_array().unwrap().iter().all(plain),
                    "a TextBlock is Markdown"
                );
            }
            "slack webhook" | "slack bot" => {
                prop_assert!(!body["text"].as_str().unwrap().contains(['<', '>']));
                prop_assert!(!body["blocks"].to_string().contains("mrkdwn"));
            }
            "pagerduty" => prop_assert!(text.len() < 512_000, "{}", text.len()),
            "kubernetes" => prop_assert!(body["note"].as_str().unwrap().len() <= 1024),
            "alertmanager" => prop_assert!(
                body[0]["labels"]
                    .as_object()
                    .unwrap()
                    .values()
                    .all(Value::is_string)
            ),
            _ if name.contains("falco") => prop_assert!(text.contains("\"output\":\"")),
            _ => {}
        }
    }
    Ok(())
}

/// The header of RFC 5424 stands, and the body is read back as what it was.
fn syslog(name: &str, note: &Note, text: &str) -> Result<(), TestCaseError> {
    let longest = if name.contains("udp") { 2048 } else { 8192 };
    prop_assert!(text.len() <= longest, "{name}: {}", text.len());
    let parts: Vec<&str> = text.splitn(7, ' ').collect();
    prop_assert!(
        parts[0].starts_with('<') && parts[0].ends_with(">1") && parts[3] == "tokentrail",
        "{text}"
    );
    // Host and message id may hold brackets; structured data is the seventh field.
    let (_, body) = parts[6].split_once("\"] ").unwrap();
    if name.ends_with("json") {
        let body: Value =
            serde_json::from_str(body).map_err(|e| TestCaseError::fail(format!("{e}: {body}")))?;
        prop_assert!(body["id"] == note.id.as_str() && body["revision"] == note.revision);
        return Ok(());
    }
    let mut fields = vec![String::new()];
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '|' if fields.len() <= 7 => fields.push(String::new()),
            '\\' if fields.len() <= 7 => fields.last_mut().unwrap().extend(chars.next()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    prop_assert_eq!(fields.len(), 8);
    prop_assert_eq!(
        (fields[0].as_str(), fields[1].as_str()),
        ("CEF:0", "tokentrail")
    );
    let id = fields[4].trim_end_matches('\u{2026}');
    prop_assert!(note.detectors[0].starts_with(id) && id.len() <= 63, "{id}");
    prop_assert!(
        fields[7].starts_with(&format!("externalId={} cn1Label=revision cn1=2 ", note.id)),
        "{}",
        fields[7]
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_text_separates_mentions_and_grows_nowhere(
        words in prop::collection::vec(hostile(), 4..12),
        over in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let note = row(&words, over);
        let now = Time::parse("2026-01-02T03:04:05Z").unwrap();
        for (name, receiver) in receivers(dir.path()) {
            let parcel = Parcel::Notice { note: note.clone(), before: None };
            let message = receiver.message(&parcel, now).map_err(TestCaseError::fail)?;
            check(&name, &note, &message)?;
        }
    }
}
