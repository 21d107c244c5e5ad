//! Pages that need no script: `/plain` for old browsers, text browsers and bad days, `/status` for the public.
//!
//! Every text from outside passes [`escape`]; the pages load nothing but pictures of this server.

use super::models::{self, Model, Standing, models};
use super::render::spread;
use crate::http::AppState;
use crate::http::prometheus::{Params, run_range};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use lapwing::QueryRequest;
use lapwing_notify::dispatch::AlertView;
use lapwing_query::{QueryValue, Series};
use lapwing_types::Labels;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:1rem auto;padding:0 1rem;\
    color:#1b2733;background:#fff}table{border-collapse:collapse;width:100%}td,th{text-align:left;\
    padding:.3rem .8rem .3rem 0;border-bottom:1px solid #dde3e8;vertical-align:top}a{color:#1d5fa3}\
    .bad{color:#a32020;font-weight:600}.warn{color:#7a4d00;font-weight:600}.good{color:#23662f}\
    img{max-width:100%;height:auto;margin:.4rem 0}input[type=text]{width:70%;font:inherit;padding:.3rem}\
    button{font:inherit;padding:.3rem 1rem}nav a{margin-right:1rem}.wide{overflow-x:auto}.wide td:not(.text){white-space:nowrap}\
    @media(max-width:40rem){body{font-size:13px}}\
    @media(prefers-color-scheme:dark){body{color:#e4eaf0;background:#12181f}a{color:#7cc0ff}td,th{border-color:#2a3541}\
    .bad{color:#ff8a92}.warn{color:#e8b04a}.good{color:#6fd08f}}";
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
);
/// A page of this many rows is as long as anybody reads.
const ROWS_MAX: usize = 500;

/// Text as text, whatever it holds.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // These would turn the text around them.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
    out
}

fn page(title: &str, refresh_s: u32, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"{refresh_s}\"><title>{title} · Lapwing</title><style>{STYLE}</style></head>\
         <body>{body}</body></html>\n"
    );
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, html).into_response()
}

const NAV: &str = "<nav><a href=\"/plain\">Overview</a><a href=\"/plain/alerts\">Alerts</a>\
    <a href=\"/plain/query\">Query</a><a href=\"/\">With scripts</a></nav>";

fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Down => "bad",
        Standing::Degraded => "warn",
        Standing::Fine => "good",
    }
}

fn model_rows(models: &[Model]) -> String {
    let mut rows = String::new();
    for model in models.iter().take(ROWS_MAX) {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td class=\"{}\">{}</td><td>{}</td></tr>",
            escape(&model.name),
            class(model.standing),
            model.standing.word(),
            escape(&model.because.join(", "))
        );
    }
    rows
}

fn graph(title: &str, unit: &str, expr: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("query", expr)
        .append_pair("title", title)
        .append_pair("unit", unit)
        .append_pair("since", "3h")
        .append_pair("height", "240")
        .finish();
    let source = format!("/api/v1/render?{}", escape(&query));
    format!(
        "<p><picture><source media=\"(prefers-color-scheme:dark)\" srcset=\"{source}&amp;theme=dark\">\
         <img width=\"800\" height=\"240\" alt=\"{title}, the last three hours\" src=\"{source}\"></picture></p>"
    )
}

pub(super) async fn overview(State(state): State<AppState>) -> Response {
    let models = models(&state).await;
    let mut body = format!("{NAV}<h1>Lapwing</h1><h2>Models</h2>");
    if models.is_empty() {
        body.push_str("<p>No model has sent anything in the last day.</p>");
    } else {
        let _ = write!(
            body,
            "<table><thead><tr><th>model</th><th>state</th><th>because of</th></tr></thead><tbody>{}</tbody></table>",
            model_rows(&models)
        );
    }
    body.push_str("<h2>Hosts</h2>");
    body.push_str(&graph(
        "CPU busy",
        "ratio",
        "1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))",
    ));
    body.push_str(&graph(
        "Memory used",
        "ratio",
        "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
    ));
    page("Overview", 30, &body)
}

pub(super) async fn alerts(State(state): State<AppState>) -> Response {
    let mut all = models::alerts(&state);
    all.sort_by_key(urgency);
    let body = format!("{NAV}<h1>Alerts</h1>{}", alert_table(&all));
    page("Alerts", 15, &body)
}

/// What nobody keeps quiet first, then the worst, then the newest.
fn urgency(alert: &AlertView) -> (bool, u8, std::cmp::Reverse<String>) {
    let severity = match alert.labels.get("severity") {
        Some("critical" | "page" | "error") => 0,
        Some("warning") => 1,
        _ => 2,
    };
    let since = std::cmp::Reverse(alert.starts_at.clone());
    (alert.status.state == "suppressed", severity, since)
}

/// To the minute, as people say it.
fn since(starts_at: &str) -> String {
    match starts_at.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => escape(starts_at),
    }
}

