//! The JSON schema of `lapwing.yml`: for editors that complete and check while one types.
//!
//! Which keys there are is found out by reading a file that has every section, so that a key that the program reads
//! cannot be missing. What each of them is stands in [`keys`], which is also the table of `docs/config.md`. Sections that
//! serde reads (`scrape_configs`, `notify`, …) are asked for the keys that they would take; what stands deeper in them is
//! checked by `lapwing check`, with its place.

mod keys;

use super::decode::{STRANGE_KEY, keys_named};
use super::diagnostic::Diagnostics;
use super::sections::{Config, foreign_keys};
use super::yaml::parse;
use keys::{Described, KEYS, Kind, described};
use lapwing_collect::probe::Probe;
use lapwing_collect::scrape::ScrapeConfig;
use lapwing_judge::packs::PACKS;
use serde_json::{Map, Value, json};

/// Reaches every map that is read key by key.
const EVERYTHING: &str = r"
global: {}
web: { tokens: [{}], tls: {} }
store: { tiers: [{}] }
host: {}
discover: {}
limits: { query: {} }
receive: { pushgateway: {}, statsd: {} }
otlp: {}
dashboards: {}
saved_rules: {}
models:
  - endpoints: [{}]
    fallbacks: [{}]
    objectives: {}
    traffic: {}
    fleet: {}
    health: { probes: [{ recovery: [{ action: { http: {}, fallback_hook: {}, kubernetes_restart: {}, container_restart: {} } }] }] }
    recovery: [{ action: { http: {}, fallback_hook: {}, kubernetes_restart: {}, container_restart: {} } }]
checks: [{ recovery: [{ action: { http: {}, fallback_hook: {}, kubernetes_restart: {}, container_restart: {} } }] }]
maintenance: [{ weekly: {} }]
status: {}
blackbox: {}
";

/// Maps in whose place a single text may stand.
const TEXT_OR_MAP: [&str; 5] = [
    "endpoints[]",
    "fallbacks[]",
    "http",
    "fallback_hook",
    "container_restart",
];

/// Of the whole file.
pub(crate) fn schema() -> Value {
    let mut notes = Diagnostics::new("schema");
    if let Ok(root) = parse(EVERYTHING) {
        Config::read(&root, &mut notes);
    }
    let mut root = json!({ "type": "object", "additionalProperties": false, "properties": {} });
    for (path, keys) in &notes.asked {
        let path = path.replace("[0]", "[]");
        for key in keys {
            let whole = join(&path, key);
            let row = described(&whole);
            put(&mut root, &whole, row.map_or_else(|| json!({}), described_as));
        }
    }
    for (path, keys) in foreign_keys() {
        for key in keys {
            put(&mut root, &join(path, &key), json!({}));
        }
    }
    for kind in Probe::KINDS {
        for checks in ["checks[]", "models[].health.probes[]"] {
            put(&mut root, &join(checks, kind), probe(kind));
        }
    }
    let artifacts =
        json!({ "type": "array", "description": "files that must be there", "items": probe("artifact") });
    put(&mut root, "models[].artifacts", artifacts);
    for pack in PACKS {
        let about =
            json!({ "type": ["boolean", "string", "object"], "description": "on, off, or { off: [rules] }" });
        put(&mut root, &join("packs", pack.name), about);
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("lapwing.yml");
    let job: Map<String, Value> = match serde_json::to_value(ScrapeConfig::default()) {
        Ok(Value::Object(map)) => map.keys().map(|k| (k.clone(), json!({}))).collect(),
        _ => Map::new(),
    };
    root["properties"]["scrape_configs"] = json!({
        "type": "array",
        "items": { "type": "object", "additionalProperties": false, "required": ["job_name"], "properties": job },
    });
    for (section, about) in SECTIONS {
        root["properties"][section]["description"] = json!(about);
    }
    root
}

/// Keys that stand once in a file, with what holds when they are not written, and what they are.
pub(crate) fn plain_keys() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let plain = KEYS
        .iter()
        .filter(|(path, ..)| !path.contains("[]") && path.contains('.'));
    plain.map(|(path, _, default, about)| (*path, *default, *about))
}

