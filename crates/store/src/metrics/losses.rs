//! What can no longer be read, by block: worked out once when damage is found, so that whoever asks gets an answer at once.

use super::block::{Block, Loss, VerifyReport};
use super::blocks::LiveBlock;
use lapwing_types::Labels;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Stretches listed per block; further ones are counted.
const LISTED_MAX: usize = 1_000;

/// A stretch of a series (or, where its labels are lost too, of an unknown one) that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostStretch {
    pub block: PathBuf,
    pub series: Option<Labels>,
    /// Both ends included.
    pub start_ms: i64,
    pub end_ms: i64,
    pub reason: String,
}

/// The damage of one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockLosses {
    /// The first thousand.
    pub stretches: Vec<LostStretch>,
    pub count: u64,
}

/// Known losses by name of block, and at how many damaged pages they were worked out.
#[derive(Default)]
pub(crate) struct Losses {
    known: Mutex<BTreeMap<String, (usize, BlockLosses)>>,
}

impl Losses {
    /// Looks through blocks with damage that is not known yet; returns how many those were.
    pub(crate) fn update(&self, list: &[LiveBlock]) -> usize {
        let mut known = self.known.lock();
        known.retain(|name, _| list.iter().any(|b| b.name == *name));
        let mut found = 0;
        for live in list.iter().filter(|b| b.block.has_faults()) {
            let pages = live.block.quarantined().len();
            if known.get(&live.name).is_some_and(|(then, _)| *then == pages) {
                continue;
            }
            // Should the device fail meanwhile, the next round tries again.
            if let Ok(verified) = live.block.verify() {
                let losses = losses_of(&live.block, &verified);
                // Looking closely may find more.
                let pages = live.block.quarantined().len();
                known.insert(live.name.clone(), (pages, losses));
                found += 1;
            }
        }
        found
    }

    pub(crate) fn count(&self) -> u64 {
        self.known.lock().values().map(|(_, l)| l.count).sum()
    }

    pub(crate) fn list(&self) -> Vec<BlockLosses> {
        self.known.lock().values().map(|(_, l)| l.clone()).collect()
    }
}

/// What is lost of a block, in the words of whoever runs the store.
pub(crate) fn losses_of(block: &Block, verified: &VerifyReport) -> BlockLosses {
    let (min_ms, max_ms) = (block.meta().min_ms, block.meta().max_ms);
    let stretch = |loss: &Loss| match loss {
        Loss::Samples {
            labels,
            start_ms,
            end_ms,
            page,
        } => LostStretch {
            block: block.dir().to_owned(),
            series: Some(labels.clone()),
            start_ms: *start_ms,
            end_ms: *end_ms,
            reason: format!("page {page} is damaged"),
        },
        Loss::Index { page, reason } => LostStretch {
            block: block.dir().to_owned(),
            series: None,
            start_ms: min_ms,
            end_ms: max_ms,
            reason: format!("page {page} of the index is damaged: {reason}"),
        },
        Loss::Series { labels, reason, .. } => LostStretch {
            block: block.dir().to_owned(),
            series: labels.clone(),
            start_ms: min_ms,
            end_ms: max_ms,
            reason: reason.clone(),
        },
    };
    BlockLosses {
        stretches: verified.losses.iter().take(LISTED_MAX).map(stretch).collect(),
        count: verified.losses_count,
    }
}
