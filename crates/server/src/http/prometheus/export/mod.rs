//! `/api/v1/export`: every sample of what matches, as text that is sent while it is read.
//!
//! 1. The parameters are read and the series named; what is wrong with them is said before the first byte.
//! 2. A thread of its own walks through them (`walk`) and hands over pieces; it waits for whoever reads.
//! 3. A failure on the way cuts the answer off without its end: half an export is never taken for a whole one.
//!
//! Bounds: so many exports at once, some pieces on their way, one series' samples of a month in memory.

mod walk;

use super::envelope::{ApiError, ErrorClass};
use super::params::{Params, invalid};
use super::selector;
use crate::http::{AppState, with_causes};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use lapwing_store::metrics::MetricsStore;
use std::io;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use walk::{Asked, Form, Stopped, walk};

const EXPORTS_MAX: usize = 2;
/// Pieces that wait for the client.
const PIECES_MAX: usize = 4;
/// A client that takes nothing for so long has gone.
const STALL_MAX: Duration = Duration::from_secs(60);

/// How many exports may run; shared by all requests.
#[derive(Clone)]
pub(crate) struct Exports(Arc<Semaphore>);

impl Default for Exports {
    fn default() -> Self {
        Exports(Arc::new(Semaphore::new(EXPORTS_MAX)))
    }
}

/// `match[]`, several times; `start` and `end`; `format`: `jsonl` as VictoriaMetrics writes it, or `openmetrics`.
pub(crate) async fn export(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let asked = asked(&params)?;
    let Ok(slot) = state.exports.0.clone().try_acquire_owned() else {
        let message = format!("{EXPORTS_MAX} exports run already; ask again when one has ended");
        return Err(ApiError::new(ErrorClass::Unavailable, message));
    };
    let content_type = asked.form.content_type();
    let (to, from) = mpsc::channel(PIECES_MAX);
    let (store, closing) = (state.engine.store().clone(), state.closing.clone());
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let send = |piece| match handle.block_on(tokio::time::timeout(STALL_MAX, to.send(piece))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Stopped::Gone),
        };
        let asked = asked.within(held(&store));
        let walked = walk(&store.snapshot(), &asked, &mut |text| {
            let is_closing = *closing.borrow();
            if is_closing {
                return Err(Stopped::Closing);
            }
            send(Piece::Text(Bytes::from(text)))
        });
        match walked.and_then(|()| send(Piece::End)) {
            Ok(()) => {}
            Err(Stopped::Gone) => tracing::debug!("nobody took an export any more"),
            Err(Stopped::Closing) => tracing::warn!("an export was cut off: Lapwing ends"),
            Err(Stopped::Unread(error)) => tracing::warn!(why = with_causes(&error), "an export was cut off"),
        }
    });
    let body = Body::from_stream(whole(from));
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

enum Piece {
    Text(Bytes),
    /// Nothing is missing.
    End,
}

/// The pieces; an error where their end was not told, for whatever reason.
fn whole(mut pieces: mpsc::Receiver<Piece>) -> impl Stream<Item = io::Result<Bytes>> {
    let mut has_ended = false;
    stream::poll_fn(move |context| {
        Poll::Ready(match ready!(pieces.poll_recv(context)) {
            Some(Piece::Text(text)) => Some(Ok(text)),
            Some(Piece::End) => {
                has_ended = true;
                None
            }
            None if has_ended => None,
            None => {
                has_ended = true;
                Some(Err(io::Error::other("the export was cut off")))
            }
        })
    })
}

fn asked(params: &Params) -> Result<Asked, ApiError> {
    params.require("match[]").map_err(|_| {
        invalid(
            "match[]",
            "say which series; match[]={__name__!=\"\"} means all of them",
        )
    })?;
    let selectors = params
        .all("match[]")
        .map(|text| selector::matchers("match[]", text))
        .collect::<Result<Vec<_>, _>>()?;
    let form = match params.get("format") {
        None | Some("jsonl") => Form::Lines,
        Some("openmetrics") => Form::OpenMetrics,
        Some(other) => {
            let message = format!("{other:?} is no format of an export; there are jsonl and openmetrics");
            return Err(invalid("format", &message));
        }
    };
    let (start_ms, end_ms) = params.time_range_ms()?;
    if start_ms > end_ms {
        return Err(invalid("end", "end timestamp must not be before start time"));
    }
    Ok(Asked {
        selectors,
        start_ms,
        end_ms,
        form,
    })
}

