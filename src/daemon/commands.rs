//! The way in for an operator's command: one file each in `STATE/commands/`, which only who may
//! write the state may write.
//!
//! Refuses to lose one: a file goes only after the commit that took it. What cannot be taken is set
//! aside with its reason in the log, and never stops the daemon.

use super::pump::Pump;
use crate::engine::{Command, StoredInput};
use anyhow::{Context, Result};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Below the state directory.
const DIR: &str = "commands";
/// Most bytes of one command.
const BYTES_MAX: u64 = 64 << 10;
/// Most commands of one batch; the others have their turn after its commit.
const BATCH_MAX: usize = 256;

/// Leaves a command for the daemon that holds the state, or for the next that will. Returns its
/// file.
///
/// # Errors
/// The directory cannot be made or written.
pub fn leave(state: &Path, name: &str, command: &Command) -> Result<PathBuf> {
    let dir = state.join(DIR);
    let failed = || {
        format!(
            "cannot leave a command in {}; run it as the user of the daemon",
            dir.display()
        )
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .with_context(failed)?;
    let (unfinished, path) = (
        dir.join(format!(".{name}")),
        dir.join(format!("{name}.json")),
    );
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .with_context(failed)?;
    file.write_all(&serde_json::to_vec(command)?)
        .and_then(|()| file.sync_all())
        .with_context(failed)?;
    std::fs::rename(&unfinished, &path).with_context(failed)?;
    std::fs::File::open(&dir)
        .and_then(|d| d.sync_all())
        .with_context(failed)?;
    Ok(path)
}

/// Gives the commands that wait to the engine, in the order of their names. Their files stand in
/// the batch.
pub(super) fn take(state: &Path, pump: &mut Pump) {
    // Those of a batch go with its commit; until then they would be found again.
    if !pump.batch.commands.is_empty() {
        return;
    }
    for path in waiting(&state.join(DIR)) {
        match read(&path) {
            Ok(command) => {
                pump.tell(StoredInput::Command(Box::new(command)));
                pump.batch.commands.push(path);
            }
            Err(error) => {
                tracing::error!(
                    "{}: {error:#}; it is set aside as .rejected",
                    path.display()
                );
                if let Err(error) = std::fs::rename(&path, path.with_extension("rejected")) {
                    tracing::error!("{}: {error}; remove it", path.display());
                }
            }
        }
    }
}

fn waiting(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let is_command = |path: &PathBuf| {
        let hidden = path
            .file_name()
            .is_none_or(|n| n.as_encoded_bytes().starts_with(b"."));
        !hidden && path.extension().is_some_and(|e| e == "json")
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(is_command)
        .collect();
    found.sort();
    found.truncate(BATCH_MAX);
    found
}

fn read(path: &Path) -> Result<Command> {
    let mut bytes = Vec::new();
    OpenOptions::new()
        .read(true)
        .open(path)?
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    anyhow::ensure!(
        bytes.len() as u64 <= BYTES_MAX,
        "the command is over {BYTES_MAX} bytes"
    );
    serde_json::from_slice(&bytes).context("it is no command of this version")
}

/// Removes the files of commands that are durable.
pub(super) fn done(taken: &[PathBuf]) {
    for path in taken {
        // One that comes back after a crash is known by its name.
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!("{}: {error}; remove it", path.display());
        }
    }
}
