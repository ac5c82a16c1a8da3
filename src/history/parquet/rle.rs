//! Small numbers as Parquet's rle of runs and packed bits: levels, and numbers of words
//! (`Encodings.md` of apache/parquet-format, "Run Length Encoding / Bit-Packing Hybrid").
//!
//! Refuses nothing: any numbers of the given width can be written.

/// A run shorter than this is packed with its neighbours: packed groups hold eight.
const GROUP: usize = 8;

/// Bits that numbers up to `max` need.
pub(in crate::history) fn width(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

/// Appends the numbers. All are below `2^width`.
pub(in crate::history) fn encode(numbers: &[u32], width: u32, out: &mut Vec<u8>) {
    let (mut packed_from, mut at) = (0, 0);
    while at < numbers.len() {
        let first = numbers[at];
        let run = numbers[at..].iter().take_while(|n| **n == first).count();
        if run >= GROUP {
            pack(&numbers[packed_from..at], width, out);
            encode_run(first, run, width, out);
            at += run;
            packed_from = at;
        } else {
            at = (at + GROUP).min(numbers.len());
        }
    }
    pack(&numbers[packed_from..], width, out);
}

/// Appends one number, so many times.
pub(in crate::history) fn encode_run(number: u32, times: usize, width: u32, out: &mut Vec<u8>) {
    varint((times as u64) << 1, out);
    out.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Whole groups; the last one of a page is filled with zeros, which no reader looks at.
fn pack(numbers: &[u32], width: u32, out: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(GROUP);
    varint((groups as u64) << 1 | 1, out);
    let (mut bits, mut held) = (0_u64, 0);
    let filled = numbers
        .iter()
        .copied()
        .chain(std::iter::repeat_n(0, groups * GROUP - numbers.len()));
    for number in filled {
        bits |= u64::from(number) << held;
        held += width;
        if held >= 32 {
            out.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            held -= 32;
        }
    }
    // Eight numbers end at a byte.
    out.extend_from_slice(&bits.to_le_bytes()[..(held / 8) as usize]);
}

/// Flags as bits, as a plain page has them.
pub(in crate::history) fn pack_flags(flags: impl Iterator<Item = bool>, out: &mut Vec<u8>) {
    let (mut byte, mut held) = (0, 0);
    for flag in flags {
        byte |= u8::from(flag) << held;
        held += 1;
        if held == 8 {
            out.push(byte);
            (byte, held) = (0, 0);
        }
    }
    if held > 0 {
        out.push(byte);
    }
}

pub(in crate::history) fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
