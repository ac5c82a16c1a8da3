//! The one rule: an object with `auditID` and `stage` is an event, any other one is looked up among
//! the carriers, until it is one or too deep.

use super::carrier::{Carrier, Carriers};
use super::members::{Members, elements, string};
use super::{DEPTH_MAX, aks, cloudwatch, cut, encoded, field, gke, level, otlp};
use crate::base::Time;

/// Hands out the text of every native event (or `EventList`) that a document carries. `None`: it is
/// no carrier that is known, and nothing was handed out; also a native event, whose faults are its
/// own.
///
/// `bytes_max` bounds each inflated record.
pub fn open(text: &str, bytes_max: usize, each: &mut dyn FnMut(&str)) -> Option<Carriers> {
    let mut opening = Opening {
        bytes_max,
        carriers: Carriers::default(),
        each,
    };
    let known = opening.document(text, 0, None);
    (known && !opening.carriers.is_native()).then_some(opening.carriers)
}

/// One line on its way.
pub(super) struct Opening<'e> {
    bytes_max: usize,
    pub carriers: Carriers,
    each: &'e mut dyn FnMut(&str),
}

impl Opening<'_> {
    /// Whether the text is an event, or carries what may be one. `at` is the time that the carrier
    /// gives, for an event that was cut off before its own.
    pub fn document(&mut self, text: &str, depth: u32, at: Option<Time>) -> bool {
        let text = text.trim_start_matches('\u{feff}').trim();
        match text.as_bytes().first() {
            _ if depth > DEPTH_MAX => false,
            Some(b'{') => match Members::of(text) {
                Some(members) => self.object(text, &members, depth, at),
                None => depth > 0 && self.cut_off(text, at),
            },
            Some(b'[') => self.array(text, depth, at),
            Some(b'"') => string(text).is_some_and(|text| self.document(&text, depth, at)),
            Some(_) => self.prefixed(text, depth, at),
            None => false,
        }
    }

    /// A message of a carrier, which may be a component's own log as well.
    pub fn message(&mut self, text: &str, depth: u32, at: Option<Time>) {
        if !self.document(text, depth, at) {
            self.carriers.foreign += 1;
        }
    }

    /// A record in base64, packed or not.
    pub fn record(&mut self, data: &str, depth: u32) {
        match encoded::decode(data, self.bytes_max) {
            Some(text) => self.message(&text, depth, None),
            None => self.carriers.foreign += 1,
        }
    }

    fn object(&mut self, text: &str, members: &Members<'_>, depth: u32, at: Option<Time>) -> bool {
        if members.has("auditID") && members.has("stage") {
            return self.event(text, members, depth);
        }
        if members.text("kind").is_some_and(|kind| kind == "EventList") {
            if depth > 0 {
                (self.each)(text);
            }
            return depth > 0;
        }
        if let Some(native) = gke::event(members) {
            self.carriers.note(Carrier::Gke);
            return self.translated(native);
        }
        cloudwatch::open(self, members, depth)
            || aks::open(self, members, depth)
            || encoded::open(self, members, depth)
            || otlp::open(self, members, depth)
            || field::open(self, members, depth, at)
    }

    fn event(&mut self, text: &str, members: &Members<'_>, depth: u32) -> bool {
        match level::restored(members) {
            Some(native) => {
                self.carriers.note(Carrier::ViaQ);
                (self.each)(&native);
            }
            // Its faults are its own: it was read before.
            None if depth == 0 => return false,
            None => (self.each)(text),
        }
        true
    }

    fn translated(&mut self, native: Option<String>) -> bool {
        match native {
            Some(native) => (self.each)(&native),
            None => self.carriers.foreign += 1,
        }
        true
    }

    fn array(&mut self, text: &str, depth: u32, at: Option<Time>) -> bool {
        let Some(elements) = elements(text) else {
            return false;
        };
        self.carriers.note(Carrier::Array);
        let mut known = false;
        for element in elements {
            known |= self.document(element, depth + 1, at);
        }
        known
    }

    /// Text before the JSON has no sign of JSON in it: what is torn is not taken for a prefix.
    fn prefixed(&mut self, text: &str, depth: u32, at: Option<Time>) -> bool {
        let Some((prefix, _)) = text.split_once('{') else {
            return false;
        };
        let prefix = prefix.trim_end().strip_suffix('[').unwrap_or(prefix);
        if prefix.contains(['"', '}', '\0']) || !prefix.is_ascii() {
            return false;
        }
        let stamp = prefix.split_ascii_whitespace().next().and_then(Time::parse);
        let known = self.document(&text[prefix.len()..], depth + 1, at.or(stamp));
        if known {
            self.carriers.note(Carrier::Prefix);
        }
        known
    }

    fn cut_off(&mut self, text: &str, at: Option<Time>) -> bool {
        let Some(native) = cut::mended(text, at) else {
            return false;
        };
        self.carriers.cut += 1;
        (self.each)(&native);
        true
    }
}
