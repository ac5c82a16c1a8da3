//! Line -> events: the one door for everything that is read from a log.
//!
//! Two decoders stand behind it: a forward scanner for what kube-apiserver writes, and serde_json
//! for everything else. Refuses to fail and to guess: what cannot be read is a [`Malformed`], and
//! decoding allocates no more than a small multiple of the line.

mod cursor;
mod malformed;
mod reference;
mod scanner;
mod torn;

#[cfg(test)]
mod tests;

pub use malformed::Malformed;

use super::envelopes::Carriers;
use super::wire::{Raw, WireEvent};
use super::{AuditEvent, envelopes, facts, normalise, purge};

/// Levels of nesting in one event; kube-apiserver's own bodies stay far below (a pod has 9).
pub const MAX_DEPTH: u32 = 128;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Without the newline. The API server takes requests of 3 MiB, and a line may hold request,
    /// response and patch; but it writes `<`, `>` and `&` as six bytes each, so whoever likes can
    /// make a line of 18 MiB and more. That such a line came is told: it hides a request.
    pub max_line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_line_bytes: 16 << 20,
        }
    }
}

/// Reads every event of one line (without its newline) and hands each to `each` with its index in
/// the line. A line is one `Event` or an `EventList`, or a carrier of such; a blank one has no
/// event. An item of a list that cannot be read is set aside alone.
///
/// Returns the carriers that the events came in.
pub fn line(
    bytes: &[u8],
    limits: &Limits,
    each: &mut dyn FnMut(u32, Result<&AuditEvent<'_>, Malformed>),
) -> Carriers {
    line_with(by_either, bytes, limits, each)
}

/// [`line`] by serde_json alone: what the tests and benches compare with.
#[doc(hidden)]
pub fn line_by_reference(
    bytes: &[u8],
    limits: &Limits,
    each: &mut dyn FnMut(u32, Result<&AuditEvent<'_>, Malformed>),
) -> Carriers {
    line_with(by_reference, bytes, limits, each)
}

/// The scanner alone; `None` where it hands the line to serde_json.
#[doc(hidden)]
#[must_use]
pub fn fast(text: &str) -> Option<WireEvent<'_>> {
    let mut wire = WireEvent::default();
    scanner::scan(text, &mut wire)?;
    Some(wire)
}

/// serde_json alone.
///
/// # Errors
/// Says why the text is no JSON object with the types of an audit event.
#[doc(hidden)]
pub fn reference(text: &str) -> Result<WireEvent<'_>, Malformed> {
    reference::read(text)
}

fn by_either<'a>(text: &'a str, wire: &mut WireEvent<'a>) -> Result<(), Malformed> {
    match scanner::scan(text, wire) {
        Some(()) => Ok(()),
        None => by_reference(text, wire),
    }
}

fn by_reference<'a>(text: &'a str, wire: &mut WireEvent<'a>) -> Result<(), Malformed> {
    *wire = reference::read(text)?;
    Ok(())
}

/// Fills a fresh wire event in place: it is too large to be passed around.
type Read = for<'a> fn(&'a str, &mut WireEvent<'a>) -> Result<(), Malformed>;

