//! `/probe?target=…&module=…` as blackbox_exporter answers it, so that scrape jobs made for it keep working.
//!
//! Modules are the configuration's (`blackbox:`), and the ones that its example file names. A look takes at most the scraper's own timeout, and at most so many run
//! at once. `hostname=` and `debug=true` are understood, too.

use super::blackbox_page::families;
use crate::http::AppState;
use crate::http::prometheus::Params;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lapwing_collect::probe::{Look, Module, Probe, probe as look_at};
use lapwing_types::ProbeOutcome;
use lapwing_wire::text::{self, Escaping, Format};
use serde_json::Value;
use std::fmt::Write;
use tokio::sync::Semaphore;

/// Where neither the scraper nor the module says one.
const TIMEOUT_MS: i64 = 10_000;
const TIMEOUT_MS_MAX: i64 = 120_000;
const TIMEOUT_MS_MIN: i64 = 1;
/// A scraper's timeout less this much, for the answer to arrive in time; as blackbox_exporter does it.
const MARGIN_MS: i64 = 500;
static LOOKS: Semaphore = Semaphore::const_new(256);

pub(super) async fn probe(State(state): State<AppState>, headers: HeaderMap, params: Params) -> Response {
    let refuse = |said: String| (StatusCode::BAD_REQUEST, format!("{said}\n")).into_response();
    let (name, module) = match asked_module(&state, &params) {
        Ok(asked) => asked,
        Err(why) => return refuse(why),
    };
    let Some(target) = params.get("target").filter(|t| !t.is_empty()) else {
        return refuse("target is missing".to_owned());
    };
    let timeout_ms = match timeout_ms(&headers, &module) {
        Ok(timeout_ms) => timeout_ms,
        Err(why) => return refuse(why),
    };
    let what = match module.probe(target) {
        Ok(what) => what,
        Err(why) => return refuse(format!("module {name:?}: {why}")),
    };
    let Ok(_slot) = LOOKS.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let mut look = Look::new(
        None,
        timeout_ms,
        state.engine.now_ms(),
        lapwing::clock::process_nanos,
    );
    look.ip = module.ip_preference().unwrap_or_default();
    look.source_ip = module.source_ip();
    look.tells_all = true;
    let outcome = look_at(&what, &look).await;
    let page = text::write(
        &families(&what, &outcome),
        Format::Prometheus,
        Escaping::AllowUtf8,
    );
    let (content_type, page) = match params.get("debug") {
        Some("true") => {
            let asked = format!(
                "module={name} prober={} target={target} timeout_ms={timeout_ms}",
                what.kind()
            );
            (
                "text/plain; charset=utf-8",
                debug_page(&asked, (&what, &module, &outcome), &page),
            )
        }
        _ => ("text/plain; version=0.0.4; charset=utf-8", page),
    };
    ([(header::CONTENT_TYPE, content_type)], page).into_response()
}

/// The module that is named, with what the other parameters make of it.
fn asked_module(state: &AppState, params: &Params) -> Result<(String, Module), String> {
    let name = params
        .get("module")
        .filter(|m| !m.is_empty())
        .unwrap_or("http_2xx");
    let config = state.config();
    let modules = &config.blackbox.modules;
    let Some(module) = modules.get(name) else {
        let known: Vec<&str> = modules.keys().map(String::as_str).collect();
        return Err(format!("unknown module {name:?}; there are {}", known.join(", ")));
    };
    let module = module.clone();
    let module = match params.get("hostname").filter(|h| !h.is_empty()) {
        Some(hostname) => module.with_host(hostname)?,
        None => module,
    };
    Ok((name.to_owned(), module))
}

/// The shorter of the scraper's and the module's own.
fn timeout_ms(headers: &HeaderMap, module: &Module) -> Result<i64, String> {
    let own = module.timeout.map(|t| t.0).filter(|ms| *ms > 0);
    let Some(said) = headers.get("x-prometheus-scrape-timeout-seconds") else {
        return Ok(own.unwrap_or(TIMEOUT_MS).clamp(TIMEOUT_MS_MIN, TIMEOUT_MS_MAX));
    };
    let seconds = said.to_str().ok().and_then(|s| s.parse::<f64>().ok());
    let seconds = seconds
        .filter(|s| s.is_finite() && *s >= 0.0)
        .ok_or_else(|| format!("X-Prometheus-Scrape-Timeout-Seconds is {said:?}, not a number of seconds"))?;
    let whole_ms = match (seconds * 1000.0) as i64 {
        0 => TIMEOUT_MS_MAX,
        ms => ms,
    };
    // Of a very short one the margin would leave nothing.
    let scraper = whole_ms - MARGIN_MS.min(whole_ms / 2);
    Ok(scraper
        .min(own.unwrap_or(i64::MAX))
        .clamp(TIMEOUT_MS_MIN, TIMEOUT_MS_MAX))
}

