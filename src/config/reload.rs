//! Notices that the settings file changed.
//!
//! Refuses to trust time stamps: it compares contents, so that it sees edits in place and the symlink
//! swaps of a mounted ConfigMap alike. What fails to load is told once, and changes nothing.

use super::{BUNDLED, Config, ConfigError, DEFAULT_PATH};
use crate::base::Digest;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Longest settings file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What was found at the last look: contents, or why there were none.
type Look = Result<Digest, ErrorKind>;

/// Remembers what the file held when it was last looked at.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    last: Look,
}

impl Reloader {
    /// Loads the settings as [`Config::load`] does, and what will notice their changes.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn open(path: Option<&Path>) -> Result<(Config, Reloader), ConfigError> {
        match path {
            Some(path) => Reloader::at(path, false),
            None => Reloader::at(Path::new(DEFAULT_PATH), true),
        }
    }

    pub(super) fn at(path: &Path, optional: bool) -> Result<(Config, Reloader), ConfigError> {
        let reloader = |last| Reloader { path: path.to_owned(), last };
        match read(path) {
            Ok(text) => Ok((Config::parse(&text, path)?, reloader(Ok(Digest::of(text.as_bytes()))))),
            Err(error) if optional && error.kind() == ErrorKind::NotFound => {
                Ok((Config::parse(BUNDLED, Path::new("config/tokentrail.yaml"))?, reloader(Err(ErrorKind::NotFound))))
            }
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// The settings, if the file changed since the last look: one read of at most 1 MiB.
    ///
    /// An error means that what is in force stays so. It is returned once, until the file changes again.
    pub fn check(&mut self) -> Option<Result<Config, ConfigError>> {
        let read = read(&self.path);
        let look: Look = read.as_ref().map(|text| Digest::of(text.as_bytes())).map_err(std::io::Error::kind);
        if look == self.last {
            return None;
        }
        self.last = look;
        Some(match read {
            Ok(text) => Config::parse(&text, &self.path),
            Err(error) => Err(unreadable(&self.path, &error)),
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::file(path, format!("the file cannot be read: {error}"), "check its path, its owner and its size")
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, "it is over 1 MiB"));
    }
    Ok(text)
}
