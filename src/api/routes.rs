//! Which path answers what.
//!
//! Refuses everything that is not in the index.

use super::checks::answer;
use crate::telemetry::health::Check;
use crate::telemetry::{Health, Metrics};
use axum::Router;
use axum::extract::RawQuery;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use std::time::Instant;

/// Every path, and what it answers: the index page and the reference are made of it.
const ROUTES: [(&str, &str); 4] = [
    ("/", "this list"),
    ("/metrics", "metrics for Prometheus, text format 0.0.4"),
    (
        "/livez",
        "is it alive: 200 or 500; `?verbose` names the checks, `?exclude=NAME` leaves one out",
    ),
    (
        "/readyz",
        "has it caught up, can it write its state: as `/livez`",
    ),
];

fn index() -> String {
    let lines = ROUTES
        .iter()
        .map(|(path, meaning)| format!("{path:10} {meaning}\n"));
    format!(
        "tokentrail {}\n\n{}",
        env!("CARGO_PKG_VERSION"),
        lines.collect::<String>()
    )
}

/// `docs/reference/api.md`.
#[must_use]
pub fn reference() -> String {
    let rows = ROUTES
        .iter()
        .map(|(path, meaning)| format!("| `{path}` | {meaning} |\n"));
    format!(
        "# HTTP\n\n<!-- Generated from the routes: UPDATE_REFERENCE=1 cargo test --test reference -->\n\n\
         Served on `daemon.listen`, by default to this host alone. GET and HEAD only; nothing is authenticated, and\n\
         nothing it says names an account, an address or a token.\n\n| path | answer |\n|---|---|\n{}",
        rows.collect::<String>()
    )
}

/// Longest query that is looked at, in bytes.
const QUERY: usize = 1024;

/// All routes.
pub fn router(metrics: Arc<Metrics>, health: Arc<Health>) -> Router {
    let (live, ready) = (Arc::clone(&health), health);
    let livez = move |RawQuery(query): RawQuery| async move {
        checked("livez", query, live.live(Instant::now()))
    };
    let readyz = move |RawQuery(query): RawQuery| async move {
        checked("readyz", query, ready.ready(Instant::now()))
    };
    let rendered = move || async move {
        (
            [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )],
            metrics.render(),
        )
    };
    Router::new()
        .route("/", get(|| async { text(StatusCode::OK, index()) }))
        .route("/metrics", get(rendered))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .fallback(|| async { text(StatusCode::NOT_FOUND, "404 not found\n".to_owned()) })
}

fn checked(name: &str, query: Option<String>, checks: Vec<Check>) -> impl IntoResponse + use<> {
    let query = query.filter(|q| q.len() <= QUERY).unwrap_or_default();
    let (status, body) = answer(name, &checks, &query);
    text(status, body)
}

fn text(status: StatusCode, body: String) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body)
}
