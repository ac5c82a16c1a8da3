//! Why a line, or one event of it, could not be read.
//!
//! Refuses to quote: a reason is a closed word, since the bytes may hold tokens.

use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Malformed {
    /// Longer than [`super::Limits::max_line_bytes`].
    TooLong,
    NotUtf8,
    /// Holds a NUL byte: the hole that a crash leaves in a file.
    NulBytes,
    /// Cut off, or never JSON.
    NotJson,
    /// Nested deeper than [`super::MAX_DEPTH`].
    TooDeep,
    /// JSON, and no audit event: another kind or API group, or not even an object.
    NotAnEvent,
    /// Holds an audit event that something put inside other JSON or behind a prefix: a log
    /// shipper's or a container runtime's line, not the API server's.
    Wrapped,
    /// `audit.k8s.io`, but neither `v1` nor `v1beta1`.
    UnsupportedVersion,
    /// No level, stage, audit id, verb or time.
    MissingField,
    /// A time stamp that is no RFC 3339 time between 1970 and 2105.
    BadTime,
    /// A field of another type than the API says, a repeated one, or an unknown level or stage.
    BadValue,
}

impl Malformed {
    pub const ALL: [Malformed; 11] = [
        Malformed::TooLong,
        Malformed::NotUtf8,
        Malformed::NulBytes,
        Malformed::NotJson,
        Malformed::TooDeep,
        Malformed::NotAnEvent,
        Malformed::Wrapped,
        Malformed::UnsupportedVersion,
        Malformed::MissingField,
        Malformed::BadTime,
        Malformed::BadValue,
    ];

    /// The stable label, for metrics and records.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Malformed::TooLong => "too_long",
            Malformed::NotUtf8 => "not_utf8",
            Malformed::NulBytes => "nul_bytes",
            Malformed::NotJson => "not_json",
            Malformed::TooDeep => "too_deep",
            Malformed::NotAnEvent => "not_an_event",
            Malformed::Wrapped => "wrapped",
            Malformed::UnsupportedVersion => "unsupported_version",
            Malformed::MissingField => "missing_field",
            Malformed::BadTime => "bad_time",
            Malformed::BadValue => "bad_value",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Malformed {}
