//! The doors: accept connections, HTTP/1.1 and HTTP/2 alike, within bounds, until told to stop.
//!
//! Bounds: connections at once, time to send the request's head (a slow-loris gets no longer), streams per HTTP/2
//! connection. With a certificate configured they speak TLS and nothing else; the one in force when a connection
//! begins is shown. Bodies are bounded where they are read. On stop no new connection is accepted, those in work finish
//! their request, and after a grace period the rest is cut off.

use super::first_line::FirstLine;
use super::opening::Opening;
use crate::live::Live;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

#[derive(Clone, Copy, Debug)]
pub(crate) struct ListenerLimits {
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

/// Serves until `stop` turns true; returns when the last request has been answered or the grace period is over. The limits
/// hold for all listeners together.
pub(crate) async fn serve(
    listeners: Vec<TcpListener>,
    service: (Router, Live),
    limits: ListenerLimits,
    stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let doors: JoinSet<()> = listeners
        .into_iter()
        .map(|listener| serve_one((listener, slots.clone()), service.clone(), limits, stop.clone()))
        .collect();
    doors.join_all().await;
}

async fn serve_one(
    (listener, slots): (TcpListener, Arc<Semaphore>),
    (router, live): (Router, Live),
    limits: ListenerLimits,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Some((stream, peer, slot)) = accepted else {
            continue;
        };
        let connection = Connection {
            router: router.clone(),
            limits,
            watcher: graceful.watcher(),
            peer,
        };
        let tls = live.config().web.tls.clone();
        tokio::spawn(async move {
            match tls {
                None => connection.serve(stream).await,
                Some(tls) => {
                    let handshake = TlsAcceptor::from(tls.server).accept(stream);
                    match tokio::time::timeout(limits.head_timeout, handshake).await {
                        Ok(Ok(stream)) => connection.serve(stream).await,
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS was agreed on"),
                        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
                    }
                }
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

/// One client, from its first byte to its last.
struct Connection {
    router: Router,
    limits: ListenerLimits,
    watcher: Watcher,
    peer: SocketAddr,
}

impl Connection {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (router, peer) = (self.router, self.peer);
        let stream = Opening::new(FirstLine::new(stream), self.limits.head_timeout);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().call(request)
        });
        let served = connection_builder(self.limits)
            .serve_connection_with_upgrades(TokioIo::new(stream), service)
            .into_owned();
        if let Err(error) = self.watcher.watch(served).await {
            tracing::debug!(peer = %self.peer, %error, "connection ended early");
        }
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
        // Who closes a side has left: what was begun for them, a query above all, ends with them.
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    builder
}
