//! Pages of other sites: whether a browser lets them read what the API answers.
//!
//! A browser asks first (OPTIONS), without any login, and is told which methods and headers there are; whether the page may
//! read is said by one header, and only to origins that `web.cors_origin` names. Logins of the browser itself are never
//! taken: whoever has a token sends it.

use super::AppState;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// As Prometheus has them.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Accept, Authorization, Content-Type, Origin"),
    ),
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Date"),
    ),
    (header::VARY, HeaderValue::from_static("Origin")),
];

pub(crate) async fn cross_origin(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    if let Some(origin) = origin {
        tell(&state, &origin, response.headers_mut());
    }
    response
}

fn tell(state: &AppState, origin: &HeaderValue, headers: &mut HeaderMap) {
    let config = state.config();
    let Some(pattern) = &config.web.cors_origin else {
        return;
    };
    for (name, value) in HEADERS {
        headers.append(name, value);
    }
    let allowed = origin.to_str().ok().and_then(|o| pattern.allowed(o));
    if let Some(allowed) = allowed.and_then(|a| HeaderValue::from_str(a).ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    }
}
