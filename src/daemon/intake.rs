//! The receiver of a daemon and its spool: they run beside the reading, which follows the spool
//! like any other log.
//!
//! Refuses to be reopened with the state: what senders bring is taken while reading has stopped.

use crate::config::Config;
use crate::source::receive::{self, Meter, Receiver};
use crate::source::spool::{Limits, Queue, Spool};
use anyhow::{Context, Result, anyhow};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Files that a spool has at least, each of them its share of the whole: the last two are kept until newer ones are
/// read.
const FILES_OF_SPOOL: u64 = 8;
/// What is being answered when the daemon ends has so long.
const SHUTDOWN_TIME: Duration = Duration::from_secs(3);

pub(super) struct Intake {
    spool: Spool,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Intake {
    /// Opens the spool and the door, if the settings name one.
    ///
    /// # Errors
    /// The spool, the certificates or the address cannot be used.
    pub fn start(config: &Config, meter: Arc<dyn Meter>) -> Result<Option<Intake>> {
        let settings = &config.receive;
        let (Some(address), Some(dir)) = (settings.listen, config.spool()) else {
            return Ok(None);
        };
        let total = settings.spool_megabytes.saturating_mul(1_000_000);
        let limits = Limits {
            total,
            file: Limits::default().file.min(total / FILES_OF_SPOOL),
        };
        let spool = Spool::open(&dir, limits)?;
        let queue =
            Queue::start(spool.clone()).context("no thread can be started for the spool")?;
        let receiver = Receiver::new(settings, queue, meter).map_err(|why| anyhow!(why))?;
        let listener = TcpListener::bind(address).with_context(|| {
            format!("cannot listen on {address}; choose another address for receive.listen")
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("receive")
            .enable_all()
            .build()
            .context("no thread can be started for the receiver")?;
        tracing::info!(
            "receiving audit events on https://{}",
            listener.local_addr()?
        );
        let (stop, stopped) = oneshot::channel::<()>();
        runtime.spawn(async move {
            let ends = async { drop(stopped.await) };
            if let Err(error) = receive::serve(listener, Arc::new(receiver), ends).await {
                tracing::error!("the receiver ended: {error:#}");
            }
        });
        Ok(Some(Intake {
            spool,
            stop: Some(stop),
            runtime: Some(runtime),
        }))
    }

    /// What is to be followed.
    pub fn spools(&self) -> Vec<Spool> {
        vec![self.spool.clone()]
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(SHUTDOWN_TIME);
        }
    }
}