fn alert_table(alerts: &[AlertView]) -> String {
    if alerts.is_empty() {
        return "<p class=\"good\">No alert is firing.</p>".to_owned();
    }
    let mut rows = String::new();
    for alert in alerts.iter().take(ROWS_MAX) {
        let summary = alert.annotations.get("summary").unwrap_or("");
        let shown: Labels = alert.labels.drop(&["alertname", "severity"]);
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td class=\"text\">{}<br><small>{}</small></td><td>{}</td><td>{}</td></tr>",
            escape(alert.labels.get("severity").unwrap_or("")),
            escape(alert.labels.get("alertname").unwrap_or("")),
            escape(summary),
            escape(&shown.to_string()),
            since(&alert.starts_at),
            alert.status.state
        );
    }
    let quiet = alerts.iter().filter(|a| a.status.state == "suppressed").count();
    let of_them = match quiet {
        0 => String::new(),
        quiet => format!(", {quiet} of them silenced or inhibited"),
    };
    format!(
        "<p>{} firing{of_them}</p><div class=\"wide\"><table><thead><tr><th>severity</th><th>alert</th><th>what</th><th>since</th><th>state</th></tr></thead>\
         <tbody>{rows}</tbody></table></div>",
        alerts.len()
    )
}

pub(super) async fn query(State(state): State<AppState>, params: Params) -> Response {
    let expr = params.get("query").unwrap_or("");
    let mut body = format!(
        "{NAV}<h1>Query</h1><form action=\"/plain/query\"><label>PromQL \
         <input type=\"text\" name=\"query\" value=\"{}\"></label> <button>Ask</button></form>",
        escape(expr)
    );
    if !expr.is_empty() {
        body.push_str(&answer(&state, expr).await);
    }
    page("Query", 3600, &body)
}

async fn answer(state: &AppState, expr: &str) -> String {
    let now_ms = state.engine.now_ms();
    let request = QueryRequest {
        expr: expr.to_owned(),
        lookback_ms: None,
        timeout_ms: None,
        explain: false,
    };
    match run_range(state, request, spread(now_ms - 3 * 3_600_000, now_ms)).await {
        Err(error) => format!("<p class=\"bad\">{}</p>", escape(&error.message)),
        Ok(answered) => match answered.result.value {
            QueryValue::Matrix(series) if !series.is_empty() => {
                format!("{}{}", graph("answer", "none", expr), table(&series))
            }
            _ => "<p>No data in the last three hours.</p>".to_owned(),
        },
    }
}

fn table(series: &[Series]) -> String {
    let mut rows = String::new();
    for one in series.iter().take(ROWS_MAX) {
        let last = one
            .floats
            .last()
            .map_or_else(|| "a histogram".to_owned(), |p| p.1.to_string());
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{last}</td></tr>",
            escape(&one.labels.to_string())
        );
    }
    format!(
        "<p>{} series</p><table><thead><tr><th>series</th><th>last value</th></tr></thead><tbody>{rows}</tbody></table>",
        series.len()
    )
}

/// For whoever uses the models: no labels, no addresses, no names of alerts.
pub(crate) async fn status(State(state): State<AppState>) -> Response {
    let models = models(&state).await;
    let worst = models.first().map_or(Standing::Fine, |m| m.standing);
    let headline = match worst {
        Standing::Fine => "All models are working",
        Standing::Degraded => "Some models are degraded",
        Standing::Down => "Some models are failing",
    };
    let mut rows = String::new();
    for model in models.iter().take(ROWS_MAX) {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td class=\"{}\">{}</td></tr>",
            escape(&model.name),
            class(model.standing),
            model.standing.word()
        );
    }
    let body = format!(
        "<h1>Status</h1><p class=\"{}\">{headline}.</p><table><thead><tr><th>model</th><th>state</th></tr></thead>\
         <tbody>{rows}</tbody></table>",
        class(worst)
    );
    page("Status", 60, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_notify::dispatch::AlertStatusView;

    #[test]
    fn what_is_loud_and_bad_stands_first() {
        let alert = |name: &str, severity: &str, state: &'static str, at: &str| {
            let status = AlertStatusView {
                state,
                ..AlertStatusView::default()
            };
            AlertView {
                annotations: Labels::empty(),
                ends_at: String::new(),
                fingerprint: String::new(),
                receivers: Vec::new(),
                starts_at: at.to_owned(),
                status,
                updated_at: String::new(),
                generator_url: String::new(),
                labels: Labels::from_pairs([("alertname", name), ("severity", severity)]).unwrap(),
                acked_by: None,
            }
        };
        let mut all = [
            alert("quiet", "critical", "suppressed", "2026-11-21T03:00:00Z"),
            alert("mild", "warning", "active", "2026-11-21T02:00:00Z"),
            alert("old", "critical", "active", "2026-11-20T02:00:00Z"),
            alert("new", "page", "active", "2026-11-21T02:00:00Z"),
        ];
        all.sort_by_key(urgency);
        let names: Vec<_> = all.iter().filter_map(|a| a.labels.get("alertname")).collect();
        assert_eq!(names, ["new", "old", "mild", "quiet"]);
        assert!(alert_table(&all).contains("4 firing, 1 of them silenced or inhibited"));
    }

    #[test]
    fn a_time_is_said_to_the_minute_and_what_is_none_is_told_as_it_stands() {
        assert_eq!(since("2026-11-20T21:48:29.863Z"), "2026-11-20 21:48 UTC");
        assert_eq!(since("<soon>"), "&lt;soon&gt;");
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        assert_eq!(
            escape("<img src=x onerror='a'>\"&\u{202e}x"),
            "&lt;img src=x onerror=&#39;a&#39;&gt;&quot;&amp;\u{fffd}x"
        );
        let hostile = Model {
            name: "<script>".to_owned(),
            standing: Standing::Down,
            because: vec!["<b>".to_owned()],
        };
        let rows = model_rows(&[hostile]);
        assert!(!rows.contains("<script>") && !rows.contains("<b>"), "{rows}");
    }
}
