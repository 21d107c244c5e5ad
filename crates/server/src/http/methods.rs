//! A method that a path does not have: the answer says which ones it has, in words too.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

pub(crate) async fn name(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let is_silent = !response.headers().contains_key(header::CONTENT_TYPE);
    if response.status() != StatusCode::METHOD_NOT_ALLOWED || !is_silent {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let allowed = parts.headers.get(header::ALLOW).and_then(|a| a.to_str().ok());
    let methods = allowed.unwrap_or("none").replace(',', ", ");
    let message = format!("{method} is not allowed on {path}; allowed: {methods}\n");
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    Response::from_parts(parts, Body::from(message))
}
