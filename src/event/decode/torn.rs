//! A line that is no JSON: what of it is whole?
//!
//! A crash cuts a line off, and the next write of the API server goes on in it; two writers leave
//! out a line end. The whole events in such a line happened, and are read. Refuses to mend the part
//! that was cut off.

use super::Malformed;
use memchr::memmem;
use serde::de::IgnoredAny;

/// How every line of kube-apiserver's log begins. A client cannot write it into a string: quotes
/// are escaped there.
const BEGIN: &[u8] = b"{\"kind\":\"Event\"";
/// Beginnings tried in one line: bodies can hold what looks like one, and each costs a pass over
/// the rest.
const BEGINNINGS: usize = 16;
/// What stands in every audit event, also inside an escaped string.
const GROUP: &[u8] = b"audit.k8s.io/v1";
const ID: &[u8] = b"auditID";

/// Whether a line that failed for this reason may hold whole events.
pub(super) fn may_be_glued(reason: Malformed) -> bool {
    matches!(
        reason,
        Malformed::NotJson | Malformed::NotUtf8 | Malformed::NulBytes
    )
}

/// The reason in the words that help: an audit event that was wrapped by somebody is there, and
/// cannot be judged.
#[cold]
pub(super) fn wrapped(line: &[u8], reason: Malformed) -> Malformed {
    let other = match reason {
        Malformed::NotAnEvent => true,
        // A line of the API server begins with a brace, whole or torn.
        Malformed::NotJson => !line.starts_with(b"{"),
        _ => false,
    };
    // Inside another object's string its quotes are escaped; `auditID` and the group are not.
    let holds = |what: &[u8]| memmem::find(line, what).is_some();
    if other && holds(GROUP) && holds(ID) {
        Malformed::Wrapped
    } else {
        reason
    }
}

/// The whole documents of a line in their order, and `None` for each stretch that is none.
#[cold]
pub(super) fn parts(line: &[u8], each: &mut dyn FnMut(Option<&[u8]>)) {
    let (mut at, mut tries, mut torn) = (0, 0, false);
    while at < line.len() && tries < BEGINNINGS {
        tries += 1;
        let rest = &line[at..];
        // What goes on with anything but a beginning lay in the body of the torn one.
        let next = |end: &usize| rest[*end..].trim_ascii_start();
        if let Some(end) =
            document(rest).filter(|end| !torn || matches!(next(end).first(), None | Some(b'{')))
        {
            if std::mem::take(&mut torn) {
                each(None);
            }
            each(Some(&rest[..end]));
            at = line.len() - next(&end).len();
            // Only what cannot be read is bounded.
            tries -= 1;
            continue;
        }
        torn = true;
        match memmem::find(&rest[1..], BEGIN) {
            Some(next) => at += 1 + next,
            None => at = line.len(),
        }
    }
    if torn || at < line.len() {
        each(None);
    }
}

pub(super) fn ends_whole(line: &[u8]) -> bool {
    let mut whole = false;
    parts(line, &mut |part| whole = part.is_some());
    whole
}

/// The length of the JSON object that the bytes begin with.
fn document(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(b"{") {
        return None;
    }
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    let end = values.next()?.ok().map(|_| values.byte_offset())?;
    simdutf8::basic::from_utf8(&bytes[..end])
        .is_ok()
        .then_some(end)
}
