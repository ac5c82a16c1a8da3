//! What the decoders accept, and what they call each refusal.

use super::*;

const HEAD: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/version","verb":"get","user":{"username":"erika"},"stageTimestamp":"2026-03-02T08:53:50.021149Z""#;

fn event() -> String {
    format!("{HEAD}}}")
}

/// The audit id or the reason, of every event of a line.
fn read(bytes: &[u8]) -> Vec<(u32, String)> {
    let mut out = Vec::new();
    line(bytes, &Limits::default(), &mut |index, event| {
        out.push((
            index,
            event.map_or_else(
                |reason| reason.reason().to_owned(),
                |event| event.audit_id.to_owned(),
            ),
        ));
    });
    out
}

fn reason(text: &str) -> String {
    match read(text.as_bytes()).as_slice() {
        [(0, said)] => said.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn blank_lines_have_no_event_and_a_mark_or_white_space_does_not_hurt() {
    assert!(read(b"").is_empty());
    assert!(read(b" \r\n").is_empty());
    let marked = format!("\u{feff} {} \r\n", event());
    assert_eq!(reason(&marked), "a");
}

#[test]
fn every_reason_is_told() {
    let large = Limits { max_line_bytes: 10 };
    let mut told = Vec::new();
    line(event().as_bytes(), &large, &mut |_, event| {
        told.push(event.err());
    });
    assert_eq!(told, [Some(Malformed::TooLong)]);
    assert_eq!(read(b"\xff{}"), [(0, "not_utf8".into())]);
    let deep = format!(
        "{HEAD},\"requestObject\":{}{}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    for (text, expected) in [
        (&*format!("{}\0", &event()[..200]), "nul_bytes"),
        (&event()[..200], "not_json"),
        ("[Truncated...]", "not_json"),
        (&deep, "too_deep"),
        ("[]", "not_an_event"),
        ("5", "not_an_event"),
        ("{}", "not_an_event"),
        (r#"{"kind":0}"#, "not_an_event"),
        (
            r#"{"kind":"Event","apiVersion":"v1","level":5}"#,
            "not_an_event",
        ),
        (&event().replace("audit.k8s.io/v1", "v1"), "not_an_event"),
        (
            &event().replace("audit.k8s.io/v1", "events.k8s.io/v1"),
            "not_an_event",
        ),
        (
            &event().replace("audit.k8s.io/v1", "audit.k8s.io/v1alpha1"),
            "unsupported_version",
        ),
        (
            &event().replace("\"level\":\"Metadata\",", ""),
            "missing_field",
        ),
        (
            &event().replace("\"auditID\":\"a\"", "\"auditID\":\"\""),
            "missing_field",
        ),
        (&event().replace("2026-03-02", "2026-03-32"), "bad_time"),
        (&event().replace("Metadata", "None"), "bad_value"),
        (&event().replace("ResponseComplete", "Later"), "bad_value"),
        (
            &event().replace("{\"username\":\"erika\"}", "5"),
            "bad_value",
        ),
        (
            &event().replace("\"verb\":\"get\"", "\"verb\":\"get\",\"verb\":\"put\""),
            "bad_value",
        ),
        (
            &format!("{HEAD},\"responseStatus\":{{\"metadata\":{{}},\"code\":70000}}}}"),
            "bad_value",
        ),
    ] {
        assert_eq!(reason(text), expected, "{text}");
    }
}

#[test]
fn an_event_without_kind_and_version_is_known_by_its_fields() {
    let item = event().replace(r#""kind":"Event","apiVersion":"audit.k8s.io/v1","#, "");
    assert_eq!(reason(&item), "a");
    assert!(fast(&item).is_some(), "items of a list take the fast path");
}

#[test]
fn a_list_sets_a_bad_item_aside_alone() {
    let text = format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[ {} , 5,{{"kind":"EventList","apiVersion":"audit.k8s.io/v1"}},{} ]}}"#,
        event(),
        event().replace("\"auditID\":\"a\"", "\"auditID\":\"],[\\\"\"")
    );
    let expected = ["a", "not_an_event", "not_an_event", "],[\""];
    let seen = read(text.as_bytes());
    assert_eq!(
        seen.iter().map(|(_, said)| &**said).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(
        seen.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    for (items, expected) in [("[]", 0), ("[ ]", 0), ("null", 0), ("{}", 1)] {
        let text =
            format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":{items}}}"#);
        assert_eq!(read(text.as_bytes()).len(), expected, "{items}");
    }
    assert_eq!(
        reason(r#"{"kind":"EventList","apiVersion":"v1","items":[]}"#),
        "not_an_event"
    );
}

#[test]
fn surprises_are_left_to_serde_json() {
    let surprises = [
        event().replace(",\"verb\"", ", \"verb\""),
        event().replace("\"stage\"", "\"news\":1,\"stage\""),
        event().replace("\"erika\"", "\"\\ud83d\\ude00\""),
        event().replace("\"erika\"", "null"),
        format!("{HEAD},\"annotations\":{{}}}}"),
    ];
    for text in surprises {
        assert!(fast(&text).is_none(), "{text}");
        assert_eq!(reason(&text), "a", "{text}");
    }
}

#[test]
fn skipped_values_must_be_balanced_and_their_strings_well_formed() {
    for (body, taken) in [
        (r#"{"a":[1,{"b":"\u00e9\\\""}]}"#, true),
        (r#"{"a":[1}]"#, false),
        (r#"{"a":"\x"}"#, false),
        ("{\"a\":\"\u{1}\"}", false),
        (r#""\u00g0""#, false),
        ("tru", true),
    ] {
        let text = format!("{HEAD},\"requestObject\":{body}}}");
        let text = text.replace(
            r#","stageTimestamp":"2026-03-02T08:53:50.021149Z","requestObject""#,
            ",\"requestObject\"",
        );
        assert_eq!(fast(&text).is_some(), taken, "{body}");
    }
}

#[test]
fn escapes_in_what_is_used_are_resolved() {
    let text = event().replace("/version", "/api?a=1\\u0026b=\\\"x\\\"\\/\\n");
    let wire = fast(&text).unwrap();
    assert_eq!(wire.request_uri, "/api?a=1&b=\"x\"/\n");
    assert_eq!(Ok(wire), reference(&text));
}

#[test]
fn labels_are_stable_and_distinct() {
    let labels: std::collections::BTreeSet<_> = Malformed::ALL.iter().map(|m| m.reason()).collect();
    assert_eq!(labels.len(), Malformed::ALL.len());
}

#[test]
fn whole_events_survive_on_the_line_of_a_torn_one() {
    let said = |line: String| {
        read(line.as_bytes())
            .into_iter()
            .map(|(_, said)| said)
            .collect::<Vec<_>>()
    };
    let (whole, b) = (event(), event().replace("\"a\"", "\"b\""));
    for at in [1, 17, 60, 200, whole.len() - 1] {
        assert_eq!(
            said(format!("{}{b}", &whole[..at])),
            ["not_json", "b"],
            "torn at {at}"
        );
        assert_eq!(
            said(format!("{whole}{}", &b[..at])),
            ["a", "not_json"],
            "torn at {at}"
        );
        assert_eq!(
            said(format!("{}{}{b}", &whole[..at], &whole[..at])),
            ["not_json", "b"],
            "torn at {at}"
        );
    }
    assert_eq!(said(format!("{whole}{b}")), ["a", "b"]);
    assert_eq!(said(format!("{whole} {b}{whole}")), ["a", "b", "a"]);
    let mut cut = event().replace("erika", "\u{e9}").into_bytes();
    cut.truncate(
        cut.windows(2)
            .position(|two| two == "\u{e9}".as_bytes())
            .unwrap()
            + 1,
    );
    cut.extend_from_slice(b.as_bytes());
    assert_eq!(read(&cut), [(0, "not_utf8".into()), (1, "b".into())]);
    assert!(ends_whole(format!("{}{b}", &whole[..60]).as_bytes()));
    assert!(!ends_whole(format!("{b}{}", &whole[..60]).as_bytes()));
}

#[test]
fn what_only_looks_like_an_event_in_a_body_is_none() {
    let inner = event().replace("\"a\"", "\"inner\"");
    let outer = format!("{HEAD},\"requestObject\":{{\"x\":{inner}}}}}");
    assert_eq!(reason(&outer), "a");
    // Torn just behind the inner one, nobody could tell.
    for at in (1..outer.len()).filter(|at| !outer[..*at].ends_with(&inner)) {
        let line = format!("{}{}", &outer[..at], event());
        let told = read(line.as_bytes());
        assert_eq!(told.last(), Some(&(1, "a".to_owned())), "torn at {at}");
        assert_eq!(told.len(), 2, "torn at {at}");
    }
    let many = format!("{HEAD},\"requestObject\":[{}", vec![inner; 5000].join(","));
    assert_eq!(reason(&many), "not_json");
}

#[test]
fn events_that_somebody_wrapped_are_read_or_named() {
    assert_eq!(
        reason(&format!("2026-03-02T08:53:50.02Z stdout F {}", event())),
        "a"
    );
    assert_eq!(
        reason(&format!("<13>Mar  2 08:53:50 cp-1 audit: {}", event())),
        "a"
    );
    let quoted = event().replace('"', "\\\"");
    assert_eq!(
        reason(&format!(
            "{{\"log\":\"{quoted}\\n\",\"stream\":\"stdout\"}}"
        )),
        "a"
    );
    assert_eq!(reason(&format!("[{}]", event())), "a");
    // No carrier that is known calls its field so.
    assert_eq!(
        reason(&format!("{{\"_source\":{{\"audit\":{}}}}}", event())),
        "wrapped"
    );
    assert_eq!(reason(&format!("stdout F \"{quoted}\"")), "wrapped");
    assert_eq!(
        reason("{\"log\":\"a line of something else\"}"),
        "not_an_event"
    );
}
