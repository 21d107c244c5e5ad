//! From the bytes that a series arrives with (say, the label part of a protobuf message) to the slot it lives in.
//!
//! Only a 128-bit hash of the bytes is kept, under a secret chosen when the store opens: 28 bytes per series instead of
//! some 150. Two label sets meet with a probability of 2^-128 per pair, which is below that of a memory error; the secret
//! keeps a sender from preparing such a pair.

use hashbrown::HashTable;
use parking_lot::RwLock;
use std::hash::{BuildHasher, RandomState};

const PARTS: usize = 16;

pub(crate) struct RawCache {
    seed: u64,
    parts: [RwLock<HashTable<Entry>>; PARTS],
}

/// The hash in 32-bit pieces, so that the entry is 20 bytes and not 24.
#[derive(Clone, Copy)]
struct Entry {
    hash: [u32; 4],
    slot: u32,
}

fn table_hash(hash: [u32; 4]) -> u64 {
    u64::from(hash[0]) | u64::from(hash[1]) << 32
}

impl RawCache {
    pub(crate) fn new() -> Self {
        RawCache {
            seed: RandomState::new().hash_one(0u64),
            parts: std::array::from_fn(|_| RwLock::new(HashTable::new())),
        }
    }

    #[inline]
    fn hash(&self, raw: &[u8]) -> [u32; 4] {
        let hash = xxhash_rust::xxh3::xxh3_128_with_seed(raw, self.seed);
        [
            hash as u32,
            (hash >> 32) as u32,
            (hash >> 64) as u32,
            (hash >> 96) as u32,
        ]
    }

    #[inline]
    pub(crate) fn get(&self, raw: &[u8]) -> Option<u32> {
        let hash = self.hash(raw);
        let part = self.parts[hash[3] as usize % PARTS].read();
        part.find(table_hash(hash), |e| e.hash == hash).map(|e| e.slot)
    }

    pub(crate) fn insert(&self, raw: &[u8], slot: u32) {
        let hash = self.hash(raw);
        let mut part = self.parts[hash[3] as usize % PARTS].write();
        match part.find_mut(table_hash(hash), |e| e.hash == hash) {
            Some(entry) => entry.slot = slot,
            None => {
                part.insert_unique(table_hash(hash), Entry { hash, slot }, |e| table_hash(e.hash));
            }
        }
    }

    /// Forgets every way that leads to one of these slots.
    pub(crate) fn forget(&self, gone: &impl Fn(u32) -> bool) {
        for part in &self.parts {
            let mut part = part.write();
            part.retain(|e| !gone(e.slot));
            if part.len() * 4 < part.capacity() {
                part.shrink_to_fit(|e| table_hash(e.hash));
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.parts.iter().map(|p| p.read().allocation_size()).sum()
    }
}
