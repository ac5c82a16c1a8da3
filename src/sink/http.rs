//! One POST, and what its answer means.
//!
//! Refuses redirects, which could carry a secret elsewhere, proxies that the environment names, answers of any
//! length, and to print a URL: some are secrets.

use super::queue::Outcome;
use crate::base::text;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

/// Of an answer this much is read and told.
const ANSWER_MAX: usize = 2048;
const CONNECT: Duration = Duration::from_secs(5);

/// A request, whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    pub url: String,
    /// Besides `content-type: application/json`.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// What a receiver said, made safe to print.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

#[derive(Clone)]
pub struct Client {
    client: reqwest::Client,
}

impl Client {
    /// For one URL and those that begin like it.
    ///
    /// # Errors
    /// A sentence: the certificates cannot be read, or the system has none.
    pub fn new(url: &str, timeout: Duration, ca_file: Option<&Path>) -> Result<Client, String> {
        static PROVIDER: Once = Once::new();
        // An error says that there is one already, which serves as well.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tokentrail/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT.min(timeout))
            .timeout(timeout);
        if let Some(path) = ca_file {
            let failed = |e: &dyn std::fmt::Display| format!("ca_file {} cannot be used: {e}", path.display());
            let pem = std::fs::read(path).map_err(|e| failed(&e))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| failed(&e))?;
            if certificates.is_empty() {
                return Err(failed(&"it holds no certificate in PEM form"));
            }
            builder = builder.tls_certs_only(certificates);
        } else if url.starts_with("http://") {
            // Small images have no authorities at all, which must not matter where none is asked.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|e| format!("no TLS client can be made: {}", reason(e)))?;
        Ok(Client { client })
    }

    /// Sends it, once.
    pub async fn send(&self, post: Post) -> (Outcome, Option<Answer>) {
        let mut request = self.client.post(&post.url).header("content-type", "application/json").body(post.body);
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return (Outcome::Refused { why: reason(error) }, None),
            Err(error) => return (Outcome::Retry { why: reason(error), asked: None }, None),
        };
        let status = response.status().as_u16();
        let asked = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(asked);
        let mut body = Vec::new();
        while body.len() < ANSWER_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                // The status line is what counts; who answers 200 and hangs up has taken the notice.
                Err(_) => break,
            }
        }
        body.truncate(ANSWER_MAX);
        let answer = Answer { status, text: text::clean(String::from_utf8_lossy(&body).trim()).into_owned() };
        (judged(status, asked, &answer.text), Some(answer))
    }
}

/// 408, 429 and what is the server's own fault may pass; everything else that is no success will not.
fn judged(status: u16, asked: Option<Duration>, text: &str) -> Outcome {
    let why = || format!("it answered {status}{}{text}", if text.is_empty() { "" } else { ": " });
    match status {
        200..=299 => Outcome::Delivered,
        408 | 429 | 500..=599 => Outcome::Retry { why: why(), asked },
        _ => Outcome::Refused { why: why() },
    }
}

/// Retry-After in seconds (RFC 9110 section 10.2.3). A date is not heeded: our own backoff is within minutes anyway.
fn asked(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(Duration::from_secs)
}

/// The error and what is behind it, without the URL.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
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
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_refused() {
        for status in [200, 202, 204] {
            assert_eq!(judged(status, None, ""), Outcome::Delivered);
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(judged(status, None, ""), Outcome::Retry { .. }), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 410, 413] {
            assert!(matches!(judged(status, None, "x"), Outcome::Refused { .. }), "{status}");
        }
        assert_eq!(asked(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(asked("Fri, 31 Dec 1999 23:59:59 GMT"), None);
    }
}
