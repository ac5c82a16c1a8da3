//! Slack: a message in Block Kit, by an incoming webhook or by a bot.
//!
//! Refuses markup: every block is plain text, so that a name from the log can neither mention a
//! channel nor pose as a link. An incoming webhook cannot change what it posted, so each notice is
//! a message of its own; a bot keeps one message for each incident, and says what is new in its
//! thread.
//!
//! Facts: <https://docs.slack.dev/reference/methods/chat.postMessage>, `chat.update`, and
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

use super::destination::{Destination, Message};
use super::format::cut;
use super::http::{Answer, Post};
use super::note::Note;
use super::queue::Outcome;
use super::secret::Secret;
use super::settings::{URL, Wrong, is_url};
use crate::base::{Time, text};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// <https://docs.slack.dev/reference/block-kit/blocks/header-block>
const HEADER: usize = 150;
/// <https://docs.slack.dev/reference/block-kit/blocks/section-block>
const SECTION: usize = 3000;
/// Most characters of a field of a section, as above.
const FIELD: usize = 2000;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Slack {
    /// The URL of the incoming webhook, which is a secret; or `token` and `channel`.
    pub url: Option<Secret>,
    /// The token of a bot that may `chat:write`.
    pub token: Option<Secret>,
    /// The id of the bot's channel, such as `C0123456789`.
    pub channel: Option<String>,
    /// Where Slack's methods are.
    pub api: String,
}

impl Default for Slack {
    fn default() -> Slack {
        Slack {
            url: None,
            token: None,
            channel: None,
            api: "https://slack.com/api".to_owned(),
        }
    }
}

impl Destination for Slack {
    fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        let bot = self.token.is_some() && self.channel.is_some();
        let half = self.token.is_some() != self.channel.is_some();
        if half || bot == self.url.is_some() {
            let remedy = "name url, or token and channel";
            found.push((
                "slack",
                "it has neither a webhook nor a bot with its channel, or both",
                remedy,
            ));
        }
        if !is_url(&self.api) {
            found.push(("slack.api", "it is not a URL that can be used", URL));
        }
        found
    }

    fn notice(&self, note: &Note, before: Option<&Note>, _: Time) -> Result<Message, String> {
        let message = message(note);
        let (Some(token), Some(channel)) = (&self.token, &self.channel) else {
            let url = self.url.as_ref().ok_or("there is no URL")?.read()?;
            return Ok(Post::json(url, &message).into());
        };
        let token = token.read()?;
        let call = |method: &str, more: Value| {
            let mut body = message.clone();
            for (name, value) in more.as_object().into_iter().flatten() {
                body[name] = value.clone();
            }
            Post::json(
                format!("{}/{method}", self.api.trim_end_matches('/')),
                &body,
            )
            .authorized("Bearer", &token)
        };
        let handle = note
            .handle
            .as_deref()
            .or(before.and_then(|before| before.handle.as_deref()));
        let Some((kept, ts)) = handle.and_then(|handle| handle.split_once(' ')) else {
            return Ok(call("chat.postMessage", json!({ "channel": channel })).into());
        };
        // Changing a message rings nobody; what is new is said in its thread, and in the channel
        // where it got worse.
        Ok(Message::Posts(vec![
            call("chat.update", json!({ "channel": kept, "ts": ts })),
            call(
                "chat.postMessage",
                json!({ "channel": kept, "thread_ts": ts, "reply_broadcast": !note.is_over() }),
            ),
        ]))
    }

    /// Methods answer 200 and say in the body what went wrong.
    fn judge(&self, answer: &Answer) -> Outcome {
        let (by_status, body) = (answer.by_status(), answer.json());
        if by_status != Outcome::Delivered || body["ok"] != json!(false) {
            return by_status;
        }
        match body["error"].as_str().unwrap_or_default() {
            // The message is gone or too old to change: what is new goes to the thread all the
            // same.
            "message_not_found" | "cant_update_message" | "edit_window_closed" => {
                Outcome::Delivered
            }
            "ratelimited"
            | "rate_limited"
            | "internal_error"
            | "fatal_error"
            | "service_unavailable"
            | "request_timeout" => answer.retry(),
            _ => answer.refused(),
        }
    }

    /// Channel and time stamp of the first message: of replies the thread's.
    fn handle(&self, answer: &Answer) -> Option<String> {
        let body = answer.json();
        let is_reply = body["message"]["thread_ts"].is_string();
        let (channel, ts) = (body["channel"].as_str()?, body["ts"].as_str()?);
        (self.token.is_some() && !is_reply).then(|| format!("{channel} {ts}"))
    }
}

