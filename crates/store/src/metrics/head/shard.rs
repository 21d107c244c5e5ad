//! A sixteenth of the head's series, and what recent commits did to them.
//!
//! `recent` remembers, for each in-order sample of a commit that some view may not see, the time of the sample before it.
//! Samples of a series are ascending, so "up to this time" says exactly which of them a view sees; in the usual case
//! (no view older than the last commit) nothing is remembered beyond the commit under way.

use super::isolation::{CommitTicket, View};
use super::sealed::{Sealer, SharedTimes};
use super::series::{Judgement, Series};
use super::{SHARDS, position_in_shard};
use std::collections::VecDeque;
use std::sync::Arc;

pub(crate) struct Shard {
    series: Vec<Series>,
    sealer: Sealer,
    recent: VecDeque<Recent>,
}

#[derive(Clone, Copy, Debug)]
struct Recent {
    slot: u32,
    commit: u64,
    previous_t_ms: i64,
}

impl Shard {
    pub(crate) fn new(times: Arc<SharedTimes>, window_ms: i64) -> Self {
        Shard {
            series: Vec::new(),
            sealer: Sealer::new(times, window_ms),
            recent: VecDeque::new(),
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&Series> {
        self.series
            .get(position_in_shard(slot))
            .filter(|s| s.generation != 0)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Series> {
        self.with_sealer(slot).map(|(series, _)| series)
    }

    /// A series, and what its chunks are sealed with.
    #[inline]
    pub(crate) fn with_sealer(&mut self, slot: u32) -> Option<(&mut Series, &mut Sealer)> {
        let series = self.series.get_mut(position_in_shard(slot));
        series
            .filter(|s| s.generation != 0)
            .map(|series| (series, &mut self.sealer))
    }

    /// Where a series' last sample lies after this, the clock was ahead when it came: what does goes to the late ones.
    #[inline]
    pub(crate) fn step_back(&mut self, slot: u32, latest_ms: i64) {
        if self.get(slot).is_some_and(|s| s.last_t_ms > latest_ms) {
            self.step_back_now(slot, latest_ms);
        }
    }

    #[cold]
    fn step_back_now(&mut self, slot: u32, latest_ms: i64) {
        let Some((series, sealer)) = self.with_sealer(slot) else {
            return;
        };
        series.step_back(latest_ms, sealer);
        let last_t_ms = series.last_t_ms;
        for recent in self.recent.iter_mut().filter(|r| r.slot == slot) {
            recent.previous_t_ms = recent.previous_t_ms.min(last_t_ms);
        }
    }

    pub(crate) fn sealer_mut(&mut self) -> &mut Sealer {
        &mut self.sealer
    }

    /// An empty series in this slot, in place of what was there.
    pub(crate) fn place(&mut self, slot: u32, generation: u32) {
        let at = position_in_shard(slot);
        if self.series.len() <= at {
            if self.series.capacity() <= at {
                let missing = at + 1 - self.series.len();
                // Doubling would leave a quarter of a large table empty.
                self.series.reserve_exact(missing.max(self.series.len() / 8));
            }
            self.series.resize_with(at + 1, || Series::new(0));
        }
        self.series[at] = Series::new(generation);
    }

    pub(crate) fn clear(&mut self, slot: u32) {
        if let Some(series) = self.get_mut(slot) {
            *series = Series::new(0);
        }
    }

    /// Series with their slots; `shard` is this shard's number.
    pub(crate) fn iter(&self, shard: usize) -> impl Iterator<Item = (u32, &Series)> {
        let slots = (0..self.series.len()).map(move |i| (i * SHARDS + shard) as u32);
        slots.zip(&self.series).filter(|(_, s)| s.generation != 0)
    }

    pub(crate) fn iter_mut(&mut self, shard: usize) -> impl Iterator<Item = (u32, &mut Series)> {
        let slots = (0..self.series.len()).map(move |i| (i * SHARDS + shard) as u32);
        slots.zip(&mut self.series).filter(|(_, s)| s.generation != 0)
    }

    /// Forgets what every view sees.
    pub(crate) fn settle(&mut self, ticket: CommitTicket) {
        while self
            .recent
            .front()
            .is_some_and(|r| r.commit < ticket.settled_below)
        {
            self.recent.pop_front();
        }
        if self.recent.is_empty() && self.recent.capacity() > 4096 {
            self.recent.shrink_to(1024);
        }
    }

    #[inline]
    pub(crate) fn remember(&mut self, slot: u32, commit: u64, previous_t_ms: i64, judgement: Judgement) {
        if judgement == Judgement::InOrder {
            self.recent.push_back(Recent {
                slot,
                commit,
                previous_t_ms,
            });
        }
    }

    /// For each series that has in-order samples which the view does not see: the time of the last one it does.
    pub(crate) fn hidden_after(&self, view: &View) -> hashbrown::HashMap<u32, i64> {
        let mut bounds = hashbrown::HashMap::new();
        for recent in &self.recent {
            if !view.sees(recent.commit) {
                // The first hidden one is the bound; what came after it in time is hidden with it.
                bounds.entry(recent.slot).or_insert(recent.previous_t_ms);
            }
        }
        bounds
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.series.capacity() * size_of::<Series>()
            + self.recent.capacity() * size_of::<Recent>()
            + self.series.iter().map(Series::heap_bytes).sum::<usize>()
    }
}
