//! `status/*` and `admin/tsdb/*`: what runs, how full it is, and the few things that change it.

use super::envelope::{ApiError, Success};
use super::params::Params;
use crate::config::Config;
use crate::doctor::{Finding, Place, examine};
use crate::http::AppState;
use axum::Json;
use axum::extract::State;
use lapwing_store::metrics::StoreStats;
use lapwing_types::format_duration_ms;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Targets and receivers are asked at most so often, however many people look.
const DOCTOR_KEPT_MS: i64 = 60_000;

/// The Prometheus whose API and language this is; Grafana chooses its calls by it.
const PROMETHEUS_VERSION: &str = "3.5.0";

pub(crate) async fn buildinfo() -> Result<Success, ApiError> {
    Success::json(&build())
}

/// The same without the envelope.
pub(crate) async fn version() -> Json<serde_json::Value> {
    Json(build())
}

fn build() -> serde_json::Value {
    json!({
        "version": PROMETHEUS_VERSION,
        "revision": format!("lapwing-{}", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "application": "lapwing",
        "lapwingVersion": env!("CARGO_PKG_VERSION"),
    })
}

pub(crate) async fn runtimeinfo(State(state): State<AppState>) -> Result<Success, ApiError> {
    let reload = state.live.status();
    Success::json(&json!({
        "startTime": rfc3339(state.engine.started_ms()),
        "CWD": std::env::current_dir().map(|p| p.display().to_string()).unwrap_or_default(),
        "hostname": lapwing::hostname(),
        "serverTime": rfc3339(state.engine.now_ms()),
        "reloadConfigSuccess": reload.error.is_none(),
        "lastConfigTime": rfc3339(reload.loaded_at_ms),
        "reloadConfigError": reload.error,
        "reloadNeedsRestart": reload.needs_restart,
        "corruptionCount": state.engine.store().open_report().damaged.len(),
        "goroutineCount": 0,
        "GOMEMLIMIT": state.engine.store().numbers().memory_limit_bytes,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": state.config().store.shown_retention(),
    }))
}

pub(crate) async fn config(State(state): State<AppState>) -> Result<Success, ApiError> {
    let config = state.config();
    let yaml = match &config.web.as_prometheus.file {
        Some(file) => file.clone(),
        None => config.shown(),
    };
    Success::json(&json!({ "yaml": yaml }))
}

pub(crate) async fn flags(State(state): State<AppState>) -> Result<Success, ApiError> {
    let config = state.config();
    let flags = &config.web.as_prometheus.flags;
    if !flags.is_empty() {
        return Success::json(flags);
    }
    Success::json(&json!({
        "web.listen-address": config.web.addresses().map(|a| a.to_string()).collect::<Vec<_>>().join(","),
        "web.enable-admin-api": config.web.admin_api.to_string(),
        "storage.tsdb.path": config.store.data.display().to_string(),
        "storage.tsdb.retention.time": format_duration_ms(config.store.retention_ms.unwrap_or(0)),
    }))
}

/// Every key with its value and where it came from; null where the file is a peer's.
pub(crate) async fn settings(State(state): State<AppState>) -> Result<Success, ApiError> {
    Success::json(&state.live.status().origins.map(|origins| origins.settings()))
}

/// What `lapwing doctor` says, of the Lapwing that runs.
pub(crate) async fn doctor(State(state): State<AppState>) -> Result<Success, ApiError> {
    let now_ms = state.engine.now_ms();
    let mut last = state.doctor.lock().await;
    let (at_ms, mut findings) = match last.take() {
        Some((at_ms, findings)) if now_ms - at_ms < DOCTOR_KEPT_MS => (at_ms, findings),
        _ => {
            let place = Place {
                is_in_memory: state.live.is_in_memory(),
                is_running: true,
            };
            let mut findings = vec![config_finding(&state)];
            let store = state.engine.store();
            findings.extend(crate::doctor::store(&store.numbers(), store.damage(), now_ms));
            findings.extend(examined(state.config(), place).await?);
            (now_ms, findings)
        }
    };
    *last = Some((at_ms, findings.clone()));
    findings.extend(writing_findings(&state));
    Success::json(&json!({ "at_ms": at_ms, "findings": findings }))
}

/// What cannot be written now; the doctor of a Lapwing that does not run has no such thing to say.
fn writing_findings(state: &AppState) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(reason) = state.engine.paging().state_store().failure() {
        findings.push(Finding::error(
            "state",
            format!("the state database cannot be written ({reason}): no page leaves, no silence is taken"),
            "on a full disk make room, and it goes on by itself; after anything else look at the disk and restart Lapwing",
        ));
    }
    if state.engine.store().numbers().log_failing {
        findings.push(Finding::error(
            "log",
            "the log of samples cannot be written: nothing is accepted",
            "on a full disk make room, and it goes on by itself; after anything else look at the disk and restart Lapwing",
        ));
    }
    findings
}

/// On a thread of its own: the channels that are looked at may be used by one thread only.
async fn examined(config: Arc<Config>, place: Place) -> Result<Vec<Finding>, ApiError> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(examine(&config, place)))
        .await
        .map_err(|e| ApiError::internal(e.to_string()))
}

