//! A badge for a page: the name on the left, the state on the right, in its colour.

use crate::http::{AppState, web};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use lapwing_types::HealthState;

/// `/badge/NAME.svg`; `system` is the whole.
pub(super) async fn badge(State(state): State<AppState>, Path(file): Path<String>) -> Response {
    let name = file.strip_suffix(".svg").unwrap_or(&file);
    let health = state.engine.health();
    let found = match name {
        "system" => health.state_of(None),
        name => health.state_of(Some(name)),
    };
    let Some(found) = found else {
        // A model that nobody checks may still be known by what is alerted about it.
        return web::badge_by_alerts(State(state), Path(file)).await;
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache, max-age=0"),
        ),
    ];
    (headers, svg(name, found)).into_response()
}

fn svg(name: &str, state: HealthState) -> String {
    let colour = match state {
        HealthState::Healthy => "#1a7f37",
        HealthState::Unknown => "#6e7781",
        HealthState::Degraded => "#9a6700",
        HealthState::Unhealthy | HealthState::Critical => "#cf222e",
    };
    let name: String = name.chars().take(60).collect();
    let shown = escape(&name);
    // About seven pixels a character in the font below.
    let width = |text: &str| text.chars().count() * 7 + 12;
    let (left, right) = (width(&name), width(state.as_str()));
    let whole = left + right;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" \
         aria-label=\"{shown}: {state}\"><title>{shown}: {state}</title>\
         <rect width=\"{left}\" height=\"20\" fill=\"#424a53\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\" text-anchor=\"middle\">\
         <text x=\"{}\" y=\"14\">{shown}</text><text x=\"{}\" y=\"14\">{state}</text></g></svg>\n",
        left / 2,
        left + right / 2,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_is_whole_whatever_the_name() {
        let drawn = svg("<chat>", HealthState::Critical);
        assert!(
            drawn.contains("&lt;chat&gt;: critical") && !drawn.contains("<chat>"),
            "{drawn}"
        );
        assert!(drawn.contains("#cf222e") && drawn.ends_with("</svg>\n"));
    }
}
