//! Downsampled tiers: made from blocks of samples that no late one can change any more, kept longer than those.
//!
//! 1. A range of half a day, left-open like the buckets, is due when samples for it can come no more and its tier is missing or
//!    has a lower number than one of its blocks of samples (an import, a deletion). Ranges are made in order.
//! 2. Its samples are read once per tier. A counter goes on from the tier of the range before.
//! 3. The result is a block like any other: whole and synced before the manifest names it, so a crash leaves debris and a
//!    range that is due again. Where two tier blocks have one bucket, that of the higher number is right.
//! 4. Tier blocks of one range become one, then those of sixteen days.

use super::block::{self, TierRange};
use super::blocks::{Levels, LiveBlock, block_error, block_name, block_path};
use super::compact::due_in_ranges;
use super::core::Core;
use super::maintain::Disk;
use super::options::TierPolicy;
use super::refusal::OpenError;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Large ranges that become one tier block.
const RANGES_PER_BLOCK: i64 = 32;
/// A block of samples that claims to span more ranges than this is damaged; it has no tier.
const RANGES_MAX: i64 = 64;

/// A tier to be made.
pub(crate) struct Due {
    range: TierRange,
    inputs: Vec<LiveBlock>,
    before: Option<LiveBlock>,
    /// What to remember should nothing come of it.
    key: (i64, i64, u64),
}

/// What decides whether a tier is due: the blocks, and the times before which nothing changes any more and which it is.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) core: &'a Core,
    pub(crate) list: &'a [LiveBlock],
    pub(crate) settled_ms: i64,
    pub(crate) now_ms: i64,
}

/// What is decided about tiers, and what was found out.
#[derive(Default)]
pub(crate) struct Tiers {
    /// Resolution, range and newest block of samples of ranges that leave no bucket (nothing but markers).
    hollow: BTreeSet<(i64, i64, u64)>,
}

impl Tiers {
    /// The first tier that is due. A range with samples in a block that is not named yet has to wait: that block has a lower number
    /// than a tier that would be made without it, and nobody would notice.
    pub(crate) fn due(&self, look: Look<'_>, unnamed: &[LiveBlock]) -> Option<Due> {
        let Look { core, list, .. } = look;
        let mut ranges: BTreeSet<i64> = BTreeSet::new();
        for live in list.iter().filter(|b| b.block.meta().resolution_ms == 0) {
            ranges.extend(ranges_of(live, large_ms(core)));
        }
        let waits = |range: &i64| {
            unnamed
                .iter()
                .any(|b| ranges_of(b, large_ms(core)).any(|r| r == *range))
        };
        ranges
            .into_iter()
            .filter(|range| !waits(range))
            .find_map(|range| {
                let policies = core.options.tiers.iter();
                policies
                    .filter(|policy| self.is_due(look, policy, range))
                    .map(|policy| self.plan(core, *policy, list, range))
                    .next()
            })
    }

    /// Whether a block of samples must stay because a tier of it is still to be made.
    pub(crate) fn wants(&self, look: Look<'_>, live: &LiveBlock) -> bool {
        let core = look.core;
        live.block.meta().resolution_ms == 0
            && ranges_of(live, large_ms(core)).any(|range| {
                let mut policies = core.options.tiers.iter();
                policies.any(|policy| self.is_due(look, policy, range))
            })
    }

    fn is_due(&self, look: Look<'_>, policy: &TierPolicy, range: i64) -> bool {
        let Look {
            core,
            list,
            settled_ms,
            now_ms,
        } = look;
        let large_ms = large_ms(core);
        let end_ms = range.saturating_add(1).saturating_mul(large_ms);
        let expired = policy
            .age_ms
            .is_some_and(|age_ms| end_ms < now_ms.saturating_sub(age_ms));
        let fits = policy.resolution_ms > 0 && large_ms % policy.resolution_ms == 0;
        // The sample that ends the last bucket stands in the window behind the range.
        if expired || !fits || end_ms.saturating_add(core.options.window_ms) > settled_ms {
            return false;
        }
        let newest = newest_samples(list, range, large_ms);
        let made = list.iter().any(|b| {
            let meta = b.block.meta();
            meta.resolution_ms == policy.resolution_ms
                && meta.min_ms <= end_ms
                && meta.max_ms > range.saturating_mul(large_ms)
                && b.number() > newest
        });
        !made && !self.hollow.contains(&(policy.resolution_ms, range, newest))
    }

