//! What the daemon shows of itself while it runs: metrics and health.

use super::Batch;
use crate::engine::Engine;
use crate::telemetry::{Health, Metrics};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub struct Watch {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl Watch {
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, health: Arc<Health>) -> Watch {
        Watch { metrics, health }
    }

    pub fn turn(&self, _engine: &Engine, _behind: u64, caught_up: bool) {
        if caught_up {
            self.health.ready.store(true, Ordering::SeqCst);
        }
    }
    pub fn batch(&self, batch: &Batch) {
        self.metrics.read_bytes.inc_by(batch.bytes);
    }
    pub fn committed(&self, took: Duration) {
        self.metrics.commit.observe(took.as_secs_f64());
    }
    pub fn reloaded(&self, _ok: bool) {}
    pub fn disk_full(&self, _full: bool) {}
}
