//! The one port: accepts connections, HTTP/1.1 and HTTP/2 alike, within bounds, until told to stop.
//!
//! Bounds: connections at once, time to send the request's head (a slow-loris gets no longer), streams per HTTP/2
//! connection. Bodies are bounded where they are read. On stop no new connection is accepted, those in work finish
//! their request, and after a grace period the rest is cut off.

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

#[derive(Clone, Copy, Debug)]
pub(crate) struct ListenerLimits {
    /// A connection costs a socket and about 20 KiB; 4 096 of them stay below 100 MiB.
    pub(crate) connections_max: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) streams_max: u32,
    pub(crate) stop_grace: Duration,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        ListenerLimits {
            connections_max: 4096,
            head_timeout: Duration::from_secs(10),
            streams_max: 256,
            stop_grace: Duration::from_secs(10),
        }
    }
}

pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop` turns true; returns when the last request has been answered or the grace period is over.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ListenerLimits,
    mut stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Some((stream, peer, slot)) = accepted else {
            continue;
        };
        let connection = connection_builder(limits)
            .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router.clone()))
            .into_owned();
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%peer, %error, "connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.stop_grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests still in work after the grace period were cut off");
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// Waits for a free slot first, so that the kernel's backlog, and not our memory, holds the queue.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<Accepted> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, peer, slot))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            // Out of file descriptors, most likely: give the others time to close some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

fn connection_builder(limits: ListenerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    builder
}
