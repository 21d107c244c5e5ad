//! One model: its endpoints, its fallbacks, what must hold of them, and what is done when it does not.

use super::super::objectives::is_watched;
use super::check::{self, Defaults};
use super::{names_of, ratio, recovery};
use crate::config::diagnostic::Diagnostics;
use crate::config::reader::{MapReader, text_of};
use crate::config::yaml::{Key, Node, Value};
use lapwing::health::{CheckSpec, ModelPart, ModelSpec, Objectives, Role, TrafficSpec};
use lapwing_judge::health::{FleetPolicy, TrafficPolicy};

const OBJECTIVE_WINDOW_MS: i64 = 30 * 86_400_000;

/// Where each kind of server tells that it is ready.
const READY_PATHS: [(&str, &str); 10] = [
    ("vllm", "/health"),
    ("sglang", "/health"),
    ("tgi", "/health"),
    ("tei", "/health"),
    ("llamacpp", "/health"),
    ("triton", "/v2/health/ready"),
    ("kserve", "/v2/health/ready"),
    ("torchserve", "/ping"),
    ("ollama", "/api/version"),
    ("http", "/"),
];

pub(super) fn read(node: &Node, path: &str, notes: &mut Diagnostics) -> (ModelSpec, Vec<CheckSpec>) {
    let mut map = MapReader::new(node, path, notes);
    let mut model = ModelSpec {
        name: map.required_text("name", notes),
        version: map.text("version", notes),
        engine: map.text("engine", notes),
        owner: map.text("owner", notes),
        expected_version: map.text("expected_version", notes),
        labels: map.text_map("labels", notes).into_iter().collect(),
        ..ModelSpec::default()
    };
    if let Some(engine) = model
        .engine
        .as_ref()
        .filter(|e| !READY_PATHS.iter().any(|(n, _)| n == e))
    {
        let known: Vec<&str> = READY_PATHS.iter().map(|(n, _)| *n).collect();
        let message = format!("unknown engine {engine:?}");
        notes.error_with_hint(node.at, path, message, format!("one of: {}", known.join(", ")));
    }
    model.endpoints = urls(&mut map, "endpoints", notes);
    model.fallbacks = urls(&mut map, "fallbacks", notes);
    let objectives = map.node("objectives");
    model.objectives = read_objectives(objectives, &map.path_of("objectives"), notes);
    model.depends_on = match map.node("depends_on") {
        Some(list) => names_of(list, path, notes),
        None => Vec::new(),
    };
    model.traffic = map
        .node("traffic")
        .and_then(|n| read_traffic(n, &format!("{path}.traffic"), notes));
    let fleet = map.node("fleet");
    model.fleet = fleet.map(|n| read_fleet(n, &format!("{path}.fleet"), notes));
    if model.expected_version.is_some() && model.fleet.is_none() {
        model.fleet = Some(FleetPolicy::default());
    }
    let repairs = map.list("recovery", notes);
    model.recovery = recovery::read(&repairs, notes);
    let health = map.node("health");
    let artifacts = map.list("artifacts", notes);
    map.finish(notes);
    if model.fleet.is_some() && model.endpoints.is_empty() {
        let at = fleet.map_or(node.at, |n| n.at);
        let message = format!("the fleet of {:?} has no shards", model.name);
        notes.warning_with_hint(at, path, message, "each of endpoints: is a shard");
    }
    let checks = read_checks(&model, (health, &artifacts), path, notes);
    if checks.is_empty() && model.traffic.is_none() && health.is_none() {
        let message = format!(
            "nothing looks at the model {:?}: its state stays unknown",
            model.name
        );
        notes.warning_with_hint(node.at, path, message, "give it endpoints: or traffic:");
    }
    (model, checks)
}

