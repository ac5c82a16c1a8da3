//! How far each sink has been told, and what it remembers of incidents that go on.
//!
//! Refuses to move a sink backwards or past the last row: a notice would be told twice, or never.

use super::error::{Fault, StoreError};
use super::tables::{
    CURSORS, MEMORIES, MEMORY_BYTES_MAX, META, META_OUTBOX_NEXT, SINK_NAME_BYTES_MAX, meta_u64,
};
use crate::base::Digest;
use redb::{ReadTransaction, ReadableTable, TableError, WriteTransaction};

/// What one commit changes of a sink.
#[derive(Clone, Copy, Debug)]
pub struct SinkMove<'a> {
    /// At most [`SINK_NAME_BYTES_MAX`].
    pub name: &'a str,
    /// The row to be told next; `None` forgets the sink and all its memories.
    pub next_row: Option<u64>,
    /// By incident; `None` forgets it.
    pub memories: &'a [(Digest, Option<&'a [u8]>)],
}

/// A sink as it was committed last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SinkRow {
    pub name: String,
    pub next_row: u64,
    /// In the order of ids.
    pub memories: Vec<Memory>,
}

/// An incident, and the bytes that the sink keeps for it.
pub type Memory = (Digest, Vec<u8>);

pub(super) fn apply(write: &WriteTransaction, moves: &[SinkMove<'_>]) -> Result<(), Fault> {
    for SinkMove {
        name,
        next_row,
        memories,
    } in moves
    {
        limit("the name of a sink", name.len(), SINK_NAME_BYTES_MAX)?;
        match next_row {
            Some(next_row) => advance(write, name, *next_row)?,
            None => forget(write, name)?,
        }
        let mut table = write.open_table(MEMORIES)?;
        for (id, bytes) in *memories {
            match bytes {
                Some(bytes) => {
                    limit("a sink's memory", bytes.len(), MEMORY_BYTES_MAX)?;
                    table.insert((*name, &id.0), *bytes)?;
                }
                None => {
                    table.remove((*name, &id.0))?;
                }
            }
        }
    }
    Ok(())
}

fn limit(what: &'static str, bytes: usize, max: usize) -> Result<(), StoreError> {
    if bytes > max {
        Err(StoreError::TooLarge { what, bytes, max })
    } else {
        Ok(())
    }
}

fn advance(write: &WriteTransaction, name: &str, given: u64) -> Result<(), Fault> {
    let high = meta_u64(&write.open_table(META)?, META_OUTBOX_NEXT)?.unwrap_or(0);
    let mut cursors = write.open_table(CURSORS)?;
    let low = cursors.get(name)?.map_or(0, |row| row.value());
    if !(low..=high).contains(&given) {
        return Err(StoreError::SinkCursor {
            sink: name.to_owned(),
            given,
            low,
            high,
        }
        .into());
    }
    cursors.insert(name, given)?;
    Ok(())
}

fn forget(write: &WriteTransaction, name: &str) -> Result<(), Fault> {
    write.open_table(CURSORS)?.remove(name)?;
    let mut table = write.open_table(MEMORIES)?;
    let range = (name, &[0; 16])..=(name, &[u8::MAX; 16]);
    table.retain_in(range, |_, _| false)?;
    Ok(())
}

/// Empty for a state that was written before there were sinks.
pub(super) fn load(read: &ReadTransaction) -> Result<Vec<SinkRow>, Fault> {
    let cursors = match read.open_table(CURSORS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let memories = match read.open_table(MEMORIES) {
        Err(TableError::TableDoesNotExist(_)) => None,
        table => Some(table?),
    };
    let mut found = Vec::new();
    for row in cursors.iter()? {
        let (name, next_row) = row?;
        let name = name.value().to_owned();
        let mut remembered = Vec::new();
        if let Some(table) = &memories {
            for row in table.range((name.as_str(), &[0; 16])..=(name.as_str(), &[u8::MAX; 16]))? {
                let (key, bytes) = row?;
                remembered.push((Digest(*key.value().1), bytes.value().to_vec()));
            }
        }
        found.push(SinkRow {
            name,
            next_row: next_row.value(),
            memories: remembered,
        });
    }
    Ok(found)
}
