//! Reads a request's body within bounds.

use super::gate::{Gate, Held, source_of};
use crate::config::LimitsConfig;
use crate::http::AppState;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use lapwing_store::metrics::AppendOutcome;
use std::error::Error;
use std::fmt::Write;
use std::io::Read;
use std::time::Duration;

/// A request whose body is here, and counted as in work until this is dropped.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Under which name its series are counted.
    pub(crate) source: String,
    pub(crate) unpacked_bytes_max: usize,
    _held: Held,
}

/// Why a request was not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) retry_after_s: Option<u32>,
}

impl Refused {
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Refused::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Refused {
            status,
            message: message.into(),
            retry_after_s: None,
        }
    }

    /// The configuration keeps this door shut.
    pub(crate) fn closed(what: &str, key: &str) -> Self {
        Refused::new(
            StatusCode::NOT_FOUND,
            format!("{what} is not taken here; {key}: true turns it on"),
        )
    }

    /// The caller should come again.
    pub(crate) fn later(message: impl Into<String>) -> Self {
        Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: message.into(),
            retry_after_s: Some(5),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.message)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Reads the body of a request that its source may send, within the limits of the configuration.
pub(crate) async fn receive(state: &AppState, protocol: &str, request: Request) -> Result<Received, Refused> {
    let config = state.config();
    let limits = &config.limits;
    let source = source_of(protocol, &request);
    state
        .gate
        .admit(&source, limits.samples_per_second, state.engine.now_ms())?;
    let (parts, body) = request.into_parts();
    let mut held = Held::default();
    let reading = read(&state.gate, &mut held, body, limits);
    let timeout = Duration::from_millis(limits.body_timeout_ms.unsigned_abs());
    let body = tokio::time::timeout(timeout, reading).await.map_err(|_| {
        Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the body did not arrive within {} ms (limits.body_timeout)",
                limits.body_timeout_ms
            ),
        )
    })??;
    Ok(Received {
        headers: parts.headers,
        body,
        source,
        unpacked_bytes_max: limits.unpacked_bytes_max,
        _held: held,
    })
}

async fn read(gate: &Gate, held: &mut Held, mut body: Body, limits: &LimitsConfig) -> Result<Bytes, Refused> {
    let max = limits.body_bytes_max;
    let too_large = || {
        Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {max} bytes (limits.body); send it in parts"),
        )
    };
    let announced_bytes = body.size_hint().lower();
    if announced_bytes > max as u64 {
        return Err(too_large());
    }
    // What is announced may never come: room is taken as it does.
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Refused::bad(format!("the body could not be read: {e}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > max {
            return Err(too_large());
        }
        gate.hold(held, data.len(), limits.bodies_bytes_max)?;
        if whole.is_empty() {
            whole.reserve(
                (announced_bytes as usize)
                    .max(data.len())
                    .min(FIRST_RESERVE_BYTES_MAX),
            );
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// Reserved on the word of a sender who has shown nothing yet.
const FIRST_RESERVE_BYTES_MAX: usize = 4 << 20;

impl Received {
    #[cfg(test)]
    pub(super) fn of(body: &[u8]) -> Self {
        Received {
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body),
            source: "test".to_owned(),
            unpacked_bytes_max: 1 << 20,
            _held: Held::default(),
        }
    }

    /// Undoes `Content-Encoding: gzip`; other encodings but none are refused by name.
    pub(crate) fn unpack_gzip(&self) -> Result<Bytes, Refused> {
        let encoding = self
            .headers
            .get(header::CONTENT_ENCODING)
            .map_or("identity", |v| v.to_str().unwrap_or("?"));
        match encoding {
            "identity" | "" => Ok(self.body.clone()),
            "gzip" => gunzip(&self.body, self.unpacked_bytes_max),
            other => Err(Refused::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("content encoding {other:?} is not supported here; use gzip or none"),
            )),
        }
    }
}

/// All members of the stream, up to a bound.
pub(crate) fn gunzip(packed: &[u8], unpacked_bytes_max: usize) -> Result<Bytes, Refused> {
    let mut out = Vec::with_capacity((packed.len() * 4).min(unpacked_bytes_max));
    MultiGzDecoder::new(packed)
        .take(unpacked_bytes_max as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|e| Refused::bad(format!("the body is not valid gzip: {e}")))?;
    if out.len() > unpacked_bytes_max {
        return Err(Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body unpacks to more than {unpacked_bytes_max} bytes (limits.unpacked_body)"),
        ));
    }
    Ok(out.into())
}

/// Nothing was kept for want of memory alone: whoever sent it should send it again.
pub(crate) fn unless_for_later(outcome: AppendOutcome) -> Result<AppendOutcome, Refused> {
    match outcome.refused.first() {
        Some(first) if outcome.is_for_later() => Err(Refused::later(format!(
            "{} refused, nothing is kept:\n{first}",
            outcome.refused_count
        ))),
        _ => Ok(outcome),
    }
}

/// `up{job="a"} at 1700000000000: the reason`.
pub(crate) fn refusal_line(refused: &lapwing_store::metrics::Refused) -> String {
    refused.to_string()
}

/// An error with what caused it, on one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_store::metrics::{Refusal, Refused as NotKept};
    use lapwing_types::Labels;

    #[test]
    fn what_memory_alone_refused_may_come_again() {
        let outcome = |samples: usize, reasons: &[Refusal]| AppendOutcome {
            samples,
            refused_count: reasons.len(),
            refused: reasons
                .iter()
                .map(|reason| NotKept {
                    labels: Labels::from_pairs([("__name__", "up")]).unwrap(),
                    t_ms: None,
                    reason: reason.clone(),
                })
                .collect(),
            ..AppendOutcome::default()
        };
        let memory = Refusal::MemoryLimit { limit_bytes: 1 };
        let check = |samples: usize, reasons: &[Refusal], expect: Option<u16>| {
            let status = unless_for_later(outcome(samples, reasons)).err();
            assert_eq!(
                status.map(|r| (r.status.as_u16(), r.retry_after_s)),
                expect.map(|s| (s, Some(5)))
            );
        };
        check(0, std::slice::from_ref(&memory), Some(503));
        check(1, std::slice::from_ref(&memory), None);
        check(0, &[memory, Refusal::SeriesMax { max: 1 }], None);
        check(0, &[], None);
    }
}