    fn plan(&self, core: &Core, policy: TierPolicy, list: &[LiveBlock], range: i64) -> Due {
        let large_ms = large_ms(core);
        let after_ms = range.saturating_mul(large_ms);
        let until_ms = range.saturating_add(1).saturating_mul(large_ms);
        let inputs = list.iter().filter(|b| {
            let meta = b.block.meta();
            meta.resolution_ms == 0 && meta.min_ms <= until_ms && meta.max_ms > after_ms
        });
        let before = list.iter().filter(|b| {
            let meta = b.block.meta();
            meta.resolution_ms == policy.resolution_ms
                && meta.min_ms <= after_ms
                && meta.max_ms > after_ms.saturating_sub(large_ms)
        });
        Due {
            range: TierRange {
                after_ms,
                until_ms,
                resolution_ms: policy.resolution_ms,
            },
            inputs: inputs.cloned().collect(),
            before: before.max_by_key(|b| b.number()).cloned(),
            key: (policy.resolution_ms, range, newest_samples(list, range, large_ms)),
        }
    }

    /// Makes what is due; nothing comes back when no bucket is left of it.
    pub(crate) fn make(
        &mut self,
        core: &Core,
        disk: &Disk,
        due: &Due,
        next_number: &mut u64,
    ) -> Result<Option<LiveBlock>, OpenError> {
        let name = block_name(*next_number);
        *next_number += 1;
        let path = block_path(&disk.dir, &name);
        let inputs: Vec<Arc<block::Block>> = due.inputs.iter().map(|b| b.block.clone()).collect();
        let before = due.before.as_ref().map(|b| &*b.block);
        let meta = block::downsample(&inputs, before, &path, due.range)
            .map_err(block_error("downsampling into", path.clone()))?;
        if meta.series == 0 {
            self.hollow.insert(due.key);
            return Ok(None);
        }
        let live = core.blocks.open(&disk.dir, &name);
        live.map(Some).map_err(block_error("opening", path))
    }
}

/// Tier blocks that may become one: those of one range first, of which each but the newest was made again, so that only what it alone
/// still has takes room. One that a block not named yet has samples for stays as it is: with a higher number than that block's it
/// would count as made with those samples.
pub(crate) fn due_for_merging(
    core: &Core,
    list: &[LiveBlock],
    unnamed: &[LiveBlock],
    settled_ms: i64,
) -> Option<Vec<LiveBlock>> {
    let large_ms = large_ms(core);
    let waits = |tier: &LiveBlock| {
        let meta = tier.block.meta();
        // A bucket ends where its range does.
        let (first, last) = (
            meta.min_ms.saturating_sub(1).div_euclid(large_ms),
            meta.max_ms.saturating_sub(1).div_euclid(large_ms),
        );
        unnamed
            .iter()
            .any(|b| ranges_of(b, large_ms).any(|range| (first..=last).contains(&range)))
    };
    let ready: Vec<LiveBlock> = list.iter().filter(|tier| !waits(tier)).cloned().collect();
    [large_ms, large_ms.saturating_mul(RANGES_PER_BLOCK)]
        .into_iter()
        .find_map(|range_ms| {
            let mut policies = core.options.tiers.iter();
            policies.find_map(|policy| due_in_ranges(&ready, policy.resolution_ms, range_ms, settled_ms))
        })
}

fn large_ms(core: &Core) -> i64 {
    Levels {
        window_ms: core.options.window_ms,
    }
    .large_ms()
    .max(1)
}

/// The ranges in which a block of samples has some.
fn ranges_of(live: &LiveBlock, large_ms: i64) -> impl Iterator<Item = i64> {
    let meta = live.block.meta();
    let (first, last) = (meta.min_ms.div_euclid(large_ms), meta.max_ms.div_euclid(large_ms));
    let sane = last.saturating_sub(first) < RANGES_MAX;
    (first..=last).filter(move |_| sane).take(RANGES_MAX as usize)
}

/// The highest number of a block with samples in the range.
fn newest_samples(list: &[LiveBlock], range: i64, large_ms: i64) -> u64 {
    let (start_ms, end_ms) = (
        range.saturating_mul(large_ms),
        range.saturating_add(1).saturating_mul(large_ms),
    );
    let samples = list.iter().filter(|b| {
        let meta = b.block.meta();
        meta.resolution_ms == 0 && meta.min_ms < end_ms && meta.max_ms >= start_ms
    });
    samples.map(LiveBlock::number).max().unwrap_or(0)
}
