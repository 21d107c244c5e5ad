//! The way out: a view of everything committed when it was taken, whatever is written, flushed or deleted meanwhile.
//!
//! Selecting asks the index for slots, then each shard once for what of these series the view may see. Reading a series
//! later takes its shard's lock for as long as its chunks are decoded.

use super::blocks::{BlockList, LiveBlock};
use super::core::Core;
use super::head::extra::Extra;
use super::head::isolation::View;
use super::head::series::{NEVER_MS, Series};
use super::head::{SHARDS, shard_of};
use super::merged;
use super::starts;
use super::tier_reader;
use crate::source::{
    ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader, SeriesSource, TierHint,
};
use lapwing_types::{Exemplar, Labels, Metadata};
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    view: View,
    /// As they were when the view was made.
    blocks: BlockList,
}

/// A series of the head, and how much of it the view sees.
#[derive(Clone, Copy)]
struct Visible {
    slot: u32,
    /// In-order samples after this are of commits that the view does not see.
    until_ms: i64,
    /// The newest sample, when it is an in-order float.
    last: Option<(i64, f64)>,
}

impl Snapshot {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        // The view first: whoever comes after a flush was marked finds its blocks in the list. The list must not have
        // changed meanwhile: a new block may hold a commit that ended after the view was made.
        loop {
            let before = core.blocks.list();
            let view = core.isolation.view();
            let blocks = core.blocks.list();
            if Arc::ptr_eq(&before, &blocks) {
                return Snapshot {
                    inner: Arc::new(Inner { core, view, blocks }),
                };
            }
        }
    }

    /// Time of the newest sample of the store.
    pub fn newest_ms(&self) -> Option<i64> {
        let newest_ms = self.inner.core.newest_ms.load(Ordering::Acquire);
        (newest_ms > NEVER_MS).then_some(newest_ms)
    }

    /// How much a selection is about, told without making it: how many series of the present may match at most, and in how
    /// many blocks the past of them would be looked for.
    pub fn reach(&self, selection: &Selection) -> (usize, usize) {
        let series = self.inner.core.index.read().count_at_most(&selection.matchers);
        let parts = tier_reader::parts(&self.inner.blocks, selection).len();
        (series, parts + self.overlapping(selection).count())
    }

    /// How many values of a label the present has.
    pub fn values_len(&self, name: &str) -> usize {
        self.inner.core.index.read().values_len(name)
    }

    /// The series of the head with something visible in the range, by slot.
    fn visible(&self, selection: &Selection) -> Vec<Visible> {
        let Inner { core, view, .. } = &*self.inner;
        let slots = core.index.read().select(&selection.matchers);
        let mut by_shard: [Vec<u32>; SHARDS] = Default::default();
        for slot in slots {
            by_shard[shard_of(slot)].push(slot);
        }
        let mut found = Vec::new();
        for (number, slots) in by_shard.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
            let shard = core.shards[number].lock();
            let hidden = shard.hidden_after(view);
            for slot in slots {
                let Some(series) = shard.get(*slot) else { continue };
                let bound = if hidden.is_empty() {
                    None
                } else {
                    hidden.get(slot).copied()
                };
                found.extend(look(*slot, series, (bound, view), selection));
            }
        }
        found
    }
}

impl Snapshot {
    fn overlapping(&self, selection: &Selection) -> impl Iterator<Item = &LiveBlock> {
        let (start_ms, end_ms) = (selection.start_ms, selection.end_ms);
        self.inner.blocks.iter().filter(move |live| {
            let meta = live.block.meta();
            meta.resolution_ms == 0 && meta.min_ms <= end_ms && meta.max_ms >= start_ms
        })
    }

    /// Whether the head has anything visible in the range; most questions are answered by its newest sample alone.
    fn is_head_concerned(&self, selection: &Selection) -> bool {
        let Inner { core, view, .. } = &*self.inner;
        match self.newest_ms() {
            None => false,
            Some(newest_ms) if newest_ms < selection.start_ms => false,
            Some(newest_ms) if newest_ms <= selection.end_ms => true,
            Some(_) => core.shards.iter().enumerate().any(|(number, shard)| {
                let shard = shard.lock();
                let hidden = shard.hidden_after(view);
                shard.iter(number).any(|(slot, series)| {
                    let bound = hidden.get(&slot).copied();
                    look(slot, series, (bound, view), selection).is_some()
                })
            }),
        }
    }

