//! Bodies, the secret, the end of patience, and settings that are refused.

use super::shed::{SHED_FOR, Shedding};
use super::*;
use std::time::Instant;

fn lines(body: &str) -> Vec<String> {
    let batch = batch(body.as_bytes()).unwrap_or_else(|_| panic!("unreadable: {body}"));
    String::from_utf8(batch.lines().to_vec())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn lists_arrays_and_documents_one_after_the_other_become_lines() {
    let (a, b) = (
        r#"{"auditID":"a","stage":"Panic"}"#,
        r#"{"auditID":"b","stage":"Panic"}"#,
    );
    let two = [a, b];
    let list = format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{a},{b}]}}"#
    );
    assert_eq!(lines(&list), two);
    assert_eq!(lines(&format!("\u{feff} {list}\n")), two);
    assert_eq!(lines(&format!("[{a}, {b}]")), two);
    assert_eq!(lines(&format!("{a}\n{b}\n")), two);
    assert_eq!(lines(&format!("{a}{b}")), two);
    assert_eq!(lines(&format!("{list}\n{a}")), [a, b, a]);
    assert_eq!(lines(&a.replace(',', ",\r\n  ")).len(), 1);
    assert_eq!(lines(""), [""; 0]);
    assert_eq!(lines(r#"{"kind":"EventList","items":[]}"#), [""; 0]);
}

#[test]
fn one_broken_document_does_not_take_the_others_with_it() {
    let (a, b) = (r#"{"auditID":"a"}"#, r#"{"auditID":"b"}"#);
    assert_eq!(lines(&format!("{a}\n{{\"broken\n{b}")), [a, "{\"broken", b]);
    assert_eq!(
        lines(r#"{"kind":"EventList","items":7}"#).len(),
        1,
        "it is remembered as what cannot be read"
    );
    for nothing in ["no JSON", "{", "[{\"auditID\":", "\u{1f}\u{8b}"] {
        assert_eq!(batch(nothing.as_bytes()), Err(Unreadable), "{nothing}");
    }
    assert_eq!(batch(&[0xff, 0xfe, 0, 1]), Err(Unreadable));
}

#[test]
fn nesting_costs_no_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let _ = batch(deep.as_bytes());
    }
}

#[test]
fn senders_are_sent_away_for_seconds_only() {
    let (shedding, now) = (Shedding::default(), Instant::now());
    assert!(shedding.may(now) && shedding.may(now + SHED_FOR / 2));
    assert!(
        !shedding.may(now + SHED_FOR),
        "then they are relieved of what they bring"
    );
    shedding.ends();
    assert!(shedding.may(now + SHED_FOR));
}

#[test]
fn a_door_that_anyone_can_use_is_refused() {
    let base = Settings {
        cert_file: Some("c".into()),
        key_file: Some("k".into()),
        ..Settings::default()
    };
    let at = |listen: &str| Settings {
        listen: Some(listen.parse().unwrap()),
        ..base.clone()
    };
    assert!(Settings::default().wrong().is_empty() && at("127.0.0.1:1").wrong().is_empty());
    assert_eq!(at("0.0.0.0:1").wrong()[0].0, "listen");
    assert!(
        Settings {
            token_file: Some("t".into()),
            ..at("0.0.0.0:1")
        }
        .wrong()
        .is_empty()
    );
    assert_eq!(
        Settings {
            key_file: None,
            ..at("127.0.0.1:1")
        }
        .wrong()[0]
            .0,
        "listen"
    );
    assert_eq!(
        Settings {
            body_megabytes: 0,
            ..base.clone()
        }
        .wrong()[0]
            .0,
        "body_megabytes"
    );
    assert_eq!(
        Settings {
            spool_megabytes: 1,
            ..base
        }
        .wrong()[0]
            .0,
        "spool_megabytes"
    );
}
