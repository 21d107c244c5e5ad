//! `/probe?target=…&module=…` as blackbox_exporter answers it, so that scrape jobs made for it keep working.
//!
//! Modules are the ones that its example file names. A look takes at most the scraper's own timeout, and at most so many run
//! at once.

use crate::http::AppState;
use crate::http::prometheus::Params;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lapwing_collect::probe::{Look, Probe, probe as look_at};
use lapwing_types::ProbeOutcome;
use serde_json::json;
use std::fmt::Write;
use tokio::sync::Semaphore;

const TIMEOUT_MS: i64 = 10_000;
/// A scraper's timeout less this much, for the answer to arrive in time; as blackbox_exporter does it.
const MARGIN_MS: i64 = 500;
static LOOKS: Semaphore = Semaphore::const_new(256);

pub(super) async fn probe(State(state): State<AppState>, headers: HeaderMap, params: Params) -> Response {
    let module = params.get("module").unwrap_or("http_2xx");
    let Some(target) = params.get("target").filter(|t| !t.is_empty()) else {
        return (StatusCode::BAD_REQUEST, "target is missing\n").into_response();
    };
    let Some(what) = of_module(module, target) else {
        let said = format!("unknown module {module:?}; there are {}\n", MODULES.join(", "));
        return (StatusCode::BAD_REQUEST, said).into_response();
    };
    let scraper = headers.get("x-prometheus-scrape-timeout-seconds");
    let scraper = scraper.and_then(|v| v.to_str().ok()?.parse::<f64>().ok());
    let timeout_ms = scraper.map_or(TIMEOUT_MS, |s| {
        ((s * 1000.0) as i64 - MARGIN_MS).clamp(100, 120_000)
    });
    let Ok(_slot) = LOOKS.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let look = Look::new(
        None,
        timeout_ms,
        state.engine.now_ms(),
        lapwing::clock::process_nanos,
    );
    let outcome = look_at(&what, &look).await;
    let page = page(&what, &outcome);
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        page,
    )
        .into_response()
}

const MODULES: [&str; 8] = [
    "http_2xx",
    "http_post_2xx",
    "tcp_connect",
    "tls_connect",
    "ssh_banner",
    "icmp",
    "dns_udp",
    "grpc",
];

fn of_module(module: &str, target: &str) -> Option<Probe> {
    let url = if target.contains("://") {
        target.to_owned()
    } else {
        format!("http://{target}")
    };
    let described = match module {
        "http_2xx" => json!({ "http": { "url": url } }),
        "http_post_2xx" => json!({ "http": { "url": url, "method": "POST" } }),
        "tcp_connect" => json!({ "tcp": { "address": target } }),
        "tls_connect" => json!({ "tls": { "address": target } }),
        "ssh_banner" => json!({ "tcp": { "address": target, "talk": [{ "expect": "^SSH-2.0-" }] } }),
        "icmp" => json!({ "icmp": { "host": target } }),
        "dns_udp" => json!({ "dns": { "server": target, "name": "prometheus.io" } }),
        "grpc" => json!({ "grpc": { "address": target } }),
        _ => return None,
    };
    serde_json::from_value(described).ok()
}

fn page(what: &Probe, outcome: &ProbeOutcome) -> String {
    let mut out = String::new();
    let mut last = "";
    let mut line = |name: &'static str, labels: &str, value: f64| {
        if name != last {
            let _ = writeln!(out, "# TYPE {name} gauge");
            last = name;
        }
        let _ = writeln!(out, "{name}{labels} {value}");
    };
    let family = lapwing::health::phase_family(what.kind());
    for (phase, seconds) in &outcome.phases {
        let word = lapwing::health::phase_word(what.kind(), *phase);
        line(family, &format!("{{phase=\"{word}\"}}"), *seconds);
    }
    let mut series: Vec<_> = outcome.series.iter().collect();
    series.sort_by_key(|s| s.name);
    for one in series {
        let pairs: Vec<String> = one
            .labels
            .iter()
            .map(|(n, v)| format!("{n}={}", json!(v)))
            .collect();
        let labels = if pairs.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", pairs.join(","))
        };
        line(one.name, &labels, one.value);
    }
    line("probe_duration_seconds", "", outcome.duration_s);
    line("probe_success", "", if outcome.is_success() { 1.0 } else { 0.0 });
    out
}
