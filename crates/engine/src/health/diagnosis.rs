//! What an engineer would ask first, gathered at the moment of a change and kept with it.

use super::job::Health;
use super::objectives::{ask, rows};
use crate::engine::Engine;
use lapwing_types::format_number;
use serde_json::{Map, Value, json};

/// How this host fares, by names of its own series.
const HOST: [(&str, &str); 6] = [
    ("load1", "max(node_load1)"),
    (
        "memory_used_ratio",
        "max(1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
    ),
    (
        "cpu_pressure",
        "max(rate(node_pressure_cpu_waiting_seconds_total[2m]))",
    ),
    (
        "io_pressure",
        "max(rate(node_pressure_io_waiting_seconds_total[2m]))",
    ),
    (
        "disk_used_ratio",
        "max(1 - node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0))",
    ),
    ("gpu_xid_errors", "max(DCGM_FI_DEV_XID_ERRORS)"),
];
/// Series that moved most are told of at most so many.
const MOVED_MAX: usize = 5;
const BEFORE: &str = "10m";

pub(super) async fn gather(engine: &Engine, health: &Health, event: u64) {
    let Some((subject, at_ms)) = health.change(|board| {
        let event = board.events.iter().find(|e| e.id == event)?;
        Some((event.subject.clone(), event.at_ms))
    }) else {
        return;
    };
    let mut found = Map::new();
    let mut host = Map::new();
    for (name, expr) in HOST {
        if let Some(value) = ask(engine, expr, at_ms).await {
            host.insert(name.to_owned(), json!(value));
        }
    }
    found.insert("host".to_owned(), Value::Object(host));
    let (looks, model) = health.change(|board| {
        let mut looks = Map::new();
        let mut model = subject.strip_prefix("model/").map(str::to_owned);
        for (spec, live) in board.options.checks.iter().zip(&board.checks) {
            let of_model = spec.model.as_ref().map(|p| p.model.as_str());
            let is_it = subject == format!("check/{}", spec.name);
            let in_it = model.as_deref().is_some_and(|m| of_model == Some(m));
            if is_it || in_it {
                looks.insert(
                    spec.name.clone(),
                    json!({ "last_good": live.row.last_good, "last_bad": live.row.last_bad, "version": live.version }),
                );
            }
            if is_it && model.is_none() {
                model = of_model.map(str::to_owned);
            }
        }
        (looks, model)
    });
    found.insert("looks".to_owned(), Value::Object(looks));
    if let Some(model) = model {
        found.insert("moved".to_owned(), moved(engine, &model, at_ms).await);
    }
    health.change(|board| board.diagnosed(event, Value::Object(found)));
}

/// Gauges of the model that are farthest from where they were, by the ratio.
async fn moved(engine: &Engine, model: &str, at_ms: i64) -> Value {
    let model = model.replace('\\', "\\\\").replace('"', "\\\"");
    let not = "__name__!~\"probe_.*|lapwing_.*|.*_(total|bucket|count|sum|created|info)|up|scrape_.*\"";
    let now = format!("{{model=\"{model}\", {not}}}");
    let then = format!("{now} offset {BEFORE}");
    let (now, then) = (rows(engine, &now, at_ms).await, rows(engine, &then, at_ms).await);
    let mut changes: Vec<(f64, String)> = now
        .iter()
        .filter_map(|(labels, value)| {
            let before = then.iter().find(|(l, _)| l == labels)?.1;
            let scale = before.abs().max(value.abs());
            let change = (value - before).abs() / scale;
            let said = format!("{labels}: {} → {}", format_number(before), format_number(*value));
            (change > 0.2).then_some((change, said))
        })
        .collect();
    changes.sort_by(|a, b| b.0.total_cmp(&a.0));
    changes
        .into_iter()
        .take(MOVED_MAX)
        .map(|(_, said)| Value::String(said))
        .collect()
}
