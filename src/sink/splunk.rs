//! Splunk, HTTP Event Collector, without acknowledgement by the indexer.
//!
//! Refuses to believe a status alone: HEC says in the body what it made of the event.
//!
//! Facts:
//! <https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/troubleshoot-http-event-collector>
//! (codes) and `format-events-for-http-event-collector` beside it.

use super::destination::{Destination, Message};
use super::format::millis;
use super::http::{Answer, Post};
use super::note::Note;
use super::queue::Outcome;
use super::secret::Secret;
use super::settings::{URL, Wrong, is_url};
use crate::base::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const PATH: &str = "/services/collector/event";

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Splunk {
    /// The base URL of the collector, such as `https://splunk.example.com:8088`.
    pub url: String,
    /// The token of the collector's input.
    pub token: Secret,
    /// The index; the token's default, if it is not set.
    #[serde(default)]
    pub index: Option<String>,
    /// The source type of the events.
    #[serde(default = "sourcetype")]
    pub sourcetype: String,
    /// Also revisions that people are not told of.
    #[serde(default)]
    pub every_revision: bool,
}

fn sourcetype() -> String {
    "tokentrail:incident".to_owned()
}

impl Destination for Splunk {
    fn wrong(&self) -> Vec<Wrong> {
        if is_url(&self.url) {
            Vec::new()
        } else {
            vec![("splunk.url", "it is not a URL that can be used", URL)]
        }
    }

    fn notice(&self, note: &Note, _: Option<&Note>, _: Time) -> Result<Message, String> {
        let at = millis(&note.last_seen);
        let mut event = json!({
            "time": format!("{}.{:03}", at.div_euclid(1000), at.rem_euclid(1000)),
            "source": "tokentrail",
            "sourcetype": self.sourcetype,
            "event": serde_json::from_slice::<Value>(&note.line).map_err(|e| e.to_string())?,
            "fields": {
                "incident": note.id, "revision": note.revision.to_string(), "severity": note.severity.label(),
                "status": note.status,
            },
        });
        if !note.cluster.is_empty() {
            event["host"] = note.cluster.as_str().into();
        }
        if let Some(index) = &self.index {
            event["index"] = index.as_str().into();
        }
        let url = format!("{}{PATH}", self.url.trim_end_matches('/'));
        Ok(Post::json(url, &event)
            .authorized("Splunk", &self.token.read()?)
            .into())
    }

    /// 0 is success; 8 and 9 are the server's own trouble, whatever the status is; 4xx codes are
    /// ours.
    fn judge(&self, answer: &Answer) -> Outcome {
        match (answer.by_status(), answer.json()["code"].as_u64()) {
            (Outcome::Refused { .. } | Outcome::Delivered, Some(8 | 9)) => answer.retry(),
            (Outcome::Delivered, Some(code)) if code != 0 => answer.refused(),
            (by_status, _) => by_status,
        }
    }

    fn every_revision(&self) -> bool {
        self.every_revision
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::tests::answer;
    use super::super::settings::Settings;
    use super::*;

    #[test]
    fn what_the_body_says_counts_beside_the_status() {
        let sink = Splunk {
            url: "http://splunk".to_owned(),
            token: Secret::Env("X".to_owned()),
            index: None,
            sourcetype: sourcetype(),
            every_revision: false,
        };
        let of = |status, body| sink.judge(&answer(status, body));
        assert_eq!(
            of(200, r#"{"text":"Success","code":0}"#),
            Outcome::Delivered
        );
        assert!(matches!(
            of(503, r#"{"text":"Server is busy","code":9}"#),
            Outcome::Retry { .. }
        ));
        assert!(matches!(
            of(500, r#"{"text":"Internal server error","code":8}"#),
            Outcome::Retry { .. }
        ));
        assert!(matches!(
            of(400, r#"{"text":"Incorrect index","code":7}"#),
            Outcome::Refused { .. }
        ));
        assert!(matches!(
            of(403, r#"{"text":"Invalid token","code":4}"#),
            Outcome::Refused { .. }
        ));
        assert!(matches!(
            of(200, r#"{"text":"Invalid data format","code":6}"#),
            Outcome::Refused { .. }
        ));
        assert!(
            Settings {
                splunk: Some(sink),
                ..Settings::default()
            }
            .wrong()
            .is_empty()
        );
    }
}