/// What each section that is no map of single keys is for.
const SECTIONS: [(&str, &str); 15] = [
    ("scrape_configs", "as in prometheus.yml"),
    (
        "rule_files",
        "paths of Prometheus rule files, as in prometheus.yml",
    ),
    (
        "alerting",
        "as in prometheus.yml: Alertmanagers that alerts are handed on to",
    ),
    ("rules", "Lapwing's own rules: conditions in plain words"),
    ("packs", "the built-in rules"),
    ("notify", "who is told: alertmanager.yml as one section"),
    ("route", "as in alertmanager.yml"),
    ("receivers", "as in alertmanager.yml"),
    ("inhibit_rules", "as in alertmanager.yml"),
    ("time_intervals", "as in alertmanager.yml"),
    ("mute_time_intervals", "as in alertmanager.yml"),
    ("templates", "as in alertmanager.yml"),
    ("models", "what is watched: models with their endpoints"),
    ("checks", "what is watched besides models"),
    ("maintenance", "planned work, in which nobody is told"),
];

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The settings of one kind of probe, as far as it names them itself.
fn probe(kind: &str) -> Value {
    let strange = json!({ kind: { STRANGE_KEY: 0 } });
    let refusal = serde_json::from_value::<Probe>(strange).map_or_else(|e| e.to_string(), |_| String::new());
    let keys: Map<String, Value> = keys_named(&refusal).into_iter().map(|k| (k, json!({}))).collect();
    let mut value = json!({ "description": format!("a probe of the kind {kind}, see health.md") });
    if !keys.is_empty() {
        value["properties"] = Value::Object(keys);
        value["additionalProperties"] = json!(false);
    }
    value
}

/// Puts a value's schema where its path leads, making the maps and lists on the way.
fn put(root: &mut Value, path: &str, value: Value) {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    let name = head.trim_end_matches("[]");
    let properties = &mut root["properties"];
    let slot = &mut properties[name];
    let Some(rest) = rest else {
        // A map that was asked for its own keys already stays one.
        if slot.get("properties").is_none() && slot.get("items").is_none() {
            *slot = value;
        }
        return;
    };
    if head.ends_with("[]") {
        if slot.get("items").is_none() {
            *slot = json!({ "type": "array", "items": map_or_text(head) });
        }
        put(&mut slot["items"], rest, value);
    } else {
        if slot.get("properties").is_none() {
            *slot = map_or_text(head);
        }
        put(slot, rest, value);
    }
}

fn map_or_text(head: &str) -> Value {
    let kinds: &[&str] = if TEXT_OR_MAP.contains(&head) {
        &["object", "null", "string"]
    } else {
        &["object", "null"]
    };
    json!({ "type": kinds, "additionalProperties": false, "properties": {} })
}

