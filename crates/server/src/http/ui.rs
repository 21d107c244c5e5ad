//! The web UI: files from the table that the build made; every path that is not the API's shows the page, so that a
//! link into it works.

use super::AppState;
use super::web::escape;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use std::io::Read;

/// No other host, no inline script; styles may be inline because charts set them.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     object-src 'none'; base-uri 'self'; frame-ancestors 'self'",
);

const PAGE: &str = "index.html";

/// Paths below these are the API's: an unknown one is 404 in plain text, which is what Grafana's probing expects.
const API_PREFIXES: [&str; 6] = ["/api/", "/-/", "/v1/", "/metrics", "/federate", "/debug/"];

/// What no route takes: a page of the web UI for whoever asks for one.
pub(crate) async fn fallback(
    State(state): State<AppState>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if method == Method::GET || method == Method::HEAD {
        return serve(&state, &uri, &headers);
    }
    // Whoever sends something to a wrong path must not be told that all is well.
    let said = format!("nothing takes {method} {} here; is the path right?\n", uri.path());
    (StatusCode::NOT_FOUND, said).into_response()
}

pub(crate) fn serve(state: &AppState, uri: &Uri, headers: &HeaderMap) -> Response {
    let path = uri.path();
    if API_PREFIXES.iter().any(|p| path.starts_with(p)) {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    }
    let file = path.trim_start_matches('/');
    match lapwing_ui::asset(file) {
        Some(asset) if file != PAGE => answer(asset, headers),
        // A file that is not there must not be answered with a page.
        None if file.starts_with("assets/") => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
        _ => page(&state.config().web.seen_under()),
    }
}

/// The page, which knows under which path it and all else stands.
fn page(base: &str) -> Response {
    let Some(asset) = lapwing_ui::asset(PAGE) else {
        return (StatusCode::NOT_FOUND, "this build carries no web UI\n").into_response();
    };
    let mut text = String::new();
    if GzDecoder::new(asset.bytes_gzip)
        .read_to_string(&mut text)
        .is_err()
    {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let shown = escape(base);
    let text = text.replace("\"./", &format!("\"{shown}/")).replace(
        "<meta name=\"base\" content=\"\"",
        &format!("<meta name=\"base\" content=\"{shown}\""),
    );
    let mut response = Response::new(Body::from(text));
    put_headers(response.headers_mut(), asset.content_type, "no-cache");
    response
}

/// Every browser does; `curl` and most libraries do not unless they are told to.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING);
    let words = accepted
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    words.into_iter().any(|word| {
        let (name, quality) = word.split_once(';').unwrap_or((word, ""));
        let quality = quality
            .trim()
            .strip_prefix("q=")
            .map_or(Ok(1.0), |q| q.trim().parse::<f32>());
        matches!(name.trim(), "gzip" | "x-gzip" | "*") && quality.is_ok_and(|q| q > 0.0)
    })
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
    let mut response = if takes_gzip(headers) {
        let mut packed = Response::new(Body::from(asset.bytes_gzip));
        let out = packed.headers_mut();
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        out.insert(header::ETAG, HeaderValue::from_static(asset.etag));
        packed
    } else {
        let mut plain = Vec::new();
        match GzDecoder::new(asset.bytes_gzip).read_to_end(&mut plain) {
            Ok(_) => Response::new(Body::from(plain)),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    };
    let out = response.headers_mut();
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    put_headers(out, asset.content_type, cache);
    response
}

fn put_headers(out: &mut HeaderMap, content_type: &'static str, cache: &'static str) {
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    out.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    out.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accepted: Option<&'static str>, is_packed: bool) {
        let mut headers = HeaderMap::new();
        if let Some(accepted) = accepted {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        }
        assert_eq!(takes_gzip(&headers), is_packed, "{accepted:?}");
    }

    #[test]
    fn only_who_takes_gzip_gets_it() {
        check(Some("gzip, deflate, br"), true);
        check(Some("br;q=1.0, gzip;q=0.8, *;q=0.1"), true);
        check(Some("*"), true);
        check(None, false);
        check(Some("identity"), false);
        check(Some("gzip;q=0"), false);
        check(Some("deflate"), false);
    }

    async fn text_of(answer: Response) -> String {
        assert!(!answer.headers().contains_key(header::CONTENT_ENCODING));
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        String::from_utf8_lossy(&body).into_owned()
    }

    #[tokio::test]
    async fn the_page_names_its_files_where_they_stand() {
        let plain = text_of(page("")).await;
        assert!(plain.contains("src=\"/assets/"), "{plain}");
        let under = text_of(page("/pre/fix")).await;
        assert!(under.contains("src=\"/pre/fix/assets/"), "{under}");
        assert!(
            under.contains("<meta name=\"base\" content=\"/pre/fix\""),
            "{under}"
        );
        assert!(
            !under.contains("\"/assets/") && !under.contains("\"./"),
            "{under}"
        );
        let odd = text_of(page("/a\"><i")).await;
        assert!(!odd.contains("<i"), "{odd}");
    }
}
