//! Whole numbers as their differences (`Encodings.md` of apache/parquet-format, "Delta Encoding",
//! DELTA_BINARY_PACKED).
//!
//! Refuses nothing: differences wrap, as readers add them.

use crate::history::parquet::rle::varint;

/// Differences of a block, which has one least difference, and of a part, which has one width.
const BLOCK: usize = 128;
const PART: usize = 32;

pub(in crate::history) fn encode(numbers: &[i64], out: &mut Vec<u8>) {
    varint(BLOCK as u64, out);
    varint((BLOCK / PART) as u64, out);
    varint(numbers.len() as u64, out);
    varint(zigzag(numbers.first().copied().unwrap_or_default()), out);
    let mut differences = [0_i64; BLOCK];
    for block in 0..numbers.len().saturating_sub(1).div_ceil(BLOCK) {
        let numbers = &numbers[block * BLOCK..numbers.len().min((block + 1) * BLOCK + 1)];
        let count = numbers.len() - 1;
        for (difference, pair) in differences.iter_mut().zip(numbers.windows(2)) {
            *difference = pair[1].wrapping_sub(pair[0]);
        }
        encode_block(&differences[..count], out);
    }
}

fn encode_block(differences: &[i64], out: &mut Vec<u8>) {
    let least = differences.iter().copied().min().unwrap_or_default();
    varint(zigzag(least), out);
    let above = |difference: &i64| difference.wrapping_sub(least) as u64;
    let width = |part: &[i64]| {
        u64::BITS
            - part
                .iter()
                .map(above)
                .fold(0, |all, n| all | n)
                .leading_zeros()
    };
    let mut widths = [0; BLOCK / PART];
    widths
        .iter_mut()
        .zip(differences.chunks(PART))
        .for_each(|(w, part)| *w = width(part) as u8);
    out.extend_from_slice(&widths);
    for (part, width) in differences.chunks(PART).zip(widths) {
        let filled = part
            .iter()
            .map(above)
            .chain(std::iter::repeat_n(0, PART - part.len()));
        pack(filled, u32::from(width), out);
    }
}

/// Thirty-two numbers end at a byte, whatever their width.
fn pack(numbers: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut bits, mut held) = (0_u128, 0);
    for number in numbers {
        bits |= u128::from(number) << held;
        held += width;
        if held >= 64 {
            out.extend_from_slice(&(bits as u64).to_le_bytes());
            bits >>= 64;
            held -= 64;
        }
    }
    out.extend_from_slice(&bits.to_le_bytes()[..(held / 8) as usize]);
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}
