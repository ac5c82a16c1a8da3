//! Health as the API server of Kubernetes words it.
//!
//! Refuses to withhold reasons: they name no secret, and the address is loopback unless someone
//! chose another.

use crate::base::text::clean;
use crate::telemetry::health::Check;
use axum::http::StatusCode;
use std::fmt::Write;

/// The answer of `/livez` or `/readyz`, to a query such as `verbose&exclude=caught-up`.
pub(super) fn answer(name: &str, checks: &[Check], query: &str) -> (StatusCode, String) {
    let pairs: Vec<(&str, &str)> = query
        .split('&')
        .map(|p| p.split_once('=').unwrap_or((p, "")))
        .collect();
    let verbose = pairs
        .iter()
        .any(|(key, value)| *key == "verbose" && *value != "false");
    let excluded = |check: &str| pairs.contains(&("exclude", check));
    let mut lines = String::new();
    let mut fine = true;
    for (check, outcome) in checks {
        let _ = match outcome {
            _ if excluded(check) => writeln!(lines, "[+]{check} excluded: ok"),
            Ok(note) if note.is_empty() => writeln!(lines, "[+]{check} ok"),
            Ok(note) => writeln!(lines, "[+]{check} ok: {}", clean(note)),
            Err(reason) => {
                fine = false;
                writeln!(lines, "[-]{check} failed: {}", clean(reason))
            }
        };
    }
    let unknown = pairs
        .iter()
        .filter(|(key, value)| *key == "exclude" && !checks.iter().any(|c| c.0 == *value));
    if unknown.count() > 0 {
        lines.push_str("warn: some health checks cannot be excluded: no matches for them\n");
    }
    match (fine, verbose) {
        (true, false) => (StatusCode::OK, "ok".to_owned()),
        (true, true) => (StatusCode::OK, format!("{lines}{name} check passed\n")),
        (false, _) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("{lines}{name} check failed\n"),
        ),
    }
}