/// When the oldest and the newest sample were: all of time is walked through only where there is anything.
fn held(store: &MetricsStore) -> (i64, i64) {
    let blocks = store.blocks();
    let oldest = blocks.iter().map(|(_, meta)| meta.min_ms).min();
    let newest = blocks.iter().map(|(_, meta)| meta.max_ms).max();
    // An empty head says 0.
    let of_head = Some(store.stats().head_min_ms).filter(|ms| *ms != 0);
    let oldest = [oldest, of_head].into_iter().flatten().min();
    let newest = [newest, store.snapshot().newest_ms()].into_iter().flatten().max();
    (oldest.unwrap_or(0), newest.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Live, Started};
    use axum::http::StatusCode;
    use axum::http::Uri;
    use futures_util::StreamExt;
    use lapwing::{Engine, EngineOptions};
    use tokio::sync::watch;

    /// One series in memory, and the switch that closes the doors.
    fn state() -> (AppState, watch::Sender<bool>) {
        let options = EngineOptions {
            host_interval: None,
            own_interval: None,
            ..EngineOptions::default()
        };
        let engine = Engine::start(&options).unwrap();
        let mut appender = engine.store().appender("test", engine.now_ms());
        let page = b"up{job=\"a\"} 1\n";
        let format = lapwing_wire::text::Format::Prometheus;
        let batch = lapwing_wire::text::parse_to_batch(page, format, engine.now_ms()).unwrap();
        appender.append_batch(&batch);
        appender.commit().unwrap();
        let (open, closing) = watch::channel(false);
        let live = Live::new(&engine, Started::defaults());
        (AppState::new(&engine, live, closing), open)
    }

    async fn asked_for(state: &AppState, query: &str) -> Response {
        let uri: Uri = format!("/api/v1/export?{query}").parse().unwrap();
        let request = axum::http::Request::get(uri).body(Body::empty()).unwrap();
        use axum::extract::FromRequest;
        let params = Params::from_request(request, &()).await.unwrap();
        export(State(state.clone()), params).await.into_response()
    }

    async fn text_of(response: Response) -> Result<String, axum::Error> {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_end_of_the_program_cuts_an_export_off() {
        let (state, open) = state();
        let whole = asked_for(&state, "match[]=up&format=openmetrics").await;
        assert!(text_of(whole).await.unwrap().ends_with("\n# EOF\n"));
        open.send_replace(true);
        let cut = asked_for(&state, "match[]=up").await;
        assert!(text_of(cut).await.is_err());
    }

    #[tokio::test]
    async fn pieces_without_an_end_are_no_whole() {
        for (is_told, expect) in [(true, vec![true]), (false, vec![true, false])] {
            let (to, from) = mpsc::channel(2);
            to.send(Piece::Text(Bytes::from("a"))).await.ok().unwrap();
            if is_told {
                to.send(Piece::End).await.ok().unwrap();
            }
            drop(to);
            let found: Vec<bool> = whole(from).map(|piece| piece.is_ok()).collect().await;
            assert_eq!(found, expect);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn exports_are_bounded() {
        let (state, _open) = state();
        let all = state
            .exports
            .0
            .clone()
            .acquire_many_owned(EXPORTS_MAX as u32)
            .await
            .unwrap();
        let refused = asked_for(&state, "match[]=up").await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(text_of(refused).await.unwrap().contains("2 exports run already"));
        drop(all);
        assert_eq!(asked_for(&state, "match[]=up").await.status(), StatusCode::OK);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_wrong_is_said_before_the_first_byte() {
        let (state, _open) = state();
        for (query, expect) in [
            ("", "say which series"),
            ("match[]=", "say which series"),
            ("match[]=up{", "match[]"),
            ("match[]=up&format=xml", "there are jsonl and openmetrics"),
            ("match[]=up&start=5&end=4", "must not be before"),
            ("match[]=up&start=soon", "start"),
        ] {
            let refused = asked_for(&state, query).await;
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{query}");
            let said = text_of(refused).await.unwrap();
            assert!(said.contains(expect), "{query}: {said}");
        }
        let nothing = asked_for(&state, "match[]=down").await;
        assert_eq!(text_of(nothing).await.unwrap(), "");
    }
}