    /// The series of the head whose labels a selection is about; `None`: all of them.
    fn slots(&self, selection: &Selection) -> Option<Vec<u32>> {
        if !selection.matchers.is_empty() {
            return Some(self.visible(selection).into_iter().map(|v| v.slot).collect());
        }
        (!self.is_head_concerned(selection)).then(Vec::new)
    }

    /// The values of a label without a condition, the head's among them. Most blocks have those that the head has, under numbers that are known:
    /// only the others are read.
    fn all_values(&self, name: &str, selection: &Selection) -> Result<Vec<String>, ReadError> {
        let index = &self.inner.core.index;
        let concerned = self.concerned(selection);
        loop {
            let epoch = index.read().epoch();
            let mut others: Vec<String> = Vec::new();
            let mut same_epoch = true;
            for live in &concerned {
                let mut pairs = live.block.pairs_named(name);
                let numbers = live.numbers_of(index, &pairs);
                let numbers = numbers.map_err(|e| merged::read_error(live, e))?;
                same_epoch &= numbers.epoch() == epoch;
                pairs.retain(|pair| numbers.get(*pair).is_none());
                live.block
                    .for_each_pair(&pairs, |_, _, value| others.push(value.to_owned()))
                    .map_err(|e| merged::read_error(live, e))?;
            }
            let mut values = {
                let index = index.read();
                // What the head had when the numbers were found it still has, unless it dropped a pair since.
                if !same_epoch || index.epoch() != epoch {
                    continue;
                }
                index.label_values(name, None)
            };
            if !others.is_empty() {
                values.append(&mut others);
                values.sort_unstable();
                values.dedup();
            }
            return Ok(values);
        }
    }

    /// Blocks whose series a selection is about: those with samples, and tiers where there are none any more.
    fn concerned(&self, selection: &Selection) -> Vec<LiveBlock> {
        let parts = tier_reader::parts(&self.inner.blocks, selection);
        let mut found: Vec<LiveBlock> = parts.iter().map(|p| p.live().clone()).collect();
        found.extend(self.overlapping(selection).cloned());
        found
    }

    fn reader(&self, visible: Visible) -> HeadReader {
        HeadReader {
            inner: self.inner.clone(),
            visible,
        }
    }

    /// Labels and readers, ascending by labels: by rank where there is one, by comparing labels for newer series.
    fn in_order(&self, visible: Vec<Visible>) -> Vec<SelectedSeries> {
        let core = &self.inner.core;
        let ranks = core.ranks.read().clone();
        let index = core.index.read();
        let mut ranked: Vec<(u32, Visible)> = Vec::with_capacity(visible.len());
        let mut newer: Vec<SelectedSeries> = Vec::new();
        let entry = |visible: Visible| SelectedSeries {
            labels: index.labels(visible.slot),
            reader: Box::new(self.reader(visible)),
        };
        for visible in visible {
            match ranks.place(visible.slot, index.generation(visible.slot)) {
                Some(place) => ranked.push((place, visible)),
                None => newer.push(entry(visible)),
            }
        }
        ranked.sort_unstable_by_key(|(place, _)| *place);
        let mut selected: Vec<SelectedSeries> = Vec::with_capacity(ranked.len() + newer.len());
        selected.extend(ranked.into_iter().map(|(_, visible)| entry(visible)));
        if !newer.is_empty() {
            newer.sort_by(|a, b| a.labels.cmp(&b.labels));
            // Two ascending runs: the sort merges them.
            selected.extend(newer);
            selected.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        selected
    }
}

fn look(
    slot: u32,
    series: &Series,
    (hidden_after_ms, view): (Option<i64>, &View),
    selection: &Selection,
) -> Option<Visible> {
    let newest_ms = match (hidden_after_ms, &series.extra) {
        // Late samples and histograms that are hidden are left out when they are read.
        (Some(bound), None) => bound,
        _ => series.newest_ms(),
    };
    let first_ms = newest_ms.min(selection.end_ms);
    let ghosts = series.extra.as_ref().map_or(&[][..], |e| &e.ghosts);
    // What a ghost holds is found out when it is read.
    let has_ghost = ghosts.iter().any(|g| g.is_there_for(view));
    if !has_ghost && (newest_ms < selection.start_ms || !series.begins_by(first_ms)) {
        return None;
    }
    let histograms = series.extra.as_ref().is_some_and(|e| !e.histograms.is_empty());
    let known = hidden_after_ms.is_none() && !histograms && !has_ghost && series.open.count() > 0;
    Some(Visible {
        slot,
        until_ms: hidden_after_ms.unwrap_or(series.last_t_ms),
        last: known.then_some((series.last_t_ms, series.last_value)),
    })
}

impl SeriesSource for Snapshot {
    fn select(&self, selection: &Selection) -> Result<Vec<SelectedSeries>, ReadError> {
        self.select_as(selection, TierHint::default())
    }

