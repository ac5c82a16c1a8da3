//! Guests: how many, how long, and who may open one.
//!
//! Refuses to let a slow, silent or greedy client cost more than one of its places.

use super::answer::answer;
use super::guests::Guests;
use super::secure::{Identity, Secured};
use super::shed::Shedding;
use super::{Meter, Settings};
use crate::source::spool::{Losses, Queue};
use axum::Router;
use axum::extract::{Request, State};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Guests at one time; more wait in the backlog of the kernel. An API server opens one for
/// each batch on its way.
const CONNECTIONS: usize = 256;
/// Most connections of one address; more are closed.
const CONNECTIONS_OF_ONE: usize = 128;
/// Bytes of requests that are read or stored at one time, in largest requests; more wait, and are
/// sent away after that. Each stands twice in memory, as it came and as lines.
const LARGEST_AT_ONCE: usize = 2;
/// All headers of one request, in bytes, and their number.
const HEADER_BYTES: usize = 64 << 10;
const HEADERS: usize = 64;
/// From the first moment of a connection to the end of its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the handshake or the last answer to the end of the next headers. The client of an API
/// server closes an idle connection after ninety seconds: we do not close it under its hands
/// before.
const HEADER_TIME: Duration = Duration::from_secs(100);
/// What is being answered at shutdown has so long.
const SHUTDOWN_TIME: Duration = Duration::from_secs(10);
/// After the system had no file left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Between looks at the files of certificates and the token.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What every connection shares.
pub struct Receiver {
    pub(super) queue: Queue,
    pub(super) meter: Arc<dyn Meter>,
    pub(super) body_bytes: usize,
    pub(super) places: Arc<Semaphore>,
    pub(super) shedding: Shedding,
    secured: RwLock<Secured>,
}

impl Receiver {
    /// Receives into the spool of this queue.
    ///
    /// # Errors
    /// As [`Secured::open`].
    pub fn new(
        settings: &Settings,
        queue: Queue,
        meter: Arc<dyn Meter>,
    ) -> Result<Receiver, String> {
        let body_bytes = settings.body_bytes();
        Ok(Receiver {
            queue,
            meter,
            body_bytes,
            places: Arc::new(Semaphore::new(
                body_bytes
                    .saturating_mul(LARGEST_AT_ONCE)
                    .min(Semaphore::MAX_PERMITS),
            )),
            shedding: Shedding::default(),
            secured: RwLock::new(Secured::open(settings)?),
        })
    }

    pub(super) fn identity(&self) -> Identity {
        self.secured
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .identity()
    }

    /// A disk that does not answer must not hold up who is counted out.
    pub(super) fn lose(&self, losses: Losses) {
        let spool = self.queue.spool().clone();
        drop(tokio::task::spawn_blocking(move || spool.lose(losses)));
    }

    /// Looks at the files again, and takes what is good.
    pub fn look_again(&self) {
        match self
            .secured
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .look_again()
        {
            Ok(false) => {}
            Ok(true) => tracing::info!(
                "the certificate, authorities or token of the receiver changed, and are in force"
            ),
            Err(error) => tracing::error!("{error}; what was in force stays so"),
        }
    }
}

/// Serves until `shutdown` is done, and then lets begun answers end. Bind the listener before, so
/// that a port that is taken is an error at the start.
///
/// # Errors
/// The listener cannot be used by the runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    receiver: Arc<Receiver>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let (places, guests) = (
        Arc::new(Semaphore::new(CONNECTIONS)),
        Guests::at_most(CONNECTIONS_OF_ONE),
    );
    let handle =
        |State(receiver): State<Arc<Receiver>>, request: Request| answer(receiver, request);
    let router = Router::new().fallback(handle).with_state(receiver.clone());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut look = tokio::time::interval(LOOK_EVERY);
    tokio::pin!(shutdown);
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => break,
            _ = look.tick() => { receiver.look_again(); continue },
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(mine) = guests.admit(peer.ip()) else {
                    continue;
                };
                receiver
                    .meter
                    .connected(CONNECTIONS - places.available_permits());
                let (receiver, router, stopped) =
                    (receiver.clone(), router.clone(), stopped.clone());
                let places = places.clone();
                tokio::spawn(async move {
                    connection(stream, receiver.identity(), router, stopped).await;
                    drop((mine, place));
                    receiver
                        .meter
                        .connected(CONNECTIONS - places.available_permits());
                });
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let _ = stop.send(true);
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(SHUTDOWN_TIME, places.acquire_many(all)).await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    identity: Identity,
    router: Router,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) {
    let handshake = TlsAcceptor::from(identity.tls).accept(stream);
    let stream = match tokio::time::timeout(HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return tracing::debug!("a connection was no TLS that is accepted: {error}");
        }
        Err(_) => return,
    };
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
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(SHUTDOWN_TIME, connection).await;
}
