//! Prometheus Alertmanager, API v2: an incident is an alert that fires until it is resolved.
//!
//! Refuses labels that change while an incident goes on, but for its severity: the labels are the alert's identity.

use super::http::Post;
use super::note::Note;
use super::queue::Parcel;
use super::settings::Alertmanager;
use crate::base::{Span, Time};
use serde_json::{Map, Value, json};

/// An alert that nobody sends again ends after so many intervals.
const LAPSE: i64 = 4;
const PATH: &str = "/api/v2/alerts";

/// # Errors
/// A sentence: a secret cannot be read.
pub(super) fn post(settings: &Alertmanager, replica: &str, parcel: &Parcel, now: Time) -> Result<Post, String> {
    let lapse = now + Span::seconds(LAPSE * i64::try_from(settings.resend_seconds).unwrap_or(60));
    let alerts: Vec<Value> = match parcel {
        Parcel::Refresh(notes) => notes.iter().map(|note| alert(note, now, lapse)).collect(),
        Parcel::Notice { note, before } => {
            let ends = if note.is_resolved() { now } else { lapse };
            // Another severity is another alert: the one that it replaces has to end, or both go on.
            let replaced = before.as_ref().filter(|before| labels(before) != labels(note));
            let replaced = replaced.map(|before| alert(before, now, now));
            std::iter::once(alert(note, now, ends)).chain(replaced).collect()
        }
    };
    let mut headers = Vec::new();
    if let Some(secret) = &settings.bearer_token {
        headers.push(("authorization", format!("Bearer {}", secret.read()?)));
    }
    let url = format!("{}{PATH}", replica.trim_end_matches('/'));
    Ok(Post { url, headers, body: Value::from(alerts).to_string().into_bytes() })
}

fn alert(note: &Note, now: Time, ends: Time) -> Value {
    // Alertmanager refuses an alert that ends before it begins, and logs may be ahead of our clock.
    let starts = Time::parse(&note.first_seen).map_or(now, |seen| seen.min(now));
    json!({
        "labels": labels(note),
        "annotations": annotations(note),
        "startsAt": starts.to_string(),
        "endsAt": ends.to_string(),
    })
}

fn labels(note: &Note) -> Value {
    let detector = note.detectors.first().map_or("", String::as_str);
    let (namespace, account) = note.service_account().unwrap_or_default();
    let all = [
        ("alertname", alert_name(detector)),
        ("severity", note.severity.label().to_owned()),
        ("cluster", note.cluster.clone()),
        ("namespace", namespace.to_owned()),
        ("serviceaccount", account.to_owned()),
        ("detector", detector.to_owned()),
        ("incident", note.id.clone()),
    ];
    let there = all.into_iter().filter(|(_, value)| !value.is_empty());
    Value::Object(there.map(|(name, value)| (name.to_owned(), Value::from(value))).collect())
}

/// `sensitive-operation` -> `TokentrailSensitiveOperation`.
fn alert_name(detector: &str) -> String {
    let word = |word: &str| word.get(..1).map_or(String::new(), |first| first.to_ascii_uppercase() + &word[1..]);
    std::iter::once("Tokentrail".to_owned()).chain(detector.split('-').map(word)).collect()
}

fn annotations(note: &Note) -> Value {
    let mut all = Map::new();
    let mut put = |name: &str, value: String| {
        if !value.is_empty() {
            all.insert(name.to_owned(), value.into());
        }
    };
    put("summary", note.summary.clone());
    if let Some(finding) = note.gravest() {
        put("expected", finding.expected.clone());
        put("observed", finding.observed.clone());
    }
    put("principal", note.principal.clone());
    put("revision", note.revision.to_string());
    put("score", note.score.to_string());
    put("last_seen", note.last_seen.clone());
    put("detectors", note.detectors.join(", "));
    put("techniques", note.techniques.join(", "));
    put("origins", note.origins.join(", "));
    put("credentials", note.credentials.join(", "));
    put("respond", note.respond.join("\n"));
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::super::note::tests::note;
    use super::*;

    fn alerts(parcel: &Parcel, now: Time) -> Vec<Value> {
        let settings = Alertmanager { urls: vec![], bearer_token: None, resend_seconds: 60 };
        let post = post(&settings, "http://am:9093/", parcel, now).unwrap();
        assert_eq!(post.url, "http://am:9093/api/v2/alerts");
        serde_json::from_slice(&post.body).unwrap()
    }

    #[test]
    fn an_escalation_ends_the_old_labels_in_the_same_post() {
        let now = Time::parse("2026-01-02T03:04:05Z").unwrap();
        let (old, new) = (note(1, 1, "open", "medium", true), note(1, 2, "updated", "high", true));
        let alerts = alerts(&Parcel::Notice { note: new, before: Some(old) }, now);
        let of = |i: usize, key: &str| alerts[i]["labels"][key].as_str().unwrap().to_owned();
        assert_eq!((of(0, "severity"), of(1, "severity")), ("high".to_owned(), "medium".to_owned()));
        assert_eq!((of(0, "alertname"), of(0, "incident")), ("TokentrailTest".to_owned(), of(1, "incident")));
        assert_eq!((of(0, "namespace"), of(0, "serviceaccount")), ("tokentrail-test".into(), "sample".into()));
        assert_eq!(Time::parse(alerts[0]["endsAt"].as_str().unwrap()), Some(now + Span::seconds(240)));
        assert_eq!(Time::parse(alerts[1]["endsAt"].as_str().unwrap()), Some(now));
    }

    #[test]
    fn an_alert_never_ends_before_it_begins() {
        let before_the_log = Time(1_600_000_000_000_000);
        let end = note(1, 2, "resolved", "medium", true);
        let alerts = alerts(&Parcel::Notice { note: end.clone(), before: Some(end) }, before_the_log);
        assert_eq!((alerts.len(), &alerts[0]["startsAt"]), (1, &alerts[0]["endsAt"]));
    }

    #[test]
    fn names_of_alerts_are_in_camel_case() {
        assert_eq!(alert_name("credential-in-two-places"), "TokentrailCredentialInTwoPlaces");
        assert_eq!(alert_name(""), "Tokentrail");
    }
}
