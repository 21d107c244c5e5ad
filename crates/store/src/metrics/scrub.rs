//! Reading all blocks again now and then, so that damage is found while there may still be a copy somewhere.
//!
//! One page after the other, block after block, at a rate that nobody notices; a pass begins a day after the one before began,
//! or when that has ended. The pace hangs on the time that maintenance is given.

use super::block::BlockError;
use super::blocks::LiveBlock;
use super::core::Core;

const PASS_MS: i64 = 24 * 3_600_000;
/// After a long pause no more is read than in this time.
const CATCH_UP_MS: i64 = 30_000;

#[derive(Default)]
pub(crate) struct Scrub {
    /// The block under way and its next page.
    place: Option<(String, u32)>,
    last_ms: Option<i64>,
    pass_began_ms: Option<i64>,
}

impl Scrub {
    /// Reads on for as long as the time since the last step allows; returns how much was read. What is damaged is quarantined.
    pub(crate) fn step(&mut self, core: &Core, now_ms: i64) -> u64 {
        let since_ms = self.last_ms.map_or(0, |last| now_ms.saturating_sub(last));
        self.last_ms = Some(now_ms);
        let budget = core.options.scrub_bytes_per_s * since_ms.clamp(0, CATCH_UP_MS).unsigned_abs() / 1_000;
        let mut done = 0;
        while done < budget {
            let Some((live, page)) = self.next(core, now_ms) else {
                break;
            };
            match live.block.check_page(page) {
                Ok(Some(bytes)) => done += bytes,
                Ok(None) => {
                    self.place = Some((live.name, u32::MAX));
                    continue;
                }
                // It is on record; the next page may be whole.
                Err(BlockError::Damaged { .. } | BlockError::Io { .. }) => done += 1,
                Err(_) => {}
            }
            self.place = Some((live.name, page + 1));
        }
        done
    }

    /// Names only grow, so the block after the one that is done is the next greater one.
    fn next(&mut self, core: &Core, now_ms: i64) -> Option<(LiveBlock, u32)> {
        let list = core.blocks.list();
        let first_from = |name: &str| {
            list.iter()
                .filter(|b| b.name.as_str() >= name)
                .min_by_key(|b| b.number())
        };
        let found = match &self.place {
            None => {
                let waits = self
                    .pass_began_ms
                    .is_some_and(|began| (began..began.saturating_add(PASS_MS)).contains(&now_ms));
                if waits {
                    return None;
                }
                self.pass_began_ms = Some(now_ms);
                list.iter().min_by_key(|b| b.number()).map(|b| (b.clone(), 0))
            }
            Some((name, u32::MAX)) => list
                .iter()
                .filter(|b| b.name > *name)
                .min_by_key(|b| b.number())
                .map(|b| (b.clone(), 0)),
            Some((name, page)) => {
                first_from(name).map(|b| (b.clone(), if b.name == *name { *page } else { 0 }))
            }
        };
        if found.is_none() {
            self.place = None;
        }
        found
    }
}
