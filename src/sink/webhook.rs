//! The webhook: the incident in its machine form, in a versioned envelope, signed. `docs/sinks.md` is its contract.
//!
//! Refuses to leave a field out or to rename one within a version.

use super::http::Post;
use super::note::Note;
use super::settings::Webhook;
use crate::base::Time;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt::Write;

/// The version of the envelope and of the incident in it.
const VERSION: &str = "tokentrail.incident/v1";

/// # Errors
/// A sentence: a secret cannot be read.
pub(super) fn post(settings: &Webhook, note: &Note, now: Time) -> Result<Post, String> {
    let timestamp = now.0.div_euclid(1_000_000).to_string();
    let line = String::from_utf8_lossy(&note.line);
    let body = format!("{{\"version\":\"{VERSION}\",\"key\":\"{}\",\"incident\":{line}}}", note.key()).into_bytes();
    let mut headers = vec![("idempotency-key", note.key()), ("tokentrail-timestamp", timestamp.clone())];
    if let Some(secret) = &settings.signing_key {
        headers.push(("tokentrail-signature", signature(secret.read()?.as_bytes(), &timestamp, &body)));
    }
    if let Some(secret) = &settings.bearer_token {
        headers.push(("authorization", format!("Bearer {}", secret.read()?)));
    }
    Ok(Post { url: settings.url.clone(), headers, body })
}

/// HMAC-SHA256 over timestamp, a dot and the body: who replays an old body cannot give it a new time.
fn signature(key: &[u8], timestamp: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { unreachable!("HMAC takes keys of any length") };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut text = "v1=".to_owned();
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1700000000.{}' | openssl dgst -sha256 -hmac key`
    #[test]
    fn the_signature_is_what_openssl_computes() {
        let expected = "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signature(b"key", "1700000000", b"{}"), expected);
    }
}
