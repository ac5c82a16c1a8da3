//! stand-in
pub mod logging {
    pub fn start(level: &str) {
        let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(level).try_init();
    }
}
use prometheus::*;
use std::sync::atomic::*;
pub struct Metrics {
    pub registry: Registry,
    pub read_bytes: IntCounter,
    pub commit: Histogram,
}
impl Metrics {
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let read_bytes = IntCounter::new("tokentrail_source_read_bytes_total", "b").unwrap();
        let commit = Histogram::with_opts(HistogramOpts::new("tokentrail_commit_duration_seconds", "c")).unwrap();
        let b = IntGauge::new("tokentrail_build_info", "v").unwrap();
        b.set(1);
        registry.register(Box::new(b)).unwrap();
        registry.register(Box::new(read_bytes.clone())).unwrap();
        registry.register(Box::new(commit.clone())).unwrap();
        Metrics { registry, read_bytes, commit }
    }
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }
}
#[derive(Default)]
pub struct Health {
    pub ready: AtomicBool,
}
