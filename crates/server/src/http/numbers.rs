//! How often each handler was asked, what it answered, and how long that took.

use super::AppState;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use lapwing::clock::Stopwatch;
use lapwing::meter::{Counter, Gauge, Latency, Meter};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What no route names is a file of the web UI, or nothing.
const FILES: &str = "files";

#[derive(Clone)]
pub(crate) struct HttpNumbers {
    shared: Arc<Shared>,
}

struct Shared {
    meter: Meter,
    handlers: Mutex<HashMap<String, Handler>>,
    in_flight: Gauge,
}

struct Handler {
    seconds: Latency,
    by_code: HashMap<u16, Counter>,
}

impl HttpNumbers {
    pub(crate) fn new(meter: &Meter) -> Self {
        let help = "HTTP requests whose answer has not begun.";
        HttpNumbers {
            shared: Arc::new(Shared {
                meter: meter.clone(),
                handlers: Mutex::default(),
                in_flight: meter.gauge("lapwing_http_requests_in_flight", help, &[]),
            }),
        }
    }

    /// Routes are few: their names are ours, whatever path was asked for.
    fn note(&self, route: &str, code: u16, seconds: f64) {
        let mut handlers = self
            .shared
            .handlers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let labels = [("handler", route)];
        if !handlers.contains_key(route) {
            let help = "Time until an answer to an HTTP request began.";
            let name = "lapwing_http_request_duration_seconds";
            let handler = Handler {
                seconds: self.shared.meter.latency(name, help, &labels),
                by_code: HashMap::new(),
            };
            handlers.insert(route.to_owned(), handler);
        }
        let Some(handler) = handlers.get_mut(route) else {
            return;
        };
        handler.seconds.observe_s(seconds);
        let counter = handler.by_code.entry(code).or_insert_with(|| {
            let help = "HTTP requests by route and status.";
            let labels = [("handler", route), ("code", &code.to_string())];
            self.shared
                .meter
                .counter("lapwing_http_requests_total", help, &labels)
        });
        counter.inc();
    }
}

/// A request whose answer has not begun; ends also when the client leaves.
struct UnderWay(Gauge);

impl UnderWay {
    fn begin(in_flight: &Gauge) -> Self {
        in_flight.add(1.0);
        UnderWay(in_flight.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}

pub(crate) async fn count(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let watch = Stopwatch::start();
    let under_way = UnderWay::begin(&state.numbers.shared.in_flight);
    let response = next.run(request).await;
    drop(under_way);
    let route = route.as_ref().map_or(FILES, MatchedPath::as_str);
    state
        .numbers
        .note(route, response.status().as_u16(), watch.elapsed_s());
    response
}
