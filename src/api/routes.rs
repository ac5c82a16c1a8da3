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

const INDEX: &str = concat!(
    "tokentrail ",
    env!("CARGO_PKG_VERSION"),
    "\n\n",
    "/metrics          for Prometheus\n",
    "/livez?verbose    is it alive\n",
    "/readyz?verbose   does it see everything it should\n",
);

/// Longest query that is looked at, in bytes.
const QUERY: usize = 1024;

/// All routes.
pub fn router(metrics: Arc<Metrics>, health: Arc<Health>) -> Router {
    let (live, ready) = (Arc::clone(&health), health);
    let livez = move |RawQuery(query): RawQuery| async move { checked("livez", query, live.live(Instant::now())) };
    let readyz = move |RawQuery(query): RawQuery| async move { checked("readyz", query, ready.ready(Instant::now())) };
    let rendered =
        move || async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()) };
    Router::new()
        .route("/", get(|| async { text(StatusCode::OK, INDEX.to_owned()) }))
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
