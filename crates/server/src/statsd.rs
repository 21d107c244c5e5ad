//! StatsD over UDP and TCP: datagrams and lines in, one batch per flush into the store.
//!
//! StatsD has no answers: what is not taken cannot be refused to its sender, so it is counted by reason in
//! `lapwing_statsd_rejected_total`. Bounds: series and set values (`wire::statsd`), connections at once, the length of a line,
//! the time a silent connection may stay. Closed unless the configuration names an address; a port that is taken is said
//! in the log and tried again, and does not keep Lapwing from starting.
//!
//! Totals live in memory; the store has their last samples. A series that is new here, after a restart or a reload, goes on
//! from there if its last sample is not older than what is forgotten anyway. What came between the last flush and a kill is lost.

use lapwing::Engine;
use lapwing::meter::Counter;
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Labels, METRIC_NAME, Matcher};
use lapwing_wire::statsd::{Before, Statsd, StatsdLimits, StatsdReject};
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// The largest datagram that UDP carries.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Of one line over TCP.
const LINE_BYTES_MAX: u64 = 8192;
const CONNECTIONS_MAX: usize = 256;
/// A client that sends nothing for so long has gone.
const SILENCE_MAX: Duration = Duration::from_secs(600);
const BIND_AGAIN: Duration = Duration::from_secs(5);
/// A set remembers its values between two flushes.
const SET_VALUES_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatsdOptions {
    pub(crate) udp: Option<SocketAddr>,
    pub(crate) tcp: Option<SocketAddr>,
    pub(crate) flush_ms: i64,
    /// A series without a line for this long is forgotten.
    pub(crate) idle_ms: i64,
    pub(crate) series_max: usize,
}

impl Default for StatsdOptions {
    fn default() -> Self {
        let limits = StatsdLimits::default();
        StatsdOptions {
            udp: None,
            tcp: None,
            flush_ms: 10_000,
            idle_ms: limits.idle_ms,
            series_max: limits.series_max,
        }
    }
}

/// What the sockets share.
struct Door {
    engine: Engine,
    idle_ms: i64,
    totals: Mutex<Statsd>,
    lines: Counter,
}

/// Serves as the configuration of the moment says until `stop` turns true; what was added up is flushed at the end.
pub(crate) async fn run(
    engine: Engine,
    options: impl Fn() -> StatsdOptions + Send,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let wanted = options();
        let door = Arc::new(Door::new(&engine, &wanted));
        let mut sockets = JoinSet::new();
        if let Some(address) = wanted.udp {
            sockets.spawn(with_udp(door.clone(), address));
        }
        if let Some(address) = wanted.tcp {
            sockets.spawn(with_tcp(door.clone(), address));
        }
        let is_stopping = door.flush_until(&wanted, &options, &mut stop).await;
        sockets.shutdown().await;
        door.clone().flush_aside().await;
        if is_stopping {
            return;
        }
    }
}

impl Door {
    fn new(engine: &Engine, options: &StatsdOptions) -> Self {
        Door {
            engine: engine.clone(),
            idle_ms: options.idle_ms,
            totals: Mutex::new(Statsd::new(StatsdLimits {
                series_max: options.series_max,
                set_values_max: SET_VALUES_MAX,
                idle_ms: options.idle_ms,
            })),
            lines: engine
                .meter()
                .counter("lapwing_statsd_lines_total", "StatsD lines that were taken.", &[]),
        }
    }