fn read_checks(
    model: &ModelSpec,
    (health, artifacts): (Option<&Node>, &[(&Node, String)]),
    path: &str,
    notes: &mut Diagnostics,
) -> Vec<CheckSpec> {
    let empty = Node::new(Value::Null, crate::config::yaml::Position::default());
    let mut map = MapReader::new(health.unwrap_or(&empty), &format!("{path}.health"), notes);
    let defaults = Defaults::default().read(&mut map, notes);
    let probes = map.list("probes", notes);
    map.finish(notes);
    let ready = ready_probe(model);
    let ready = [(&ready, format!("{path}.health"))];
    if let Some((node, path)) = probes.first()
        && model.endpoints.is_empty()
        && model.fallbacks.is_empty()
    {
        notes.warning(node.at, path, "the model has no endpoints: nothing is probed");
    }
    let probes: &[(&Node, String)] = if probes.is_empty() { &ready } else { &probes };
    let mut checks = Vec::new();
    let places = [
        (&model.endpoints, Role::Endpoint),
        (&model.fallbacks, Role::Fallback),
    ];
    let mut is_first = true;
    for (url, role) in places
        .iter()
        .flat_map(|(urls, role)| urls.iter().map(|u| (u, *role)))
    {
        for (node, path) in probes {
            let part = ModelPart {
                model: model.name.clone(),
                role,
                part: url.clone(),
            };
            // A mistake in a probe is said once, and not for every endpoint.
            let mut again = Diagnostics::new(&notes.file);
            let said = if is_first { &mut *notes } else { &mut again };
            checks.extend(check::read(node, path, (&defaults, Some((url, part))), said));
        }
        is_first = false;
    }
    for (node, path) in artifacts {
        let part = ModelPart {
            model: model.name.clone(),
            role: Role::Other,
            part: "artifacts".to_owned(),
        };
        let key = |text: &str| Key {
            text: text.to_owned(),
            at: node.at,
        };
        let wrapped = Node::new(Value::Map(vec![(key("artifact"), (*node).clone())]), node.at);
        checks.extend(check::read(
            &wrapped,
            path,
            (&artifact_timing(), Some(("", part))),
            notes,
        ));
    }
    checks
}

/// Files change seldom and are read whole for their checksum.
fn artifact_timing() -> Defaults {
    let mut defaults = Defaults {
        interval_ms: 300_000,
        timeout_ms: 60_000,
        ..Defaults::default()
    };
    (defaults.policy.failures, defaults.policy.passes) = (1, 1);
    defaults
}

/// Without probes of its own a model is asked where its server tells that it is ready.
fn ready_probe(model: &ModelSpec) -> Node {
    let engine = model.engine.as_deref().unwrap_or("http");
    let path = READY_PATHS
        .iter()
        .find(|(n, _)| *n == engine)
        .map_or("/", |(_, p)| *p);
    let at = crate::config::yaml::Position::default();
    let map = |key: &str, value: Value| {
        let key = Key {
            text: key.to_owned(),
            at,
        };
        Value::Map(vec![(key, Node::new(value, at))])
    };
    Node::new(map("http", map("path", Value::Text(path.to_owned()))), at)
}

/// `[{ url: … }]` or `[…]`.
fn urls(map: &mut MapReader<'_>, key: &'static str, notes: &mut Diagnostics) -> Vec<String> {
    let items = map.list(key, notes);
    let mut urls = Vec::new();
    for (node, path) in items {
        let url = match &node.value {
            Value::Map(_) => {
                let mut one = MapReader::new(node, &path, notes);
                let url = one.required_text("url", notes);
                one.finish(notes);
                Some(url)
            }
            _ => text_of(node, &path, notes),
        };
        let Some(url) = url else { continue };
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            notes.error(node.at, &path, format!("{url:?} is not an http URL"));
        }
        if urls.contains(&url) {
            notes.error(node.at, &path, format!("{url} stands here twice"));
        }
        urls.push(url);
    }
    urls
}

