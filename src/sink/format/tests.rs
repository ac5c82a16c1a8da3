//! Lengths, escapes and the forms of one incident; the shapes that others publish are compared in
//! `tests/sinks.rs`.

use super::super::note::tests::note;
use super::*;

#[test]
fn what_is_too_long_is_cut_at_a_character() {
    assert_eq!(
        (cut("abc", 3), cut("abcd", 3)),
        ("abc".to_owned(), "ab\u{2026}".to_owned())
    );
}

#[test]
fn an_incident_that_does_not_fit_says_what_is_left_out() {
    let whole = note(1, 1, "open", "medium", true);
    assert_eq!(fitted(&whole, 100_000), whole.line.to_vec());
    let mut row: Value = serde_json::from_slice(&whole.line).unwrap();
    row["audit_ids"] = (0..200).map(|n| Value::from(format!("{n:036}"))).collect();
    row["summary"] = "ü \u{1f600}".into();
    let long = Note::read(row.to_string().as_bytes()).unwrap();
    let text = fitted(&long, 2048);
    assert!(text.len() <= 2048 && text.is_ascii());
    let body: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(
        (&body["left_out"], &body["summary"]),
        (&serde_json::json!(["audit_ids"]), &"ü \u{1f600}".into())
    );
}

#[test]
fn separators_of_cef_are_escaped_where_they_separate() {
    let mut note = Note::clone(&note(1, 2, "updated", "high", true));
    note.detectors = vec!["a|b".to_owned()];
    note.summary = "x=1 | y\\z".to_owned();
    let line = cef::line(&note, 8192);
    assert!(
        line.contains("|a\\|b|") && line.contains(" msg=x\\=1 | y\\\\z"),
        "{line}"
    );
    assert!(line.contains(
        "|8|externalId=01010101010101010101010101010101 cn1Label=revision cn1=2 rt=1700000000000 "
    ));
}

#[test]
fn detectors_become_names_in_camel_case() {
    assert_eq!(camel("credential-in-two-places"), "CredentialInTwoPlaces");
    assert_eq!(camel("übel-"), "übel");
}
