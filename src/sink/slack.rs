//! Slack: a message in Block Kit by an incoming webhook.
//!
//! Refuses markup: every block is plain text, so that a name from the log can neither mention a channel nor pose as a
//! link. An incoming webhook cannot change what it posted, so each notice is a message of its own.

use super::http::Post;
use super::note::Note;
use super::settings::Slack;
use crate::base::text;
use serde_json::{Value, json};

/// <https://docs.slack.dev/reference/block-kit/blocks/header-block>
const HEADER: usize = 150;
/// <https://docs.slack.dev/reference/block-kit/blocks/section-block>
const SECTION: usize = 3000;
/// Of each of the fields of a section, as above.
const FIELD: usize = 2000;

/// # Errors
/// A sentence: the URL cannot be read.
pub(super) fn post(settings: &Slack, note: &Note) -> Result<Post, String> {
    let state = if note.is_resolved() { "resolved" } else { note.severity.label() };
    let title = note.gravest().map_or(note.summary.as_str(), |f| f.title.as_str());
    let head = format!("[{state}] {title}");
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(&head, HEADER) }),
        json!({ "type": "section", "text": plain(&note.summary, SECTION) }),
        json!({ "type": "section", "fields": fields(note) }),
    ];
    if let Some(finding) = note.gravest().filter(|_| !note.is_resolved()) {
        let text = format!("Expected: {}\nObserved: {}", finding.expected, finding.observed);
        blocks.push(json!({ "type": "section", "text": plain(&text, SECTION) }));
    }
    if let Some(steps) = first_steps(note) {
        blocks.push(json!({ "type": "section", "text": plain(&steps, SECTION) }));
    }
    let footer = format!("incident {} revision {}", note.id, note.revision);
    blocks.push(json!({ "type": "context", "elements": [plain(&footer, FIELD)] }));
    let fallback = cut(&text::slack(&format!("{head}: {}", note.summary)), SECTION);
    let body = json!({ "text": fallback, "blocks": blocks }).to_string().into_bytes();
    Ok(Post { url: settings.url.read()?, headers: Vec::new(), body })
}

fn fields(note: &Note) -> Vec<Value> {
    let all = [
        ("Principal", note.principal.clone()),
        ("Cluster", note.cluster.clone()),
        ("Severity", note.severity.label().to_owned()),
        ("First seen", note.first_seen.clone()),
        ("Last seen", note.last_seen.clone()),
        ("Detectors", note.detectors.join(", ")),
        ("Origins", note.origins.join(", ")),
        ("ATT&CK", note.techniques.join(", ")),
    ];
    let there = all.into_iter().filter(|(_, value)| !value.is_empty());
    there.map(|(name, value)| plain(&format!("{name}\n{value}"), FIELD)).collect()
}

fn first_steps(note: &Note) -> Option<String> {
    let open = !note.respond.is_empty() && !note.is_resolved();
    open.then(|| format!("First steps:\n{}", note.respond.join("\n")))
}

fn plain(text: &str, max: usize) -> Value {
    json!({ "type": "plain_text", "text": cut(text, max), "emoji": false })
}

/// At most so many characters.
fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max - 1).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use super::super::note::tests::note;
    use super::super::secret::Secret;
    use super::*;

    #[test]
    fn no_text_of_the_log_is_markup_and_every_block_keeps_slacks_limits() {
        let mut note = Note::clone(&note(1, 1, "open", "high", true));
        note.summary = format!("<!channel> & {}", "x".repeat(4000));
        note.respond = vec!["y".repeat(4000)];
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("url");
        std::fs::write(&file, "https://hooks.example/x\n").unwrap();
        let post = post(&Slack { url: Secret::File(file) }, &note).unwrap();
        assert_eq!(post.url, "https://hooks.example/x");
        let body: Value = serde_json::from_slice(&post.body).unwrap();
        assert!(body["text"].as_str().unwrap().contains("&lt;!channel&gt; &amp; x"));
        assert!(!body.to_string().contains("mrkdwn"));
        let count = |v: &Value| v["text"].as_str().unwrap().chars().count();
        for block in body["blocks"].as_array().unwrap() {
            match block["type"].as_str().unwrap() {
                "header" => assert!(count(&block["text"]) <= 150),
                "section" if block["fields"].is_array() => assert!(block["fields"].as_array().unwrap().len() <= 10),
                "section" => assert!(count(&block["text"]) <= 3000),
                other => assert_eq!(other, "context"),
            }
        }
    }
}
