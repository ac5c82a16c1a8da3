//! What the body of a request holds: lists of events, arrays, or documents one after the other, on
//! lines of their own or not.
//!
//! Refuses to read an event: what cannot be read becomes a line all the same, and is remembered as
//! one that could not be. Bodies of senders that wrap events in forms of their own are unwrapped by
//! `event`, document by document, in [`documents`].

use crate::source::spool::Batch;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The body holds no document at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// A request of Amazon Data Firehose. When it comes again its time is another one, and its records
/// are the same.
#[derive(Deserialize)]
struct Delivery<'a> {
    #[serde(rename = "requestId")]
    _request: &'a RawValue,
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}

/// An `EventList`, whose items are not read.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

/// The lines of a body.
///
/// # Errors
/// There is not one JSON document in it. An empty body has none, and is no error.
pub fn batch(body: &[u8]) -> Result<Batch, Unreadable> {
    let body = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii();
    let mut lines: Vec<&[u8]> = Vec::new();
    let mut stream = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>();
    let mut end = 0;
    while let Some(Ok(document)) = stream.next() {
        documents(document, &mut lines);
        end = stream.byte_offset();
    }
    let rest = body[end..].trim_ascii();
    if lines.is_empty() && end == 0 && !rest.is_empty() {
        return Err(Unreadable);
    }
    // One broken document does not take the others with it.
    lines.extend(rest.split(|byte| *byte == b'\n'));
    Ok(Batch::of(lines))
}

/// The events of one document.
fn documents<'a>(document: &'a RawValue, lines: &mut Vec<&'a [u8]>) {
    let text = document.get();
    if text.starts_with('[')
        && let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text)
    {
        lines.extend(items.into_iter().map(|item| item.get().as_bytes()));
        return;
    }
    if text.starts_with('{')
        && let Ok(List {
            kind: Some(kind),
            items: Some(items),
        }) = serde_json::from_str::<List<'a>>(text)
        && kind == "EventList"
    {
        lines.extend(items.into_iter().map(|item| item.get().as_bytes()));
        return;
    }
    if let Ok(delivery) = serde_json::from_str::<Delivery<'a>>(text) {
        lines.extend(
            delivery
                .records
                .into_iter()
                .map(|record| record.get().as_bytes()),
        );
        return;
    }
    lines.push(text.as_bytes());
}
