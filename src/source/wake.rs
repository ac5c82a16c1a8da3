//! Wakes the pump when a log's directory changes, when a time has passed, or when it is to stop.
//!
//! Refuses to say what changed: the follower looks for itself. Network and overlay file systems
//! send no events, so the time-out is what correctness rests on, and the events are only speed.

use super::rotated::directory_of;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// The usual time-out while every directory is watched.
pub const POLL: Duration = Duration::from_secs(1);
/// The longest wait while a directory cannot be watched, because it is not there or the system
/// refuses.
pub const POLL_BLIND: Duration = Duration::from_millis(250);
/// After a change the wait goes on for this long: a busy API server writes a thousand times a
/// second, and each poll should find more than one line.
const SETTLE: Duration = Duration::from_millis(10);

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Something in a watched directory changed, or [`WakeHandle::wake`] was called.
    Changed,
    TimedOut,
    Stopped,
}

/// Stops or wakes the pump from any thread.
#[derive(Clone)]
pub struct WakeHandle {
    stop: Arc<AtomicBool>,
    bell: SyncSender<()>,
}

impl WakeHandle {
    /// Every wait, present and future, returns [`Woken::Stopped`].
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Ends the present wait, or the next one if none is going on.
    pub fn wake(&self) {
        // A full bell is rung already.
        let _ = self.bell.try_send(());
    }

    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// Watches the directories of the logs.
pub struct Waker {
    handle: WakeHandle,
    rung: Receiver<()>,
    watcher: Option<RecommendedWatcher>,
    /// Each directory, with the device and inode under which it is watched.
    directories: BTreeMap<PathBuf, Option<(u64, u64)>>,
    /// Something was removed: a directory made anew may have got the old one's inode, and has no
    /// watch.
    stale: Arc<AtomicBool>,
}

impl Waker {
    /// Watches the directories of `paths`, which need not exist: each is tried again at every wait.
    #[must_use]
    pub fn new(paths: &[PathBuf]) -> Waker {
        let (bell, rung) = sync_channel(1);
        let handle = WakeHandle {
            stop: Arc::default(),
            bell,
        };
        let (ring, stale) = (handle.clone(), Arc::new(AtomicBool::new(false)));
        let removed = stale.clone();
        let on_event = move |event: notify::Result<notify::Event>| {
            let kind = event.map_or(EventKind::Any, |event| event.kind);
            // Our own opening and listing are events too; heeding them would never let us sleep.
            if matches!(kind, EventKind::Access(_)) {
                return;
            }
            if kind.is_remove() {
                removed.store(true, Ordering::SeqCst);
            }
            ring.wake();
        };
        let directories = paths
            .iter()
            .map(|path| (directory_of(path), None))
            .collect();
        let watcher = notify::recommended_watcher(on_event).ok();
        let mut waker = Waker {
            handle,
            rung,
            watcher,
            directories,
            stale,
        };
        waker.watch();
        waker
    }

    #[must_use]
    pub fn handle(&self) -> WakeHandle {
        self.handle.clone()
    }

    /// Is there a directory whose changes are seen only by polling?
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.directories.values().any(Option::is_none)
    }

    /// Sleeps until something happens, for `at_most` at the longest; while [blind](Waker::is_blind)
    /// for [`POLL_BLIND`].
    pub fn wait(&mut self, at_most: Duration) -> Woken {
        self.watch();
        let at_most = if self.is_blind() {
            at_most.min(POLL_BLIND)
        } else {
            at_most
        };
        if self.handle.is_stopped() {
            return Woken::Stopped;
        }
        let changed = self.rung.recv_timeout(at_most).is_ok();
        let settled = Instant::now() + SETTLE;
        while changed && !self.handle.is_stopped() {
            let left = settled.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let _ = self.rung.recv_timeout(left);
        }
        match changed {
            _ if self.handle.is_stopped() => Woken::Stopped,
            true => Woken::Changed,
            false => Woken::TimedOut,
        }
    }

    /// Sleeps for all of `time`, whatever happens; true if it is time to stop.
    pub fn pause(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.wait(left) == Woken::Stopped {
                return true;
            }
            if left.is_zero() {
                return false;
            }
        }
    }

    /// Watches what is not watched yet, and what was deleted and made anew under the same name.
    fn watch(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let stale = self.stale.swap(false, Ordering::SeqCst);
        for (directory, watched) in &mut self.directories {
            let now = inode(directory);
            if now == *watched && !stale {
                continue;
            }
            if watched.is_some() {
                // The kernel dropped the watch with the directory; only notify's record is left.
                let _ = watcher.unwatch(directory);
            }
            *watched = now.filter(|_| {
                watcher
                    .watch(directory, RecursiveMode::NonRecursive)
                    .is_ok()
            });
        }
    }
}

fn inode(directory: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(directory)
        .ok()
        .filter(std::fs::Metadata::is_dir)
        .map(|meta| (meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_stop_is_never_missed() {
        let dir = tempfile::tempdir().unwrap();
        let mut waker = Waker::new(&[dir.path().join("audit.log")]);
        waker.handle().stop();
        assert_eq!(waker.wait(LONG), Woken::Stopped);
        assert_eq!(waker.wait(LONG), Woken::Stopped);
    }

    #[test]
    fn a_wake_and_a_time_out_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let mut waker = Waker::new(&[dir.path().join("audit.log")]);
        waker.handle().wake();
        assert_eq!(waker.wait(LONG), Woken::Changed);
        assert_eq!(waker.wait(Duration::ZERO), Woken::TimedOut);
    }

    #[test]
    fn a_write_wakes_and_a_new_directory_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        let log = logs.join("audit.log");
        let mut waker = Waker::new(std::slice::from_ref(&log));
        assert!(waker.is_blind());
        for _ in 0..2 {
            std::fs::create_dir(&logs).unwrap();
            waker.watch();
            if waker.is_blind() {
                println!("skipped: this system offers no directory events");
                return;
            }
            std::fs::write(&log, "x").unwrap();
            assert_eq!(waker.wait(LONG), Woken::Changed);
            std::fs::remove_dir_all(&logs).unwrap();
            waker.watch();
            assert!(waker.is_blind());
        }
    }
}
