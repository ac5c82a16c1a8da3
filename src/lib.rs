//! tokentrail: a runtime auditor for Kubernetes that learns how each ServiceAccount and each of its
//! tokens behaves, and tells when one is used as its owner never would.
//!
//! The modules in reading order; `ARCHITECTURE.md` has the floors and what each may import.

// The pure floors do no I/O, read no clock, spawn nothing, print nothing and cannot fail;
// `clippy.toml` names what they may not touch. The shell below is allowed what it exists for.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::iter_over_hash_type,
    clippy::float_arithmetic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod base;
pub mod event;

pub mod baseline;
pub mod detect;
pub mod engine;
pub mod incident;

#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod history;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod sink;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::iter_over_hash_type
)]
pub mod source;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic
)]
pub mod telemetry;

#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod ask;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod store;

#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod config;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic
)]
pub mod daemon;
#[allow(clippy::float_arithmetic)]
pub mod report;

#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod api;

#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic
)]
#[allow(clippy::print_stdout, clippy::print_stderr)]
pub mod cli;
