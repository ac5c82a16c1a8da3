//! Which follower reads which file: one log that is named twice, by copies or mounts, is read once.
//!
//! Refuses to open anything: it only remembers.

use super::first::Stamp;
use super::trail::Trail;
use crate::base::Digest;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files remembered; beyond it those touched longest ago are dropped.
const HELD_AT_MOST: usize = 1024;

/// What the followers of one process know of each other.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    followers: u32,
    touches: u64,
    held: HashMap<Digest, Held>,
}

/// One file that is or was read.
#[derive(Debug, Clone)]
pub(super) struct Held {
    owner: u32,
    touched: u64,
    /// As it was called and was when it was opened.
    pub path: PathBuf,
    pub stamp: Stamp,
    pub position: u64,
    pub trail: Trail,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for one more follower.
    pub(super) fn join(&self) -> u32 {
        let mut inner = self.lock();
        inner.followers += 1;
        inner.followers
    }

    /// What another follower has of this file.
    pub(super) fn of_another(&self, me: u32, file: Digest) -> Option<Held> {
        self.lock()
            .held
            .get(&file)
            .filter(|held| held.owner != me)
            .cloned()
    }

    /// The file is read by `me` from now on. Where it stood with another follower, if one had it.
    pub(super) fn take(
        &self,
        me: u32,
        file: Digest,
        (path, stamp): (&Path, Stamp),
        position: u64,
    ) -> Option<(u64, Trail)> {
        let mut inner = self.lock();
        inner.touches += 1;
        let touched = inner.touches;
        let before = inner.held.remove(&file);
        let trail = before
            .as_ref()
            .map(|held| held.trail.clone())
            .unwrap_or_default();
        let others = before
            .filter(|held| held.owner != me)
            .map(|held| (held.position, held.trail));
        let position = others.as_ref().map_or(position, |others| others.0);
        inner.held.insert(
            file,
            Held {
                owner: me,
                touched,
                path: path.to_owned(),
                stamp,
                position,
                trail,
            },
        );
        if inner.held.len() > HELD_AT_MOST {
            let least = touched.saturating_sub(HELD_AT_MOST as u64 / 2);
            inner.held.retain(|_, held| held.touched >= least);
        }
        others
    }

    /// Notes how far `me` has come, unless another follower has taken the file over: then where it
    /// stands there.
    pub(super) fn advance(
        &self,
        me: u32,
        file: Digest,
        position: u64,
        trail: &Trail,
    ) -> Option<u64> {
        let mut inner = self.lock();
        let held = inner.held.get_mut(&file)?;
        if held.owner != me {
            return Some(held.position);
        }
        held.position = position;
        held.trail.clone_from(trail);
        None
    }
}
