//! Elasticsearch and OpenSearch, `_bulk`, with documents of the Elastic Common Schema.
//!
//! Refuses to write a document twice: its id is incident and revision, and it is created, never
//! overwritten.
//!
//! Facts: <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk> and
//! <https://docs.opensearch.org/latest/api-reference/document-apis/bulk/>.

use super::destination::{Destination, Message};
use super::format::ecs;
use super::http::{Answer, Post};
use super::note::Note;
use super::queue::Outcome;
use super::secret::Secret;
use super::settings::{URL, Wrong, is_url};
use crate::base::Time;
use serde::{Deserialize, Serialize};
use serde_json::json;

const NDJSON: &str = "application/x-ndjson";

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Elasticsearch {
    /// The base URL, such as `https://elastic.example.com:9200`.
    pub url: String,
    /// An index, an alias or a data stream.
    #[serde(default = "index")]
    pub index: String,
    /// Sent as `Authorization: ApiKey`, in the encoded form.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// The user of `password`.
    #[serde(default)]
    pub user: Option<String>,
    /// Password of `user`, for basic authentication.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Also revisions that people are not told of.
    #[serde(default)]
    pub every_revision: bool,
}

fn index() -> String {
    "tokentrail-incidents".to_owned()
}

impl Destination for Elasticsearch {
    fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        if !is_url(&self.url) {
            found.push(("elasticsearch.url", "it is not a URL that can be used", URL));
        }
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if self.index.is_empty() || !self.index.chars().all(plain) {
            let remedy = "use small letters, digits and - _ .";
            found.push(("elasticsearch.index", "it is no name of an index", remedy));
        }
        if self.user.is_some() != self.password.is_some()
            || (self.user.is_some() && self.api_key.is_some())
        {
            let remedy = "name api_key, or user and password, or none of them";
            found.push((
                "elasticsearch",
                "the credentials do not go together",
                remedy,
            ));
        }
        found
    }

    fn notice(&self, note: &Note, _: Option<&Note>, _: Time) -> Result<Message, String> {
        let action = json!({ "create": { "_id": note.key() } });
        let url = format!("{}/{}/_bulk", self.url.trim_end_matches('/'), self.index);
        let body = format!("{action}\n{}\n", ecs::document(note)).into_bytes();
        let post = Post {
            url,
            content_type: NDJSON,
            headers: Vec::new(),
            basic: None,
            body,
        };
        Ok(match (&self.api_key, &self.user, &self.password) {
            (Some(key), ..) => post.authorized("ApiKey", &key.read()?).into(),
            (None, Some(user), Some(password)) => Post {
                basic: Some((user.clone(), password.read()?)),
                ..post
            }
            .into(),
            _ => post.into(),
        })
    }

    /// A bulk request succeeds as such; how each item fared is in the body. 409 says that it is
    /// there already.
    fn judge(&self, answer: &Answer) -> Outcome {
        let by_status = answer.by_status();
        if by_status != Outcome::Delivered {
            return by_status;
        }
        let body = answer.json();
        match body["items"][0]["create"]["status"].as_u64() {
            Some(200..=299 | 409) => Outcome::Delivered,
            Some(408 | 429 | 500..=599) => answer.retry(),
            Some(_) => answer.refused(),
            // No Elasticsearch: something on the way answered.
            None => answer.retry(),
        }
    }

    fn every_revision(&self) -> bool {
        self.every_revision
    }
}