    fn select_as(&self, selection: &Selection, tier: TierHint) -> Result<Vec<SelectedSeries>, ReadError> {
        let visible = self.visible(selection);
        // Series of blocks can only add to these.
        if let Some(max) = selection.series_max.filter(|max| visible.len() > *max) {
            return Err(ReadError::TooManySeries { max });
        }
        let core = &self.inner.core;
        let blocks: Vec<&LiveBlock> = self.overlapping(selection).collect();
        let parts = tier_reader::parts(&self.inner.blocks, selection);
        if blocks.is_empty() && parts.is_empty() && !core.index.read().may_have_twins() {
            return Ok(self.in_order(visible));
        }
        let tiers = tier_reader::select(parts, selection, tier)?;
        let head = visible.into_iter().map(|v| self.reader(v)).collect();
        let selected = merged::select(core, tiers, head, &blocks, selection)?;
        match selection.series_max {
            Some(max) if selected.len() > max => Err(ReadError::TooManySeries { max }),
            _ => Ok(selected),
        }
    }

    fn label_names(&self, selection: &Selection) -> Result<Vec<String>, ReadError> {
        let slots = self.slots(selection);
        let mut names = self.inner.core.index.read().label_names(slots.as_deref());
        for live in &self.concerned(selection) {
            let range = (selection.start_ms, selection.end_ms);
            names.extend(
                live.block
                    .label_names(&selection.matchers, range)
                    .map_err(|e| merged::read_error(live, e))?,
            );
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn label_values(&self, name: &str, selection: &Selection) -> Result<Vec<String>, ReadError> {
        let Some(slots) = self.slots(selection) else {
            return self.all_values(name, selection);
        };
        let mut values = self.inner.core.index.read().label_values(name, Some(&slots));
        for live in &self.concerned(selection) {
            let range = (selection.start_ms, selection.end_ms);
            live.block
                .for_each_value(name, &selection.matchers, range, |value| {
                    values.push(value.to_owned());
                })
                .map_err(|e| merged::read_error(live, e))?;
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    fn exemplars(&self, selection: &Selection) -> Result<Vec<(Labels, Vec<Exemplar>)>, ReadError> {
        let Inner { core, view, .. } = &*self.inner;
        let index = core.index.read();
        let mut found = Vec::new();
        for slot in index.select(&selection.matchers) {
            let shard = core.shards[shard_of(slot)].lock();
            let Some(extra) = shard.get(slot).and_then(|s| s.extra.as_ref()) else {
                continue;
            };
            let ghosts = extra.ghosts.iter().filter(|g| g.is_there_for(view));
            let mut exemplars: Vec<(i64, Exemplar)> = extra
                .exemplars
                .iter()
                .chain(ghosts.flat_map(|g| &g.exemplars))
                .filter(|e| view.sees(e.commit) && (selection.start_ms..=selection.end_ms).contains(&e.t_ms))
                .map(|e| {
                    (
                        e.t_ms,
                        Exemplar {
                            t_ms: Some(e.t_ms),
                            ..e.exemplar.clone()
                        },
                    )
                })
                .collect();
            if !exemplars.is_empty() {
                exemplars.sort_by_key(|(t, _)| *t);
                found.push((
                    index.labels(slot),
                    exemplars.into_iter().map(|(_, e)| e).collect(),
                ));
            }
        }
        drop(index);
        let blocks: Vec<&LiveBlock> = self.overlapping(selection).collect();
        merged::add_exemplars(&mut found, &blocks, selection)?;
        Ok(found)
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<(String, Metadata)> {
        let known = self.inner.core.metadata.read();
        match metric {
            Some(name) => known
                .get(name)
                .map(|m| (name.to_owned(), m.clone()))
                .into_iter()
                .collect(),
            None => known.iter().map(|(n, m)| (n.clone(), m.clone())).collect(),
        }
    }
}

pub(super) struct HeadReader {
    inner: Arc<Inner>,
    visible: Visible,
}

impl SeriesReader for HeadReader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let Visible { slot, until_ms, .. } = self.visible;
        let shard = self.inner.core.shards[shard_of(slot)].lock();
        let Some(series) = shard.get(slot) else {
            return Ok(());
        };
        let (first, histogram) = (out.times_ms.len(), out.histograms.len());
        let last_ms = end_ms.min(until_ms);
        for chunk in series
            .sealed_since(start_ms)
            .iter()
            .filter(|c| c.first_t_ms() <= last_ms && c.last_t_ms() >= start_ms)
        {
            chunk.read((start_ms, last_ms), &mut out.times_ms, &mut out.values);
        }
        if series.open.count() > 0 && series.open.first_t_ms() <= last_ms {
            series
                .newest_first()
                .read((start_ms, last_ms), &mut out.times_ms, &mut out.values);
        }
        if let Some(extra) = &series.extra {
            self.merge_extra(extra, (start_ms, end_ms), first, out);
            starts::tell(extra.starts.changes(), (first, histogram), out);
        }
        Ok(())
    }

    fn read_last(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        if let Some((t_ms, value)) = self.visible.last.filter(|(t, _)| (start_ms..=end_ms).contains(t)) {
            out.times_ms.push(t_ms);
            out.values.push(value);
            return Ok(());
        }
        let mut all = SeriesPoints::default();
        self.read(start_ms, end_ms, &mut all)?;
        out.push_last_of(all);
        Ok(())
    }
}

impl HeadReader {
    pub(super) fn slot(&self) -> u32 {
        self.visible.slot
    }

    /// Adds late samples and histograms to what was read from `first` on.
    fn merge_extra(
        &self,
        extra: &Extra,
        (start_ms, end_ms): (i64, i64),
        first: usize,
        out: &mut SeriesPoints,
    ) {
        let view = &self.inner.view;
        let ghosts = || extra.ghosts.iter().filter(|g| g.is_there_for(view));
        let late = extra
            .late
            .iter()
            .chain(ghosts().flat_map(|g| &g.late))
            .filter(|s| (start_ms..=end_ms).contains(&s.t_ms) && view.sees(s.commit));
        let mut merged: Vec<(i64, f64)> = late.map(|s| (s.t_ms, s.value)).collect();
        for ghost in ghosts() {
            ghost.read((start_ms, end_ms.min(self.visible.until_ms)), &mut merged);
        }
        if !merged.is_empty() {
            merged.extend(out.times_ms.drain(first..).zip(out.values.drain(first..)));
            merged.sort_by_key(|(t, _)| *t);
            out.times_ms.extend(merged.iter().map(|(t, _)| *t));
            out.values.extend(merged.iter().map(|(_, v)| *v));
        }
        let before = out.histograms.len();
        let histograms = extra
            .histograms
            .iter()
            .chain(ghosts().flat_map(|g| &g.histograms));
        for kept in histograms.filter(|h| (start_ms..=end_ms).contains(&h.t_ms) && view.sees(h.commit)) {
            out.histograms
                .extend(kept.decode().map(|h| (kept.t_ms, Arc::new(h.to_float()))));
        }
        if !extra.ghosts.is_empty() {
            out.histograms[before..].sort_by_key(|h| h.0);
        }
    }
}
