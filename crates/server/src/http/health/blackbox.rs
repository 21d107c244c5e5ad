//! `/probe?target=…&module=…` as blackbox_exporter answers it, so that scrape jobs made for it keep working.
//!
//! Modules are the configuration's (`blackbox:`), and the ones that its example file names. A look takes at most the scraper's own timeout, and at most so many run
//! at once.

use crate::http::AppState;
use crate::http::prometheus::Params;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lapwing_collect::probe::{Look, Module, Probe, probe as look_at};
use lapwing_types::ProbeOutcome;
use serde_json::json;
use std::fmt::Write;
use tokio::sync::Semaphore;

const TIMEOUT_MS: i64 = 10_000;
const TIMEOUT_MS_MAX: i64 = 120_000;
/// A scraper's timeout less this much, for the answer to arrive in time; as blackbox_exporter does it.
const MARGIN_MS: i64 = 500;
static LOOKS: Semaphore = Semaphore::const_new(256);

pub(super) async fn probe(State(state): State<AppState>, headers: HeaderMap, params: Params) -> Response {
    let refuse = |said: String| (StatusCode::BAD_REQUEST, said).into_response();
    let name = params.get("module").unwrap_or("http_2xx");
    let Some(target) = params.get("target").filter(|t| !t.is_empty()) else {
        return refuse("target is missing\n".to_owned());
    };
    let config = state.config();
    let Some(module) = config.blackbox.modules.get(name) else {
        let known: Vec<&str> = config.blackbox.modules.keys().map(String::as_str).collect();
        return refuse(format!(
            "unknown module {name:?}; there are {}\n",
            known.join(", ")
        ));
    };
    let what = match module.probe(target) {
        Ok(what) => what,
        Err(why) => return refuse(format!("module {name:?}: {why}\n")),
    };
    let Ok(_slot) = LOOKS.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let mut look = Look::new(
        None,
        timeout_ms(&headers, module),
        state.engine.now_ms(),
        lapwing::clock::process_nanos,
    );
    look.ip = module.ip_preference().unwrap_or_default();
    let outcome = look_at(&what, &look).await;
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, page(&what, &outcome)).into_response()
}

/// The shorter of the scraper's and the module's own.
fn timeout_ms(headers: &HeaderMap, module: &Module) -> i64 {
    let scraper = headers.get("x-prometheus-scrape-timeout-seconds");
    let scraper = scraper.and_then(|v| v.to_str().ok()?.parse::<f64>().ok());
    let scraper = scraper.map_or(TIMEOUT_MS, |s| (s * 1000.0) as i64 - MARGIN_MS);
    let own = module.timeout.map_or(i64::MAX, |t| t.0);
    scraper.min(own).clamp(100, TIMEOUT_MS_MAX)
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