fn message(note: &Note) -> Value {
    let title = note
        .gravest()
        .map_or(note.summary.as_str(), |f| f.title.as_str());
    let head = format!("[{}] {title}", note.state());
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(&head, HEADER) }),
        json!({ "type": "section", "text": plain(&note.summary, SECTION) }),
        json!({ "type": "section", "fields": fields(note) }),
    ];
    if let Some(finding) = note.gravest().filter(|_| !note.is_over()) {
        let text = format!(
            "Expected: {}\nObserved: {}",
            finding.expected, finding.observed
        );
        blocks.push(json!({ "type": "section", "text": plain(&text, SECTION) }));
    }
    if let Some(steps) = first_steps(note) {
        blocks.push(json!({ "type": "section", "text": plain(&steps, SECTION) }));
    }
    let footer = format!("incident {} revision {}", note.id, note.revision);
    blocks.push(json!({ "type": "context", "elements": [plain(&footer, FIELD)] }));
    let fallback = cut(&text::slack(&format!("{head}: {}", note.summary)), SECTION);
    json!({ "text": fallback, "blocks": blocks })
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
    there
        .map(|(name, value)| plain(&format!("{name}\n{value}"), FIELD))
        .collect()
}

fn first_steps(note: &Note) -> Option<String> {
    let open = !note.respond.is_empty() && !note.is_over();
    open.then(|| format!("First steps:\n{}", note.respond.join("\n")))
}

fn plain(text: &str, max: usize) -> Value {
    json!({ "type": "plain_text", "text": cut(text, max), "emoji": false })
}

#[cfg(test)]
mod tests {
    use super::super::note::tests::note;
    use super::*;

    #[test]
    fn no_text_of_the_log_is_markup_and_every_block_keeps_slacks_limits() {
        let mut note = Note::clone(&note(1, 1, "open", "high", true));
        note.summary = format!("<!channel> & {}", "x".repeat(4000));
        note.respond = vec!["y".repeat(4000)];
        let body = message(&note);
        assert!(
            body["text"]
                .as_str()
                .unwrap()
                .contains("&lt;!channel&gt; &amp; x")
        );
        assert!(!body.to_string().contains("mrkdwn"));
        let count = |v: &Value| v["text"].as_str().unwrap().chars().count();
        for block in body["blocks"].as_array().unwrap() {
            match block["type"].as_str().unwrap() {
                "header" => assert!(count(&block["text"]) <= 150),
                "section" if block["fields"].is_array() => {
                    assert!(block["fields"].as_array().unwrap().len() <= 10);
                }
                "section" => assert!(count(&block["text"]) <= 3000),
                other => assert_eq!(other, "context"),
            }
        }
    }

    fn bot() -> (tempfile::TempDir, Slack) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "xoxb-1\n").unwrap();
        let token = Some(Secret::File(file));
        (
            dir,
            Slack {
                token,
                channel: Some("C1".to_owned()),
                ..Slack::default()
            },
        )
    }

    #[test]
    fn a_bot_changes_its_message_and_says_in_the_thread_what_is_new() {
        use super::super::http::tests::answer;
        let (_dir, slack) = bot();
        let posts = |note: &Note, before: Option<&Note>| match slack
            .notice(note, before, Time::ZERO)
            .unwrap()
        {
            Message::Posts(posts) => posts,
            Message::Line(_) => panic!("a line"),
        };
        let body = |post: &Post| serde_json::from_slice::<Value>(&post.body).unwrap();
        let open = note(1, 1, "open", "medium", true);
        let first = posts(&open, None);
        assert_eq!(
            (first.len(), &*first[0].url),
            (1, "https://slack.com/api/chat.postMessage")
        );
        assert_eq!(body(&first[0])["channel"], "C1");
        let took = answer(
            200,
            r#"{"ok":true,"channel":"C9","ts":"1700000000.000100","message":{}}"#,
        );
        let handle = slack.handle(&took).unwrap();
        let told = Note::read(&open.with_handle(&handle).line).unwrap();
        let then = posts(&note(1, 2, "updated", "high", true), Some(&told));
        assert_eq!(
            (then.len(), &*then[0].url),
            (2, "https://slack.com/api/chat.update")
        );
        let (change, reply) = (body(&then[0]), body(&then[1]));
        assert_eq!(
            (&change["channel"], &change["ts"]),
            (&json!("C9"), &json!("1700000000.000100"))
        );
        assert_eq!(
            (&reply["thread_ts"], &reply["reply_broadcast"]),
            (&change["ts"], &json!(true))
        );
        assert_eq!(
            body(&posts(&note(1, 3, "resolved", "high", true), Some(&told))[1])["reply_broadcast"],
            false
        );
        let replied = answer(
            200,
            r#"{"ok":true,"channel":"C9","ts":"2","message":{"thread_ts":"1"}}"#,
        );
        assert_eq!(slack.handle(&replied), None);
    }

    #[test]
    fn errors_of_methods_are_told_apart() {
        use super::super::http::tests::answer;
        let (_dir, slack) = bot();
        let of = |error: &str| {
            slack.judge(&answer(
                200,
                &format!(r#"{{"ok":false,"error":"{error}"}}"#),
            ))
        };
        assert!(matches!(of("ratelimited"), Outcome::Retry { .. }));
        assert!(matches!(of("invalid_auth"), Outcome::Refused { .. }));
        assert_eq!(of("message_not_found"), Outcome::Delivered);
        assert_eq!(slack.judge(&answer(200, "ok")), Outcome::Delivered);
    }
}
