//! Whether the clock is to be believed before anything goes for its age.
//!
//! A clock that jumps ahead for some seconds (a wrong answer of a time server, a machine that starts with a wrong date) makes good
//! data look old. So a leap is believed only once the clock has gone on from there for an hour; a machine that was asleep, or a store
//! that was closed for long, lets its oldest data go an hour later. A clock that is set back is believed at once.

use super::core::Core;
use std::sync::atomic::Ordering;

/// Rounds of upkeep are seconds apart. Data that goes so much too early was about to go.
const LEAP_MS: i64 = 3_600_000;
/// How long the clock has to go on after a leap.
const DOUBT_MS: i64 = 3_600_000;

#[derive(Default)]
pub(crate) struct Leap {
    /// The clock at the last round, and where it leapt to while that is in doubt.
    last_ms: Option<i64>,
    doubted_ms: Option<i64>,
}

impl Leap {
    pub(crate) fn is_believed(&mut self, core: &Core, now_ms: i64) -> bool {
        let before_ms = self.last_ms.unwrap_or_else(|| newest_ms(core).unwrap_or(now_ms));
        self.last_ms = Some(now_ms);
        if now_ms.saturating_sub(before_ms) > LEAP_MS {
            self.doubted_ms = Some(now_ms);
        }
        let is_doubtful = |leapt_ms: i64| (0..DOUBT_MS).contains(&now_ms.saturating_sub(leapt_ms));
        self.doubted_ms = self.doubted_ms.filter(|leapt_ms| is_doubtful(*leapt_ms));
        self.doubted_ms.is_none()
    }
}

/// What was there when the store was opened tells which time it was.
fn newest_ms(core: &Core) -> Option<i64> {
    let blocks = core.blocks.list();
    let in_blocks = blocks.iter().map(|b| b.block.meta().max_ms).max();
    let in_head = core.newest_ms.load(Ordering::Acquire);
    in_blocks.max(Some(in_head).filter(|t_ms| *t_ms > i64::MIN))
}