fn line_with(
    read: Read,
    bytes: &[u8],
    limits: &Limits,
    each: &mut dyn FnMut(u32, Result<&AuditEvent<'_>, Malformed>),
) -> Carriers {
    let bytes = without_mark(bytes);
    if bytes.is_empty() {
        return Carriers::default();
    }
    let mut index = 0;
    match whole(read, bytes, limits, &mut index, each) {
        Ok(()) => Carriers::default(),
        Err(reason) => not_native(read, bytes, reason, limits, each),
    }
}

/// A line that is not one event or list of the API server: a carrier, or several documents without
/// a line end between them.
#[cold]
fn not_native(
    read: Read,
    bytes: &[u8],
    reason: Malformed,
    limits: &Limits,
    each: &mut dyn FnMut(u32, Result<&AuditEvent<'_>, Malformed>),
) -> Carriers {
    let mut index = 0;
    if let Some(carriers) = carried(read, bytes, limits, &mut index, each) {
        return carriers;
    }
    let reason = torn::wrapped(bytes, reason);
    if !torn::may_be_glued(reason) {
        each(0, Err(reason));
        return Carriers::default();
    }
    // Two writers' lines, or a line that was cut off and the next one.
    let mut carriers = Carriers::default();
    torn::parts(bytes, &mut |part| {
        let found = part.map_or(Err(reason), |part| {
            let native = whole(read, part, limits, &mut index, each);
            native.or_else(|reason| {
                let more = carried(read, part, limits, &mut index, each).ok_or(reason)?;
                carriers.add(more);
                Ok(())
            })
        });
        if let Err(reason) = found {
            each(index, Err(reason));
            index += 1;
        }
    });
    carriers
}

/// Hands out the events that a carrier holds; `None` where it is none that is known.
fn carried(
    read: Read,
    bytes: &[u8],
    limits: &Limits,
    index: &mut u32,
    each: &mut dyn FnMut(u32, Result<&AuditEvent<'_>, Malformed>),
) -> Option<Carriers> {
    let text = checked(bytes, limits).ok()?;
    envelopes::open(text, limits.max_line_bytes, &mut |native| {
        if let Err(reason) = whole(read, native.as_bytes(), limits, index, each) {
            each(*index, Err(reason));
            *index += 1;
        }
    })
}

/// Hands out one document, which begins at `index` of its line; an error where it is none.
fn whole(
    read: Read,
    bytes: &[u8],
    limits: &Limits,
    index: &mut u32,
    each: &mut dyn FnMut(u32, Result<&AuditEvent<'_>, Malformed>),
) -> Result<(), Malformed> {
    let text = checked(bytes, limits)?;
    let mut wire = WireEvent::default();
    match read(text, &mut wire).and_then(|()| document(&wire))? {
        // A shipper may have put its own word there, and the event's elsewhere.
        Document::Event if !normalise::is_level(&wire.level) => return Err(Malformed::BadValue),
        Document::Event => {
            hand(*index, &mut wire, each);
            *index += 1;
        }
        Document::List => *index = items(read, wire.items, *index, each),
    }
    Ok(())
}

/// Whether the line, which has no line end yet, ends with a document: then nothing of it is
/// missing.
#[must_use]
pub fn ends_whole(bytes: &[u8]) -> bool {
    torn::ends_whole(without_mark(bytes))
}

/// The bytes without a byte order mark and white space around them.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii()
}

fn checked<'a>(bytes: &'a [u8], limits: &Limits) -> Result<&'a str, Malformed> {
    if bytes.len() > limits.max_line_bytes {
        return Err(Malformed::TooLong);
    }
    simdutf8::basic::from_utf8(bytes).map_err(|_| match memchr::memchr(0, bytes) {
        Some(_) => Malformed::NulBytes,
        None => Malformed::NotUtf8,
    })
}

fn hand(
    index: u32,
    wire: &mut WireEvent<'_>,
    each: &mut dyn FnMut(u32, Result<&AuditEvent<'_>, Malformed>),
) {
    let command = facts::commanded(wire);
    purge::purge(wire);
    match normalise::event(wire, command) {
        Ok(event) => each(index, Ok(&event)),
        Err(reason) => each(index, Err(reason)),
    }
}

/// The list is valid JSON by now, so that items can be told apart without parsing them. Returns the
/// index after the last.
fn items(
    read: Read,
    list: Option<Raw<'_>>,
    first: u32,
    each: &mut dyn FnMut(u32, Result<&AuditEvent<'_>, Malformed>),
) -> u32 {
    let Some(Raw(text)) = list else { return first };
    let Some(inside) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        each(first, Err(Malformed::BadValue));
        return first + 1;
    };
    if inside.trim_ascii().is_empty() {
        return first;
    }
    let (mut from, mut index) = (0, first);
    while from < inside.len() {
        let (end, _) = cursor::extent(inside.as_bytes(), from);
        let item = inside.get(from..end).unwrap_or_default().trim_ascii();
        let mut wire = WireEvent::default();
        match read(item, &mut wire).and_then(|()| document(&wire)) {
            Ok(Document::Event) => hand(index, &mut wire, each),
            Ok(Document::List) => each(index, Err(Malformed::NotAnEvent)),
            Err(reason) => each(index, Err(reason)),
        }
        // Behind the comma, which white space may precede.
        let rest = inside.get(end..).unwrap_or_default();
        from = end + rest.find(',').map_or(rest.len(), |comma| comma + 1);
        index += 1;
    }
    index
}

enum Document {
    Event,
    List,
}

/// Core and `events.k8s.io` have an `Event` too, which is none of ours. Items of a list and some
/// forwarders leave kind and version out; then an audit id and a stage tell.
fn document(wire: &WireEvent<'_>) -> Result<Document, Malformed> {
    let versioned = match &*wire.api_version {
        "audit.k8s.io/v1" | "audit.k8s.io/v1beta1" => true,
        "" => false,
        other if other.starts_with("audit.k8s.io/") => return Err(Malformed::UnsupportedVersion),
        _ => return Err(Malformed::NotAnEvent),
    };
    let tells = versioned || !(wire.audit_id.is_empty() || wire.stage.is_empty());
    match &*wire.kind {
        "EventList" if versioned => Ok(Document::List),
        "Event" | "" if tells => Ok(Document::Event),
        _ => Err(Malformed::NotAnEvent),
    }
}
