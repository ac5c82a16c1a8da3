//! Bloom filters of Parquet, of a size that we choose: one byte for each distinct value, two to
//! three lookups in a hundred in vain.
//!
//! Refuses more than a byte a value: at one lookup in a hundred the filter of the audit ids would
//! be twice as large, to save reading a row group for each seventieth lookup.

use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;

/// A block of the filter.
const LEAST_BYTES: usize = 32;

/// An empty one, for so many distinct values.
pub(in crate::history) fn with_room_for(count: usize) -> Result<Sbbf, ParquetError> {
    Sbbf::from_bytes(&empty(count.next_power_of_two().max(LEAST_BYTES)))
}

/// An empty filter as it stands in a file: `BloomFilterHeader` in Thrift's compact form
/// (`parquet.thrift` of apache/parquet-format), then the bits. The crate has no other public way to
/// make one of a given size.
fn empty(bytes: usize) -> Vec<u8> {
    const I32: u8 = 0x15;
    const UNION_OF_AN_EMPTY_STRUCT: [u8; 4] = [0x1c, 0x1c, 0, 0];
    let mut filter = vec![I32];
    // Zigzag, then seven bits a byte.
    let mut length = bytes << 1;
    while length >= 0x80 {
        filter.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    filter.push(length as u8);
    // Algorithm, hash, compression: the first choice of each is the only one there is.
    (0..3).for_each(|_| filter.extend(UNION_OF_AN_EMPTY_STRUCT));
    filter.push(0);
    filter.resize(filter.len() + bytes, 0);
    filter
}
