//! How far each file has been read: intervals (from, to] that must fit together.
//!
//! Refuses holes and overlaps: a line that is skipped or read twice without a word is the one thing
//! an auditor must not do.

use super::error::{Fault, StoreError};
use super::kept::Gap;
use super::tables::{DigestBytes, FILES_MAX, POSITIONS};
use crate::base::Digest;
use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

/// Lines of one file between two offsets have been taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advance {
    /// The identity of the file: not its path, which changes at rotation.
    pub file: Digest,
    /// Bytes; must be where the file stands.
    pub from: u64,
    /// Bytes; equal to `from` to register a file, or to keep it from being forgotten.
    pub to: u64,
    /// Whether the caller knows that the store has not seen this file: only then may it be unknown.
    pub first: bool,
}

/// Where a file stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    pub file: Digest,
    /// Bytes taken in so far.
    pub offset: u64,
    /// The commit that last touched it.
    pub seq: u64,
}

/// The rule of `docs/design/state.md`, for one advance.
pub(super) fn check(
    stored: Option<u64>,
    advance: &Advance,
    gaps: &[Gap<'_>],
) -> Result<(), StoreError> {
    let Advance {
        file,
        from,
        to,
        first,
    } = *advance;
    if from > to {
        return Err(StoreError::Backwards { file, from, to });
    }
    match stored {
        None if first => Ok(()),
        None => Err(StoreError::UnknownFile { file, from }),
        // A log that was cut in place begins again, where a gap of the same commit says so.
        Some(stored) if from < stored && gaps.iter().any(|g| g.file == file && g.to == from) => {
            Ok(())
        }
        Some(stored) if from < stored => Err(StoreError::Overlap { file, stored, from }),
        Some(stored)
            if from > stored
                && !gaps
                    .iter()
                    .any(|g| g.file == file && g.from == stored && g.to == from) =>
        {
            Err(StoreError::Hole { file, stored, from })
        }
        Some(_) => Ok(()),
    }
}

/// Checks and stores the advances in their order. Returns the files that had to be forgotten.
pub(super) fn apply(
    write: &WriteTransaction,
    advances: &[Advance],
    gaps: &[Gap<'_>],
    seq: u64,
) -> Result<Vec<Digest>, Fault> {
    if advances.is_empty() {
        return Ok(Vec::new());
    }
    let mut table = write.open_table(POSITIONS)?;
    for advance in advances {
        let stored = table.get(&advance.file.0)?.map(|row| row.value().0);
        check(stored, advance, gaps)?;
        table.insert(&advance.file.0, (advance.to, seq))?;
    }
    prune(&mut table)
}

/// Forgets the files touched longest ago, ties by digest, so that every replay forgets the same
/// ones.
fn prune(table: &mut Table<'_, DigestBytes, (u64, u64)>) -> Result<Vec<Digest>, Fault> {
    let excess = table.len()?.saturating_sub(FILES_MAX);
    if excess == 0 {
        return Ok(Vec::new());
    }
    let mut by_age = Vec::new();
    for row in table.iter()? {
        let (file, position) = row?;
        by_age.push((position.value().1, Digest(*file.value())));
    }
    by_age.sort_unstable();
    let forgotten: Vec<Digest> = by_age
        .into_iter()
        .take(excess as usize)
        .map(|(_, file)| file)
        .collect();
    for file in &forgotten {
        table.remove(&file.0)?;
    }
    Ok(forgotten)
}