fn described_as((_, kind, default, about): &Described) -> Value {
    let mut value = match kind {
        Kind::Text => json!({ "type": ["string", "number"] }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Count => json!({ "type": "integer", "minimum": 0 }),
        Kind::Duration => json!({ "type": ["string", "integer"] }),
        Kind::Ratio => json!({ "type": ["string", "number"] }),
        Kind::Size => json!({ "type": ["string", "integer"] }),
        Kind::Labels => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
        }
        Kind::Maps => json!({ "type": "object", "additionalProperties": { "type": "object" } }),
        Kind::Words => json!({ "type": ["array", "string"], "items": { "type": "string" } }),
        Kind::Ports => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": 65535 } })
        }
        Kind::OneOf(words) => json!({ "enum": words }),
    };
    value["description"] = json!(about);
    if !default.is_empty() {
        value["default"] = json!(default);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::keys::{KEYS, SHARED};
    use super::*;

    /// As much of JSON schema as ours uses; the first thing that is wrong.
    fn wrong(schema: &Value, value: &Value, at: &str) -> Option<String> {
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return (!words.contains(value)).then(|| format!("{at}: {value} is none of {words:?}"));
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(n) if n.is_i64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits = |t: &Value| t == kind || (t == "number" && kind == "integer");
        let is_right = match schema.get("type") {
            None => true,
            Some(Value::Array(kinds)) => kinds.iter().any(fits),
            Some(one) => fits(one),
        };
        if !is_right {
            return Some(format!("{at}: {kind} is none of {}", schema["type"]));
        }
        match value {
            Value::Array(items) => items
                .iter()
                .find_map(|v| wrong(schema.get("items")?, v, &format!("{at}[]"))),
            Value::Object(map) => map.iter().find_map(|(key, v)| {
                let known = schema.get("properties").and_then(|p| p.get(key));
                match (known, schema.get("additionalProperties")) {
                    (Some(known), _) => wrong(known, v, &format!("{at}.{key}")),
                    (None, Some(Value::Bool(false))) => Some(format!("{at}: unknown key {key}")),
                    (None, Some(other)) => wrong(other, v, &format!("{at}.{key}")),
                    (None, None) => None,
                }
            }),
            _ => None,
        }
    }

    fn check(text: &str) -> Option<String> {
        let node = parse(text).unwrap();
        wrong(&schema(), &crate::config::decode::to_json(&node), "")
    }

    #[test]
    fn what_init_writes_and_import_makes_is_valid() {
        assert_eq!(check(include_str!("../../cli/init.yml")), None);
        let taste = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/config/taste.yml");
        assert_eq!(check(&std::fs::read_to_string(taste).unwrap()), None);
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
        for files in [
            vec!["prometheus.yml", "alertmanager.yml"],
            vec!["alerting.yaml"],
            vec!["mlops.yaml"],
            vec!["monitoring.yaml"],
        ] {
            let files: Vec<_> = files.iter().map(|f| dir.join(f)).collect();
            assert_eq!(check(&crate::config::import(&files, &dir).yaml), None);
        }
    }

    #[test]
    fn modules_of_blackbox_exporter_are_maps() {
        let module = "{ prober: http, http: { valid_status_codes: [404] } }";
        assert_eq!(
            check(&format!("blackbox: {{ modules: {{ site: {module} }} }}")),
            None
        );
    }

    #[test]
    fn what_is_wrong_is_found() {
        assert_eq!(check("wep: {}").as_deref(), Some(": unknown key wep"));
        assert_eq!(
            check("store: { durability: disc }").as_deref(),
            Some(".store.durability: \"disc\" is none of [String(\"process\"), String(\"disk\")]")
        );
        assert!(check("limits: { query: { timeout: [] } }").is_some());
        assert!(check("web: { tokens: [{ rool: read }] }").is_some());
        assert!(check("checks: [{ http: { ulr: x } }]").is_some());
        assert!(check("models: [{ endpoints: [7] }]").is_some());
        assert!(check("rules: [{ name: a, condtion: b }]").is_some());
        assert!(check("blackbox: { modules: { site: tcp } }").is_some());
    }

    /// What is described is read, and the page about the configuration has a line on it.
    #[test]
    fn no_key_is_a_ghost_and_each_is_documented() {
        let schema = schema();
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
        let page = std::fs::read_to_string(page).unwrap();
        let shared = SHARED.iter().flat_map(|(places, rows)| {
            rows.iter()
                .map(|(key, _, _, about)| (join(places[0], key), *about))
        });
        let alone = KEYS
            .iter()
            .map(|(path, _, _, about)| ((*path).to_owned(), *about));
        for (path, about) in alone.chain(shared) {
            let pointer = format!(
                "/properties/{}",
                path.replace("[].", "/items/properties/")
                    .replace('.', "/properties/")
            );
            let found = schema.pointer(&pointer);
            assert_eq!(found.map(|v| &v["description"]), Some(&json!(about)), "{path}");
            assert!(
                page.contains(&format!("`{path}`")),
                "docs/config.md has no line on {path}"
            );
        }
    }

    /// Every place under which nothing stands, as `path: schema`.
    fn leaves(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
        let is_list = schema["type"] == "array" && schema.get("description").is_none();
        if let Some(items) = schema.get("items").filter(|_| is_list) {
            return leaves(items, &format!("{path}[]"), found);
        }
        match schema.get("properties").and_then(Value::as_object) {
            Some(map) => map.iter().for_each(|(k, v)| leaves(v, &join(path, k), found)),
            None => found.push((path.to_owned(), schema.clone())),
        }
    }

    /// A key that the loader reads by name is either described or stands in a section that serde reads.
    #[test]
    fn no_key_is_without_a_word() {
        let mut found = Vec::new();
        leaves(&schema(), "", &mut found);
        let foreign = [
            "scrape_configs[]",
            "rules[]",
            "alerting.",
            "notify.",
            "models[].artifacts[]",
        ];
        let probes: Vec<String> = Probe::KINDS
            .iter()
            .flat_map(|k| [format!("checks[].{k}."), format!("models[].health.probes[].{k}.")])
            .collect();
        for (path, leaf) in found {
            let is_foreign = foreign.iter().any(|f| path.starts_with(f));
            let is_setting = probes.iter().any(|p| path.starts_with(p.as_str()));
            assert!(
                is_foreign || is_setting || leaf.get("description").is_some(),
                "{path} is read and stands in no table of schema/keys.rs"
            );
        }
    }

    /// Names that the loader asks for, found in its own source: what `EVERYTHING` does not reach would be missing in the
    /// schema, and is named here.
    #[test]
    fn the_schema_knows_every_key_that_the_loader_reads() {
        const CALLS: [&str; 11] = [
            ".node(\"",
            ".text(\"",
            ".required_text(\"",
            ".bool(\"",
            ".count(\"",
            ".duration_ms(\"",
            ".size_bytes(\"",
            ".list(\"",
            ".text_map(\"",
            "ratio(&mut map, \"",
            "urls(&mut map, \"",
        ];
        let all = schema().to_string();
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/sections")];
        let mut count = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let source = std::fs::read_to_string(&path).unwrap();
                let source = source.split("#[cfg(test)]").next().unwrap();
                for key in CALLS.iter().flat_map(|call| source.split(call).skip(1)) {
                    let key = key.split('"').next().unwrap();
                    count += 1;
                    assert!(
                        all.contains(&format!("\"{key}\":")) || PACK_KEYS.contains(&key),
                        "{}: the key {key:?} is not in the schema; does EVERYTHING reach its map?",
                        path.display()
                    );
                }
            }
        }
        assert!(
            count > 100,
            "only {count} calls were found: are they written otherwise now?"
        );
    }

    /// Stands inside a pack, which is on, off or a map.
    const PACK_KEYS: [&str; 1] = ["off"];

    #[test]
    fn sections_that_serde_reads_name_their_keys() {
        let schema = schema();
        for (pointer, key) in [
            ("/properties/rules/items", "condition"),
            ("/properties/notify", "receivers"),
            ("/properties/notify/properties/lapwing", "schedules"),
            ("/properties/notify/properties/route", "group_by"),
            (
                "/properties/alerting/properties/alertmanagers/items",
                "static_configs",
            ),
            ("/properties/checks/items/properties/http", "expect"),
            ("/properties/scrape_configs/items", "relabel_configs"),
        ] {
            let keys = schema.pointer(pointer).and_then(|v| v["properties"].as_object());
            assert!(keys.is_some_and(|k| k.contains_key(key)), "{pointer}: {keys:?}");
        }
        for kind in Probe::KINDS {
            assert!(
                probe(kind).get("properties").is_some(),
                "{kind} names no settings"
            );
        }
    }
}
