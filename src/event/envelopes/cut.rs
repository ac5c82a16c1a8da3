//! A message that a carrier cut off at its limit (CloudWatch: 256 KiB before April 2025, 1 MiB
//! since): what stands before the cut is an event whose body was not read whole.
//!
//! Recognised by its end, which is none, never by its length. Refuses an event that was cut off
//! before it says what was asked: half an operation would be judged as another one.

use super::members::Members;
use crate::base::Time;
use serde_json::{Map, Value};

/// What an event must say before the cut. kube-apiserver writes these before any body.
const NEEDED: [&str; 5] = ["auditID", "stage", "verb", "user", "objectRef"];
/// As the API server itself marks an event whose bodies it left out.
const TRUNCATED: &str = "audit.k8s.io/truncated";

/// The whole members of the event, marked as truncated. `at` stands for times behind the cut.
pub(super) fn mended(text: &str, at: Option<Time>) -> Option<String> {
    let whole = format!("{}}}", &text[..whole_members(text)?]);
    let members = Members::of(&whole)?;
    if !NEEDED.iter().all(|name| members.has(name)) {
        return None;
    }
    let mut event = Map::new();
    for (key, value) in members.iter() {
        event.insert(key.to_owned(), serde_json::from_str(value).ok()?);
    }
    for name in ["requestReceivedTimestamp", "stageTimestamp"] {
        if !event.contains_key(name) {
            event.insert(name.to_owned(), at?.to_string().into());
        }
    }
    let annotations = event
        .entry("annotations")
        .or_insert_with(|| Value::Object(Map::new()));
    annotations
        .as_object_mut()?
        .insert(TRUNCATED.to_owned(), "true".into());
    Some(Value::Object(event).to_string())
}

/// Bytes of the object up to the comma behind its last whole member.
fn whole_members(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0_u32, false, false);
    let mut end = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 1 => end = Some(at),
            _ => {}
        }
    }
    end
}
