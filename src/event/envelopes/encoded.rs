//! Records in base64: Amazon Data Firehose and Kinesis, Google Pub/Sub push.

use super::carrier::Carrier;
use super::members::{Members, elements};
use super::opened::Opening;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Decompress, FlushDecompress, Status};

/// `records[].data` (Firehose), `Records[].kinesis.data` (Kinesis), `message.data` (Pub/Sub); one
/// record alone.
pub(super) fn open(opening: &mut Opening<'_>, members: &Members<'_>, depth: u32) -> bool {
    if let Some(data) = members.object("message").and_then(|m| m.text("data")) {
        opening.carriers.note(Carrier::Records);
        opening.record(&data, depth + 1);
        return true;
    }
    if members.len() == 1
        && let Some(data) = members.text("data")
    {
        opening.carriers.note(Carrier::Records);
        opening.record(&data, depth + 1);
        return true;
    }
    let records = members.get("records").or_else(|| members.get("Records"));
    let Some(records) = records.and_then(elements) else {
        return false;
    };
    let mut known = false;
    for record in records {
        let record = Members::of(record);
        let data = record.as_ref().and_then(|record| {
            let kinesis = record.object("kinesis").and_then(|k| k.text("data"));
            kinesis.or_else(|| record.text("data"))
        });
        if let Some(data) = data {
            opening.carriers.note(Carrier::Records);
            opening.record(&data, depth + 1);
            known = true;
        }
    }
    known
}

/// The text of a record: base64, then gzip if it begins so. `None`: it is neither, no text, or
/// longer than `bytes_max` when it is inflated.
pub(super) fn decode(data: &str, bytes_max: usize) -> Option<String> {
    let bytes = STANDARD.decode(data.trim()).ok()?;
    let bytes = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => inflate(&bytes, bytes_max)?,
        _ => bytes,
    };
    String::from_utf8(bytes).ok()
}

/// The content of a gzip member (RFC 1952), at most so many bytes of it.
fn inflate(member: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let deflated = member.get(header_len(member)?..)?;
    let mut inflated = Vec::new();
    let mut inflater = Decompress::new(false);
    loop {
        let read = usize::try_from(inflater.total_in()).ok()?;
        let room = (inflated.len() * 2).clamp(4 << 10, bytes_max + 1);
        inflated.reserve(room - inflated.len().min(room));
        let rest = deflated.get(read..)?;
        let before = inflated.len();
        let status = inflater
            .decompress_vec(rest, &mut inflated, FlushDecompress::Finish)
            .ok()?;
        match status {
            _ if inflated.len() > bytes_max => return None,
            Status::StreamEnd => return Some(inflated),
            // Cut off: neither can more be read, nor was more written.
            _ if inflated.len() == before => return None,
            Status::Ok | Status::BufError => {}
        }
    }
}

/// Bytes before the deflated content: ten, then what the flags say.
fn header_len(member: &[u8]) -> Option<usize> {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let flags = *member.get(3)?;
    let mut at = 10;
    if flags & EXTRA != 0 {
        let len = [*member.get(at)?, *member.get(at + 1)?];
        at += 2 + usize::from(u16::from_le_bytes(len));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            at += 1 + member.get(at..)?.iter().position(|byte| *byte == 0)?;
        }
    }
    Some(at + if flags & HEADER_CRC != 0 { 2 } else { 0 })
}
