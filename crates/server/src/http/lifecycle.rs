//! `/-/reload`: takes up the configuration as it is written now. `/-/quit`, in the place of a Prometheus: ends the program.

use super::AppState;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/-/reload", post(reload).put(reload))
        .route("/-/quit", post(quit).put(quit))
}

/// 200 when the new one is in force; 500 with everything that is wrong with it when the old one stays.
async fn reload(State(state): State<AppState>) -> Response {
    if !state.config().web.lifecycle {
        return (StatusCode::FORBIDDEN, "the lifecycle API is not enabled\n").into_response();
    }
    match state.live.reload(&state.engine, "POST /-/reload").await {
        Ok(status) if status.needs_restart.is_empty() => "reloaded\n".into_response(),
        Ok(status) => format!(
            "reloaded; counts only after a restart: {}\n",
            status.needs_restart.join(", ")
        )
        .into_response(),
        Err(error) => {
            let text = format!("failed to reload config: {}\n", error.full());
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

/// The end comes in order, as with SIGTERM: this request is answered too.
async fn quit(State(state): State<AppState>) -> Response {
    if !state.config().web.as_prometheus.may_quit {
        return (StatusCode::FORBIDDEN, "the lifecycle API is not enabled\n").into_response();
    }
    state.quit.notify_one();
    "Requesting termination... Goodbye!".into_response()
}
