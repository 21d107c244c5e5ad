//! The JSON schema of `lapwing.yml`: for editors that complete and check while one types.
//!
//! Which keys there are is found out by reading a file that has every section, so that a key that the program reads
//! cannot be missing. What each of them is stands in [`KEYS`], which is also the table of `docs/config.md`. Sections that
//! another system's file brings (`scrape_configs`, `notify`, …) are checked by `lapwing check`, with their places.

use super::diagnostic::Diagnostics;
use super::sections::Config;
use super::yaml::parse;
use lapwing_collect::scrape::ScrapeConfig;
use serde_json::{Map, Value, json};

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bool,
    Count,
    Duration,
    Size,
    /// Of text to text.
    Labels,
    Words,
    OneOf(&'static [&'static str]),
}

use Kind::{Bool, Count, Duration, Labels, OneOf, Size, Text, Words};

/// Path (`[]` for the items of a list), kind, default, meaning.
pub(crate) type Described = (&'static str, Kind, &'static str, &'static str);

pub(crate) const KEYS: &[Described] = &[
    (
        "global.scrape_interval",
        Duration,
        "15s",
        "how often targets are scraped",
    ),
    (
        "global.scrape_timeout",
        Duration,
        "10s",
        "how long a scrape may take; at most the interval",
    ),
    (
        "global.evaluation_interval",
        Duration,
        "15s",
        "how often rules are evaluated",
    ),
    (
        "global.external_labels",
        Labels,
        "",
        "put on whatever leaves: alerts, federation",
    ),
    (
        "web.listen",
        Text,
        "127.0.0.1:9595",
        "address and port; one that others reach needs a token (needs a restart)",
    ),
    (
        "web.external_url",
        Text,
        "",
        "the address that links in pages point to",
    ),
    (
        "web.route_prefix",
        Text,
        "",
        "the path under which everything stands (needs a restart)",
    ),
    (
        "web.open_without_token",
        Bool,
        "false",
        "serve an open address without any login",
    ),
    (
        "web.admin_api",
        Bool,
        "true",
        "whether series can be deleted and snapshots taken over HTTP",
    ),
    (
        "web.lifecycle",
        Bool,
        "true",
        "whether POST /-/reload is answered",
    ),
    (
        "web.tokens[].name",
        Text,
        "",
        "under which its bearer's series and rate are counted",
    ),
    (
        "web.tokens[].role",
        OneOf(&["ingest", "read", "operate", "admin"]),
        "",
        "what its bearer may do; each includes those before it",
    ),
    ("web.tokens[].secret", Text, "", "the token"),
    (
        "web.tokens[].secret_file",
        Text,
        "",
        "a file that holds the token",
    ),
    (
        "web.tls.cert_file",
        Text,
        "",
        "the certificate and its chain, PEM; a renewed one is taken up by itself",
    ),
    ("web.tls.key_file", Text, "", "its private key, PEM"),
    (
        "web.tls.client_ca_file",
        Text,
        "",
        "the authority that clients' certificates are checked against",
    ),
    (
        "web.tls.client_auth",
        OneOf(&["require", "if_given"]),
        "require",
        "whether a client must have one",
    ),
    (
        "web.tls.min_version",
        OneOf(&["TLS12", "TLS13"]),
        "TLS12",
        "the oldest version that is spoken",
    ),
    (
        "store.data",
        Text,
        "lapwing-data",
        "where everything is kept (needs a restart)",
    ),
    (
        "store.durability",
        OneOf(&["process", "disk"]),
        "process",
        "what a 2xx promises: the kernel has it, or the disk (needs a restart)",
    ),
    ("store.retention", Duration, "15d", "how long samples are kept"),
    (
        "store.retention_size",
        Size,
        "",
        "how much the blocks may take together; the oldest go first",
    ),
    (
        "store.memory_limit",
        Size,
        "2GiB",
        "of series and samples in memory; beyond it new series are refused",
    ),
    (
        "store.out_of_order_window",
        Duration,
        "1h",
        "how late a sample may come (needs a restart)",
    ),
    ("store.series_limit", Count, "10000000", "series in memory"),
    (
        "store.series_limit_per_source",
        Count,
        "2000000",
        "series in memory that one source may have brought",
    ),
    ("host.enabled", Bool, "true", "whether this machine is measured"),
    ("host.interval", Duration, "15s", "how often; at least 1s"),
    (
        "discover.local",
        Bool,
        "true",
        "whether model servers and exporters on this machine are found",
    ),
    ("limits.body", Size, "32MiB", "one body as it comes"),
    (
        "limits.unpacked_body",
        Size,
        "128MiB",
        "one body after decompression",
    ),
    (
        "limits.bodies",
        Size,
        "512MiB",
        "all bodies in work together; beyond it 503",
    ),
    (
        "limits.body_timeout",
        Duration,
        "1m",
        "for a whole body to arrive; after it 408",
    ),
    (
        "limits.samples_per_second",
        Count,
        "",
        "on average, by source; beyond it 429 with Retry-After",
    ),
    ("limits.connections", Count, "4096", "at once (needs a restart)"),
    ("limits.query.timeout", Duration, "2m", "one query"),
    ("limits.query.concurrency", Count, "20", "queries at once"),
    (
        "limits.query.samples",
        Count,
        "50000000",
        "samples that one query may hold in memory",
    ),
    (
        "limits.query.lookback",
        Duration,
        "5m",
        "how long after its last sample a series has a value",
    ),
    (
        "limits.query.experimental_functions",
        Bool,
        "false",
        "PromQL's experimental functions and duration expressions",
    ),
    (
        "limits.query.delayed_name_removal",
        Bool,
        "false",
        "names are dropped at the end of an evaluation",
    ),
    (
        "limits.query.type_and_unit_labels",
        Bool,
        "false",
        "__type__ and __unit__ are read",
    ),
    (
        "receive.remote_write",
        Bool,
        "true",
        "Prometheus remote write, /api/v1/write",
    ),
    (
        "receive.otlp",
        Bool,
        "true",
        "OpenTelemetry metrics, HTTP and gRPC",
    ),
    (
        "receive.pushgateway.enabled",
        Bool,
        "true",
        "batch jobs' pushes, /metrics/job/…",
    ),
    (
        "receive.pushgateway.ttl",
        Duration,
        "",
        "how long a pushed group stands after its last push; for ever without it",
    ),
    (
        "receive.statsd.udp",
        Text,
        "",
        "address and port for StatsD datagrams",
    ),
    (
        "receive.statsd.tcp",
        Text,
        "",
        "address and port for StatsD lines",
    ),
    (
        "receive.statsd.flush_interval",
        Duration,
        "10s",
        "how often what was added up becomes samples",
    ),
    (
        "receive.statsd.forget_after",
        Duration,
        "1h",
        "a series without a line for so long is forgotten",
    ),
    (
        "receive.statsd.series_limit",
        Count,
        "100000",
        "StatsD series at once",
    ),
    (
        "otlp.translation_strategy",
        OneOf(&[
            "UnderscoreEscapingWithSuffixes",
            "UnderscoreEscapingWithoutSuffixes",
            "NoUTF8EscapingWithSuffixes",
            "NoTranslation",
        ]),
        "UnderscoreEscapingWithSuffixes",
        "how names are translated",
    ),
    (
        "otlp.promote_resource_attributes",
        Words,
        "",
        "resource attributes that become labels of every series",
    ),
    (
        "otlp.promote_all_resource_attributes",
        Bool,
        "false",
        "all of them do",
    ),
    (
        "otlp.keep_identifying_resource_attributes",
        Bool,
        "false",
        "service.name and its kin stay in target_info too",
    ),
    (
        "otlp.promote_scope_metadata",
        Bool,
        "false",
        "otel_scope_name and its kin on every series",
    ),
    (
        "otlp.convert_histograms_to_nhcb",
        Bool,
        "false",
        "explicit bounds become native histograms with custom buckets",
    ),
    (
        "status.title",
        Text,
        "Status",
        "what stands above the public status page",
    ),
    (
        "blackbox.files",
        Words,
        "",
        "blackbox.yml of blackbox_exporter: modules of `/probe`",
    ),
];

/// Reaches every map that is read key by key.
const EVERYTHING: &str = "global: {}\nweb: { tokens: [{}], tls: {} }\nstore: {}\nhost: {}\ndiscover: {}\n\
    limits: { query: {} }\nreceive: { pushgateway: {}, statsd: {} }\notlp: {}\n\
    status: {}\nblackbox: {}\n";

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
            let whole = if path.is_empty() {
                (*key).to_owned()
            } else {
                format!("{path}.{key}")
            };
            let described = KEYS.iter().find(|(known, ..)| *known == whole);
            put(
                &mut root,
                &whole,
                described.map(described_as).unwrap_or_else(|| json!({})),
            );
        }
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("lapwing.yml");
    let job: Map<String, Value> = match serde_json::to_value(ScrapeConfig::default()) {
        Ok(Value::Object(map)) => map.keys().map(|k| (k.clone(), json!({}))).collect(),
        _ => Map::new(),
    };
    root["properties"]["scrape_configs"] = json!({
        "type": "array",
        "description": "as in prometheus.yml",
        "items": { "type": "object", "required": ["job_name"], "properties": job },
    });
    root["properties"]["rules"] = json!({
        "type": "array",
        "description": "conditions in plain words",
        "items": { "type": "object", "required": ["name"] },
    });
    root
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
            *slot = json!({ "type": "array", "items": { "type": "object", "additionalProperties": false, "properties": {} } });
        }
        put(&mut slot["items"], rest, value);
    } else {
        if slot.get("properties").is_none() {
            *slot = json!({ "type": ["object", "null"], "additionalProperties": false, "properties": {} });
        }
        put(slot, rest, value);
    }
}

