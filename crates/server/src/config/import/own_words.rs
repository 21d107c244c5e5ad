//! The YAML of the systems that Lapwing replaces: a section `monitoring:` with metrics, health checks and alerts, or a section
//! `alerting:` with rules and notifications.
//!
//! Numbers without a unit are seconds. Rules keep their words: a condition means here what it meant there.

use super::peers::as_warnings;
use crate::config::diagnostic::Diagnostics;
use crate::config::reader::{MapReader, text_of};
use crate::config::write::Out;
use crate::config::yaml::{Node, Position, Value};

/// The receiver that all imported channels make.
const RECEIVER: &str = "imported";

pub(super) fn import(root: &Node, out: &mut Out, notes: &mut Diagnostics) {
    let mut map = MapReader::new(root, "", notes);
    if let Some(node) = map.node("monitoring") {
        import_monitoring(node, out, notes);
    }
    if let Some(node) = map.node("alerting") {
        import_alerts(node, "alerting", out, notes);
    }
    as_warnings(notes, |notes| map.finish(notes));
}

fn import_monitoring(node: &Node, out: &mut Out, notes: &mut Diagnostics) {
    let mut map = MapReader::new(node, "monitoring", notes);
    if map.bool("enabled", notes) == Some(false) {
        notes.warning(
            map.at,
            "monitoring.enabled",
            "did not carry over: what must not run is not started",
        );
    }
    if let Some(node) = map.node("metrics") {
        import_metrics(node, out, notes);
    }
    let timing = Timing::read(map.node("health_checks"), notes);
    for key in ["alerting", "alerts"] {
        if let Some(node) = map.node(key) {
            import_alerts(node, &format!("monitoring.{key}"), out, notes);
        }
    }
    if let Some(node) = map.node("logging") {
        let why = "start with --log-level info --log-format json; the log goes to standard error";
        left_out(node.at, "monitoring.logging", why, notes);
    }
    if let Some(node) = map.node("visualization") {
        import_visualization(node, notes);
    }
    let services = map.list("external_services", notes);
    for (node, path) in &services {
        import_service(node, path, (&timing, &mut *out), notes);
    }
    if let Some(at) = timing.at.filter(|_| services.is_empty() && timing.is_on) {
        let why = "no service is named there; write what to look at under `models:` or `checks:`";
        left_out(at, "monitoring.health_checks", why, notes);
    }
    as_warnings(notes, |notes| map.finish(notes));
}

/// What `health_checks` says for all services at once.
struct Timing {
    at: Option<Position>,
    is_on: bool,
    interval: String,
    timeout: String,
}

impl Timing {
    /// The defaults are those of the system that the file was written for.
    fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let mut timing = Timing {
            at: node.map(|n| n.at),
            is_on: true,
            interval: "30s".to_owned(),
            timeout: "10s".to_owned(),
        };
        let Some(node) = node else { return timing };
        let path = "monitoring.health_checks";
        let mut map = MapReader::new(node, path, notes);
        timing.is_on = map.bool("enabled", notes) != Some(false);
        for (key, into) in [
            ("check_interval", &mut timing.interval),
            ("timeout", &mut timing.timeout),
        ] {
            let read = map
                .node(key)
                .and_then(|n| seconds(n, &format!("{path}.{key}"), notes));
            *into = read.unwrap_or_else(|| std::mem::take(into));
        }
        as_warnings(notes, |notes| map.finish(notes));
        timing
    }
}

/// Ports of servers that speak no HTTP, and the kind of check that asks them in their own words.
const OTHER_PROTOCOLS: [(u16, &str); 4] =
    [(6379, "redis"), (5432, "postgres"), (3306, "mysql"), (25, "smtp")];

fn import_service(node: &Node, path: &str, (timing, out): (&Timing, &mut Out), notes: &mut Diagnostics) {
    let mut service = MapReader::new(node, path, notes);
    let name = service.text("name", notes);
    let url = service.text("health_url", notes);
    as_warnings(notes, |notes| service.finish(notes));
    let Some(url) = url else {
        left_out(node.at, path, "it has no health_url", notes);
        return;
    };
    if !timing.is_on {
        let why = format!("health checks are off there; {url} is not looked at");
        left_out(node.at, path, &why, notes);
        return;
    }
    let Ok(parsed) = url::Url::parse(&url) else {
        left_out(node.at, path, &format!("not an address: {url:?}"), notes);
        return;
    };
    let other = OTHER_PROTOCOLS
        .iter()
        .find(|(port, _)| parsed.port() == Some(*port));
    if let Some((port, kind)) = other {
        let address = format!("{}:{port}", parsed.host_str().unwrap_or_default());
        let message = format!(
            "carried over as it stands, but {kind} answers no HTTP at {address}: a check `{kind}: {{ address: \"{address}\", … }}` asks it in its own words"
        );
        notes.warning(node.at, path, message);
    }
    let mut check = Out::map();
    if let Some(name) = name {
        check.put("name", Out::Text(name));
    }
    check.section("http").put("url", Out::Text(url));
    check.put("interval", Out::text(&timing.interval));
    check.put("timeout", Out::text(&timing.timeout));
    out.push("checks", check);
}