    /// Flushes at every period; true when told to stop, false when the options changed.
    async fn flush_until(
        self: &Arc<Self>,
        wanted: &StatsdOptions,
        options: &impl Fn() -> StatsdOptions,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let mut ticks = tokio::time::interval(Duration::from_millis(wanted.flush_ms.unsigned_abs().max(1)));
        loop {
            let is_stopping = tokio::select! {
                _ = ticks.tick() => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if is_stopping {
                return true;
            }
            self.clone().flush_aside().await;
            if options() != *wanted {
                return false;
            }
        }
    }

    fn totals(&self) -> MutexGuard<'_, Statsd> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last samples of these series, one look into the store per name. A name that cannot be read begins anew.
    fn kept(&self, wanted: &[Labels], now_ms: i64) -> Vec<(Labels, Before)> {
        let wanted: HashSet<&Labels> = wanted.iter().collect();
        let names: BTreeSet<&str> = wanted.iter().filter_map(|l| l.metric_name()).collect();
        let snapshot = self.engine.store().snapshot();
        let start_ms = now_ms.saturating_sub(self.idle_ms);
        let mut found = Vec::new();
        for name in names {
            let selection = Selection {
                matchers: vec![Matcher::equal(METRIC_NAME, name)],
                start_ms,
                end_ms: now_ms,
                series_max: None,
            };
            let series = snapshot.select(&selection).unwrap_or_else(|error| {
                tracing::warn!(%error, name, "StatsD totals of before could not be read; they begin at zero");
                Vec::new()
            });
            for one in series.into_iter().filter(|s| wanted.contains(&s.labels)) {
                let mut last = SeriesPoints::default();
                if one.reader.read_last(start_ms, now_ms, &mut last).is_ok() {
                    found.extend(before_of(&last).map(|before| (one.labels, before)));
                }
            }
        }
        found
    }

    fn take(&self, packet: &[u8]) {
        let now_ms = self.engine.now_ms();
        let (taken, rejects) = self.totals().ingest(packet, now_ms);
        self.lines.add(taken as u64);
        for reject in rejects {
            self.reject(match reject {
                StatsdReject::Parse { .. } => "malformed",
                StatsdReject::TooManySeries { .. } => "too_many_series",
                StatsdReject::KindChanged => "kind_changed",
            });
        }
    }

    fn reject(&self, reason: &str) {
        let counter = self.engine.meter().counter(
            "lapwing_statsd_rejected_total",
            "StatsD lines and connections that were not taken, by reason.",
            &[("reason", reason)],
        );
        counter.inc();
    }

    /// Off the async threads: reading and writing a hundred thousand series takes longer than one may be held.
    async fn flush_aside(self: Arc<Self>) {
        if let Err(error) = tokio::task::spawn_blocking(move || self.flush()).await {
            tracing::error!(%error, "a flush of StatsD ended early");
        }
    }

    fn flush(&self) {
        let now_ms = self.engine.now_ms();
        let unsettled = self.totals().unsettled();
        for (labels, before) in self.kept(&unsettled, now_ms) {
            self.totals().resume(&labels, &before);
        }
        let batch = self.totals().flush(now_ms);
        if batch.series.is_empty() {
            return;
        }
        let mut appender = self.engine.store().appender("statsd", now_ms);
        appender.append_batch(&batch);
        match appender.commit() {
            Ok(outcome) => (0..outcome.refused_count).for_each(|_| self.reject("store_refused")),
            Err(error) => {
                // Counters are totals: the next flush holds what this one could not keep.
                tracing::error!(%error, "a flush of StatsD could not be kept");
                self.reject("store_unavailable");
            }
        }
    }
}

/// The only sample that `read_last` gave; the end of a series is none.
fn before_of(last: &SeriesPoints) -> Option<Before> {
    if let Some((_, histogram)) = last.histograms.last() {
        return Some(Before::Histogram(histogram.clone()));
    }
    let value = last.values.last().copied().filter(|v| v.is_finite())?;
    Some(Before::Number {
        value,
        start_ms: last.start_of(0),
    })
}

async fn with_udp(door: Arc<Door>, address: SocketAddr) {
    let socket = bound("UDP", address, || UdpSocket::bind(address)).await;
    let mut packet = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        match socket.recv_from(&mut packet).await {
            Ok((length, _)) => door.take(&packet[..length]),
            // An ICMP answer to someone else's datagram; nothing that ends the socket.
            Err(error) => tracing::debug!(%error, "receiving a StatsD datagram"),
        }
    }
}

async fn with_tcp(door: Arc<Door>, address: SocketAddr) {
    let listener = bound("TCP", address, || TcpListener::bind(address)).await;
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(slot) = slots.clone().try_acquire_owned() else {
                    door.reject("too_many_connections");
                    continue;
                };
                let door = door.clone();
                clients.spawn(async move {
                    let take = |line: Line<'_>| match line {
                        Line::Whole(line) => door.take(line),
                        Line::TooLong => door.reject("line_too_long"),
                    };
                    read_lines(stream, take).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a StatsD connection");
                tokio::time::sleep(BIND_AGAIN).await;
            }
        }
    }
}

async fn bound<S, F>(kind: &str, address: SocketAddr, bind: impl Fn() -> F) -> S
where
    F: Future<Output = io::Result<S>>,
{
    loop {
        match bind().await {
            Ok(socket) => {
                tracing::info!("StatsD is taken over {kind} on {address}");
                return socket;
            }
            Err(error) => {
                tracing::error!(%error, "cannot take StatsD over {kind} on {address}; trying again");
            }
        }
        tokio::time::sleep(BIND_AGAIN).await;
    }
}

/// A line over TCP, and one that is longer than any may be: it is passed over up to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'l> {
    Whole(&'l [u8]),
    TooLong,
}

/// Until the client leaves or is silent for too long.
async fn read_lines(stream: impl AsyncRead + Unpin, mut each: impl FnMut(Line<'_>)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut is_rest = false;
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(LINE_BYTES_MAX);
        match tokio::time::timeout(SILENCE_MAX, bounded.read_until(b'\n', &mut line)).await {
            Ok(Ok(0)) | Err(_) | Ok(Err(_)) => return,
            Ok(Ok(length)) => {
                let is_cut = length as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n");
                if !is_rest {
                    each(if is_cut { Line::TooLong } else { Line::Whole(&line) });
                }
                is_rest = is_cut;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_costs_no_other() {
        let long = "x".repeat(3 * LINE_BYTES_MAX as usize);
        let sent = format!("a:1|c\n{long}\nb:1|c\n{long}\nc:1|c");
        let mut seen = Vec::new();
        read_lines(sent.as_bytes(), |line| {
            seen.push(match line {
                Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                Line::TooLong => "too long".to_owned(),
            });
        })
        .await;
        assert_eq!(seen, ["a:1|c\n", "too long", "b:1|c\n", "too long", "c:1|c"]);
    }
}
