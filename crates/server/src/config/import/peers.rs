//! prometheus.yml and alertmanager.yml: most of them stands in lapwing.yml as it is.

use crate::config::decode::{OTHER_DISCOVERY, is_unknown_discovery};
use crate::config::diagnostic::Diagnostics;
use crate::config::expand::expand_as_go;
use crate::config::reader::{MapReader, text_of};
use crate::config::write::Out;
use crate::config::yaml::{Node, Value};
use std::path::{Path, PathBuf};

/// Where the file stands, and where the result will.
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
    pub(super) beside: &'a Path,
}

impl Place<'_> {
    /// How the result has to call this file.
    pub(super) fn named(&self, file: &Path) -> String {
        let whole = |p: &Path| -> PathBuf {
            let p = if p.as_os_str().is_empty() {
                Path::new(".")
            } else {
                p
            };
            p.canonicalize().unwrap_or_else(|_| p.to_owned())
        };
        let (dir, name) = (
            file.parent().unwrap_or(Path::new("")),
            file.file_name().unwrap_or_default(),
        );
        let full = whole(dir).join(name);
        let near = full.strip_prefix(whole(self.beside)).map(Path::to_owned);
        near.unwrap_or(full).display().to_string()
    }

    /// A pattern in the file, as it must be written in the result.
    fn pattern(&self, pattern: &str) -> String {
        let dir = self.file.parent().unwrap_or(Path::new(""));
        self.named(&dir.join(pattern))
    }
}

const GLOBAL: [&str; 4] = [
    "scrape_interval",
    "scrape_timeout",
    "evaluation_interval",
    "rule_query_offset",
];

pub(super) fn import_prometheus(root: &Node, place: &Place<'_>, out: &mut Out, notes: &mut Diagnostics) {
    let mut map = MapReader::new(root, "", notes);
    for (key, why) in [
        (
            "remote_write",
            "samples are kept and not sent on; let the others scrape /federate",
        ),
        ("remote_read", "only what is kept here is asked"),
        ("tracing", "Lapwing sends no traces of its own"),
        ("runtime", "there is no Go runtime to tune"),
    ] {
        if let Some(node) = map.node(key) {
            notes.warning(node.at, key, format!("did not carry over: {why}"));
        }
    }
    let mut defaults = Vec::new();
    if let Some(node) = map.node("global") {
        defaults = import_global(node, out, notes);
    }
    for (node, path) in map.list("scrape_configs", notes) {
        let mut job = Out::of(node);
        leave_out_discovery(node, (&path, &mut job), notes);
        for (key, value) in &defaults {
            if !matches!(&job, Out::Map(pairs) if pairs.iter().any(|(k, _)| k == key)) {
                job.put(key, value.clone());
            }
        }
        if node.value == Value::Null {
            notes.warning(node.at, &path, "did not carry over: it is empty");
            continue;
        }
        out.push("scrape_configs", job);
    }
    for (node, path) in map.list("scrape_config_files", notes) {
        notes.warning(node.at, &path, "did not carry over: import those files too");
    }
    for (node, path) in map.list("rule_files", notes) {
        if let Some(pattern) = text_of(node, &path, notes) {
            out.push("rule_files", Out::text(place.pattern(&pattern)));
        }
    }
    if let Some(node) = map.node("otlp") {
        out.put("otlp", Out::of(node));
    }
    if let Some(node) = map.node("storage") {
        import_storage(node, out, notes);
    }
    if let Some(node) = map.node("alerting") {
        out.put("alerting", Out::of(node));
    }
    as_warnings(notes, |notes| map.finish(notes));
}

/// Kinds of discovery that are not here: the job keeps its other targets.
fn leave_out_discovery(node: &Node, (path, job): (&str, &mut Out), notes: &mut Diagnostics) {
    let Value::Map(pairs) = &node.value else {
        return;
    };
    for (key, _) in pairs {
        if is_unknown_discovery(&key.text) {
            job.take(&key.text);
            let message = format!("did not carry over: {}", key.text);
            notes.warning_with_hint(key.at, path, message, OTHER_DISCOVERY);
        }
    }
}

