//! The blocks of a store as its manifest names them.

use lapwing_store::metrics::block::{Block, PageCache};
use std::path::Path;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct OnDisk {
    pub(crate) name: String,
    pub(crate) resolution_ms: i64,
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) size_bytes: u64,
}

pub(crate) fn named(dir: &Path) -> Vec<OnDisk> {
    // None was written before the first checkpoint.
    let Ok(manifest) = std::fs::read_to_string(dir.join("MANIFEST")) else {
        return Vec::new();
    };
    let manifest: serde_json::Value = serde_json::from_str(manifest.lines().next().unwrap()).unwrap();
    let names = manifest["blocks"].as_array().unwrap().iter();
    let blocks = names.map(|name| {
        let name = name.as_str().unwrap().to_owned();
        let block = Block::open(&dir.join("blocks").join(&name), &PageCache::new(1 << 20)).unwrap();
        let meta = block.meta();
        OnDisk {
            name,
            resolution_ms: meta.resolution_ms,
            min_ms: meta.min_ms,
            max_ms: meta.max_ms,
            size_bytes: meta.size_bytes,
        }
    });
    blocks.collect()
}

pub(crate) fn size_bytes(blocks: &[OnDisk]) -> u64 {
    blocks.iter().map(|b| b.size_bytes).sum()
}

/// Those of `blocks` that are not among `others`.
pub(crate) fn without(blocks: &[OnDisk], others: &[OnDisk]) -> Vec<OnDisk> {
    let gone = blocks.iter().filter(|b| others.iter().all(|o| o.name != b.name));
    gone.cloned().collect()
}
