//! Names that are nearly always UUIDs (pods, accounts, tokens), in 16 bytes instead of a heap
//! string.
//!
//! Refuses to lose anything: what is not in the canonical form is kept as text, and prints as it
//! was read.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

/// The credential id of a service account token is this and a UUID (KEP-4193).
const JTI: &str = "JTI=";

/// An id as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Id {
    Uuid([u8; 16]),
    Jti([u8; 16]),
    Text(SmolStr),
}

/// An id as it was read: to compare with those that are kept, without allocating.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdRef<'a> {
    Uuid([u8; 16]),
    Jti([u8; 16]),
    Text(&'a str),
}

impl Default for Id {
    fn default() -> Id {
        Id::Text(SmolStr::default())
    }
}

impl Id {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Id::Text(text) if text.is_empty())
    }
}

impl<'a> IdRef<'a> {
    #[must_use]
    pub fn of(text: &'a str) -> IdRef<'a> {
        match text.strip_prefix(JTI) {
            Some(rest) => uuid(rest).map_or(IdRef::Text(text), IdRef::Jti),
            None => uuid(text).map_or(IdRef::Text(text), IdRef::Uuid),
        }
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Id {
        match IdRef::of(text) {
            IdRef::Uuid(bytes) => Id::Uuid(bytes),
            IdRef::Jti(bytes) => Id::Jti(bytes),
            IdRef::Text(text) => Id::Text(text.into()),
        }
    }
}

impl PartialEq<IdRef<'_>> for Id {
    fn eq(&self, other: &IdRef<'_>) -> bool {
        match (self, other) {
            (Id::Uuid(a), IdRef::Uuid(b)) | (Id::Jti(a), IdRef::Jti(b)) => a == b,
            (Id::Text(a), IdRef::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq<str> for Id {
    fn eq(&self, other: &str) -> bool {
        *self == IdRef::of(other)
    }
}

/// Values of hexadecimal digits in lower case; all others have a high bit.
const HEX: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut n = 0;
    while n < 16 {
        table[b"0123456789abcdef"[n] as usize] = n as u8;
        n += 1;
    }
    table
};

/// Where the 16 pairs of digits stand.
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The canonical form only (RFC 9562: lower case, dashes at 8, 13, 18, 23), so that it prints back
/// the same.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != [b'-'; 4] {
        return None;
    }
    let (mut out, mut bad) = ([0; 16], 0);
    for (byte, at) in out.iter_mut().zip(PAIRS) {
        let (high, low) = (HEX[text[at] as usize], HEX[text[at + 1] as usize]);
        bad |= high | low;
        *byte = high << 4 | low;
    }
    (bad & 0xf0 == 0).then_some(out)
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match self {
            Id::Text(text) => return f.write_str(text),
            Id::Jti(bytes) => {
                f.write_str(JTI)?;
                bytes
            }
            Id::Uuid(bytes) => bytes,
        };
        for (n, byte) in bytes.iter().enumerate() {
            let dash = if matches!(n, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_prints_back_as_it_was_read() {
        for text in [
            "",
            "c1ea17e8-9460-4384-a4e5-3808a72ad7e8",
            "JTI=c1ea17e8-9460-4384-a4e5-3808a72ad7e8",
            "JTI=",
            "C1EA17E8-9460-4384-A4E5-3808A72AD7E8",
            "c1ea17e8-9460-4384-a4e5-3808a72ad7e",
            "c1ea17e8x9460-4384-a4e5-3808a72ad7e8",
            "X509SHA256=8482d34c",
        ] {
            let id = Id::from(text);
            assert_eq!(id.to_string(), text);
            assert!(id == *text);
        }
        let uid = Id::from("c1ea17e8-9460-4384-a4e5-3808a72ad7e8");
        assert!(uid != *"JTI=c1ea17e8-9460-4384-a4e5-3808a72ad7e8");
    }
}