fn described_as((_, kind, default, about): &Described) -> Value {
    let mut value = match kind {
        Text => json!({ "type": ["string", "number"] }),
        Bool => json!({ "type": "boolean" }),
        Count => json!({ "type": "integer", "minimum": 0 }),
        Duration => json!({ "type": ["string", "integer"] }),
        Size => json!({ "type": ["string", "integer"] }),
        Labels => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
        }
        Words => json!({ "type": "array", "items": { "type": "string" } }),
        OneOf(words) => json!({ "enum": words }),
    };
    value["description"] = json!(about);
    if !default.is_empty() {
        value["default"] = json!(default);
    }
    value
}

#[cfg(test)]
mod tests {
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
        assert_eq!(check(include_str!("../cli/init.yml")), None);
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
        for files in [
            vec!["prometheus.yml", "alertmanager.yml"],
            vec!["alerting.yaml"],
            vec!["mlops.yaml"],
        ] {
            let files: Vec<_> = files.iter().map(|f| dir.join(f)).collect();
            assert_eq!(check(&crate::config::import(&files, &dir).yaml), None);
        }
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
    }

    /// What is described is read, and the page about the configuration has a line on it.
    #[test]
    fn no_key_is_a_ghost_and_each_is_documented() {
        let schema = schema();
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
        let page = std::fs::read_to_string(page).unwrap();
        for (path, _, _, about) in KEYS {
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
}
