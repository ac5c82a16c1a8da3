//! The one thread that writes a spool: batches that wait together are synced together.
//!
//! Refuses to hold more than its limit: who offers more is told so at once.

use super::{Batch, Kept, Spool};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// Batches that wait; their bytes are bounded by who offers them.
const WAITING_MAX: usize = 256;
/// Bytes of one sync: more has to wait for the next.
const GROUP_BYTES: usize = 8 << 20;
/// While nothing comes, losses that are not told yet are tried again so often.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

struct Job {
    batch: Batch,
    reply: oneshot::Sender<Kept>,
}

/// Where batches are offered. Clones share the thread, which ends with the last of them.
#[derive(Clone)]
pub struct Queue {
    jobs: SyncSender<Job>,
    spool: Spool,
}

/// What becomes of a batch; an error if the spool failed for good.
pub type Waiting = oneshot::Receiver<Kept>;

/// No place for this batch now.
#[derive(Debug)]
pub struct Full(pub Batch);

impl Queue {
    /// # Errors
    /// No thread can be started.
    pub fn start(spool: Spool) -> io::Result<Queue> {
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let written = spool.clone();
        std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || work(&written, &waiting))?;
        Ok(Queue { jobs, spool })
    }

    /// Hands over a batch.
    ///
    /// # Errors
    /// [`Full`], with the batch.
    pub fn offer(&self, batch: Batch) -> Result<Waiting, Full> {
        let (reply, waiting) = oneshot::channel();
        self.jobs
            .try_send(Job { batch, reply })
            .map_err(|refused| {
                let (std::sync::mpsc::TrySendError::Full(job)
                | std::sync::mpsc::TrySendError::Disconnected(job)) = refused;
                Full(job.batch)
            })?;
        Ok(waiting)
    }

    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.spool
    }
}

fn work(spool: &Spool, waiting: &Receiver<Job>) {
    loop {
        match waiting.recv_timeout(SETTLE_EVERY) {
            Ok(first) => write(spool, first, waiting),
            // What fails here fails again with the next batch, which says so.
            Err(RecvTimeoutError::Timeout) => drop(spool.settle()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Writes what waits by now.
fn write(spool: &Spool, first: Job, waiting: &Receiver<Job>) {
    let (mut bytes, mut group) = (first.batch.lines().len(), vec![first]);
    while bytes < GROUP_BYTES
        && let Ok(job) = waiting.try_recv()
    {
        bytes += job.batch.lines().len();
        group.push(job);
    }
    let batches: Vec<&Batch> = group.iter().map(|job| &job.batch).collect();
    // Without a reply the sender hears that the spool failed.
    let Ok(kept) = spool.append(&batches) else {
        return;
    };
    for (job, kept) in group.into_iter().zip(kept) {
        // Who went away meanwhile sends it again, and it is known then.
        let _ = job.reply.send(kept);
    }
}
