//! Whether two files hold the same log, whatever their packing.
//!
//! Refuses to guess: it reads both, until they differ or one ends.

use super::input::Input;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const BLOCK: usize = 64 << 10;

/// How one file is the beginning of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    FirstIsPart,
    SecondIsPart,
}

/// `None`: each holds what the other does not. A file that breaks off ends there.
///
/// # Errors
/// One cannot be opened.
pub(super) fn relate(first: &Path, second: &Path) -> io::Result<Option<Relation>> {
    let (first, second) = (File::open(first)?, File::open(second)?);
    let (one, other) = (first.metadata()?, second.metadata()?);
    if (one.dev(), one.ino()) == (other.dev(), other.ino()) {
        return Ok(Some(Relation::Equal));
    }
    let (mut first, mut second) = (Input::of_file(first)?, Input::of_file(second)?);
    let (mut a, mut b) = (vec![0; BLOCK], vec![0; BLOCK]);
    loop {
        let (read_a, read_b) = (fill(&mut first, &mut a), fill(&mut second, &mut b));
        let both = read_a.min(read_b);
        if a[..both] != b[..both] {
            return Ok(None);
        }
        if both < BLOCK {
            return Ok(Some(match read_a.cmp(&read_b) {
                std::cmp::Ordering::Less => Relation::FirstIsPart,
                std::cmp::Ordering::Equal => Relation::Equal,
                std::cmp::Ordering::Greater => Relation::SecondIsPart,
            }));
        }
    }
}

/// Bytes read into the block, fewer only at the end.
fn fill(input: &mut Input, block: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(read) => filled += read,
        }
    }
    filled
}