/// Every part is named: what looks like one setting here is several there.
fn import_visualization(node: &Node, notes: &mut Diagnostics) {
    let path = "monitoring.visualization";
    let mut map = MapReader::new(node, path, notes);
    for (key, why) in [
        (
            "dashboards",
            "a dashboard is made in the web UI or as a file under `dashboards:`; each reader chooses the refresh, \
             and `store.retention` how long samples are kept",
        ),
        ("plots", "each panel of a dashboard says how it is drawn"),
        ("reports", "nothing is sent by a schedule"),
    ] {
        if let Some(node) = map.node(key) {
            left_out(node.at, &format!("{path}.{key}"), why, notes);
        }
    }
    as_warnings(notes, |notes| map.finish(notes));
}

fn import_metrics(node: &Node, out: &mut Out, notes: &mut Diagnostics) {
    let path = "monitoring.metrics";
    let mut map = MapReader::new(node, path, notes);
    if map.bool("enabled", notes) == Some(false) {
        out.section("host").put("enabled", Out::Plain("false".to_owned()));
    }
    if let Some(endpoint) = map.text("endpoint", notes).filter(|e| e != "/metrics") {
        left_out(
            map.at,
            path,
            &format!("Lapwing's own series are under /metrics, not {endpoint}"),
            notes,
        );
    }
    if let Some(node) = map.node("collection_interval") {
        collect_every(node, "monitoring.metrics.collection_interval", out, notes);
    }
    if let Some(node) = map.node("collection") {
        let mut map = MapReader::new(node, "monitoring.metrics.collection", notes);
        if let Some(node) = map.node("interval") {
            collect_every(node, "monitoring.metrics.collection.interval", out, notes);
        }
        if let Some(node) = map.node("batch_size") {
            let why = "what arrives together is kept together, whatever its size";
            left_out(node.at, "monitoring.metrics.collection.batch_size", why, notes);
        }
        as_warnings(notes, |notes| map.finish(notes));
    }
    if let Some(node) = map.node("storage") {
        let mut map = MapReader::new(node, "monitoring.metrics.storage", notes);
        if let Some(retention) = map.text("retention", notes) {
            out.section("store").put("retention", Out::Text(retention));
        }
        if map.bool("compression", notes) == Some(false) {
            left_out(
                map.at,
                "monitoring.metrics.storage.compression",
                "samples are always compressed",
                notes,
            );
        }
        as_warnings(notes, |notes| map.finish(notes));
    }
    as_warnings(notes, |notes| map.finish(notes));
}

/// One interval there, two here: of what is scraped, and of this machine.
fn collect_every(node: &Node, path: &str, out: &mut Out, notes: &mut Diagnostics) {
    const TIMEOUT_S_MAX: i64 = 10;
    let Some(interval) = seconds(node, path, notes) else {
        return;
    };
    let ms = lapwing_types::parse_duration_ms(&interval).unwrap_or(0);
    let timeout_s = (ms / 1000).clamp(1, TIMEOUT_S_MAX);
    let global = out.section("global");
    global.put("scrape_interval", Out::Text(interval.clone()));
    global.put("scrape_timeout", Out::Text(format!("{timeout_s}s")));
    out.section("host").put("interval", Out::Text(interval));
}

