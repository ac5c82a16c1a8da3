//! Notices that the settings file or a rule file changed.
//!
//! Refuses to trust time stamps: it compares contents, so that it sees edits in place and the symlink
//! swaps of a mounted ConfigMap alike. What fails to load is told once, and changes nothing.

use super::{BUNDLED, Config, ConfigError, DEFAULT_PATH, config_dir, rules};
use crate::base::Digest;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Longest settings file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What was found at the last look: contents, or why there were none.
type Look = Result<Digest, ErrorKind>;

/// Remembers what the files held when they were last looked at.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    /// What the settings in force name under `rules`.
    rules: Vec<PathBuf>,
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
        let reloader = |last| Reloader { path: path.to_owned(), rules: Vec::new(), last };
        match read(path) {
            Ok(text) => {
                let config = Config::parse(&text, path)?;
                let last = Ok(digest(&text, &config.rules, path));
                let rules = config.rules.clone();
                Ok((config, Reloader { rules, ..reloader(last) }))
            }
            Err(error) if optional && error.kind() == ErrorKind::NotFound => {
                Ok((Config::parse(BUNDLED, Path::new("config/tokentrail.yaml"))?, reloader(Err(ErrorKind::NotFound))))
            }
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// The settings, if a file changed since the last look: one read of each, of at most 1 MiB.
    ///
    /// An error means that what is in force stays so. It is returned once, until the file changes again.
    pub fn check(&mut self) -> Option<Result<Config, ConfigError>> {
        let read = read(&self.path);
        let look: Look = read.as_ref().map(|text| digest(text, &self.rules, &self.path)).map_err(std::io::Error::kind);
        if look == self.last {
            return None;
        }
        self.last = look;
        Some(match read {
            Ok(text) => Config::parse(&text, &self.path).inspect(|config| {
                self.rules.clone_from(&config.rules);
                self.last = Ok(digest(&text, &self.rules, &self.path));
            }),
            Err(error) => Err(unreadable(&self.path, &error)),
        })
    }
}

/// Of the settings and of every rule file: names, and contents where they can be read.
fn digest(text: &str, named: &[PathBuf], path: &Path) -> Digest {
    let mut parts = vec![text.as_bytes().to_vec()];
    for (file, contents) in rules::contents(named, config_dir(path)) {
        parts.push(file.into_os_string().into_encoded_bytes());
        parts.push(contents.unwrap_or_default().into_bytes());
    }
    Digest::of_parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
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
