//! What an engineer would ask first, gathered at the moment of a change and kept with it.
//!
//! One diagnosis at a time, the heaviest event first (`weight`), so that a storm of changes costs one core at most and its causes
//! are understood before its consequences. What a diagnosis tells:
//!
//! 1. `cause`: what it follows from, where it is a consequence.
//! 2. `looks`: the last good and the last bad one of each check, with their phases, the certificate, the addresses and answers.
//! 3. `changed`: configurations, models and versions of the last hour.
//! 4. `host`, `gpu_events`: how the machine fares that it runs on, or this one where the other is not measured.
//! 5. `moved`: series of the model that are farthest from where they were.

use super::event::HealthEvent;
use super::job::Health;
use super::objectives::{ask, rows};
use super::weight::Weight;
use crate::engine::Engine;
use lapwing_judge::health::Cause;
use lapwing_types::format_number;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// How a host fares, by names of its own series; `$h` is for which, `$d` for its disks.
const HOST: [(&str, &str); 5] = [
    ("load1", "max(node_load1{$h})"),
    (
        "memory_used_ratio",
        "max(1 - node_memory_MemAvailable_bytes{$h} / node_memory_MemTotal_bytes{$h})",
    ),
    (
        "cpu_pressure",
        "max(rate(node_pressure_cpu_waiting_seconds_total{$h}[2m]))",
    ),
    (
        "io_pressure",
        "max(rate(node_pressure_io_waiting_seconds_total{$h}[2m]))",
    ),
    // What df shows, and the probe `resources` and the well-known ratio `disk_usage` as well.
    (
        "disk_used_ratio",
        "max((node_filesystem_size_bytes{$d} - node_filesystem_free_bytes{$d}) \
         / (node_filesystem_size_bytes{$d} - node_filesystem_free_bytes{$d} + node_filesystem_avail_bytes{$d} > 0))",
    ),
];
/// What a GPU reported within ten minutes, from this host's own series and from DCGM's exporter.
const GPU_EVENTS: [(&str, &str); 3] = [
    (
        "XIDs counted",
        "sum by (instance, gpu, xid) (increase(gpu_xid_errors_total{$h}[10m])) > 0",
    ),
    (
        "last XID",
        "max by (instance, gpu) (DCGM_FI_DEV_XID_ERRORS{$h}) > 0",
    ),
    ("GPUs lost", "max by (instance) (gpu_lost{$h}) > 0"),
];
/// Images are always full.
const DISKS: &str = "fstype!~\"tmpfs|ramfs|overlay|squashfs|iso9660|erofs\"";
const GPU_EVENTS_MAX: usize = 8;
/// Series that moved most are told of at most so many.
const MOVED_MAX: usize = 5;
const BEFORE: &str = "10m";

/// Until nothing waits for a diagnosis. What it is left to say of the rest is counted when it is forgotten.
pub(super) async fn gather_all(engine: &Engine, health: &Health) {
    while let Some((event, weight)) = health.change(|board| board.next_undiagnosed()) {
        let found = gather(engine, health, (&event, weight)).await;
        health.change(|board| board.diagnosed(event.id, found));
        health.count_diagnosed();
    }
}

/// What the board itself knows about it.
struct Known {
    cause: Option<String>,
    looks: Map<String, Value>,
    model: Option<String>,
    /// Where its failing checks speak to.
    hosts: BTreeSet<String>,
    changed: Vec<String>,
}

async fn gather(engine: &Engine, health: &Health, (event, weight): (&HealthEvent, Weight)) -> Value {
    let at_ms = event.at_ms;
    let known = health.change(|board| known(board, event));
    let mut found = Map::new();
    found.insert("looks".to_owned(), Value::Object(known.looks));
    if let Some(cause) = known.cause {
        found.insert("cause".to_owned(), Value::String(cause));
    }
    if !known.changed.is_empty() {
        found.insert("changed".to_owned(), Value::String(known.changed.join("; ")));
    }
    if weight.is_asked_about() {
        let (whose, host) = host(engine, &known.hosts, at_ms).await;
        let gpus = gpu_events(engine, &whose, at_ms).await;
        found.insert("host".to_owned(), Value::Object(host));
        if !gpus.is_empty() {
            found.insert("gpu_events".to_owned(), Value::String(gpus.join("; ")));
        }
        if let Some(model) = known.model {
            found.insert("moved".to_owned(), moved(engine, &model, at_ms).await);
        }
    }
    Value::Object(found)
}

