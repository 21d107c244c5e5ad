//! The live blocks of a store, and the names of their directories.
//!
//! The list is replaced as a whole: a snapshot holds the one it was made with, and an open block answers also after its
//! directory is gone.

use super::block::{Block, BlockError, BlockOptions, PageCache};
use super::maintain::in_words;
use super::pair_numbers::PairNumbers;
use super::refusal::OpenError;
use parking_lot::RwLock;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct LiveBlock {
    pub(crate) name: String,
    pub(crate) block: Arc<Block>,
    /// Of its label pairs, in the head.
    pub(crate) numbers: Arc<PairNumbers>,
}

impl LiveBlock {
    /// A block has a higher number than everything that it was made from.
    pub(crate) fn number(&self) -> u64 {
        self.name.parse().unwrap_or(0)
    }
}

pub(crate) type BlockList = Arc<Vec<LiveBlock>>;

pub(crate) struct Blocks {
    pub(crate) cache: Arc<PageCache>,
    list: RwLock<BlockList>,
}

impl Blocks {
    pub(crate) fn new(cache_bytes: usize) -> Self {
        Blocks {
            cache: PageCache::new(cache_bytes),
            list: RwLock::new(Arc::default()),
        }
    }

    pub(crate) fn list(&self) -> BlockList {
        self.list.read().clone()
    }

    pub(crate) fn open(&self, dir: &Path, name: &str) -> Result<LiveBlock, BlockError> {
        let block = Arc::new(Block::open(&block_path(dir, name), &self.cache)?);
        Ok(LiveBlock {
            name: name.to_owned(),
            numbers: Arc::new(PairNumbers::new(block.pairs_len())),
            block,
        })
    }

    /// Takes blocks out of the list and puts others in, at once.
    pub(crate) fn replace(&self, gone: &[String], new: Vec<LiveBlock>) {
        self.replace_and(gone, new, || {});
    }

    /// The same, with something else that whoever takes the list finds done, or not, as he finds the blocks.
    pub(crate) fn replace_and(&self, gone: &[String], new: Vec<LiveBlock>, also: impl FnOnce()) {
        let mut list = self.list.write();
        also();
        let mut next: Vec<LiveBlock> = list.iter().filter(|b| !gone.contains(&b.name)).cloned().collect();
        next.extend(new);
        next.sort_by(|a, b| (a.block.meta().min_ms, &a.name).cmp(&(b.block.meta().min_ms, &b.name)));
        *list = Arc::new(next);
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.list().iter().map(|b| b.name.clone()).collect()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let own = |live: &LiveBlock| live.block.heap_bytes() + live.numbers.heap_bytes();
        self.cache.used_bytes() + self.list().iter().map(own).sum::<usize>()
    }
}

pub(crate) fn block_path(dir: &Path, name: &str) -> PathBuf {
    dir.join("blocks").join(name)
}

pub(crate) fn block_name(number: u64) -> String {
    format!("{number:010}")
}

/// The sizes of ranges in which blocks are gathered: each is a multiple of the one before and aligned to the epoch, so that a
/// block of one lies wholly in one of the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    pub(crate) window_ms: i64,
}

impl Levels {
    /// Two hours, with windows of half an hour: what one flush writes never crosses such a range.
    pub(crate) fn middle_ms(self) -> i64 {
        self.window_ms.saturating_mul(4)
    }

    /// Half a day.
    pub(crate) fn large_ms(self) -> i64 {
        self.window_ms.saturating_mul(24)
    }

    /// How a block is compressed that spans this much.
    pub(crate) fn options(self, span_ms: i64) -> BlockOptions {
        if span_ms > self.middle_ms() {
            BlockOptions {
                window_ms: self.large_ms(),
                ..BlockOptions::cold()
            }
        } else if span_ms > self.window_ms {
            BlockOptions {
                window_ms: self.middle_ms(),
                ..BlockOptions::hot()
            }
        } else {
            BlockOptions {
                window_ms: self.window_ms,
                ..BlockOptions::hot()
            }
        }
    }
}

pub(crate) fn block_error(action: &'static str, path: PathBuf) -> impl FnOnce(BlockError) -> OpenError {
    move |error| match error {
        BlockError::Io { path, source, .. } => OpenError::Io { action, path, source },
        other => OpenError::Damaged {
            path,
            reason: format!("{action}: {}", in_words(&other)),
        },
    }
}
