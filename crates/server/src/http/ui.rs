//! The web UI: files from the table that the build made; every path that is not the API's shows the page, so that a
//! link into it works.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// No other host, no inline script; styles may be inline because charts set them.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     object-src 'none'; base-uri 'self'; frame-ancestors 'self'",
);

/// Paths below these are the API's: an unknown one is 404 in plain text, which is what Grafana's probing expects.
const API_PREFIXES: [&str; 6] = ["/api/", "/-/", "/v1/", "/metrics", "/federate", "/debug/"];

pub(crate) async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if API_PREFIXES.iter().any(|p| path.starts_with(p)) {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    }
    let file = path.trim_start_matches('/');
    match lapwing_ui::asset(file) {
        Some(asset) => answer(asset, &headers),
        // A file that is not there must not be answered with a page.
        None if file.starts_with("assets/") => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
        None => match lapwing_ui::asset("index.html") {
            Some(page) => answer(page, &headers),
            None => (StatusCode::NOT_FOUND, "this build carries no web UI\n").into_response(),
        },
    }
}

fn answer(asset: lapwing_ui::Asset, headers: &HeaderMap) -> Response {
    let same = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == asset.etag));
    if same {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, asset.etag)]).into_response();
    }
    let cache = if asset.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut response = Response::new(Body::from(asset.bytes_gzip));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(header::ETAG, HeaderValue::from_static(asset.etag));
    out.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    out.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    out.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
