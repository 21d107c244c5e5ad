//! `POST /api/v1/push`: for people with nothing but curl.
//!
//! `{"name": "loss", "value": 0.3, "type": "gauge", "labels": {"model": "chat"}, "description": "…"}`, one or a list.

use super::body::{self, Refused, with_causes};
use super::import::{Decoded, Kept, keep};
use crate::http::AppState;
use axum::extract::{Request, State};
use lapwing_wire::push;

pub(crate) async fn push(State(state): State<AppState>, request: Request) -> Result<Kept, Refused> {
    let received = body::receive(&state, "push", request).await?;
    keep(&state, "push", received, |body, _, now_ms| {
        let pushed = push::parse_push(body, now_ms).map_err(|e| Refused::bad(with_causes(&e)))?;
        Ok(Decoded {
            batch: pushed.batch,
            mistakes: pushed.mistakes.iter().map(|m| with_causes(m)).collect(),
        })
    })
    .await
}
