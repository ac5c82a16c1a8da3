//! Notices that the settings file, a rule file or a GeoIP file changed.
//!
//! Refuses to trust time stamps: it compares contents, so that it sees edits in place and the
//! symlink swaps of a mounted ConfigMap alike; only GeoIP files are too large for it. What fails to
//! load is told once, and changes nothing.

use super::{BUNDLED, Config, ConfigError, DEFAULT_PATH, Databases, Geoip, config_dir, rules};
use crate::base::Digest;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest settings file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What was found at the last look: contents, or why there were none.
type Look = Result<Digest, ErrorKind>;

/// The files that settings name, and that are looked at with them.
#[derive(Debug)]
struct Named {
    rules: Vec<PathBuf>,
    geoip: Geoip,
}

impl Named {
    fn by(config: &Config) -> Named {
        Named {
            rules: config.rules.clone(),
            geoip: config.geoip.clone(),
        }
    }
}

/// Remembers what the files held when they were last looked at.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    /// What the settings in force name.
    named: Named,
    last: Look,
    /// As the file had it at the start, before the command line: what needs a restart is held
    /// against it.
    started: Config,
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
        let (config, last) = match read(path) {
            Ok(text) => load(&text, path).map(|(config, digest)| (config, Ok(digest)))?,
            Err(error) if optional && error.kind() == ErrorKind::NotFound => (
                Config::parse(BUNDLED, Path::new("config/tokentrail.yaml"))?,
                Err(ErrorKind::NotFound),
            ),
            Err(error) => return Err(unreadable(path, &error)),
        };
        let (path, named, started) = (path.to_owned(), Named::by(&config), config.clone());
        Ok((
            config,
            Reloader {
                path,
                named,
                last,
                started,
            },
        ))
    }

    /// The settings, if a file changed since the last look: one read of each, of at most 1 MiB, but
    /// of GeoIP files.
    ///
    /// An error means that what is in force stays so. It is returned once, until the file changes
    /// again.
    pub fn check(&mut self) -> Option<Result<Config, ConfigError>> {
        let read = read(&self.path);
        let look: Look = read
            .as_ref()
            .map(|text| digest(text, &self.named, &self.path))
            .map_err(std::io::Error::kind);
        if look == self.last {
            return None;
        }
        self.last = look;
        Some(match read {
            Ok(text) => match load(&text, &self.path) {
                Ok((mut config, digest)) => {
                    self.named = Named::by(&config);
                    self.last = Ok(digest);
                    config
                        .warnings
                        .extend(self.started.restart_warning(&config));
                    Ok(config)
                }
                Err(error) => {
                    // What is wrong may be a file that the new settings name: it is waited for.
                    if let Ok(config) = Config::parse(&text, &self.path) {
                        self.named = Named::by(&config);
                        self.last = Ok(digest(&text, &self.named, &self.path));
                    }
                    Err(error)
                }
            },
            Err(error) => Err(unreadable(&self.path, &error)),
        })
    }
}

/// The digest is of what was there before it was read for good: a change meanwhile is seen at the
/// next look.
fn load(text: &str, path: &Path) -> Result<(Config, Digest), ConfigError> {
    let named = Named::by(&Config::parse(text, path)?);
    let digest = digest(text, &named, path);
    let mut config = Config::parse(text, path)?;
    let opened = Databases::open(&config.geoip, config_dir(path));
    config.databases =
        Arc::new(opened.map_err(|problems| ConfigError::settings(path, text, problems))?);
    Ok((config, digest))
}

/// Digests the settings and every rule file: names, and contents where they can be read; of GeoIP
/// files, what tells their versions apart.
fn digest(text: &str, named: &Named, path: &Path) -> Digest {
    let mut parts = vec![text.as_bytes().to_vec()];
    for (file, contents) in rules::contents(&named.rules, config_dir(path)) {
        parts.push(file.into_os_string().into_encoded_bytes());
        parts.push(contents.unwrap_or_default().into_bytes());
    }
    parts.extend(named.geoip.stamps(config_dir(path)));
    Digest::of_parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::file(
        path,
        format!("the file cannot be read: {error}"),
        "check its path, its owner and its size",
    )
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::new(
            ErrorKind::FileTooLarge,
            "it is over 1 MiB",
        ));
    }
    Ok(text)
}
