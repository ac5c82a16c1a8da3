//! The files of `dashboards/` say what the program can feed: names, shape, and answers of a real
//! Prometheus.
//!
//! Refuses to judge looks: whether a panel is worth its place is for people.

#[path = "dashboards/commands.rs"]
mod commands;
#[path = "dashboards/files.rs"]
mod files;
// Not every helper of the daemon's own tests is needed here.
#[expect(dead_code, reason = "the tests share more than each of them uses")]
#[path = "daemon/harness.rs"]
mod harness;
#[path = "dashboards/prometheus.rs"]
mod prometheus;
#[path = "dashboards/served.rs"]
mod served;
#[path = "dashboards/shape.rs"]
mod shape;
#[path = "common/skipped.rs"]
mod skipped;
