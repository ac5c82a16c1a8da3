//! Microsoft Teams: an Adaptive Card to a webhook of Workflows.
//!
//! Refuses markup, and cards longer than Teams takes: lists are cut before sentences.
//!
//! Facts:
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>
//! (28 KB; `message` with attachments), <https://adaptivecards.io/explorer/> (elements; a `TextRun`
//! is not interpreted as Markdown, a `TextBlock` and a `Fact` are).

use super::destination::{Destination, Message};
use super::format::cut;
use super::http::Post;
use super::note::Note;
use super::secret::Secret;
use super::settings::Wrong;
use crate::base::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The whole message in bytes, with some room below the 28 KB of Teams.
const MESSAGE_MAX: usize = 25_000;
/// Longest text of one element in characters, and what it is made where the message is too long.
const TEXTS: [usize; 4] = [2000, 600, 200, 60];

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Teams {
    /// The URL that Workflows shows for "When a Teams webhook request is received", which is a
    /// secret.
    pub url: Secret,
}

impl Destination for Teams {
    fn wrong(&self) -> Vec<Wrong> {
        Vec::new()
    }

    fn notice(&self, note: &Note, _: Option<&Note>, _: Time) -> Result<Message, String> {
        let mut message = Value::Null;
        for max in TEXTS {
            message = json!({
                "type": "message",
                "attachments": [{
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "contentUrl": null,
                    "content": card(note, max),
                }],
            });
            if message.to_string().len() <= MESSAGE_MAX {
                break;
            }
        }
        Ok(Post::json(self.url.read()?, &message).into())
    }
}

fn card(note: &Note, max: usize) -> Value {
    let title = note
        .gravest()
        .map_or(note.summary.as_str(), |f| f.title.as_str());
    let colour = match note.state() {
        "critical" | "high" => "Attention",
        "medium" => "Warning",
        "resolved" => "Good",
        _ => "Default",
    };
    let head = json!({ "text": cut(&format!("[{}] {title}", note.state()), max), "size": "Large",
        "weight": "Bolder", "color": colour });
    let mut body = vec![
        text(&head),
        text(&json!({ "text": cut(&note.summary, max) })),
    ];
    let finding = note.gravest().filter(|_| !note.is_over());
    let facts = [
        ("Principal", note.principal.clone()),
        ("Cluster", note.cluster.clone()),
        ("First seen", note.first_seen.clone()),
        ("Last seen", note.last_seen.clone()),
        (
            "Expected",
            finding.map_or(String::new(), |f| f.expected.clone()),
        ),
        (
            "Observed",
            finding.map_or(String::new(), |f| f.observed.clone()),
        ),
        ("Detectors", note.detectors.join(", ")),
        ("Origins", note.origins.join(", ")),
        ("ATT&CK", note.techniques.join(", ")),
        (
            "First steps",
            if note.is_over() {
                String::new()
            } else {
                note.respond.join("\n")
            },
        ),
        (
            "Incident",
            format!("{} revision {}", note.id, note.revision),
        ),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        body.push(json!({ "type": "RichTextBlock", "inlines": [
            { "type": "TextRun", "text": format!("{name}: "), "weight": "Bolder" },
            { "type": "TextRun", "text": cut(value, max) },
        ] }));
    }
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": body,
    })
}

/// One run of text in a block of its own.
fn text(run: &Value) -> Value {
    let mut run = run.clone();
    run["type"] = "TextRun".into();
    json!({ "type": "RichTextBlock", "inlines": [run] })
}
