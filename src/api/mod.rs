//! stand-in
pub use crate::telemetry::Health;
use crate::telemetry::Metrics;
use axum::{Router, http::StatusCode, routing::get};
use std::sync::{Arc, atomic::Ordering};
pub async fn serve(listener: std::net::TcpListener, metrics: Arc<Metrics>, health: Arc<Health>) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let app = Router::new()
        .route("/metrics", get(move || async move { metrics.render() }))
        .route("/livez", get(|| async { "ok" }))
        .route(
            "/readyz",
            get(move || async move {
                if health.ready.load(Ordering::SeqCst) {
                    (StatusCode::OK, "[+]ok")
                } else {
                    (StatusCode::INTERNAL_SERVER_ERROR, "[-]")
                }
            }),
        );
    Ok(axum::serve(listener, app).await?)
}
