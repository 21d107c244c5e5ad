//! `store:` where samples are kept, how safely, how long, in how much memory.

use crate::config::diagnostic::{Diagnostics, did_you_mean};
use crate::config::reader::MapReader;
use crate::config::yaml::Node;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoreConfig {
    pub(crate) data: PathBuf,
    /// False: a 2xx means the kernel has the bytes. True: it means they are synced.
    pub(crate) durable_on_disk: bool,
    pub(crate) retention_ms: i64,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) memory_limit_bytes: Option<u64>,
    pub(crate) out_of_order_window_ms: i64,
    pub(crate) series_max: Option<u64>,
    pub(crate) series_max_per_source: Option<u64>,
}

const DAY_MS: i64 = 24 * 3_600_000;

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            data: PathBuf::from("lapwing-data"),
            durable_on_disk: false,
            retention_ms: 15 * DAY_MS,
            retention_bytes: None,
            memory_limit_bytes: None,
            out_of_order_window_ms: 3_600_000,
            series_max: None,
            series_max_per_source: None,
        }
    }
}

const DURABILITY: [&str; 2] = ["process", "disk"];

impl StoreConfig {
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
            retention_ms: map
                .duration_ms("retention", notes)
                .unwrap_or(default.retention_ms),
            retention_bytes: map.size_bytes("retention_size", notes),
            memory_limit_bytes: map.size_bytes("memory_limit", notes),
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
