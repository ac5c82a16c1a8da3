//! One task for each receiver: takes rows, sends, and says how far it is.
//!
//! Refuses to hold anybody up: rows come in without waiting, and progress lies where the daemon
//! fetches it.

use super::note::Note;
use super::queue::{Outcome, Parcel, Queue, Step, Tally};
use super::receiver::Receiver;
use super::settings::Settings;
use crate::base::{Digest, Time};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant as Deadline, sleep_until};

/// Committed rows, in order. What waits is bounded by the queue, which takes them even while it
/// sends.
pub type Rows = Vec<(u64, Arc<Note>)>;
/// Where a worker gets them.
pub type Inbox = UnboundedReceiver<Rows>;

/// What a receiver has to have committed.
#[derive(Clone, Default, Debug)]
pub struct Progress {
    /// All rows below it are done.
    pub next_row: u64,
    /// What the receiver heard of last, by incident; `None` where it heard the end.
    pub told: BTreeMap<Digest, Option<Arc<Note>>>,
    pub tally: Tally,
    pub depth: usize,
}

/// The daemon's end of a worker.
pub struct Link {
    pub name: String,
    settings: Settings,
    cluster: String,
    /// `None` once it is stopped.
    rows: Option<UnboundedSender<Rows>>,
    /// `None` where the caller serves the other end.
    task: Option<JoinHandle<()>>,
    progress: Arc<Mutex<Progress>>,
    /// As of the last [`Link::take`].
    taken: u64,
}

impl Link {
    /// Starts a worker on the runtime that is entered. It ends with the runtime, or when its link
    /// is dropped.
    #[must_use]
    pub fn start(receiver: Receiver, next_row: u64, told: Vec<Arc<Note>>) -> Link {
        let (mut link, desk, inbox) = Link::open(&receiver, next_row, told);
        link.task = Some(tokio::spawn(Worker { receiver, desk }.run(inbox)));
        link
    }

    /// A link whose other end the caller serves.
    #[must_use]
    pub fn open(receiver: &Receiver, next_row: u64, told: Vec<Arc<Note>>) -> (Link, Desk, Inbox) {
        let (rows, inbox) = unbounded_channel();
        let progress = Arc::new(Mutex::new(Progress {
            next_row,
            ..Progress::default()
        }));
        let settings = &receiver.settings;
        let queue = Queue::new(
            settings.route(),
            settings.keep(),
            receiver.refresh(),
            next_row,
            told,
        );
        let (name, cluster, settings) = (
            receiver.name.clone(),
            receiver.cluster.clone(),
            settings.clone(),
        );
        let desk = Desk {
            name: name.clone(),
            queue,
            progress: progress.clone(),
        };
        (
            Link {
                name,
                settings,
                cluster,
                rows: Some(rows),
                task: None,
                progress,
                taken: next_row,
            },
            desk,
            inbox,
        )
    }

    /// Whether it does what a receiver would do that is made anew.
    #[must_use]
    pub fn is_for(&self, receiver: &Receiver) -> bool {
        (&self.name, &self.settings, &self.cluster)
            == (&receiver.name, &receiver.settings, &receiver.cluster)
    }

    /// Ends it; what it came to is there for [`Link::take`]. What is on its way is not waited for.
    pub async fn stop(&mut self) {
        self.rows = None;
        // A worker that failed has said so already.
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }

    /// Hands committed rows over.
    pub fn feed(&self, rows: Rows) {
        // The worker ends with the runtime or when it is stopped, and then nobody feeds any more.
        let _ = self.rows.as_ref().map(|to| to.send(rows));
    }

    /// Whether there is something to commit.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.next_row > self.taken
            || !progress.told.is_empty()
            || progress.tally != Tally::default()
    }

    /// Progress since the last call.
    pub fn take(&mut self) -> Progress {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.taken = progress.next_row;
        let (next_row, depth) = (progress.next_row, progress.depth);
        std::mem::replace(
            &mut *progress,
            Progress {
                next_row,
                depth,
                ..Progress::default()
            },
        )
    }
}