fn known(board: &super::board::Board, event: &HealthEvent) -> Known {
    let subject = event.subject.as_str();
    let mut known = Known {
        cause: match board.causes.get(subject) {
            Some(Cause::ConsequenceOf { root }) => Some(root.clone()),
            _ => None,
        },
        looks: Map::new(),
        model: model_of(subject),
        hosts: BTreeSet::new(),
        changed: Vec::new(),
    };
    let mut nodes = BTreeSet::from([subject.to_owned()]);
    for (spec, live) in board.options.checks.iter().zip(&board.checks) {
        let of_model = spec.model.as_ref().map(|p| p.model.as_str());
        let is_it = live.node == subject;
        if !is_it && (known.model.is_none() || known.model.as_deref() != of_model) {
            continue;
        }
        nodes.insert(live.node.clone());
        let look = json!({ "last_good": live.row.last_good, "last_bad": live.row.last_bad, "version": live.version });
        known.looks.insert(spec.name.clone(), look);
        if let Some(place) = &live.place
            && (is_it || live.row.state.state.is_failing())
        {
            known.hosts.insert(match place.is_loopback() {
                true => crate::hostname(),
                false => place.host.clone(),
            });
        }
        if is_it {
            known.model = known.model.or(of_model.map(str::to_owned));
            break;
        }
    }
    nodes.extend(known.model.iter().map(|m| format!("model/{m}")));
    known.changed = board.changes_before(&nodes, event.at_ms);
    known
}

/// `model/NAME`, `traffic/NAME` and `shard/NAME/ENDPOINT` are of the model NAME.
fn model_of(subject: &str) -> Option<String> {
    let (kind, rest) = subject.split_once('/')?;
    let name = match kind {
        "model" | "traffic" => rest,
        "shard" => rest.split_once('/')?.0,
        _ => return None,
    };
    Some(name.to_owned())
}

/// The first of these hosts that is measured, or this one; and the matcher that means it.
async fn host(engine: &Engine, hosts: &BTreeSet<String>, at_ms: i64) -> (String, Map<String, Value>) {
    let own = crate::hostname();
    let mut found = Map::new();
    let mut whose = String::new();
    for name in hosts.iter().chain([&own]) {
        whose = matcher(name);
        for (what, expr) in HOST {
            let expr = expr.replace("$d", &format!("{DISKS}, $h")).replace("$h", &whose);
            if let Some(value) = ask(engine, &expr, at_ms).await {
                found.insert(what.to_owned(), json!(value));
            }
        }
        if !found.is_empty() {
            found.insert("name".to_owned(), Value::String(name.clone()));
            break;
        }
    }
    (whose, found)
}

/// An exporter on that host, whatever its port.
fn matcher(host: &str) -> String {
    let mut pattern = String::new();
    for c in host.chars() {
        if !c.is_ascii_alphanumeric() {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    let quoted = pattern.replace('\\', "\\\\").replace('"', "\\\"");
    format!("instance=~\"{quoted}(:[0-9]+)?\"")
}

async fn gpu_events(engine: &Engine, whose: &str, at_ms: i64) -> Vec<String> {
    let mut found = Vec::new();
    for (what, expr) in GPU_EVENTS {
        let all = rows(engine, &expr.replace("$h", whose), at_ms).await;
        found.extend(
            all.into_iter()
                .map(|(labels, value)| format!("{what} {labels}: {}", format_number(value.round()))),
        );
    }
    found.truncate(GPU_EVENTS_MAX);
    found
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
