//! Amazon CloudWatch Logs: what a subscription delivers, and what `filter-log-events` prints.

use super::carrier::Carrier;
use super::members::{Members, elements};
use super::opened::Opening;
use crate::base::Time;

/// `logEvents[].message`, or `events[].message`. Messages of other log streams of the control plane
/// are foreign, and so is a `CONTROL_MESSAGE`.
pub(super) fn open(opening: &mut Opening<'_>, members: &Members<'_>, depth: u32) -> bool {
    let events = members.get("logEvents").or_else(|| {
        let is_page = members.has("searchedLogStreams") || members.has("nextForwardToken");
        members.get("events").filter(|_| is_page)
    });
    let Some(events) = events.and_then(elements) else {
        return false;
    };
    opening.carriers.note(Carrier::CloudWatch);
    for event in events {
        let event = Members::of(event);
        match event.as_ref().and_then(|event| event.text("message")) {
            Some(message) => opening.message(&message, depth + 1, event.as_ref().and_then(time)),
            None => opening.carriers.foreign += 1,
        }
    }
    true
}

/// Milliseconds since 1970.
fn time(event: &Members<'_>) -> Option<Time> {
    let millis: i64 = event.get("timestamp")?.parse().ok()?;
    millis.checked_mul(1000).map(Time)
}
