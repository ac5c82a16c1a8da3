//! The slow decoder: serde_json on the whole line. It is right by definition.
//!
//! Refuses to be fast: it also finds out *why* a line cannot be read, which the scanner never does.

use super::{MAX_DEPTH, Malformed, cursor};
use crate::event::wire::WireEvent;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// Reads one JSON object with serde_json.
pub(super) fn read(text: &str) -> Result<WireEvent<'_>, Malformed> {
    // serde takes an array for a struct; Kubernetes does not.
    if !text.starts_with('{') {
        return Err(why(text));
    }
    let event = serde_json::from_str(text).map_err(|_| why(text))?;
    if too_deep(text) {
        Err(Malformed::TooDeep)
    } else {
        Ok(event)
    }
}

/// serde_json steps over bodies without recursion, so it would accept any depth.
fn too_deep(text: &str) -> bool {
    cursor::extent(text.as_bytes(), 0).1 > MAX_DEPTH
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "apiVersion")]
    api_version: Option<Cow<'a, str>>,
}

#[cold]
fn why(text: &str) -> Malformed {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Malformed::NulBytes;
    }
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Malformed::NotJson;
    }
    if !text.starts_with('{') {
        return Malformed::NotAnEvent;
    }
    if too_deep(text) {
        return Malformed::TooDeep;
    }
    let Ok(head) = serde_json::from_str::<Head<'_>>(text) else {
        return Malformed::NotAnEvent;
    };
    let fields = WireEvent {
        kind: head.kind.unwrap_or_default(),
        api_version: head.api_version.unwrap_or_default(),
        ..WireEvent::default()
    };
    super::document(&fields)
        .err()
        .unwrap_or(Malformed::BadValue)
}