fn read_objectives(node: Option<&Node>, path: &str, notes: &mut Diagnostics) -> Objectives {
    let mut objectives = Objectives {
        window_ms: OBJECTIVE_WINDOW_MS,
        ..Objectives::default()
    };
    let Some(node) = node else { return objectives };
    let mut map = MapReader::new(node, path, notes);
    objectives.availability = ratio(&mut map, "availability", notes);
    objectives.quality = ratio(&mut map, "quality", notes);
    objectives.p95_latency_s = map.duration_ms("p95_latency", notes).map(|ms| ms as f64 / 1000.0);
    objectives.window_ms = map.duration_ms("window", notes).unwrap_or(objectives.window_ms);
    if objectives.availability.is_some() && !is_watched(objectives.window_ms) {
        let at = map.node("window").map_or(node.at, |n| n.at);
        let message = "over less than three days no alert says that the budget is spent too fast";
        notes.warning(at, &map.path_of("window"), message);
    }
    objectives.latency_from = read_expr(&mut map, "latency_from", notes);
    objectives.quality_from = read_expr(&mut map, "quality_from", notes);
    for (from, of, has) in [
        ("latency_from", "p95_latency", objectives.p95_latency_s.is_some()),
        ("quality_from", "quality", objectives.quality.is_some()),
    ] {
        if map.node(from).is_some() && !has {
            let message = format!("{from} says where {of} comes from, and there is no {of}");
            notes.error(node.at, &map.path_of(from), message);
        }
    }
    map.finish(notes);
    objectives
}

fn read_expr(map: &mut MapReader<'_>, key: &'static str, notes: &mut Diagnostics) -> Option<String> {
    let expr = map.text(key, notes)?;
    if let Err(error) = lapwing_judge::rules::check_expr(&expr) {
        notes.error(map.at, &map.path_of(key), format!("{expr:?}: {error}"));
    }
    Some(expr)
}

fn read_traffic(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<TrafficSpec> {
    let mut map = MapReader::new(node, path, notes);
    let default = TrafficPolicy::default();
    let traffic = TrafficSpec {
        requests: map.required_text("requests", notes),
        failed: map.required_text("failed", notes),
        policy: TrafficPolicy {
            degraded: ratio(&mut map, "degraded", notes).unwrap_or(default.degraded),
            unhealthy: ratio(&mut map, "unhealthy", notes).unwrap_or(default.unhealthy),
            requests_min: map
                .count("requests_min", notes)
                .map_or(default.requests_min, |n| n as f64),
        },
    };
    let TrafficPolicy {
        degraded, unhealthy, ..
    } = traffic.policy;
    if let Some(at) = map
        .node("degraded")
        .map(|n| n.at)
        .filter(|_| degraded > unhealthy)
    {
        let message = format!("degraded at {degraded} lies above unhealthy at {unhealthy}: it is never said");
        notes.error(at, &map.path_of("degraded"), message);
    }
    map.finish(notes);
    for expr in [&traffic.requests, &traffic.failed] {
        if let Err(error) = lapwing_judge::rules::check_expr(expr) {
            notes.error(node.at, path, format!("{expr:?}: {error}"));
        }
    }
    Some(traffic)
}

fn read_fleet(node: &Node, path: &str, notes: &mut Diagnostics) -> FleetPolicy {
    let mut map = MapReader::new(node, path, notes);
    let default = FleetPolicy::default();
    let count = |n: Option<u64>, default: u32| n.map_or(default, |n| n.min(1000) as u32);
    let policy = FleetPolicy {
        unhealthy_threshold: count(
            map.count("unhealthy_threshold", notes),
            default.unhealthy_threshold,
        ),
        healthy_threshold: count(map.count("healthy_threshold", notes), default.healthy_threshold),
        restart_attempts_max: count(
            map.count("max_restart_attempts", notes),
            default.restart_attempts_max,
        ),
        healthy_shards_min: count(map.count("min_healthy_shards", notes), default.healthy_shards_min),
    };
    map.finish(notes);
    policy
}
