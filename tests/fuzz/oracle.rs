//! What must hold between the two decoders, whatever the bytes are.

use tokentrail::event::decode::{self, Limits, Malformed};
use tokentrail::event::envelopes::Carriers;

type Door = fn(
    &[u8],
    &Limits,
    &mut dyn FnMut(u32, Result<&tokentrail::event::AuditEvent<'_>, Malformed>),
) -> Carriers;

/// What a door says of a line, as text that can be compared.
fn told(door: Door, line: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    door(line, &Limits::default(), &mut |index, event| {
        out.push(format!("{index} {event:?}"));
    });
    out
}

/// Panics where the decoders disagree. Returns whether the scanner read the line itself.
pub fn agree(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line) else {
        // Whole events in such a line are read, and that something is none is told.
        let mut is_told = false;
        decode::line(line, &Limits::default(), &mut |_, event| {
            is_told |= event.is_err();
        });
        assert!(is_told, "not UTF-8");
        return false;
    };
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
    let (fast, reference) = (decode::fast(trimmed), decode::reference(trimmed));
    let read = fast.is_some();
    match (fast, reference) {
        (Some(fast), Ok(slow)) => assert_eq!(fast, slow, "{text}"),
        // The scanner does not look into what it skips, so it may take what is not quite JSON
        // there.
        (Some(_), Err(Malformed::NotJson)) => return true,
        (Some(_), Err(reason)) => panic!("the scanner accepted what is {reason}: {text}"),
        (None, _) => {}
    }
    assert_eq!(
        told(decode::line, line),
        told(decode::line_by_reference, line),
        "{text}"
    );
    read
}
