//! Lines of the spool that are no audit events: where a batch begins, and what was lost.
//!
//! Refuses to be written by a sender: a batch has no line that begins like a mark.

use super::files::Files;
use crate::base::Digest;
use crate::source::{GapKind, Item};
use std::io::{self, BufRead, BufReader};

/// What a mark begins with, and no line of a batch.
pub(super) const SIGN: &[u8] = b"#";
const BATCH: &[u8] = b"#batch ";
const GAP: &[u8] = b"#gap ";
/// What a mark ends with: one that was cut is none.
const END: &[u8] = b" .";

/// Says that lines `from..to` of a batch follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub digest: Digest,
    pub from: u32,
    pub to: u32,
}

impl Mark {
    pub fn line(&self) -> Vec<u8> {
        let Mark { digest, from, to } = self;
        format!("#batch {digest} {from} {to} .\n").into_bytes()
    }

    fn parse(line: &[u8]) -> Option<Mark> {
        let mut words = std::str::from_utf8(line.strip_prefix(BATCH)?.strip_suffix(END)?)
            .ok()?
            .split(' ');
        let digest = Digest::parse(words.next()?)?;
        Some(Mark {
            digest,
            from: words.next()?.parse().ok()?,
            to: words.next()?.parse().ok()?,
        })
    }
}

/// Says what was lost; `number` tells it from the same said twice.
pub(super) fn gap_line(number: u64, what: &str) -> Vec<u8> {
    format!("#gap {number} {what} .\n").into_bytes()
}

fn parse_gap(line: &[u8]) -> Option<(u64, &str)> {
    let (number, what) = std::str::from_utf8(line.strip_prefix(GAP)?.strip_suffix(END)?)
        .ok()?
        .split_once(' ')?;
    Some((number.parse().ok()?, what))
}

/// What an item of a spool's log means: marks are no lines.
#[must_use]
pub fn read(item: Item<'_>) -> Item<'_> {
    let Item::Line {
        file,
        from,
        to,
        bytes,
    } = item
    else {
        return item;
    };
    if let Some((_, detail)) = parse_gap(bytes) {
        return Item::Gap {
            file: Some(file),
            from,
            to,
            kind: GapKind::Dropped,
            detail,
        };
    }
    if bytes.starts_with(SIGN) {
        Item::Begin { file, from, to }
    } else {
        item
    }
}

/// What stands in the file that is written to.
#[derive(Default)]
pub(super) struct Found {
    /// Batches that are there whole.
    pub whole: Vec<Digest>,
    /// The last one, if it is not; `from` counts the lines that are there.
    pub partial: Option<Mark>,
    /// The number of the last gap that was told.
    pub last_gap: u64,
}

/// Reads the live file from its beginning.
pub(super) fn scan(files: &Files) -> io::Result<Found> {
    let mut found = Found::default();
    let (mut reader, mut line) = (
        BufReader::with_capacity(256 << 10, files.reader()?),
        Vec::new(),
    );
    let mut last: Option<Mark> = None;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let line = line.trim_ascii_end();
        if let Some(mark) = Mark::parse(line) {
            found
                .whole
                .extend(last.replace(mark).map(|mark| mark.digest));
        } else if let Some((number, _)) = parse_gap(line) {
            found.last_gap = found.last_gap.max(number);
        } else if let Some(last) = &mut last {
            last.from = last.from.saturating_add(1);
        }
    }
    match last {
        Some(last) if last.from < last.to => found.partial = Some(last),
        last => found.whole.extend(last.map(|last| last.digest)),
    }
    Ok(found)
}