/// What a worker knows: what is next, and how far it is. It neither sends nor looks at a clock.
pub struct Desk {
    name: String,
    queue: Queue,
    progress: Arc<Mutex<Progress>>,
}

impl Desk {
    /// Takes committed rows.
    pub fn take(&mut self, rows: Rows, now: Instant) {
        for (row, note) in rows {
            self.queue.push(row, note, now);
        }
    }

    /// What to do now, as `queue.rs` says; how far it is can be [taken](Link::take) then.
    pub fn next(&mut self, now: Instant) -> Step {
        let step = self.queue.next(now);
        self.publish();
        step
    }

    /// Where the receiver keeps what is on its way.
    pub fn kept_at(&mut self, handle: Option<String>) {
        self.queue.kept_at(handle);
    }

    /// How the parcel on its way fared. `lot` is any random number.
    pub fn answered(&mut self, outcome: &Outcome, now: Instant, lot: u64) {
        self.queue.answered(outcome, now, lot);
    }

    /// Notices that wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.depth()
    }

    fn publish(&mut self) {
        let (tally, told) = (self.queue.take_tally(), self.queue.take_changed());
        if tally.dropped > 0 {
            let (name, dropped) = (&self.name, tally.dropped);
            tracing::error!(
                "sink {name}: dropped {dropped} notices over its limits of age, number or bytes"
            );
        }
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.next_row = self.queue.next_row();
        progress.depth = self.queue.depth();
        progress.told.extend(told);
        progress.tally = progress.tally.plus(tally);
    }
}

struct Worker {
    receiver: Receiver,
    desk: Desk,
}

impl Worker {
    async fn run(mut self, mut inbox: Inbox) {
        loop {
            let rows = match self.desk.next(Instant::now()) {
                Step::Send(parcel) => match self.send(parcel, &mut inbox).await {
                    Some(()) => continue,
                    None => return,
                },
                Step::Wait(until) => tokio::select! {
                    rows = inbox.recv() => rows,
                    () = sleep_until(Deadline::from_std(until)) => continue,
                },
                Step::Idle => inbox.recv().await,
            };
            let Some(rows) = rows else { return };
            self.desk.take(rows, Instant::now());
        }
    }

    /// Sends, and takes rows meanwhile; `None` when the daemon is gone.
    async fn send(&mut self, parcel: Parcel, inbox: &mut Inbox) -> Option<()> {
        let (outcome, _) = {
            let sending = self.receiver.deliver(&parcel, wall_clock());
            tokio::pin!(sending);
            loop {
                tokio::select! {
                    done = &mut sending => break done,
                    rows = inbox.recv() => self.desk.take(rows?, Instant::now()),
                }
            }
        };
        self.say(&outcome, &parcel);
        self.desk.kept_at(self.receiver.take_handle());
        self.desk.answered(&outcome, Instant::now(), lot());
        Some(())
    }

    fn say(&self, outcome: &Outcome, parcel: &Parcel) {
        let name = &self.receiver.name;
        let what = match parcel {
            Parcel::Notice { note, .. } => {
                format!("revision {} of incident {}", note.revision, note.id)
            }
            Parcel::Refresh(notes) => format!("the {} incidents that go on", notes.len()),
        };
        match outcome {
            Outcome::Delivered => tracing::debug!("sink {name}: delivered {what}"),
            Outcome::Retry { why, .. } => {
                tracing::warn!("sink {name}: cannot deliver {what}: {why}; will try again");
            }
            Outcome::Refused { why } => {
                tracing::error!("sink {name}: {what} is refused and not sent again: {why}");
            }
        }
    }
}

fn lot() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// For signatures and the ends of alerts, which receivers compare with their own clocks.
#[must_use]
pub fn wall_clock() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
