//! A secret of a sink: where it is, never what it is.
//!
//! Refuses secrets that stand in the settings: those are read by many, and printed in errors and
//! diffs. Keeps none in memory longer than a request, so that a mounted Secret can be rotated
//! without a restart.

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The words of the refusal; `config/error.rs` knows what to advise.
pub const INLINE: &str = "a secret stands here in the clear";
/// Longest secret in bytes: a file of more is another file.
const LONGEST: u64 = 64 << 10;

/// Exactly one of the two.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, schemars::JsonSchema)]
pub enum Secret {
    /// A file that holds it; white space around it is left out.
    #[serde(rename = "file")]
    File(PathBuf),
    /// An environment variable that holds it.
    #[serde(rename = "env")]
    Env(String),
}

impl Secret {
    /// Reads it anew.
    ///
    /// # Errors
    /// A sentence without the secret: there is no such file or variable, or it is empty or too
    /// long.
    pub fn read(&self) -> Result<String, String> {
        let text = match self {
            Secret::File(path) => {
                let read = std::fs::File::open(path).and_then(|file| {
                    let mut text = String::new();
                    std::io::Read::read_to_string(
                        &mut std::io::Read::take(file, LONGEST + 1),
                        &mut text,
                    )?;
                    Ok(text)
                });
                read.map_err(|e| {
                    format!("the secret's file {} cannot be read: {e}", path.display())
                })?
            }
            Secret::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} of the secret is not set"))?,
        };
        let text = text.trim();
        if text.is_empty() || text.len() as u64 > LONGEST {
            return Err(format!("the secret of {self} is empty or over 64 KiB"));
        }
        Ok(text.to_owned())
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::File(path) => write!(f, "file {}", path.display()),
            Secret::Env(name) => write!(f, "variable {name}"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        deserializer.deserialize_any(Place)
    }
}

struct Place;

impl<'de> Visitor<'de> for Place {
    type Value = Secret;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a mapping with file or env")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Secret, E> {
        Err(E::custom(INLINE))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom(INLINE))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            let secret = match key.as_str() {
                "file" => Secret::File(map.next_value()?),
                "env" => Secret::Env(map.next_value()?),
                _ => return Err(A::Error::custom(INLINE)),
            };
            if found.replace(secret).is_some() {
                return Err(A::Error::custom(INLINE));
            }
        }
        found.ok_or_else(|| A::Error::custom(INLINE))
    }
}