fn config_finding(state: &AppState) -> Finding {
    let status = state.live.status();
    match (status.error, status.needs_restart.is_empty()) {
        (Some(error), _) => Finding::error(
            "config",
            format!("what is written now is not in force: {error}"),
            "put right what is named and save the file, or ask for a reload",
        ),
        (None, false) => Finding::warning(
            "config",
            format!("counts only after a restart: {}", status.needs_restart.join(", ")),
            "restart Lapwing when that suits you",
        ),
        (None, true) => Finding::fine("config", "what is written is in force"),
    }
}

/// How full the head is, and of what.
pub(crate) async fn tsdb(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let limit = params.limit()?.unwrap_or(10);
    let stats = state.engine.store().stats();
    let rows = |pairs: &[(String, u64)]| -> Vec<serde_json::Value> {
        pairs
            .iter()
            .take(limit)
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect()
    };
    let refused = stats.numbers.refused.iter().filter(|(_, n)| *n > 0);
    let refused: BTreeMap<&str, u64> = refused.copied().collect();
    Success::json(&json!({
        "headStats": {
            "numSeries": stats.numbers.head_series,
            "numLabelPairs": stats.numbers.label_pairs,
            "chunkCount": stats.head_chunks,
            "minTime": stats.head_min_ms,
            "maxTime": stats.numbers.head_max_ms,
        },
        "seriesCountByMetricName": rows(&stats.series_by_metric),
        "labelValueCountByLabelName": rows(&stats.values_by_label),
        "memoryInBytesByLabelName": rows(&stats.bytes_by_label),
        "seriesCountByLabelValuePair": rows(&stats.series_by_pair),
        "memory": {
            "indexBytes": stats.numbers.memory.index_bytes,
            "rawCacheBytes": stats.numbers.memory.raw_cache_bytes,
            "samplesBytes": stats.numbers.memory.samples_bytes,
            "limitBytes": stats.numbers.memory_limit_bytes,
        },
        "blocks": {
            "count": stats.numbers.blocks,
            "sizeBytes": stats.numbers.blocks_size_bytes,
            "samples": stats.numbers.blocks_samples,
            "tierCount": stats.tier_blocks,
            "tierSizeBytes": stats.tier_size_bytes,
        },
        "damage": damage(&stats, limit),
        "refused": refused,
    }))
}

/// What cannot be read any more, and why.
fn damage(stats: &StoreStats, limit: usize) -> serde_json::Value {
    let log = stats.damaged.iter().map(|d| {
        json!({
            "file": d.path.display().to_string(), "start": d.start, "end": d.end,
            "lostFrom": d.lost_from_ms, "lostTo": d.lost_to_ms,
        })
    });
    let blocks = stats.blocks_unreadable.iter();
    let pages = stats.pages_quarantined.iter();
    let lost = stats.lost.iter().flat_map(|l| &l.stretches).take(limit).map(|l| {
        json!({
            "block": l.block.display().to_string(), "series": l.series.as_ref().map(ToString::to_string),
            "start": l.start_ms, "end": l.end_ms, "reason": l.reason,
        })
    });
    json!({
        "log": log.collect::<Vec<_>>(),
        "blocksUnreadable": blocks
            .map(|(block, why)| json!({ "block": block.display().to_string(), "reason": why }))
            .collect::<Vec<_>>(),
        "pagesQuarantined": pages
            .map(|(block, page, why)| {
                json!({ "block": block.display().to_string(), "page": page, "reason": why })
            })
            .collect::<Vec<_>>(),
        "lostCount": stats.lost.iter().map(|l| l.count).sum::<u64>(),
        "lost": lost.collect::<Vec<_>>(),
    })
}

/// The blocks on disk. Compaction is not by generations here, so that a block is its own only source.
pub(crate) async fn tsdb_blocks(State(state): State<AppState>) -> Result<Success, ApiError> {
    let blocks = state.engine.store().blocks().into_iter().map(|(name, meta)| {
        json!({
            "ulid": name,
            "minTime": meta.min_ms,
            // Behind the last sample, as a block of Prometheus says it.
            "maxTime": meta.max_ms.saturating_add(1),
            "stats": {
                "numSamples": meta.samples + meta.histograms + meta.tier_points,
                "numFloatSamples": meta.samples,
                "numHistogramSamples": meta.histograms,
                "numSeries": meta.series,
            },
            "compaction": { "level": 1, "sources": [name] },
            "version": 1,
            "resolutionMs": meta.resolution_ms,
            "sizeBytes": meta.size_bytes,
        })
    });
    Success::json(&json!({ "blocks": blocks.collect::<Vec<_>>() }))
}

pub(crate) async fn walreplay(State(state): State<AppState>) -> Result<Success, ApiError> {
    let segments = state.engine.store().numbers().log_segments;
    Success::json(&json!({ "min": 0, "max": segments, "current": segments, "state": "done" }))
}

pub(crate) fn rfc3339(t_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(t_ms).map_or_else(|_| t_ms.to_string(), |t| t.to_string())
}
