//! Who may bring how much: rates per source, bodies in work, and a count of everything that was turned away and why.
//!
//! A source is a protocol and a caller: the name of its token, or else its address. Its series are counted under that
//! name in the store, which has a limit for each. A request is taken whole or not at all: it is let in while the source
//! is not in debt, and pays for its samples afterwards. Whoever is turned away is told when to come again.

use super::body::Refused;
use crate::http::AppState;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use lapwing::meter::Meter;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a source may save up: a burst after a pause, such as a sender's catching up, is no flood.
const BURST_SECONDS: f64 = 10.0;
/// Sources whose rate is remembered; those in credit are forgotten first, which costs them nothing.
const SOURCES_MAX: usize = 10_000;

/// Whoever is behind a request; put there when its token was checked.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) String);

/// Why a response refuses, where its status alone does not say it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Why(pub(crate) StatusCode);

#[derive(Clone)]
pub(crate) struct Gate {
    shared: Arc<Shared>,
}

struct Shared {
    buckets: Mutex<HashMap<String, Bucket>>,
    bodies_bytes: AtomicUsize,
    meter: Meter,
}

/// Samples that a source may still bring; below zero is debt.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    credit: f64,
    at_ms: i64,
}

/// Bytes of a body that count towards the budget until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    gate: Option<Gate>,
    bytes: usize,
}

impl Gate {
    pub(crate) fn new(meter: &Meter) -> Self {
        Gate {
            shared: Arc::new(Shared {
                buckets: Mutex::default(),
                bodies_bytes: AtomicUsize::new(0),
                meter: meter.clone(),
            }),
        }
    }

    /// Whether this source may bring something now.
    pub(crate) fn admit(&self, source: &str, per_second: Option<u64>, now_ms: i64) -> Result<(), Refused> {
        let Some(rate) = per_second.map(|n| n as f64) else {
            return Ok(());
        };
        let mut buckets = self.shared.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= SOURCES_MAX && !buckets.contains_key(source) {
            buckets.retain(|_, b| b.credit < 0.0);
        }
        let bucket = buckets.entry(source.to_owned()).or_insert(Bucket {
            credit: rate * BURST_SECONDS,
            at_ms: now_ms,
        });
        bucket.refill(rate, now_ms);
        if bucket.credit > 0.0 {
            return Ok(());
        }
        let seconds = (-bucket.credit / rate).ceil().clamp(1.0, 3600.0) as u32;
        Err(Refused {
            status: StatusCode::TOO_MANY_REQUESTS,
            message: format!(
                "{source} brings more than {rate} samples per second (limits.samples_per_second); come again in {seconds} s"
            ),
            retry_after_s: Some(seconds),
        })
    }

    /// What a request brought; from now on it counts against its source.
    pub(crate) fn charge(&self, source: &str, protocol: &str, samples: usize) {
        let counter = self.shared.meter.counter(
            "lapwing_receive_samples_total",
            "Samples that were pushed and kept, by protocol.",
            &[("protocol", protocol)],
        );
        counter.add(samples as u64);
        let mut buckets = self.shared.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(source) {
            bucket.credit -= samples as f64;
        }
    }

    /// Takes room for a piece of a body, if there is any.
    pub(crate) fn hold(&self, held: &mut Held, bytes: usize, bodies_bytes_max: usize) -> Result<(), Refused> {
        let before = self.shared.bodies_bytes.fetch_add(bytes, Ordering::Relaxed);
        held.gate.get_or_insert_with(|| self.clone());
        held.bytes += bytes;
        if before + bytes > bodies_bytes_max {
            return Err(Refused::later(format!(
                "bodies of more than {bodies_bytes_max} bytes are in work already (limits.bodies)"
            )));
        }
        Ok(())
    }

    fn count(&self, protocol: &str, status: StatusCode) {
        let meter = &self.shared.meter;
        let requests = meter.counter(
            "lapwing_receive_requests_total",
            "Requests that brought something, by protocol.",
            &[("protocol", protocol)],
        );
        requests.inc();
        if let Some(reason) = reason_of(status) {
            let refused = meter.counter(
                "lapwing_receive_refused_total",
                "Requests that were refused, wholly or in part, by protocol and reason.",
                &[("protocol", protocol), ("reason", reason)],
            );
            refused.inc();
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.shared.bodies_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Bucket {
    fn refill(&mut self, rate: f64, now_ms: i64) {
        let seconds = (now_ms - self.at_ms).max(0) as f64 / 1000.0;
        self.credit = (self.credit + seconds * rate).min(rate * BURST_SECONDS);
        self.at_ms = now_ms;
    }
}

/// A word for the counter; `None` when all was taken.
fn reason_of(status: StatusCode) -> Option<&'static str> {
    Some(match status {
        s if s.is_success() => return None,
        StatusCode::BAD_REQUEST => "refused_or_malformed",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "not_allowed",
        StatusCode::NOT_FOUND => "door_closed",
        StatusCode::REQUEST_TIMEOUT => "too_slow",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_format",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "other",
    })
}

/// Counts every request of these doors, and how it ended.
pub(crate) async fn watch(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let protocol = protocol_of(request.uri().path());
    let response = next.run(request).await;
    let status = response
        .extensions()
        .get::<Why>()
        .map_or(response.status(), |w| w.0);
    state.gate.count(protocol, status);
    response
}

fn protocol_of(path: &str) -> &'static str {
    match path {
        "/api/v1/write" => "remote_write",
        "/api/v1/push" => "push",
        p if p.starts_with("/api/v1/import") => "import",
        p if p.starts_with("/opentelemetry") => "otlp_grpc",
        p if p.starts_with("/metrics/") || p.starts_with("/api/v1/admin/wipe") => "pushgateway",
        _ => "otlp",
    }
}

/// The protocol and whoever is behind the request.
pub(crate) fn source_of(protocol: &str, request: &Request) -> String {
    let extensions = request.extensions();
    if let Some(Caller(name)) = extensions.get::<Caller>() {
        return format!("{protocol}/{name}");
    }
    match extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) => format!("{protocol}/{}", peer.ip()),
        None => protocol.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_in_debt_waits_and_others_do_not() {
        let gate = Gate::new(&Meter::new());
        let admit =
            |source: &str, now_ms: i64| gate.admit(source, Some(100), now_ms).map_err(|r| r.retry_after_s);
        assert_eq!(admit("a", 0), Ok(()));
        gate.charge("a", "push", 1500);
        assert_eq!(admit("a", 0), Err(Some(5)));
        assert_eq!(admit("b", 0), Ok(()));
        assert_eq!(admit("a", 4_000), Err(Some(1)));
        assert_eq!(admit("a", 5_100), Ok(()));
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let gate = Gate::new(&Meter::new());
        gate.charge("a", "push", 1_000_000);
        assert!(gate.admit("a", None, 0).is_ok());
    }

    #[test]
    fn bodies_in_work_have_a_budget_that_heals() {
        let gate = Gate::new(&Meter::new());
        let mut first = Held::default();
        assert!(gate.hold(&mut first, 60, 100).is_ok());
        let mut second = Held::default();
        assert_eq!(
            gate.hold(&mut second, 60, 100).map_err(|r| r.status.as_u16()),
            Err(503)
        );
        drop(second);
        drop(first);
        assert!(gate.hold(&mut Held::default(), 100, 100).is_ok());
    }
}
