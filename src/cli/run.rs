//! `tokentrail run`: the daemon in the foreground.

use super::{RunArgs, style};
use crate::api::{self, Health};
use crate::config::{Config, Reloader};
use crate::daemon::{self, Watch};
use crate::incident::Revision;
use crate::report;
use crate::source::{self, WakeHandle, Waker, spool};
use crate::telemetry::Metrics;
use anyhow::{Context, Result, bail};
use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

pub(super) fn run(args: RunArgs) -> Result<ExitCode> {
    let (mut config, reloader) = Reloader::open(args.config.as_deref())?;
    let daemon = &mut config.daemon;
    if !args.audit_logs.is_empty() {
        daemon.audit_logs = args.audit_logs;
    }
    daemon.state = args
        .state
        .unwrap_or_else(|| std::mem::take(&mut daemon.state));
    daemon.incidents = args.incidents.or(daemon.incidents.take());
    daemon.listen = args.listen.unwrap_or(daemon.listen);
    daemon.start = args.from.unwrap_or(daemon.start);
    if let Some(spool) = config.spool() {
        config.daemon.audit_logs.push(spool::log_in(&spool));
    }
    if config.daemon.audit_logs.is_empty() {
        bail!(
            "no audit log is named: give --audit-log PATH, or daemon.audit_logs or receive in the configuration"
        );
    }
    source::check(&config.daemon.audit_logs)?;
    config
        .warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    start(&config, Some(reloader), listen(config.daemon.listen)?)?;
    Ok(ExitCode::SUCCESS)
}

/// # Errors
/// The address is taken.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}; choose another address with --listen")
    })
}

/// Runs the daemon until SIGTERM or SIGINT, and prints what people are told of. SIGHUP means to
/// look at the configuration at once, and the end where there is none to look at.
///
/// # Errors
/// The state cannot be opened, or a write failed.
pub(super) fn start(
    config: &Config,
    reloader: Option<Reloader>,
    listener: TcpListener,
) -> Result<()> {
    let (metrics, health) = (
        Arc::new(Metrics::new()),
        Arc::new(daemon::health(Instant::now())),
    );
    let waker = Waker::new(&config.daemon.audit_logs);
    let server = serve(
        listener,
        metrics.clone(),
        health.clone(),
        waker.handle(),
        reloader.is_some(),
    )?;
    let watch = Watch::new(metrics, health, config.daemon.account_series);
    let style = style(std::io::stdout().is_terminal());
    let told = daemon::run::run(
        config,
        reloader,
        waker,
        &watch,
        &mut |revision: &Revision| {
            let mut out = std::io::stdout().lock();
            // A closed terminal is no reason to stop watching.
            let _ = out
                .write_all(report::block(revision, style).as_bytes())
                .and_then(|()| out.flush());
        },
    );
    server.shutdown_timeout(std::time::Duration::from_secs(1));
    told
}

/// The HTTP doors and the signals, on threads of their own.
fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    wake: WakeHandle,
    reloads: bool,
) -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let mut hangup = signal(SignalKind::hangup())?;
    let stopping = async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => if reloads { wake.wake() } else { break },
            }
        }
        wake.stop();
    };
    tracing::info!(
        "serving /metrics, /livez and /readyz on http://{}",
        listener.local_addr()?
    );
    runtime.spawn(async move {
        if let Err(error) = api::serve(listener, metrics, health, stopping).await {
            tracing::error!("the HTTP server ended: {error:#}");
        }
    });
    Ok(runtime)
}
