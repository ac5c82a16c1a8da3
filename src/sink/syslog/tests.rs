//! The header of RFC 5424, field by field (section 6).

use super::super::note::tests::note;
use super::*;

fn line(settings: &Syslog, status: &str, cluster: &str) -> String {
    let mut note = Note::clone(&note(1, 1, status, "critical", true));
    note.cluster = cluster.to_owned();
    let Ok(Message::Line(line)) = settings.notice(&note, None, Time::ZERO) else {
        panic!("no line")
    };
    String::from_utf8(line).unwrap()
}

fn settings(text: &str) -> Syslog {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_header_has_priority_version_time_host_program_and_origin() {
    let settings = settings(r#"{ "address": "h:6514" }"#);
    assert!(settings.wrong().is_empty() && settings.transport == Transport::Tls);
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "<82>1 2023-11-14T22:13:20.000000Z prod-1 tokentrail - test \
         [origin software=\"tokentrail\" swVersion=\"{version}\"] CEF:0|tokentrail|tokentrail|"
    );
    let open = line(&settings, "open", "prod-1");
    assert!(open.starts_with(&expected), "{open}");
    assert!(
        line(&settings, "resolved", "")
            .starts_with("<85>1 2023-11-14T22:13:20.000000Z - tokentrail ")
    );
    assert!(
        line(&settings, "open", "a b\u{e9}]\n").contains("Z ab] tokentrail "),
        "spaces would move the fields"
    );
}

#[test]
fn settings_that_cannot_work_are_told() {
    let of = |text: &str| {
        settings(text)
            .wrong()
            .into_iter()
            .map(|(field, ..)| field)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(r#"{ "address": "h" }"#), ["syslog.address"]);
    assert_eq!(
        of(r#"{ "address": ":1", "facility": 24, "max_bytes": 100 }"#).len(),
        3
    );
    assert!(of(r#"{ "address": "[::1]:514", "facility": 16, "max_bytes": 480 }"#).is_empty());
}
