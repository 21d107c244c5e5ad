//! `recovery: [{ on: unhealthy, action: { systemd_restart: vllm }, limit: 3 per hour, dry_run: true }]`.

use crate::config::diagnostic::Diagnostics;
use crate::config::reader::{MapReader, text_of};
use crate::config::yaml::{Node, Value};
use lapwing::health::{Action, RecoverySpec};
use lapwing_judge::health::RecoveryPolicy;
use lapwing_types::HealthState;
use std::collections::BTreeMap;
use std::path::PathBuf;

const TIMEOUT_MS: i64 = 60_000;

pub(super) fn read(items: &[(&Node, String)], notes: &mut Diagnostics) -> Vec<RecoverySpec> {
    let mut specs: Vec<RecoverySpec> = Vec::new();
    for (node, path) in items {
        let Some(mut spec) = read_one(node, path, notes) else {
            continue;
        };
        let same = specs.iter().filter(|s| s.name == spec.name).count();
        if same > 0 {
            spec.name = format!("{}-{}", spec.name, same + 1);
        }
        specs.push(spec);
    }
    specs
}

fn read_one(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<RecoverySpec> {
    let mut map = MapReader::new(node, path, notes);
    let mut policy = RecoveryPolicy::default();
    let on = map.text("on", notes).unwrap_or_else(|| "unhealthy".to_owned());
    policy.on = match on.as_str() {
        "degraded" => HealthState::Degraded,
        "unhealthy" => HealthState::Unhealthy,
        "critical" => HealthState::Critical,
        other => {
            let message = format!("{other:?} is no state that asks for a repair");
            notes.error_with_hint(
                node.at,
                &map.path_of("on"),
                message,
                "degraded, unhealthy or critical",
            );
            policy.on
        }
    };
    if let Some(limit) = map.text("limit", notes) {
        match per_hour(&limit) {
            Some(0) => notes.error_with_hint(
                node.at,
                &map.path_of("limit"),
                "a repair that is never tried",
                "write 1 per hour, or dry_run: true",
            ),
            Some(n) => policy.per_hour_max = n,
            None => notes.error_with_hint(
                node.at,
                &map.path_of("limit"),
                format!("not a limit: {limit:?}"),
                "write 3 per hour",
            ),
        }
    }
    policy.cooldown_ms = map.duration_ms("cooldown", notes).unwrap_or(policy.cooldown_ms);
    policy.backoff_ms = map.duration_ms("backoff", notes).unwrap_or(policy.backoff_ms);
    policy.backoff_max_ms = map
        .duration_ms("backoff_max", notes)
        .unwrap_or(policy.backoff_max_ms);
    policy.verify_within_ms = map
        .duration_ms("verify_within", notes)
        .unwrap_or(policy.verify_within_ms);
    policy.is_dry_run = map.bool("dry_run", notes).unwrap_or(false);
    policy.needs_approval = map.bool("approval", notes).unwrap_or(false);
    let after = map.count("escalate_after", notes);
    policy.escalate_after = after.map_or(policy.escalate_after, |n| n.clamp(1, 1000) as u32);
    let timeout_ms = map.duration_ms("timeout", notes).unwrap_or(TIMEOUT_MS);
    let name = map.text("name", notes);
    let action_path = map.path_of("action");
    let action = match map.node("action") {
        Some(action) => read_action(action, &action_path, notes),
        None => {
            notes.error(node.at, path, "\"action\" is missing");
            None
        }
    };
    map.finish(notes);
    let action = action?;
    Some(RecoverySpec {
        name: name.unwrap_or_else(|| action.kind().to_owned()),
        action,
        policy,
        timeout_ms,
    })
}

fn per_hour(text: &str) -> Option<u32> {
    let words: Vec<&str> = text.split([' ', '/']).filter(|w| !w.is_empty()).collect();
    match words.as_slice() {
        [n] | [n, "per", "hour" | "h"] | [n, "hour" | "h"] => n.parse().ok(),
        _ => None,
    }
}

fn read_action(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<Action> {
    let mut map = MapReader::new(node, path, notes);
    let mut found: Vec<Action> = Vec::new();
    found.extend(
        map.text("systemd_restart", notes)
            .map(|unit| Action::SystemdRestart { unit }),
    );
    let inner = map.path_of("container_restart");
    if let Some(container) = map.node("container_restart") {
        found.push(read_container(container, &inner, notes));
    }
    let command_path = map.path_of("command");
    if let Some(list) = map.node("command") {
        found.push(Action::Command {
            argv: argv(list, &command_path, notes),
        });
    }
    // A fallback is switched to by a hook: an HTTP call under another name.
    for key in ["http", "fallback_hook"] {
        let inner = map.path_of(key);
        if let Some(call) = map.node(key) {
            found.push(read_http(call, &inner, notes));
        }
    }
    let inner = map.path_of("kubernetes_restart");
    if let Some(rollout) = map.node("kubernetes_restart") {
        let mut one = MapReader::new(rollout, &inner, notes);
        found.push(Action::KubernetesRestart {
            namespace: one
                .text("namespace", notes)
                .unwrap_or_else(|| "default".to_owned()),
            workload: one.required_text("workload", notes),
        });
        one.finish(notes);
    }
    map.finish(notes);
    if found.len() != 1 {
        let message = "an action is one of systemd_restart, container_restart, kubernetes_restart, command, http, fallback_hook";
        notes.error(node.at, path, message);
        return None;
    }
    found.pop()
}

fn argv(node: &Node, path: &str, notes: &mut Diagnostics) -> Vec<String> {
    match &node.value {
        Value::List(items) if items.is_empty() => {
            notes.error_with_hint(node.at, path, "a command of nothing", "name the program first");
            Vec::new()
        }
        Value::List(items) => items.iter().filter_map(|n| text_of(n, path, notes)).collect(),
        _ => {
            let hint = "write the program and its arguments: [systemctl, restart, x]";
            notes.error_with_hint(node.at, path, "a command is a list", hint);
            Vec::new()
        }
    }
}

fn read_container(node: &Node, path: &str, notes: &mut Diagnostics) -> Action {
    if let Value::Text(name) = &node.value {
        return Action::ContainerRestart {
            container: name.clone(),
            socket: None,
        };
    }
    let mut map = MapReader::new(node, path, notes);
    let action = Action::ContainerRestart {
        container: map.required_text("name", notes),
        socket: map.text("socket", notes).map(PathBuf::from),
    };
    map.finish(notes);
    action
}

fn read_http(node: &Node, path: &str, notes: &mut Diagnostics) -> Action {
    if let Value::Text(url) = &node.value {
        return Action::Http {
            url: url.clone(),
            method: "POST".to_owned(),
            headers: BTreeMap::new(),
            body: None,
        };
    }
    let mut map = MapReader::new(node, path, notes);
    let action = Action::Http {
        url: map.required_text("url", notes),
        method: map.text("method", notes).unwrap_or_else(|| "POST".to_owned()),
        headers: map.text_map("headers", notes).into_iter().collect(),
        body: map.text("body", notes),
    };
    map.finish(notes);
    action
}
