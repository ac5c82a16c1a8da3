//! tokentrail: a runtime auditor for Kubernetes that learns how each ServiceAccount and each of its
//! tokens behaves, and tells when one is used as its owner never would.
//!
//! The modules in reading order; `ARCHITECTURE.md` has the floors and what each may import.

pub mod base;
pub mod event;

pub mod baseline;
pub mod detect;
pub mod engine;
pub mod incident;

pub mod telemetry;

pub mod api;
pub mod config;
