//! Connections: how many, how long, how large.
//!
//! Refuses to let a slow or greedy client cost more than its one place among the connections.

use super::routes::router;
use crate::source::receive::guests::Guests;
use crate::telemetry::{Health, Metrics};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at one time; more wait in the backlog of the kernel.
const CONNECTIONS: usize = 64;
/// Most connections of one address; more are closed. A scraper and a prober need one each.
const CONNECTIONS_OF_ONE: usize = 8;
/// All headers of one request, in bytes, and their number.
const HEADER_BYTES: usize = 16 << 10;
const HEADERS: usize = 64;
/// From the first moment of a connection to its first byte: who only takes a place loses it.
const FIRST_BYTE: Duration = Duration::from_secs(5);
/// From the first byte of a connection, or from the last answer, to the end of the next headers.
const HEADER_TIME: Duration = Duration::from_secs(75);
/// A connection ends after so long; a client that is still interested makes another.
const LIFE: Duration = Duration::from_secs(600);
/// What is being answered at shutdown has so long.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// After the system had no file left for another connection.
const BREATH: Duration = Duration::from_millis(200);

/// Serves until `shutdown` is done, and then lets begun answers end. Bind the listener before, so
/// that a port that is taken is an error at the start.
///
/// # Errors
/// The listener cannot be used by the runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let (places, guests) = (
        Arc::new(Semaphore::new(CONNECTIONS)),
        Guests::at_most(CONNECTIONS_OF_ONE),
    );
    let router = router(metrics, health);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::pin!(shutdown);
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(mine) = guests.admit(peer.ip()) else {
                    continue;
                };
                let (router, stopped) = (router.clone(), stopped.clone());
                tokio::spawn(async move {
                    connection(stream, router, stopped).await;
                    drop((mine, place));
                });
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    let _ = stop.send(true);
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(LAST_WORDS, places.acquire_many(all)).await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    router: Router,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) {
    if !matches!(
        tokio::time::timeout(FIRST_BYTE, stream.readable()).await,
        Ok(Ok(()))
    ) {
        return;
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    // A client that misbehaves or goes away is no news.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => {}
        () = tokio::time::sleep(LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_WORDS, connection).await;
}

#[cfg(test)]
mod tests;