/// What of it is a default of every job, since limits stand with the jobs here.
fn import_global(node: &Node, out: &mut Out, notes: &mut Diagnostics) -> Vec<(String, Out)> {
    let mut defaults = Vec::new();
    let Value::Map(pairs) = &node.value else {
        return defaults;
    };
    for (key, value) in pairs {
        let path = format!("global.{}", key.text);
        match key.text.as_str() {
            "external_labels" => {
                out.section("global")
                    .put("external_labels", with_variables(value));
            }
            word if GLOBAL.contains(&word) => {
                out.section("global").put(word, Out::of(value));
            }
            "query_log_file" | "scrape_failure_log_file" => {
                notes.warning(key.at, &path, "did not carry over: it has no meaning here");
            }
            _ => defaults.push((key.text.clone(), Out::of(value))),
        }
    }
    // Prometheus's defaults are longer than ours, and they were meant.
    for key in ["scrape_interval", "evaluation_interval"] {
        if !pairs.iter().any(|(k, _)| k.text == key) {
            out.section("global").put(key, Out::text("1m"));
        }
    }
    defaults
}

/// Prometheus takes `$NAME` and `${NAME}` in these labels from the environment, and nothing where it is not set.
fn with_variables(labels: &Node) -> Out {
    let Value::Map(pairs) = &labels.value else {
        return Out::of(labels);
    };
    let variable = |name: &str| Some(format!("${{{name}:-}}"));
    let written = pairs.iter().map(|(key, value)| {
        let text = value.spelling().unwrap_or_default();
        (key.text.clone(), Out::Text(expand_as_go(&text, &variable).0))
    });
    Out::Map(written.collect())
}

/// `0`, `0s`, `0B`.
fn is_nothing(text: &str) -> bool {
    text.starts_with('0') && text.chars().all(|c| c == '0' || c.is_ascii_alphabetic())
}

fn import_storage(node: &Node, out: &mut Out, notes: &mut Diagnostics) {
    let mut map = MapReader::new(node, "storage", notes);
    if let Some(tsdb) = map.node("tsdb") {
        let mut map = MapReader::new(tsdb, "storage.tsdb", notes);
        if let Some(window) = map.node("out_of_order_time_window") {
            out.section("store").put("out_of_order_window", Out::of(window));
        }
        if let Some(retention) = map.node("retention") {
            let mut map = MapReader::new(retention, "storage.tsdb.retention", notes);
            // Nothing is no end there, and where one of the two is said, the other one has no default.
            let says = |node: &&Node| !node.spelling().is_some_and(|text| is_nothing(&text));
            let (time, size) = (map.node("time").filter(says), map.node("size").filter(says));
            match (time, size) {
                (Some(time), _) => out.section("store").put("retention", Out::of(time)),
                (None, Some(_)) => out
                    .section("store")
                    .put("retention", Out::Text("forever".to_owned())),
                (None, None) => {}
            }
            if let Some(size) = size {
                out.section("store").put("retention_size", Out::of(size));
            }
            as_warnings(notes, |notes| map.finish(notes));
        }
        as_warnings(notes, |notes| map.finish(notes));
    }
    if let Some(exemplars) = map.node("exemplars") {
        notes.warning(
            exemplars.at,
            "storage.exemplars",
            "did not carry over: exemplars are kept per series",
        );
    }
    as_warnings(notes, |notes| map.finish(notes));
}

pub(super) fn import_alertmanager(root: &Node, place: &Place<'_>, out: &mut Out, notes: &mut Diagnostics) {
    let Value::Map(pairs) = &root.value else {
        return;
    };
    for (key, value) in pairs {
        match key.text.as_str() {
            "tracing" => notes.warning(
                key.at,
                "tracing",
                "did not carry over: Lapwing sends no traces of its own",
            ),
            "templates" => {
                let mut map = MapReader::new(root, "", notes);
                let patterns = map.list("templates", notes);
                for (node, path) in patterns {
                    if let Some(pattern) = text_of(node, &path, notes) {
                        out.section("notify")
                            .push("templates", Out::text(place.pattern(&pattern)));
                    }
                }
            }
            word => out.section("notify").put(word, Out::of(value)),
        }
    }
}

/// Keys that nobody knows are no reason to take nothing.
pub(super) fn as_warnings(notes: &mut Diagnostics, complain: impl FnOnce(&mut Diagnostics)) {
    let mut inner = Diagnostics::new(&notes.file);
    complain(&mut inner);
    for mut found in inner.found {
        found.level = crate::config::Level::Warning;
        found.message = format!("did not carry over: {}", found.message);
        notes.found.push(found);
    }
}