/// For a person: how it went, what would have been answered, and by which settings.
fn debug_page(asked: &str, (what, module, outcome): (&Probe, &Module, &ProbeOutcome), page: &str) -> String {
    let mut out = format!("Logs for the probe:\n{asked}\n");
    for (phase, seconds) in &outcome.phases {
        let word = lapwing::health::phase_word(what.kind(), *phase);
        let _ = writeln!(out, "{word} took {:.3} ms", seconds * 1000.0);
    }
    for (name, text) in &outcome.notes {
        let _ = writeln!(out, "{name}: {}", text.replace('\n', "\\n"));
    }
    let _ = match (&outcome.reason, outcome.is_success()) {
        (Some(reason), false) => writeln!(out, "probe failed: {}: {}", reason.as_str(), outcome.detail),
        _ => writeln!(out, "probe succeeded"),
    };
    let _ = writeln!(out, "\n\n\nMetrics that would have been returned:\n{page}\n\n");
    let mut settings = serde_json::to_value(module).unwrap_or_default();
    only_what_is_said(&mut settings);
    let settings = serde_json::to_string_pretty(&settings).unwrap_or_default();
    let _ = writeln!(out, "Module configuration:\n{settings}");
    out
}

/// Headers may carry a login: their values are for those who can read the file.
fn only_what_is_said(value: &mut Value) {
    let Value::Object(map) = value else { return };
    for (name, inner) in map.iter_mut() {
        match inner {
            Value::Object(headers) if name == "headers" => {
                headers.values_mut().for_each(|v| *v = Value::from("<hidden>"));
            }
            inner => only_what_is_said(inner),
        }
    }
    map.retain(|_, inner| match inner {
        Value::Null | Value::Bool(false) => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Number(_) | Value::Bool(true) => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_shorter_timeout_counts() {
        let check = |scraper: Option<&str>, own: Option<&str>, expect: Option<i64>| {
            let mut headers = HeaderMap::new();
            if let Some(text) = scraper {
                headers.insert("x-prometheus-scrape-timeout-seconds", text.parse().unwrap());
            }
            let module: Module = serde_json::from_value(json!({ "prober": "tcp", "timeout": own })).unwrap();
            assert_eq!(timeout_ms(&headers, &module).ok(), expect, "{scraper:?} {own:?}");
        };
        check(None, None, Some(10_000));
        check(None, Some("30s"), Some(30_000));
        check(Some("10"), None, Some(9_500));
        check(Some("10"), Some("5s"), Some(5_000));
        check(Some("2"), Some("5s"), Some(1_500));
        check(Some("0.3"), Some("5s"), Some(150));
        check(Some("0"), Some("5s"), Some(5_000));
        check(Some("1e9"), None, Some(120_000));
        check(Some("soon"), None, None);
        check(Some("NaN"), None, None);
        check(Some("-1"), None, None);
    }

    #[test]
    fn a_debug_page_shows_no_secret() {
        let module: Module = serde_json::from_value(json!({ "prober": "http", "http": {
            "headers": { "X-Api-Key": "hush1" }, "basic_auth": { "username": "me", "password": "hush2" },
            "bearer_token": "hush3", "method": "POST" } }))
        .unwrap();
        let what = module.probe("a.example").unwrap();
        let outcome = ProbeOutcome::fail(lapwing_types::ProbeReason::Refused, "no");
        let page = debug_page("module=x", (&what, &module, &outcome), "probe_success 0\n");
        assert!(!page.contains("hush"), "{page}");
        for said in [
            "probe failed: refused: no",
            "Metrics that would",
            "\"method\": \"POST\"",
            "X-Api-Key",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
    }
}
