//! Prometheus Alertmanager, API v2: an incident is an alert that fires until it is resolved.
//!
//! Refuses labels that change while an incident goes on, but for its severity: the labels are the
//! alert's identity.

use super::destination::{Call, Destination, Message};
use super::format::camel;
use super::http::Post;
use super::note::Note;
use super::queue::Parcel;
use super::secret::Secret;
use super::settings::{URL, Wrong, is_url};
use crate::base::{Span, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// An alert that nobody sends again ends after so many intervals.
const LAPSE: i64 = 4;
const PATH: &str = "/api/v2/alerts";

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alertmanager {
    /// The base URL of every replica, never of a balancer in front of them.
    pub urls: Vec<String>,
    /// Sent as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token: Option<Secret>,
    /// Seconds after which alerts that go on are sent again; they end by themselves after four
    /// times that.
    #[serde(default = "resend_seconds")]
    pub resend_seconds: u64,
    /// An alert that always fires, so that its absence tells that the way is broken.
    #[serde(default = "watchdog")]
    pub watchdog: bool,
}

fn resend_seconds() -> u64 {
    60
}

fn watchdog() -> bool {
    true
}

impl Destination for Alertmanager {
    fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        let mut urls = self.urls.clone();
        urls.sort();
        if self.urls.is_empty() || !self.urls.iter().all(|u| is_url(u)) {
            found.push((
                "alertmanager.urls",
                "there is none, or one is not a URL that can be used",
                URL,
            ));
        } else if urls.windows(2).any(|pair| pair[0] == pair[1]) {
            found.push((
                "alertmanager.urls",
                "a replica is named twice",
                "name each replica once",
            ));
        }
        if !(5..=3600).contains(&self.resend_seconds) {
            found.push((
                "alertmanager.resend_seconds",
                "it is out of range",
                "set 5 to 3600; the default is 60",
            ));
        }
        found
    }

    fn notice(&self, _: &Note, _: Option<&Note>, _: Time) -> Result<Message, String> {
        unreachable!("the alerts of a notice depend on the replica; `message` makes them")
    }

    fn message(&self, call: &Call<'_>) -> Result<Message, String> {
        let now = call.now;
        let lapse = now + Span::seconds(LAPSE * i64::try_from(self.resend_seconds).unwrap_or(60));
        let alerts: Vec<Value> = match call.parcel {
            Parcel::Refresh(notes) => {
                let watchdog = self.watchdog.then(|| always(call.cluster, now, lapse));
                notes
                    .iter()
                    .map(|note| alert(note, now, lapse))
                    .chain(watchdog)
                    .collect()
            }
            Parcel::Notice { note, before } => {
                let ends = if note.is_over() { now } else { lapse };
                // Another severity is another alert: the one that it replaces has to end, or both
                // go on.
                let replaced = before
                    .as_ref()
                    .filter(|before| labels(before) != labels(note));
                let replaced = replaced.map(|before| alert(before, now, now));
                std::iter::once(alert(note, now, ends))
                    .chain(replaced)
                    .collect()
            }
        };
        let url = format!("{}{PATH}", call.replica.trim_end_matches('/'));
        let post = Post::json(url, &Value::from(alerts));
        Ok(match &self.bearer_token {
            Some(secret) => post.authorized("Bearer", &secret.read()?).into(),
            None => post.into(),
        })
    }

    fn refresh(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.resend_seconds))
    }

    fn replicas(&self) -> Vec<String> {
        self.urls.clone()
    }
}

/// Fires while we are there and can get through.
fn always(cluster: &str, now: Time, lapse: Time) -> Value {
    let mut labels =
        json!({ "alertname": "Watchdog", "severity": "none", "product": "tokentrail" });
    if !cluster.is_empty() {
        labels["cluster"] = cluster.into();
    }
    json!({
        "labels": labels,
        "annotations": { "summary": "tokentrail is running and reaches this Alertmanager; this alert always fires" },
        "startsAt": now.to_string(),
        "endsAt": lapse.to_string(),
    })
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
        ("alertname", format!("Tokentrail{}", camel(detector))),
        ("severity", note.severity.label().to_owned()),
        ("cluster", note.cluster.clone()),
        ("namespace", namespace.to_owned()),
        ("serviceaccount", account.to_owned()),
        ("detector", detector.to_owned()),
        ("incident", note.id.clone()),
    ];
    let there = all.into_iter().filter(|(_, value)| !value.is_empty());
    Value::Object(
        there
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect(),
    )
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
        let settings = Alertmanager {
            urls: vec![],
            bearer_token: None,
            resend_seconds: 60,
            watchdog: true,
        };
        let call = Call {
            parcel,
            replica: "http://am:9093/",
            cluster: "c",
            now,
        };
        let Message::Posts(posts) = settings.message(&call).unwrap() else {
            panic!("no request")
        };
        assert_eq!(posts[0].url, "http://am:9093/api/v2/alerts");
        serde_json::from_slice(&posts[0].body).unwrap()
    }

    #[test]
    fn the_watchdog_fires_with_every_refresh_even_where_nothing_goes_on() {
        let now = Time::parse("2026-01-02T03:04:05Z").unwrap();
        let alone = alerts(&Parcel::Refresh(vec![]), now);
        assert_eq!(
            alone[0]["labels"],
            json!({ "alertname": "Watchdog", "severity": "none", "product": "tokentrail",
            "cluster": "c" })
        );
        assert_eq!(
            Time::parse(alone[0]["endsAt"].as_str().unwrap()),
            Some(now + Span::seconds(240))
        );
        assert_eq!(
            alerts(
                &Parcel::Refresh(vec![note(1, 1, "open", "medium", true)]),
                now
            )
            .len(),
            2
        );
    }

    #[test]
    fn an_escalation_ends_the_old_labels_in_the_same_post() {
        let now = Time::parse("2026-01-02T03:04:05Z").unwrap();
        let (old, new) = (
            note(1, 1, "open", "medium", true),
            note(1, 2, "updated", "high", true),
        );
        let alerts = alerts(
            &Parcel::Notice {
                note: new,
                before: Some(old),
            },
            now,
        );
        let of = |i: usize, key: &str| alerts[i]["labels"][key].as_str().unwrap().to_owned();
        assert_eq!(
            (of(0, "severity"), of(1, "severity")),
            ("high".to_owned(), "medium".to_owned())
        );
        assert_eq!(
            (of(0, "alertname"), of(0, "incident")),
            ("TokentrailTest".to_owned(), of(1, "incident"))
        );
        assert_eq!(
            (of(0, "namespace"), of(0, "serviceaccount")),
            ("tokentrail-test".into(), "sample".into())
        );
        assert_eq!(
            Time::parse(alerts[0]["endsAt"].as_str().unwrap()),
            Some(now + Span::seconds(240))
        );
        assert_eq!(
            Time::parse(alerts[1]["endsAt"].as_str().unwrap()),
            Some(now)
        );
    }

    #[test]
    fn an_alert_never_ends_before_it_begins() {
        let before_the_log = Time(1_600_000_000_000_000);
        let end = note(1, 2, "resolved", "medium", true);
        let alerts = alerts(
            &Parcel::Notice {
                note: end.clone(),
                before: Some(end),
            },
            before_the_log,
        );
        assert_eq!(
            (alerts.len(), &alerts[0]["startsAt"]),
            (1, &alerts[0]["endsAt"])
        );
    }
}
