//! OTLP metrics: HTTP with protobuf or JSON, and gRPC, all on the one port.
//!
//! Answers as the protocol wants them: 200 with `partial_success` when points were refused, 400 for what does not decode
//! (never to be retried), 503 with Retry-After when it should come again. gRPC says the same in its trailers.

use super::body::{self, Received, Refused, gunzip, with_causes};
use super::gate::Why;
use crate::http::AppState;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use lapwing::OtlpFailure;
use lapwing_wire::otlp::{self, Rejection};

/// Codes of gRPC that are used here.
const GRPC_OK: u32 = 0;
const GRPC_INVALID_ARGUMENT: u32 = 3;
const GRPC_DEADLINE_EXCEEDED: u32 = 4;
const GRPC_RESOURCE_EXHAUSTED: u32 = 8;
const GRPC_UNIMPLEMENTED: u32 = 12;
const GRPC_UNAVAILABLE: u32 = 14;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

pub(crate) async fn http(State(state): State<AppState>, request: Request) -> Response {
    let encoding = match encoding_of(request.headers()) {
        Ok(encoding) => encoding,
        Err(refused) => return refused.into_response(),
    };
    match take(&state, encoding, request).await {
        Ok(rejections) => accepted(encoding, &rejections),
        Err(refused) => failed(encoding, refused),
    }
}

fn encoding_of(headers: &HeaderMap) -> Result<Encoding, Refused> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    match content_type.split(';').next().unwrap_or("").trim() {
        "application/x-protobuf" => Ok(Encoding::Protobuf),
        "application/json" => Ok(Encoding::Json),
        other => Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content type {other:?} is not OTLP; use application/x-protobuf or application/json"),
        )),
    }
}

async fn take(state: &AppState, encoding: Encoding, request: Request) -> Result<Vec<Rejection>, Refused> {
    let received = receive(state, request).await?;
    let inner = state.clone();
    state
        .engine
        .compute_ingest(move || append(&inner, encoding, &received.source, &received.unpack_gzip()?))
        .await
        .map_err(|e| Refused::later(e.to_string()))?
}

async fn receive(state: &AppState, request: Request) -> Result<Received, Refused> {
    if !state.config().receive.otlp {
        return Err(Refused::closed("OTLP", "receive.otlp"));
    }
    body::receive(state, "otlp", request).await
}

fn append(
    state: &AppState,
    encoding: Encoding,
    source: &str,
    message: &[u8],
) -> Result<Vec<Rejection>, Refused> {
    let request = match encoding {
        Encoding::Protobuf => otlp::decode_proto(message),
        Encoding::Json => otlp::decode_json(message),
    }
    .map_err(|e| Refused::bad(with_causes(&e)))?;
    let kept = state
        .engine
        .keep_otlp(source, &request)
        .map_err(|failure| match failure {
            OtlpFailure::Request(error) => Refused::bad(with_causes(&error)),
            later => Refused::later(with_causes(&later)),
        })?;
    state.gate.charge(source, "otlp", kept.samples);
    Ok(kept.rejections)
}

fn accepted(encoding: Encoding, rejections: &[Rejection]) -> Response {
    match encoding {
        Encoding::Protobuf => (
            [(header::CONTENT_TYPE, "application/x-protobuf")],
            otlp::encode_response_proto(rejections),
        )
            .into_response(),
        Encoding::Json => (
            [(header::CONTENT_TYPE, "application/json")],
            otlp::encode_response_json(rejections),
        )
            .into_response(),
    }
}

fn failed(encoding: Encoding, refused: Refused) -> Response {
    let code = grpc_code(&refused);
    let message = refused.message.clone();
    let mut response = refused.into_response();
    let (kind, text) = match encoding {
        Encoding::Protobuf => (
            "application/x-protobuf",
            otlp::encode_status_proto(code, &message),
        ),
        Encoding::Json => (
            "application/json",
            otlp::encode_status_json(code, &message).into_bytes(),
        ),
    };
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(text);
    response
}

fn grpc_code(refused: &Refused) -> u32 {
    match refused.status {
        StatusCode::SERVICE_UNAVAILABLE => GRPC_UNAVAILABLE,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => GRPC_RESOURCE_EXHAUSTED,
        StatusCode::REQUEST_TIMEOUT => GRPC_DEADLINE_EXCEEDED,
        StatusCode::NOT_FOUND => GRPC_UNIMPLEMENTED,
        _ => GRPC_INVALID_ARGUMENT,
    }
}

/// `MetricsService/Export` over gRPC: one message in, one message out, the verdict in the trailers.
pub(crate) async fn grpc(State(state): State<AppState>, request: Request) -> Response {
    match grpc_message(&state, request).await {
        Ok(rejections) => grpc_response(Some(otlp::encode_response_proto(&rejections)), GRPC_OK, ""),
        Err(refused) => {
            let mut response = grpc_response(None, grpc_code(&refused), &refused.message);
            response.extensions_mut().insert(Why(refused.status));
            response
        }
    }
}

async fn grpc_message(state: &AppState, request: Request) -> Result<Vec<Rejection>, Refused> {
    let received = receive(state, request).await?;
    let inner = state.clone();
    let kept = state
        .engine
        .compute_ingest(move || {
            let message = unframe(&received)?;
            append(&inner, Encoding::Protobuf, &received.source, &message)
        })
        .await;
    kept.map_err(|e| Refused::later(e.to_string()))?
}

/// A flag, four bytes of length, the message.
fn unframe(received: &Received) -> Result<Bytes, Refused> {
    let framed = &received.body;
    let Some(head) = framed.first_chunk::<5>() else {
        return Err(Refused::bad("the request has no message"));
    };
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let message = framed.slice(5..);
    if message.len() != length {
        return Err(Refused::bad("the message's length does not agree with its frame"));
    }
    let encoding = received.headers.get("grpc-encoding").map(HeaderValue::as_bytes);
    match (head[0], encoding) {
        (0, _) => Ok(message),
        (1, Some(b"gzip")) => gunzip(&message, received.unpacked_bytes_max),
        _ => Err(Refused::new(
            StatusCode::NOT_FOUND,
            "only gzip and no compression are supported",
        )),
    }
}

fn grpc_response(message: Option<Vec<u8>>, code: u32, text: &str) -> Response {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    if !text.is_empty() {
        let escaped: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let escaped = escaped.replace('+', "%20");
        if let Ok(value) = HeaderValue::from_str(&escaped) {
            trailers.insert("grpc-message", value);
        }
    }
    let mut framed = Vec::new();
    if let Some(message) = message {
        framed.push(0);
        framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
        framed.extend_from_slice(&message);
    }
    let body = http_body_util::Full::new(Bytes::from(framed)).with_trailers(std::future::ready(Some(Ok::<
        _,
        std::convert::Infallible,
    >(
        trailers,
    ))));
    let mut response = Response::new(Body::new(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_must_be_whole() {
        let framed = |bytes: &[u8]| unframe(&Received::of(bytes)).map_err(|r| grpc_code(&r));
        assert_eq!(framed(&[0, 0, 0, 0, 1, 7]), Ok(Bytes::from_static(&[7])));
        assert_eq!(framed(&[0, 0, 0, 0, 2, 7]), Err(GRPC_INVALID_ARGUMENT));
        assert_eq!(framed(&[0, 0]), Err(GRPC_INVALID_ARGUMENT));
        assert_eq!(framed(&[1, 0, 0, 0, 1, 7]), Err(GRPC_UNIMPLEMENTED));
    }
}
