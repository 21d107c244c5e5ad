//! `/badge/NAME.svg`: one word about one model, to stand in a readme or a wiki.

use super::models::{Standing, models};
use crate::http::AppState;
use crate::http::web::plain::escape;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

pub(crate) async fn badge(State(state): State<AppState>, Path(file): Path<String>) -> Response {
    let Some(name) = file.strip_suffix(".svg") else {
        return (StatusCode::NOT_FOUND, "a badge is called NAME.svg\n").into_response();
    };
    let found = models(&state).await.into_iter().find(|m| m.name == name);
    let (word, color) = match found.map(|m| m.standing) {
        None => ("unknown", "#6b7785"),
        Some(Standing::Fine) => ("working", "#23743c"),
        Some(Standing::Degraded) => ("degraded", "#8f5a00"),
        Some(Standing::Down) => ("failing", "#b3261e"),
    };
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    (headers, drawn(name, word, color)).into_response()
}

/// Widths by the number of characters: a badge has no font of its own.
fn drawn(name: &str, word: &str, color: &str) -> String {
    let name: String = name.chars().take(40).collect();
    let wide = |text: &str| 14 + 7 * text.chars().count();
    let (left, right) = (wide(&name), wide(word));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" font-family=\"Verdana, sans-serif\" font-size=\"11\" fill=\"#fff\">\
         <title>{name}: {word}</title><rect width=\"{left}\" height=\"20\" fill=\"#3a4653\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{color}\"/>\
         <text x=\"7\" y=\"14\">{name}</text><text x=\"{at}\" y=\"14\">{word}</text></svg>\n",
        all = left + right,
        at = left + 7,
        name = escape(&name),
    )
}
