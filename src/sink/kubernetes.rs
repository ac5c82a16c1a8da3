//! Kubernetes Events, `events.k8s.io/v1`, beside the service account that they are about.
//!
//! Refuses to change or delete anything: it creates, under a name that is incident and revision.
//!
//! Facts: `pkg/apis/core/validation/events.go` of Kubernetes (what is required, and how long), and
//! <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/> (token and authority in
//! the pod).

use super::destination::{Destination, Message};
use super::format::camel;
use super::http::{Answer, Post};
use super::note::Note;
use super::queue::Outcome;
use super::secret::Secret;
use super::settings::{URL, Wrong, is_url};
use crate::base::Time;
use crate::base::text::shortened;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;

const MOUNTED: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// NoteLengthLimit, in bytes.
const NOTE: usize = 1024;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kubernetes {
    /// The API server.
    pub url: String,
    /// The token, read anew each time: kubelet replaces it.
    pub token: Secret,
    /// Also revisions that people are not told of.
    pub every_revision: bool,
}

impl Default for Kubernetes {
    fn default() -> Kubernetes {
        Kubernetes {
            url: "https://kubernetes.default.svc".to_owned(),
            token: Secret::File(format!("{MOUNTED}/token").into()),
            every_revision: false,
        }
    }
}

impl Destination for Kubernetes {
    fn wrong(&self) -> Vec<Wrong> {
        if is_url(&self.url) {
            Vec::new()
        } else {
            vec![("kubernetes.url", "it is not a URL that can be used", URL)]
        }
    }

    fn notice(&self, note: &Note, _: Option<&Note>, now: Time) -> Result<Message, String> {
        // What is about no service account stands where events about the cluster stand.
        let (namespace, regarding) = match note
            .service_account()
            .filter(|(ns, name)| is_name(ns) && is_name(name))
        {
            Some((namespace, name)) => (
                namespace,
                json!({ "apiVersion": "v1", "kind": "ServiceAccount", "namespace": namespace, "name": name }),
            ),
            None => (
                "default",
                json!({ "apiVersion": "v1", "kind": "Namespace", "name": "default" }),
            ),
        };
        let reason = note.detectors.first().map_or("incident", String::as_str);
        let text = format!(
            "[{}] {} (incident {} revision {})",
            note.state(),
            note.summary,
            note.id,
            note.revision
        );
        let event = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": format!("tokentrail.{}", note.key()),
                "namespace": namespace,
                "labels": { "app.kubernetes.io/managed-by": "tokentrail", "tokentrail/incident": note.id },
            },
            "eventTime": now.to_string(),
            "type": if note.is_over() { "Normal" } else { "Warning" },
            "reason": camel(reason),
            "action": if note.is_over() { "Ended" } else { "Detected" },
            "reportingController": "tokentrail/audit",
            "reportingInstance": "tokentrail",
            "regarding": regarding,
            "note": shortened(&text, NOTE),
        });
        let url = format!(
            "{}/apis/events.k8s.io/v1/namespaces/{namespace}/events",
            self.url.trim_end_matches('/')
        );
        Ok(Post::json(url, &event)
            .authorized("Bearer", &self.token.read()?)
            .into())
    }

    /// 409 says that it is there already. 401 and 403 pass when the token or the role comes.
    fn judge(&self, answer: &Answer) -> Outcome {
        match answer.status {
            409 => Outcome::Delivered,
            401 | 403 => answer.retry(),
            _ => answer.by_status(),
        }
    }

    fn ca_file(&self) -> Option<&Path> {
        Some(Path::new(
            "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        ))
        .filter(|path| path.exists())
    }

    fn every_revision(&self) -> bool {
        self.every_revision
    }
}

/// As in a URL's path; the log may hold anything.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !text.is_empty() && text.len() <= 253 && text.chars().all(plain) && !text.starts_with('.')
}
