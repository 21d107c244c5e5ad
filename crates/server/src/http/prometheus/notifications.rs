//! `notifications` and `notifications/live`: what whoever looks at the UI should know about Lapwing itself.
//!
//! Alerts are not meant: this is about a configuration that was not taken up, or a program that is about to end. The live form is
//! a stream of server-sent events that says what began and what is over.

use super::envelope::{ApiError, Success};
use super::status::rfc3339;
use crate::http::AppState;
use crate::http::web::too_many_listeners;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

/// Prometheus's own words, which its UI and others know.
const RELOAD_FAILED: &str = "Configuration reload has failed.";
const STOPPING: &str = "Lapwing is shutting down and gracefully stopping all operations.";

const PERIOD: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Notification {
    text: String,
    date: String,
    active: bool,
}

fn notification(text: impl Into<String>, since_ms: i64) -> Notification {
    Notification {
        text: text.into(),
        date: rfc3339(since_ms),
        active: true,
    }
}

fn active(state: &AppState) -> Vec<Notification> {
    let reload = state.live.status();
    let mut all = Vec::new();
    if reload.error.is_some() {
        all.push(notification(RELOAD_FAILED, reload.failed_at_ms));
    }
    if !reload.needs_restart.is_empty() {
        let text = format!(
            "Configuration that counts only after a restart: {}.",
            reload.needs_restart.join(", ")
        );
        all.push(notification(text, reload.loaded_at_ms));
    }
    if *state.closing.borrow() {
        all.push(notification(STOPPING, state.engine.now_ms()));
    }
    all
}

pub(crate) async fn list(State(state): State<AppState>) -> Result<Success, ApiError> {
    Success::json(&active(&state))
}

pub(crate) async fn live(State(state): State<AppState>) -> Response {
    let Some(slot) = state.pulse.listen() else {
        return too_many_listeners();
    };
    let watching = Watching {
        state,
        said: Vec::new(),
        waiting: VecDeque::new(),
        is_first: true,
        is_over: false,
    };
    let events = stream::unfold((watching, slot), |(mut watching, slot)| async move {
        let event = watching.next().await?;
        Some((Ok::<Event, Infallible>(event), (watching, slot)))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

struct Watching {
    state: AppState,
    /// What the listener takes to be so.
    said: Vec<Notification>,
    waiting: VecDeque<Notification>,
    is_first: bool,
    is_over: bool,
}

impl Watching {
    /// Waits for something to say; None ends the stream because the server is stopping.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(one) = self.waiting.pop_front() {
                let text = serde_json::to_string(&one).unwrap_or_default();
                return Some(Event::default().data(text));
            }
            if self.is_over {
                return None;
            }
            if !std::mem::take(&mut self.is_first) {
                let mut closing = self.state.closing.clone();
                tokio::select! {
                    () = tokio::time::sleep(PERIOD) => {}
                    _ = closing.wait_for(|closing| *closing) => self.is_over = true,
                }
            }
            let now = active(&self.state);
            self.waiting = changes(&self.said, &now);
            self.said = now;
        }
    }
}

/// What is over, then what is new. The date says when it began, and two that differ only there are two.
fn changes(before: &[Notification], now: &[Notification]) -> VecDeque<Notification> {
    let over = before.iter().filter(|b| !now.contains(b)).map(|b| Notification {
        active: false,
        ..b.clone()
    });
    let new = now.iter().filter(|n| !before.contains(n)).cloned();
    over.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_said_before_what_is_new() {
        let (a, b, c) = (notification("a", 0), notification("b", 0), notification("a", 1));
        let over = |one: &Notification| Notification {
            active: false,
            ..one.clone()
        };
        let check = |before: &[&Notification], now: &[&Notification], expect: Vec<Notification>| {
            let own = |list: &[&Notification]| list.iter().map(|n| (*n).clone()).collect::<Vec<_>>();
            assert_eq!(changes(&own(before), &own(now)), expect);
        };
        check(&[], &[&a, &b], vec![a.clone(), b.clone()]);
        check(&[&a, &b], &[&a, &b], vec![]);
        check(&[&a, &b], &[&b, &c], vec![over(&a), c.clone()]);
        check(&[&c], &[], vec![over(&c)]);
    }
}
