//! Log lines on stderr.
//!
//! Refuses to log bodies, lines or tokens: callers say facts about them.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Overrides the level where it is set, with the directives of `tracing` (`info,tokentrail=debug`).
pub const LEVEL: &str = "TOKENTRAIL_LOG";
/// `json` for one object a line; anything else is text.
pub const FORMAT: &str = "TOKENTRAIL_LOG_FORMAT";

/// Words of a level, the fewest lines first.
pub const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Begins logging at one of [`LEVELS`]; a word that is none of them means info.
///
/// The second call of a process changes nothing.
pub fn start(level: &str) {
    let wanted = std::env::var(LEVEL).unwrap_or_else(|_| level.to_owned());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let json = std::env::var(FORMAT).is_ok_and(|f| f.eq_ignore_ascii_case("json"));
    let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let started = if json {
        lines.json().flatten_event(true).try_init()
    } else {
        lines
            .with_ansi(std::io::stderr().is_terminal() && !plain)
            .with_target(false)
            .try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was begun before");
    }
}
