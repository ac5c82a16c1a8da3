//! The digests of batches that were accepted lately.
//!
//! Refuses to remember all: a sender gives up after minutes, and what comes later than that was
//! sent by somebody else.

use crate::base::Digest;
use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Most digests: at ten batches a second from each of three API servers, more than half an hour;
/// they repeat a batch within four minutes, or not at all.
pub const DIGESTS_LIMIT: usize = 65_536;
const NAME: &str = "accepted";
const UNFINISHED: &str = "accepted.new";

#[derive(Default)]
pub(super) struct Recent {
    order: VecDeque<Digest>,
    known: HashSet<Digest>,
}

impl Recent {
    /// What was [saved](Recent::save) in `dir`.
    pub fn load(dir: &Path) -> io::Result<Recent> {
        let mut recent = Recent::default();
        let bytes = match File::open(dir.join(NAME)) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take((DIGESTS_LIMIT * 16) as u64)
                    .read_to_end(&mut bytes)?;
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        for digest in bytes.as_chunks().0 {
            recent.insert(Digest(*digest));
        }
        Ok(recent)
    }

    /// False if it was there before.
    pub fn insert(&mut self, digest: Digest) -> bool {
        if !self.known.insert(digest) {
            return false;
        }
        self.order.push_back(digest);
        if self.order.len() > DIGESTS_LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Makes it durable.
    pub fn save(&self, dir: &Path) -> io::Result<()> {
        let bytes: Vec<u8> = self.order.iter().flat_map(|digest| digest.0).collect();
        let (unfinished, path) = (dir.join(UNFINISHED), dir.join(NAME));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(unfinished, path)
    }
}
