//! `/api/v1/events`: tells open pages that something changed, so that they need not ask every second.
//!
//! Server-sent events; each names the parts that changed (`alerts`, `rules`, `silences`, `deliveries`) since the one
//! before. What changed is asked for by the ordinary paths: a lost event costs a refresh, never a fact.
//!
//! Bounds: so many streams at once; what changed is worked out at most once a second for all of them together.

use crate::http::AppState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use lapwing_notify::dispatch::AlertFilter;
use lapwing_store::state::LedgerQuery;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An open page holds one; a wall of screens holds a dozen.
const STREAMS_MAX: usize = 256;
const PERIOD: Duration = Duration::from_secs(1);
/// A digest younger than this serves for all.
const FRESH_MS: i64 = 900;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Shared by all streams of a server.
#[derive(Clone)]
pub(crate) struct Pulse {
    last: Arc<Mutex<(i64, Digest)>>,
    streams: Arc<Semaphore>,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse {
            last: Arc::new(Mutex::new((i64::MIN, Digest::default()))),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }
}

/// One number per part; equal numbers mean that nothing changed that a page would show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Digest {
    alerts: u64,
    rules: u64,
    silences: u64,
    deliveries: u64,
}

impl Digest {
    fn changed_since(self, before: Digest) -> Vec<&'static str> {
        [
            ("alerts", self.alerts != before.alerts),
            ("rules", self.rules != before.rules),
            ("silences", self.silences != before.silences),
            ("deliveries", self.deliveries != before.deliveries),
        ]
        .into_iter()
        .filter_map(|(name, changed)| changed.then_some(name))
        .collect()
    }
}

impl Pulse {
    /// A place for one more listener, if there is one.
    pub(crate) fn listen(&self) -> Option<OwnedSemaphorePermit> {
        self.streams.clone().try_acquire_owned().ok()
    }

    fn digest(&self, state: &AppState) -> Digest {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = state.engine.now_ms();
        if last.0 < now_ms - FRESH_MS {
            *last = (now_ms, work_out(state, now_ms));
        }
        last.1
    }
}

fn work_out(state: &AppState, now_ms: i64) -> Digest {
    let paging = state.engine.paging();
    let hash = |feed: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        feed(&mut hasher);
        hasher.finish()
    };
    let (alerts, silences) = paging.look(|d| {
        let alerts = d.alerts_view(&AlertFilter::default(), now_ms);
        let silences = d.silences_view(&[], now_ms);
        (alerts, silences)
    });
    let rules = paging.look_at_rules(|rules, status| rules.alerts_view(status));
    let newest = LedgerQuery {
        limit: 1,
        ..LedgerQuery::default()
    };
    let ledger = paging.state_store().ledger(&newest).unwrap_or_default();
    Digest {
        alerts: hash(&|h| {
            for alert in &alerts {
                (&alert.fingerprint, alert.status.state, &alert.acked_by).hash(h);
                (&alert.status.silenced_by, &alert.status.inhibited_by).hash(h);
            }
        }),
        rules: hash(&|h| {
            for alert in &rules.alerts {
                (&alert.labels, alert.state).hash(h);
            }
        }),
        silences: hash(&|h| {
            for silence in &silences {
                (&silence.id, &silence.status, &silence.ends_at).hash(h);
            }
        }),
        deliveries: hash(&|h| {
            for row in &ledger {
                (row.at_ms, &row.delivery, row.event.as_str()).hash(h);
            }
        }),
    }
}

struct Listening {
    state: AppState,
    seen: Digest,
    is_first: bool,
    _slot: OwnedSemaphorePermit,
}

pub(crate) fn too_many_listeners() -> Response {
    let message = format!("{STREAMS_MAX} pages listen already; ask again later\n");
    (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}

pub(super) async fn stream(State(state): State<AppState>) -> Response {
    let Some(slot) = state.pulse.listen() else {
        return too_many_listeners();
    };
    let listening = Listening {
        seen: Digest::default(),
        is_first: true,
        state,
        _slot: slot,
    };
    let events = stream::unfold(listening, |mut listening| async move {
        let event = listening.next().await?;
        Some((Ok::<Event, Infallible>(event), listening))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

impl Listening {
    /// Waits for a change; None ends the stream because the server is stopping.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.is_first {
                self.is_first = false;
                self.seen = self.state.pulse.digest(&self.state);
                return Some(self.event("hello", &[]));
            }
            let mut closing = self.state.closing.clone();
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                _ = closing.wait_for(|closing| *closing) => return None,
            }
            let now = self.state.pulse.digest(&self.state);
            let changed = now.changed_since(self.seen);
            self.seen = now;
            if !changed.is_empty() {
                return Some(self.event("changed", &changed));
            }
        }
    }

    fn event(&self, kind: &str, parts: &[&str]) -> Event {
        let data = serde_json::json!({ "now_ms": self.state.engine.now_ms(), "parts": parts });
        Event::default().event(kind).data(data.to_string())
    }
}
