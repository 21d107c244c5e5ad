//! The made-up servers, live: what is scraped and probed, what repairs call, and where pages arrive.
//!
//! Listens on a free loopback port for as long as the demo runs. One path of pages answers 410, so that there is a dead
//! letter to look at.

use super::world::World;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use lapwing::Clock;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The receiver whose address is gone, and what it says of it.
pub(super) const GONE_RECEIVER: &str = "archive";
pub(super) const GONE_REASON: &str = "410 Gone: this ticket system was switched off";

/// A page as it arrived.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) receiver: String,
    pub(crate) status: String,
    pub(crate) alerts: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Stage {
    world: Arc<Mutex<World>>,
    clock: Clock,
    pages: mpsc::UnboundedSender<Page>,
}

impl Stage {
    /// Serves until the task is dropped; pages go to the receiver that comes back.
    pub(crate) fn start(listener: TcpListener, world: World, clock: Clock) -> mpsc::UnboundedReceiver<Page> {
        let (pages, arrived) = mpsc::unbounded_channel();
        let stage = Stage {
            world: Arc::new(Mutex::new(world)),
            clock,
            pages,
        };
        let router = Router::new()
            .route("/pages/{receiver}", post(page))
            .route("/hooks/{name}", post(hook))
            .fallback(get(scrape))
            .with_state(stage);
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's stage broke down");
            }
        });
        arrived
    }
}

async fn scrape(State(stage): State<Stage>, uri: Uri) -> Response {
    let mut world = stage.world.lock().unwrap_or_else(PoisonError::into_inner);
    world.advance(stage.clock.now_ms());
    if let Some((status, said)) = world.probe(uri.path()) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return (status, said).into_response();
    }
    match world.scrape(uri.path()) {
        Some(text) => text.into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "nobody is at home\n").into_response(),
    }
}

async fn hook(State(stage): State<Stage>, Path(name): Path<String>) -> StatusCode {
    let mut world = stage.world.lock().unwrap_or_else(PoisonError::into_inner);
    world.advance(stage.clock.now_ms());
    if world.hook(&name) {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn page(State(stage): State<Stage>, Path(receiver): Path<String>, body: String) -> Response {
    if receiver == "gone" {
        return (StatusCode::GONE, "this ticket system was switched off\n").into_response();
    }
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let alerts = body["alerts"].as_array().into_iter().flatten().map(told);
    let page = Page {
        receiver,
        status: body["status"].as_str().unwrap_or("?").to_owned(),
        alerts: alerts.collect(),
    };
    // Nobody listens any more only while the demo is ending.
    let _ = stage.pages.send(page);
    StatusCode::OK.into_response()
}

/// `EmbedErrors: 14 % of the operations of embed fail`.
fn told(alert: &Value) -> String {
    let text = |part: &str, name: &str| alert[part][name].as_str().unwrap_or("").to_owned();
    let name = text("labels", "alertname");
    match text("annotations", "summary") {
        summary if summary.is_empty() => name,
        summary => format!("{name}: {summary}"),
    }
}
