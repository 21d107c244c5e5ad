//! What families of metrics are about: their help, kind and unit, in bounds.
//!
//! Help is repeated by every source with every scrape, so that one long text takes memory once; without bounds, a source that makes up
//! families would take all of it. When room gets short, families that no series belongs to are forgotten; their sources say it again.

use super::head::index::Index;
use lapwing_types::{METRIC_NAME, Matcher, Metadata};
use std::collections::BTreeMap;

/// Longer help or a longer unit is cut here. It is prose: the longest in use have some hundreds of bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 10;
/// All families together may take this part of the memory limit.
const MEMORY_PART: u64 = 8;
/// A node of the tree, three strings.
const FAMILY_BYTES: usize = 160;
/// What the names of series add to that of their family.
const SUFFIXES: [&str; 6] = ["", "_total", "_bucket", "_sum", "_count", "_info"];

#[derive(Default)]
pub(crate) struct Families {
    by_name: BTreeMap<String, Metadata>,
    text_bytes: usize,
}

impl Families {
    pub(crate) fn get(&self, family: &str) -> Option<&Metadata> {
        self.by_name.get(family)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Metadata)> {
        self.by_name.iter()
    }

    pub(crate) fn insert(&mut self, family: String, metadata: Metadata) {
        self.text_bytes += text_bytes(&family, &metadata);
        if let Some(before) = self.by_name.get(&family) {
            self.text_bytes -= text_bytes(&family, before);
        }
        self.by_name.insert(family, metadata);
    }

    /// As [`Families::insert`], where there is room: returns false where there is none.
    pub(crate) fn insert_within(&mut self, max_bytes: u64, family: String, metadata: Metadata) -> bool {
        let coming = text_bytes(&family, &metadata) + FAMILY_BYTES;
        let is_room = (self.heap_bytes() + coming) as u64 <= max_bytes;
        if is_room {
            self.insert(family, metadata);
        }
        is_room
    }

    /// Lets go of what belongs to no series, once half of the room is taken.
    pub(crate) fn forget_unused(&mut self, index: &Index, max_bytes: u64) {
        if self.heap_bytes() as u64 <= max_bytes / 2 {
            return;
        }
        let is_used = |family: &str| {
            SUFFIXES.iter().any(|suffix| {
                let name = format!("{family}{suffix}");
                index.count_at_most(&[Matcher::equal(METRIC_NAME, name)]) > 0
            })
        };
        self.by_name.retain(|family, _| is_used(family));
        self.text_bytes = self.by_name.iter().map(|(name, m)| text_bytes(name, m)).sum();
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.text_bytes + self.by_name.len() * FAMILY_BYTES
    }
}

pub(crate) fn max_bytes(memory_limit_bytes: u64) -> u64 {
    memory_limit_bytes / MEMORY_PART
}

/// Texts of a length that is kept.
pub(crate) fn shortened(mut metadata: Metadata) -> Metadata {
    for text in [&mut metadata.help, &mut metadata.unit] {
        if text.len() > TEXT_BYTES_MAX {
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
            text.shrink_to_fit();
        }
    }
    metadata
}

fn text_bytes(family: &str, metadata: &Metadata) -> usize {
    family.len() + metadata.help.len() + metadata.unit.len()
}