/// A number is seconds; text is a duration as it is here.
fn seconds(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<String> {
    match &node.value {
        Value::Int(n) if *n > 0 => Some(format!("{n}s")),
        Value::Text(text) if lapwing_types::parse_duration_ms(text).is_ok() => Some(text.clone()),
        _ => {
            notes.warning(
                node.at,
                path,
                "did not carry over: not a number of seconds or a duration",
            );
            None
        }
    }
}

fn import_alerts(node: &Node, path: &str, out: &mut Out, notes: &mut Diagnostics) {
    let mut map = MapReader::new(node, path, notes);
    if map.bool("enabled", notes) == Some(false) {
        left_out(
            map.at,
            path,
            "rules that must not fire have `enabled: false` each",
            notes,
        );
    }
    if let Some(node) = map.node("alert_manager_url") {
        hand_on(node, &format!("{path}.alert_manager_url"), out, notes);
    }
    for (node, path) in map.list("rules", notes) {
        import_rule(node, &path, out, notes);
    }
    if let Some(node) = map.node("notifications") {
        import_notifications(node, &format!("{path}.notifications"), out, notes);
    }
    as_warnings(notes, |notes| map.finish(notes));
}

/// The Alertmanager that was told goes on being told.
fn hand_on(node: &Node, path: &str, out: &mut Out, notes: &mut Diagnostics) {
    let text = text_of(node, path, notes).unwrap_or_default();
    let url = url::Url::parse(&text).ok();
    let Some((url, host)) = url.as_ref().and_then(|u| Some((u, u.host_str()?))) else {
        left_out(node.at, path, &format!("not an address: {text:?}"), notes);
        return;
    };
    let target = match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let mut targets = Out::map();
    targets.push("targets", Out::Text(target));
    let mut manager = Out::map();
    if url.scheme() != "http" {
        manager.put("scheme", Out::text(url.scheme()));
    }
    if url.path() != "/" {
        manager.put("path_prefix", Out::text(url.path()));
    }
    manager.push("static_configs", targets);
    out.section("alerting").push("alertmanagers", manager);
}

fn import_rule(node: &Node, path: &str, out: &mut Out, notes: &mut Diagnostics) {
    let mut map = MapReader::new(node, path, notes);
    let mut rule = Out::map();
    for (theirs, ours) in [
        ("name", "name"),
        ("condition", "condition"),
        ("duration", "for"),
        ("severity", "severity"),
    ] {
        if let Some(text) = map.text(theirs, notes) {
            rule.put(ours, Out::Text(text));
        }
    }
    as_warnings(notes, |notes| map.finish(notes));
    out.push("rules", rule);
}

fn import_notifications(node: &Node, path: &str, out: &mut Out, notes: &mut Diagnostics) {
    let mut receiver = Out::map();
    receiver.put("name", Out::text(RECEIVER));
    let mut count = 0;
    match &node.value {
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                let path = format!("{path}[{i}]");
                count += usize::from(import_channel(item, &path, &mut receiver, notes));
            }
        }
        _ => {
            let mut map = MapReader::new(node, path, notes);
            for (node, path) in map.list("channels", notes) {
                let kind = text_of(node, &path, notes).unwrap_or_default();
                let why = format!("{kind} is named without an address: write it under `notify: receivers:`");
                left_out(node.at, &path, &why, notes);
            }
            as_warnings(notes, |notes| map.finish(notes));
        }
    }
    if count > 0 {
        let notify = out.section("notify");
        notify.section("route").put("receiver", Out::text(RECEIVER));
        notify.push("receivers", receiver);
    }
}

/// True when it became a channel.
fn import_channel(node: &Node, path: &str, receiver: &mut Out, notes: &mut Diagnostics) -> bool {
    let mut map = MapReader::new(node, path, notes);
    let kind = map.required_text("type", notes);
    let mut channel = Out::map();
    let key = match kind.as_str() {
        "slack" => {
            take(
                &mut map,
                &mut channel,
                &[("webhook_url", "api_url"), ("channel", "channel")],
                notes,
            );
            "slack_configs"
        }
        "email" => {
            import_email(&mut map, &mut channel, notes);
            "email_configs"
        }
        "pagerduty" => {
            take(&mut map, &mut channel, &[("service_key", "service_key")], notes);
            "pagerduty_configs"
        }
        "webhook" => {
            take(&mut map, &mut channel, &[("url", "url")], notes);
            "webhook_configs"
        }
        other => {
            left_out(
                node.at,
                path,
                &format!("no channel of type {other:?} is known"),
                notes,
            );
            return false;
        }
    };
    as_warnings(notes, |notes| map.finish(notes));
    receiver.push(key, channel);
    true
}

fn take(map: &mut MapReader<'_>, into: &mut Out, keys: &[(&'static str, &str)], notes: &mut Diagnostics) {
    for (theirs, ours) in keys {
        if let Some(text) = map.text(theirs, notes) {
            into.put(ours, Out::Text(text));
        }
    }
}

fn import_email(map: &mut MapReader<'_>, channel: &mut Out, notes: &mut Diagnostics) {
    let host = map.text("smtp_server", notes).unwrap_or_default();
    let port = map.text("smtp_port", notes).unwrap_or_else(|| "587".to_owned());
    let username = map.text("username", notes).unwrap_or_default();
    let from = map.text("from", notes).unwrap_or_else(|| username.clone());
    let to = map.text("to", notes).unwrap_or_else(|| {
        notes.warning(
            map.at,
            &map.path.clone(),
            format!("no recipient is given: pages go to {username}"),
        );
        username.clone()
    });
    channel.put("to", Out::Text(to));
    channel.put("from", Out::Text(from));
    channel.put("smarthost", Out::Text(format!("{host}:{port}")));
    channel.put("auth_username", Out::Text(username));
    if let Some(password) = map.text("password", notes) {
        channel.put("auth_password", Out::Text(password));
    }
}

fn left_out(at: Position, path: &str, why: &str, notes: &mut Diagnostics) {
    notes.warning(at, path, format!("did not carry over: {why}"));
}
