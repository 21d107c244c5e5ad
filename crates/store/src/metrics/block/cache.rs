//! One byte budget for the pages of all open blocks and for what is worth keeping decoded.
//!
//! Invariants: the bytes held never exceed the budget; what is held has passed its checksum. Eviction is by second chance.

use hashbrown::HashMap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Few, so that a decoded bucket group (half a day of twenty buckets: 460 KiB) is a small part of one even with a small
/// budget; a lock is held for a look-up only.
const SHARDS: usize = 4;

/// Where something cached stands: the block, its page, and the offset of a decoded group in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) block: u64,
    pub(super) page: u32,
    /// Where in the page something decoded stands; `None` for the page itself.
    pub(super) offset: Option<u32>,
}

#[derive(Clone)]
pub(super) enum Cached {
    Page(Arc<[u8]>),
    /// Members of a bucket group, one after the other.
    Group(Arc<[f64]>),
    /// A column of timestamps, which all series of a scrape share.
    Times(Arc<[i64]>),
}

pub struct PageCache {
    shards: Vec<Mutex<Shard>>,
    shard_bytes_max: usize,
    blocks: AtomicU64,
}

#[derive(Default)]
struct Shard {
    held: HashMap<Key, Slot>,
    /// Every key of `held`, in the order in which eviction looks at them.
    clock: VecDeque<Key>,
    used_bytes: usize,
}

struct Slot {
    value: Cached,
    touched: bool,
}

impl PageCache {
    pub fn new(size_bytes: usize) -> Arc<Self> {
        Arc::new(PageCache {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes_max: size_bytes / SHARDS,
            blocks: AtomicU64::new(0),
        })
    }

    /// Bytes held at this moment.
    pub fn used_bytes(&self) -> usize {
        self.shards.iter().map(|s| s.lock().used_bytes).sum()
    }

    /// A number for a block that no other block of this cache has.
    pub(super) fn register(&self) -> u64 {
        self.blocks.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn get(&self, key: Key) -> Option<Cached> {
        let mut shard = self.shard(key).lock();
        let slot = shard.held.get_mut(&key)?;
        slot.touched = true;
        Some(slot.value.clone())
    }

    /// Keeps the value if it leaves room for others.
    pub(super) fn insert(&self, key: Key, value: Cached) {
        let size = value.size_bytes();
        if size > self.shard_bytes_max / 2 {
            return;
        }
        let mut shard = self.shard(key).lock();
        while shard.used_bytes + size > self.shard_bytes_max {
            shard.evict_one();
        }
        let slot = Slot {
            value,
            touched: false,
        };
        match shard.held.insert(key, slot) {
            Some(old) => shard.used_bytes -= old.value.size_bytes(),
            None => shard.clock.push_back(key),
        }
        shard.used_bytes += size;
    }

    /// Lets go of everything of one block.
    pub(super) fn forget(&self, block: u64) {
        for shard in &self.shards {
            let shard = &mut *shard.lock();
            shard.clock.retain(|key| key.block != block);
            let mut freed = 0;
            shard.held.retain(|key, slot| {
                let keep = key.block != block;
                if !keep {
                    freed += slot.value.size_bytes();
                }
                keep
            });
            shard.used_bytes -= freed;
        }
    }

    fn shard(&self, key: Key) -> &Mutex<Shard> {
        let mixed = (key.block << 20 ^ u64::from(key.page)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.shards[(mixed >> 62) as usize]
    }
}

impl Shard {
    fn evict_one(&mut self) {
        let Some(key) = self.clock.pop_front() else { return };
        match self.held.get_mut(&key) {
            Some(slot) if slot.touched => {
                slot.touched = false;
                self.clock.push_back(key);
            }
            _ => {
                if let Some(slot) = self.held.remove(&key) {
                    self.used_bytes -= slot.value.size_bytes();
                }
            }
        }
    }
}

impl Cached {
    fn size_bytes(&self) -> usize {
        // Key, slot and ring entry beside the content.
        let overhead = 2 * size_of::<Key>() + size_of::<Slot>();
        overhead
            + match self {
                Cached::Page(bytes) => bytes.len(),
                Cached::Group(values) => size_of_val(&**values),
                Cached::Times(times_ms) => size_of_val(&**times_ms),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(block: u64, page: u32) -> Key {
        Key {
            block,
            page,
            offset: None,
        }
    }

    #[test]
    fn the_budget_holds_and_what_is_used_stays() {
        let cache = PageCache::new(160_000);
        let hot = key(1, 0);
        cache.insert(hot, Cached::Page(Arc::from(vec![1; 1000])));
        for page in 1..2000 {
            assert!(cache.get(hot).is_some(), "evicted at {page}");
            cache.insert(key(1, page), Cached::Page(Arc::from(vec![0; 900])));
            assert!(cache.used_bytes() <= 160_000);
        }
        cache.insert(key(2, 1), Cached::Page(Arc::from(vec![0; 900])));
        cache.forget(1);
        assert!(cache.get(hot).is_none());
        assert!(cache.get(key(2, 1)).is_some());
        cache.forget(2);
        assert_eq!(cache.used_bytes(), 0);
    }

    #[test]
    fn what_would_crowd_out_the_rest_is_not_kept() {
        let cache = PageCache::new(16_000);
        cache.insert(key(1, 1), Cached::Page(Arc::from(vec![0; 2500])));
        assert!(cache.get(key(1, 1)).is_none());
    }
}
