//! `store:` where samples are kept, how safely, how long, in how much memory.

use crate::config::diagnostic::{Diagnostics, did_you_mean};
use crate::config::reader::MapReader;
use crate::config::yaml::Node;
use lapwing_store::metrics::TierPolicy;
use lapwing_types::{format_duration_ms, format_size_bytes};
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoreConfig {
    pub(crate) data: PathBuf,
    /// False: a 2xx means the kernel has the bytes. True: it means they are synced.
    pub(crate) durable_on_disk: bool,
    /// None: for ever.
    pub(crate) retention_ms: Option<i64>,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) memory_limit_bytes: Option<u64>,
    /// Downsampled data kept beside the samples; None keeps the store's own choice.
    pub(crate) tiers: Option<Vec<TierPolicy>>,
    pub(crate) out_of_order_window_ms: i64,
    pub(crate) series_max: Option<u64>,
    pub(crate) series_max_per_source: Option<u64>,
}

const DAY_MS: i64 = 24 * 3_600_000;
/// What is kept where nobody says how long; Prometheus's own choice.
pub(crate) const RETENTION_MS: i64 = 15 * DAY_MS;
/// Less than a program that does nothing takes for itself.
const MEMORY_LEAST_BYTES: u64 = 16 << 20;

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            data: PathBuf::from("lapwing-data"),
            durable_on_disk: false,
            retention_ms: Some(RETENTION_MS),
            retention_bytes: None,
            memory_limit_bytes: None,
            tiers: None,
            out_of_order_window_ms: 3_600_000,
            series_max: None,
            series_max_per_source: None,
        }
    }
}

