//! Reads a request's body within bounds.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::read::MultiGzDecoder;
use std::error::Error;
use std::fmt::Write;
use std::io::Read;

/// Prometheus sends at most a few MiB; a batch of 100 000 samples is about 10 MiB unpacked.
pub(crate) const BODY_BYTES_MAX: usize = 32 << 20;
/// What a compressed body may unpack to.
pub(crate) const UNPACKED_BYTES_MAX: usize = 128 << 20;

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

pub(crate) async fn read(body: Body) -> Result<Bytes, Refused> {
    axum::body::to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(e) = cause {
            if e.is::<http_body_util::LengthLimitError>() {
                return Refused::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("the body is larger than {BODY_BYTES_MAX} bytes; send it in parts"),
                );
            }
            cause = e.source();
        }
        Refused::bad(format!("the body could not be read: {error}"))
    })
}

/// Undoes `Content-Encoding: gzip`; other encodings but none are refused by name.
pub(crate) fn unpack_gzip(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Refused> {
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map_or("identity", |v| v.to_str().unwrap_or("?"));
    match encoding {
        "identity" | "" => Ok(body),
        "gzip" => {
            let mut out = Vec::with_capacity(body.len() * 4);
            let limit = UNPACKED_BYTES_MAX as u64 + 1;
            MultiGzDecoder::new(&body[..])
                .take(limit)
                .read_to_end(&mut out)
                .map_err(|e| Refused::bad(format!("the body is not valid gzip: {e}")))?;
            if out.len() > UNPACKED_BYTES_MAX {
                return Err(Refused::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("the body unpacks to more than {UNPACKED_BYTES_MAX} bytes"),
                ));
            }
            Ok(out.into())
        }
        other => Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content encoding {other:?} is not supported here; use gzip or none"),
        )),
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
