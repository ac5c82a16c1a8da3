//! One POST, and what its answer means.
//!
//! Refuses redirects, which could carry a secret elsewhere, proxies that the environment names,
//! answers of any length, and to print a URL: some are secrets.

use super::queue::Outcome;
use super::tls::Tls;
use crate::base::text;
use std::time::{Duration, SystemTime};

/// Most bytes that are read of an answer.
const ANSWER_MAX: usize = 64 << 10;
/// And this much is told, in bytes.
const TOLD_MAX: usize = 2048;
const CONNECT: Duration = Duration::from_secs(5);
pub(super) const JSON: &str = "application/json";

/// A request, whole. It is never printed: secrets are in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    pub url: String,
    pub content_type: &'static str,
    /// Besides `content-type`.
    pub headers: Vec<(&'static str, String)>,
    /// User and password.
    pub basic: Option<(String, String)>,
    pub body: Vec<u8>,
}

impl Post {
    /// A POST of JSON without further headers.
    #[must_use]
    pub fn json(url: String, body: &serde_json::Value) -> Post {
        Post {
            url,
            content_type: JSON,
            headers: Vec::new(),
            basic: None,
            body: body.to_string().into_bytes(),
        }
    }

    /// With `Authorization` of a scheme such as `Bearer`.
    #[must_use]
    pub fn authorized(mut self, scheme: &str, secret: &str) -> Post {
        self.headers
            .push(("authorization", format!("{scheme} {secret}")));
        self
    }
}

/// What a receiver said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    /// Made safe to print, and cut.
    pub text: String,
    /// As it came.
    pub(super) body: Vec<u8>,
    /// For how long it asks us to wait.
    pub(super) asked: Option<Duration>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// 408, 429 and what is the server's own fault may pass; everything else that is no success
    /// will not.
    pub(super) fn by_status(&self) -> Outcome {
        match self.status {
            200..=299 => Outcome::Delivered,
            408 | 429 | 500..=599 => self.retry(),
            _ => self.refused(),
        }
    }

    pub(super) fn retry(&self) -> Outcome {
        Outcome::Retry {
            why: self.told(),
            asked: self.asked,
        }
    }

    pub(super) fn refused(&self) -> Outcome {
        Outcome::Refused { why: self.told() }
    }

    fn told(&self) -> String {
        format!(
            "it answered {}{}{}",
            self.status,
            if self.text.is_empty() { "" } else { ": " },
            self.text
        )
    }
}

#[derive(Clone)]
pub(super) struct Client {
    client: reqwest::Client,
}

impl Client {
    /// For one URL and those that begin like it.
    ///
    /// # Errors
    /// A sentence: the certificates cannot be read, or the system has none.
    pub fn new(url: &str, timeout: Duration, tls: &Tls) -> Result<Client, String> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("tokentrail/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT.min(timeout))
            .timeout(timeout)
            .tls_backend_preconfigured(tls.config(!url.starts_with("http://"))?)
            .build();
        Ok(Client {
            client: client.map_err(|e| format!("no client can be made: {}", reason(e)))?,
        })
    }

    /// Sends it, once.
    ///
    /// # Errors
    /// There was no answer: what that means.
    pub async fn send(&self, post: &Post) -> Result<Answer, Outcome> {
        let mut request = self
            .client
            .post(&post.url)
            .header("content-type", post.content_type);
        for (name, value) in &post.headers {
            request = request.header(*name, value);
        }
        if let Some((user, password)) = &post.basic {
            request = request.basic_auth(user, Some(password));
        }
        let sent = request.body(post.body.clone()).send().await;
        let mut response = sent.map_err(|error| match error.is_builder() {
            true => Outcome::Refused { why: reason(error) },
            false => Outcome::Retry {
                why: reason(error),
                asked: None,
            },
        })?;
        let status = response.status().as_u16();
        let after = response
            .headers()
            .get("retry-after")
            .and_then(|v| v.to_str().ok());
        let asked = after.and_then(|value| asked(value, SystemTime::now()));
        let mut body = Vec::new();
        while body.len() < ANSWER_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                // The status line is what counts; who answers 200 and hangs up has taken the
                // notice.
                Err(_) => break,
            }
        }
        body.truncate(ANSWER_MAX);
        let told = String::from_utf8_lossy(&body[..body.len().min(TOLD_MAX)]);
        let text = text::clean(told.trim()).into_owned();
        Ok(Answer {
            status,
            text,
            body,
            asked,
        })
    }
}

/// Retry-After (RFC 9110 section 10.2.3): seconds, or a date, which is compared with our own clock.
fn asked(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let until = || {
        httpdate::parse_http_date(value)
            .ok()?
            .duration_since(now)
            .ok()
    };
    value.parse().ok().map(Duration::from_secs).or_else(until)
}

/// The error and what is behind it, without the URL: of that, host and port are no secret.
fn reason(error: reqwest::Error) -> String {
    let host = error
        .url()
        .and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default())));
    let error = error.without_url();
    let mut text = match host {
        Some((host, Some(port))) => format!("{error} (to {host}:{port})"),
        _ => error.to_string(),
    };
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text::clean(&text).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            text: body.to_owned(),
            body: body.as_bytes().to_vec(),
            asked: None,
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_refused() {
        for status in [200, 202, 204] {
            assert_eq!(answer(status, "").by_status(), Outcome::Delivered);
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(
                matches!(answer(status, "").by_status(), Outcome::Retry { .. }),
                "{status}"
            );
        }
        for status in [301, 400, 401, 403, 404, 410, 413] {
            assert!(
                matches!(answer(status, "x").by_status(), Outcome::Refused { .. }),
                "{status}"
            );
        }
    }

    /// All three forms of a date that RFC 9110 section 5.6.7 has receivers accept.
    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 90);
        let soon = Some(Duration::from_secs(90));
        assert_eq!(asked(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT", now), soon);
        assert_eq!(asked("Sunday, 06-Nov-94 08:49:37 GMT", now), soon);
        assert_eq!(asked("Sun Nov  6 08:49:37 1994", now), soon);
        assert_eq!(
            asked("Sun, 06 Nov 1994 08:49:37 GMT", SystemTime::now()),
            None,
            "it has passed"
        );
        assert_eq!(asked("soon", now), None);
    }
}