fn read_retention(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> Option<i64> {
    let Some(node) = map.node("retention") else {
        return Some(RETENTION_MS);
    };
    if node.spelling().as_deref() == Some("forever") {
        return None;
    }
    let retention_ms = map.duration_ms("retention", notes);
    if retention_ms == Some(0) {
        let hint = "write how long samples are kept, such as 15d, or `forever`";
        notes.error_with_hint(node.at, "store.retention", "nothing would be kept", hint);
    }
    retention_ms
}

fn read_memory_limit(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> Option<u64> {
    let limit = map.size_bytes("memory_limit", notes)?;
    if limit < MEMORY_LEAST_BYTES {
        let at = map.node("memory_limit").map_or(map.at, |n| n.at);
        let message = format!("{limit} bytes are too few to keep anything in");
        let hint = "at least 16MiB; without this key it is 2GiB";
        notes.error_with_hint(at, "store.memory_limit", message, hint);
    }
    Some(limit)
}

/// Nothing fits in 0 bytes: as of a Prometheus, where that is how no limit is written.
fn read_retention_size(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> Option<u64> {
    map.size_bytes("retention_size", notes).filter(|bytes| *bytes > 0)
}

const DURABILITY: [&str; 2] = ["process", "disk"];

impl StoreConfig {
    /// `15d`, `50GiB`, `15d or 50GiB`, as a Prometheus says it.
    pub(crate) fn shown_retention(&self) -> String {
        let age = self.retention_ms.map(format_duration_ms);
        let size = self.retention_bytes.map(format_size_bytes);
        let ends: Vec<String> = [age, size].into_iter().flatten().collect();
        if ends.is_empty() {
            return "forever".to_owned();
        }
        ends.join(" or ")
    }

    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let default = StoreConfig::default();
        let Some(node) = node else { return default };
        let mut map = MapReader::new(node, "store", notes);
        let data = map.text("data", notes).map_or(default.data, PathBuf::from);
        let durability = map.node("durability").map(|n| n.at);
        let durable_on_disk = match (map.text("durability", notes).as_deref(), durability) {
            (None | Some("process"), _) => false,
            (Some("disk"), _) => true,
            (Some(other), at) => {
                let near = did_you_mean(other, DURABILITY).unwrap_or("disk");
                notes.error_with_hint(
                    at.unwrap_or(node.at),
                    "store.durability",
                    format!("unknown durability {other:?}"),
                    format!(
                        "did you mean {near:?}? (process survives a crash of Lapwing, disk also a power cut)"
                    ),
                );
                false
            }
        };
        let config = StoreConfig {
            data,
            durable_on_disk,
            retention_ms: read_retention(&mut map, notes),
            retention_bytes: read_retention_size(&mut map, notes),
            memory_limit_bytes: read_memory_limit(&mut map, notes),
            tiers: map.node("tiers").is_some().then(|| read_tiers(&mut map, notes)),
            out_of_order_window_ms: map
                .duration_ms("out_of_order_window", notes)
                .unwrap_or(default.out_of_order_window_ms),
            series_max: map.count("series_limit", notes),
            series_max_per_source: map.count("series_limit_per_source", notes),
        };
        map.finish(notes);
        config
    }
}

/// Half a day is what one tier block is made from at a time: buckets must not cross its ends.
const TIER_RANGE_MS: i64 = 12 * 3_600_000;
const TIER_SHORTEST_MS: i64 = 60_000;

fn read_tiers(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> Vec<TierPolicy> {
    let mut tiers: Vec<TierPolicy> = Vec::new();
    for (node, path) in map.list("tiers", notes) {
        let mut item = MapReader::new(node, &path, notes);
        let every_ms = item.duration_ms("every", notes);
        let age_ms = item.duration_ms("keep", notes);
        item.finish(notes);
        match every_ms {
            Some(every_ms) if every_ms >= TIER_SHORTEST_MS && TIER_RANGE_MS % every_ms == 0 => {
                tiers.push(TierPolicy {
                    resolution_ms: every_ms,
                    age_ms,
                });
            }
            Some(_) => notes.error_with_hint(
                node.at,
                &path,
                "a tier's buckets must be at least 1m long and divide 12h".to_owned(),
                "5m, 15m and 1h do".to_owned(),
            ),
            None => notes.error(node.at, &path, "\"every\" is missing".to_owned()),
        }
    }
    tiers.sort_by_key(|t| t.resolution_ms);
    tiers.dedup_by_key(|t| t.resolution_ms);
    tiers
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_retention_of_nothing_is_a_mistake() {
        let loaded = crate::config::load_text("lapwing.yml", "store: { retention: 0s }\n", &|_| None);
        let said: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(said, ["nothing would be kept"]);
    }

    use crate::config::load_text;

    fn check(text: &str, expect: Result<&[(i64, Option<i64>)], &str>) {
        let loaded = load_text("lapwing.yml", text, &|_| None);
        let messages: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
        match expect {
            Ok(expect) => {
                assert_eq!(messages, Vec::<&str>::new());
                let tiers = loaded.config.and_then(|c| c.store.tiers).unwrap_or_default();
                let found: Vec<(i64, Option<i64>)> =
                    tiers.iter().map(|t| (t.resolution_ms, t.age_ms)).collect();
                assert_eq!(found, expect);
            }
            Err(expect) => assert!(messages.iter().any(|m| m.contains(expect)), "{messages:?}"),
        }
    }

    #[test]
    fn how_long_is_an_age_a_size_or_both() {
        let shown = |store: &str| {
            let loaded = load_text("lapwing.yml", &format!("store: {{ {store} }}\n"), &|_| None);
            let messages: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
            assert_eq!(messages, Vec::<&str>::new(), "{store}");
            loaded.config.unwrap().store.shown_retention()
        };
        assert_eq!(shown("durability: disk"), "15d");
        assert_eq!(shown("retention_size: 50GB"), "15d or 50GiB");
        assert_eq!(shown("retention: forever, retention_size: 50GB"), "50GiB");
        assert_eq!(shown("retention: forever, retention_size: 0"), "forever");
    }

    #[test]
    fn too_little_memory_is_a_mistake() {
        check("store: { memory_limit: 0 }\n", Err("too few to keep anything"));
        check("store: { memory_limit: 10MB }\n", Err("too few to keep anything"));
        check("store: { memory_limit: 16MB }\n", Ok(&[]));
    }

    #[test]
    fn tiers_are_sorted_and_must_fit_half_a_day() {
        let two = "store:\n  tiers: [{ every: 1h }, { every: 5m, keep: 30d }]\n";
        check(two, Ok(&[(300_000, Some(30 * super::DAY_MS)), (3_600_000, None)]));
        check("store:\n  tiers: []\n", Ok(&[]));
        check("store:\n  tiers: [{ every: 7m }]\n", Err("divide 12h"));
        check("store:\n  tiers: [{ every: 10s }]\n", Err("at least 1m"));
        check("store:\n  tiers: [{ keep: 5d }]\n", Err("\"every\" is missing"));
        check("store:\n  tiers: [{ every: 5m, kep: 5d }]\n", Err("unknown key"));
    }
}
