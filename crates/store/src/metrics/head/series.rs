//! One series in the head: its last sample, the chunk that grows, and those of its windows that are not in a block yet.

use super::chunk::{NewestFirst, OpenChunk};
use super::extra::{Extra, HistogramSample, Inserted, KeptExemplar, LateSample};
use super::ghost::{Deletion, Ghost};
use super::sealed::{SealedChunk, Sealer};
use crate::metrics::starts::StartChange;
use lapwing_types::{Exemplar, Histogram};
use std::sync::Arc;

/// "No sample yet"; as a time it lies before every other one.
pub(crate) const NEVER_MS: i64 = i64::MIN;

/// About 100 bytes, plus about 250 for the open chunk and one byte and a half per sealed sample.
#[derive(Debug)]
pub(crate) struct Series {
    /// Zero while the slot is free.
    pub(crate) generation: u32,
    pub(crate) last_t_ms: i64,
    pub(crate) last_value: f64,
    /// The last sample was deleted: its time remains, but nothing stands there.
    pub(crate) is_last_gone: bool,
    pub(crate) open: OpenChunk,
    pub(crate) sealed: Vec<SealedChunk>,
    pub(crate) extra: Option<Box<Extra>>,
}

/// What the shard decided about a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    InOrder,
    Late,
    Identical,
    TooOld,
    Conflict,
}

impl From<Inserted> for Judgement {
    fn from(inserted: Inserted) -> Self {
        match inserted {
            Inserted::New => Judgement::Late,
            Inserted::Identical => Judgement::Identical,
            Inserted::Conflict => Judgement::Conflict,
        }
    }
}

/// Bounds that hold for one commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Nothing earlier than this is taken, even in order.
    pub(crate) oldest_ms: i64,
    /// What a series has after this does not count as its newest: the clock was ahead when it came.
    pub(crate) latest_ms: i64,
    /// Out of order a series takes what is not further behind its newest sample.
    pub(crate) ooo_window_ms: i64,
    /// A time has a float or a histogram. What was acknowledged before comes back as it was.
    pub(crate) has_one_kind: bool,
    pub(crate) exemplars_max: usize,
    pub(crate) commit: u64,
}

impl Bounds {
    /// Of samples that were taken before, and are taken anew: none is refused.
    pub(crate) const OF_KEPT: Bounds = Bounds {
        oldest_ms: NEVER_MS,
        latest_ms: i64::MAX,
        has_one_kind: false,
        ooo_window_ms: i64::MAX,
        exemplars_max: 0,
        commit: 0,
    };
}

impl Series {
    pub(crate) fn new(generation: u32) -> Self {
        Series {
            generation,
            last_t_ms: NEVER_MS,
            last_value: 0.0,
            is_last_gone: false,
            open: OpenChunk::default(),
            sealed: Vec::new(),
            extra: None,
        }
    }

    #[inline]
    pub(crate) fn append(
        &mut self,
        (t_ms, value): (i64, f64),
        bounds: &Bounds,
        sealer: &mut Sealer,
    ) -> Judgement {
        if t_ms < bounds.oldest_ms {
            return Judgement::TooOld;
        }
        if bounds.has_one_kind && self.extra.as_ref().is_some_and(|e| e.has_histogram_at(t_ms)) {
            return Judgement::Conflict;
        }
        if t_ms <= self.last_t_ms {
            return self.append_late(t_ms, value, bounds);
        }
        if self.open.count() > 0 {
            if t_ms >= sealer.window_end_ms(self.last_t_ms) {
                self.end_window(sealer);
            } else if self.open.due() > 0 {
                self.seal_old(self.open.due(), sealer);
            }
        }
        self.open.push((t_ms, value), (self.last_t_ms, self.last_value));
        self.last_t_ms = t_ms;
        self.last_value = value;
        self.is_last_gone = false;
        Judgement::InOrder
    }

    /// The window of the last sample is over. No piece spans two windows: what is left of the one before goes first.
    #[cold]
    fn end_window(&mut self, sealer: &mut Sealer) {
        self.seal_over(sealer);
        self.open.end_stretch();
    }

    /// What is left in the open chunk of a window that is over.
    fn seal_over(&mut self, sealer: &mut Sealer) {
        if self.open.over() > 0 {
            self.seal_old(self.open.over(), sealer);
        }
    }

    /// Ends the open chunk, which is not empty.
    fn seal(&mut self, sealer: &mut Sealer) {
        self.seal_over(sealer);
        let before = self.take_before(self.open.count(), sealer);
        let piece = sealer.seal(before.as_ref(), self.newest_first());
        self.sealed.reserve_exact(1);
        self.sealed.push(piece);
        self.open.restart();
    }

    /// The newest piece, where it and the first samples of the open chunk should become one: in one window, and the piece no
    /// longer than what comes to it, so that no sample is sealed often.
    fn take_before(&mut self, coming: usize, sealer: &Sealer) -> Option<SealedChunk> {
        let end_ms = sealer.window_end_ms(self.open.first_t_ms());
        self.sealed.pop_if(|piece| {
            piece.flush == 0 && piece.count() <= coming && sealer.window_end_ms(piece.last_t_ms()) == end_ms
        })
    }

    #[cold]
    fn seal_old(&mut self, old: usize, sealer: &mut Sealer) {
        let before = self.take_before(old, sealer);
        let last = (self.last_t_ms, self.last_value);
        let piece = (self.open).cut(old, last, |samples| sealer.seal(before.as_ref(), samples));
        self.sealed.reserve_exact(1);
        self.sealed.push(piece);
    }

    #[cold]
    fn append_late(&mut self, t_ms: i64, value: f64, bounds: &Bounds) -> Judgement {
        let same = |kept: f64| kept.to_bits() == value.to_bits();
        let standing = if t_ms == self.last_t_ms && !self.is_last_gone {
            Some(self.last_value)
        } else {
            self.in_order_at(t_ms)
        };
        match standing {
            Some(kept) if same(kept) => Judgement::Identical,
            Some(_) => Judgement::Conflict,
            None if t_ms < self.last_t_ms.saturating_sub(bounds.ooo_window_ms) => Judgement::TooOld,
            None => self
                .extra_mut()
                .insert_late(LateSample {
                    t_ms,
                    value,
                    commit: bounds.commit,
                    flush: 0,
                })
                .into(),
        }
    }

    fn in_order_at(&self, t_ms: i64) -> Option<f64> {
        if self.open.count() > 0 && t_ms >= self.open.first_t_ms() {
            let at = self.newest_first().find(|(t, _)| *t <= t_ms);
            return at.filter(|(t, _)| *t == t_ms).map(|(_, value)| value);
        }
        let holds = |c: &&SealedChunk| (c.first_t_ms()..=c.last_t_ms()).contains(&t_ms);
        self.sealed.iter().find(holds)?.value_at(t_ms)
    }

    /// Samples of the open chunk.
    #[inline]
    pub(crate) fn newest_first(&self) -> NewestFirst<'_> {
        self.open.newest_first((self.last_t_ms, self.last_value))
    }

    pub(crate) fn append_histogram(
        &mut self,
        t_ms: i64,
        histogram: &Histogram,
        bounds: &Bounds,
    ) -> Judgement {
        if t_ms < bounds.oldest_ms {
            return Judgement::TooOld;
        }
        let is_known = self.extra.as_ref().is_some_and(|e| e.has_histogram_at(t_ms));
        if !is_known {
            let newest_ms = self.newest_by(bounds.latest_ms);
            if t_ms < newest_ms.saturating_sub(bounds.ooo_window_ms) {
                return Judgement::TooOld;
            }
            if bounds.has_one_kind && self.has_float_at(t_ms) {
                return Judgement::Conflict;
            }
        }
        self.extra_mut()
            .insert_histogram(HistogramSample::new(t_ms, histogram, bounds.commit))
            .into()
    }

    /// Newest time of any kind of sample, of those that are not of the future.
    fn newest_by(&self, latest_ms: i64) -> i64 {
        let histogram = self
            .extra
            .as_ref()
            .map_or(NEVER_MS, |e| e.newest_histogram_by(latest_ms));
        match self.last_t_ms <= latest_ms {
            true => self.last_t_ms.max(histogram),
            false => histogram,
        }
    }

    fn has_float_at(&self, t_ms: i64) -> bool {
        let is_late = |e: &Extra| e.late.binary_search_by_key(&t_ms, |s| s.t_ms).is_ok();
        let is_last = t_ms == self.last_t_ms && !self.is_last_gone;
        let is_before = || t_ms < self.last_t_ms && self.in_order_at(t_ms).is_some();
        is_last || is_before() || self.extra.as_deref().is_some_and(is_late)
    }

    pub(crate) fn append_exemplar(&mut self, t_ms: i64, exemplar: Exemplar, bounds: &Bounds) -> Judgement {
        let kept = KeptExemplar {
            t_ms,
            exemplar,
            commit: bounds.commit,
            flush: 0,
        };
        self.extra_mut()
            .insert_exemplar(kept, bounds.exemplars_max)
            .into()
    }

    pub(crate) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Newest time of any kind of sample.
    pub(crate) fn newest_ms(&self) -> i64 {
        let histogram = self.extra.as_ref().map_or(NEVER_MS, |e| e.last_histogram_ms());
        self.last_t_ms.max(histogram)
    }

    /// Newest time of a sample that is still there or in a block; the last one may have been deleted.
    pub(crate) fn newest_kept_ms(&self) -> i64 {
        if !self.is_last_gone {
            return self.newest_ms();
        }
        let extra = self.extra.as_ref();
        let histogram = extra.and_then(|e| e.histograms.last()).map(|h| h.t_ms);
        let in_order = self.sealed.last().map(SealedChunk::last_t_ms);
        in_order.max(histogram).unwrap_or(NEVER_MS)
    }

    /// What came by a clock that was ahead goes to the late samples, so that the present is in order again. To be called where the
    /// last sample lies after `latest_ms`.
    #[cold]
    pub(crate) fn step_back(&mut self, latest_ms: i64, sealer: &mut Sealer) {
        let mut pieces = Vec::new();
        while let Some(piece) = self.sealed.pop_if(|piece| piece.last_t_ms() > latest_ms) {
            pieces.push(piece);
        }
        let (mut times_ms, mut values) = (Vec::new(), Vec::new());
        let everything_ms = (i64::MIN, i64::MAX);
        for piece in pieces.iter().rev() {
            piece.read(everything_ms, &mut times_ms, &mut values);
        }
        self.newest_first()
            .read(everything_ms, &mut times_ms, &mut values);
        self.open = OpenChunk::default();
        self.is_last_gone = false;
        (self.last_t_ms, self.last_value) = (NEVER_MS, 0.0);
        if let Some(piece) = self.sealed.last() {
            self.last_t_ms = piece.last_t_ms();
            self.last_value = piece.value_at(self.last_t_ms).unwrap_or(0.0);
        }
        for (t_ms, value) in times_ms.into_iter().zip(values) {
            if t_ms <= latest_ms {
                self.append((t_ms, value), &Bounds::OF_KEPT, sealer);
            } else {
                self.extra_mut().insert_late(LateSample {
                    t_ms,
                    value,
                    commit: 0,
                    flush: 0,
                });
            }
        }
    }

    /// Oldest time that is still in memory, and whether there is any.
    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        let chunk = match self.sealed.first() {
            Some(sealed) => Some(sealed.first_t_ms()),
            None => (self.open.count() > 0).then(|| self.open.first_t_ms()),
        };
        let extra = self.extra.as_ref();
        let late = extra.and_then(|e| e.late.first()).map(|s| s.t_ms);
        let histogram = extra.and_then(|e| e.histograms.first()).map(|h| h.t_ms);
        [chunk, late, histogram].into_iter().flatten().min()
    }

    /// Whether there is a sample that is not after this time. Most questions are about the open chunk: sealed ones, each somewhere
    /// else in memory, are looked at last.
    pub(crate) fn begins_by(&self, t_ms: i64) -> bool {
        let begins_open = self.open.count() > 0 && self.open.first_t_ms() <= t_ms;
        begins_open || self.oldest_ms().is_some_and(|oldest_ms| oldest_ms <= t_ms)
    }

    /// Sealed chunks that may hold something from this time on: none where the open one goes back that far.
    pub(crate) fn sealed_since(&self, start_ms: i64) -> &[SealedChunk] {
        if self.open.count() > 0 && self.open.first_t_ms() <= start_ms {
            return &[];
        }
        let earlier = self.sealed.iter().rposition(|c| c.last_t_ms() < start_ms);
        &self.sealed[earlier.map_or(0, |at| at + 1)..]
    }

    /// Removes what is to be deleted, and leaves its ghost; returns how many samples went. What remains is sealed anew: the open
    /// chunk cannot go on from a sample that is gone.
    pub(crate) fn delete(&mut self, deletion: &Arc<Deletion>, sealer: &mut Sealer) -> usize {
        let mut ghost = Ghost::of(deletion);
        if let Some(extra) = &mut self.extra {
            extra.delete(deletion, &mut ghost);
        }
        let beside = ghost.late.len() + ghost.histograms.len();
        let in_order = self.delete_in_order(&mut ghost, sealer);
        if !ghost.is_empty() {
            self.extra_mut().ghosts.push(ghost);
        }
        self.is_last_gone |= deletion.covers(self.last_t_ms);
        beside + in_order
    }

    fn delete_in_order(&mut self, ghost: &mut Ghost, sealer: &mut Sealer) -> usize {
        let (mut times_ms, mut values) = (Vec::new(), Vec::new());
        let everything_ms = (i64::MIN, i64::MAX);
        for chunk in &self.sealed {
            chunk.read(everything_ms, &mut times_ms, &mut values);
        }
        self.newest_first()
            .read(everything_ms, &mut times_ms, &mut values);
        let before = times_ms.len();
        let mut again = Series::new(self.generation);
        let mut kept = 0;
        let stays = |sample: &(i64, f64)| !ghost.deletion.covers(sample.0);
        for sample in times_ms.into_iter().zip(values).filter(stays) {
            again.append(sample, &Bounds::OF_KEPT, sealer);
            kept += 1;
        }
        if kept == before {
            return 0;
        }
        if again.open.count() > 0 {
            again.seal(sealer);
        }
        ghost.last = (self.last_t_ms, self.last_value);
        ghost.open = std::mem::take(&mut self.open);
        ghost.sealed = std::mem::replace(&mut self.sealed, again.sealed);
        before - kept
    }

    /// Lets go of what was deleted and nobody looks at any more.
    pub(crate) fn drop_ghosts(&mut self, is_over: &dyn Fn(&Deletion) -> bool) {
        if let Some(extra) = &mut self.extra {
            extra.ghosts.retain(|g| !is_over(&g.deletion));
            extra.ghosts.shrink_to_fit();
        }
    }

    /// Seals what lies before the beginning of a window. Whoever wrote nothing since then keeps no buffer either.
    pub(crate) fn seal_before(&mut self, until_ms: i64, sealer: &mut Sealer) {
        if self.last_t_ms >= until_ms {
            if self.open.first_t_ms() < until_ms {
                self.seal_over(sealer);
            }
            return;
        }
        if self.open.count() > 0 {
            self.seal(sealer);
        }
        self.open = OpenChunk::default();
    }

    /// Drops what a flush copied; returns how many chunks went.
    pub(crate) fn drop_flushed(&mut self, flush: u32) -> usize {
        let before = self.sealed.len();
        self.sealed.retain(|c| c.flush != flush);
        self.sealed.shrink_to_fit();
        if let Some(extra) = &mut self.extra {
            extra.drop_flushed(flush);
        }
        self.forget_starts();
        before - self.sealed.len()
    }

    /// Start times that no sample here needs any more; the newest stays for the samples that will come.
    fn forget_starts(&mut self) {
        let oldest_ms = self.oldest_ms().unwrap_or(self.last_t_ms);
        if let Some(extra) = &mut self.extra {
            extra.starts.forget_before(oldest_ms);
            // Histograms that come late are judged by the last one, which a block may have by now.
            let had_histograms = extra.last_histogram_ms() > NEVER_MS;
            if extra.is_empty() && extra.starts.changes().is_empty() && !had_histograms {
                self.extra = None;
            }
        }
    }

    /// Notes that the sample at `t_ms` said when its counter began; returns what changed by it.
    pub(crate) fn note_start(&mut self, t_ms: i64, start_ms: i64) -> Vec<StartChange> {
        let newest_ms = self.newest_ms();
        self.extra_mut().starts.note(t_ms, start_ms, newest_ms)
    }

    /// Drops what lies wholly before a time; returns how many chunks went.
    pub(crate) fn forget_before(&mut self, oldest_ms: i64) -> usize {
        let before = self.sealed.len() + usize::from(self.open.count() > 0);
        self.sealed.retain(|c| c.last_t_ms() >= oldest_ms);
        if self.open.count() > 0 && self.last_t_ms < oldest_ms {
            self.open = OpenChunk::default();
        }
        if let Some(extra) = &mut self.extra {
            extra.late.retain(|s| s.t_ms >= oldest_ms);
            extra.histograms.retain(|h| h.t_ms >= oldest_ms);
            extra.exemplars.retain(|e| e.t_ms >= oldest_ms);
        }
        before - self.sealed.len() - usize::from(self.open.count() > 0)
    }

    pub(crate) fn has_samples(&self) -> bool {
        self.open.count() > 0 || !self.sealed.is_empty() || self.extra.as_ref().is_some_and(|e| !e.is_empty())
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.open.heap_bytes()
            + self
                .sealed
                .iter()
                .map(|c| c.heap_bytes() + size_of::<SealedChunk>())
                .sum::<usize>()
            + self
                .extra
                .as_ref()
                .map_or(0, |e| e.heap_bytes() + size_of::<Extra>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    const WINDOW_MS: i64 = 1_800_000;
    const BOUNDS: Bounds = Bounds {
        ooo_window_ms: 0,
        ..Bounds::OF_KEPT
    };

    /// Incompressible, so that pieces are as large as they become.
    fn noise(n: u64) -> f64 {
        f64::from_bits((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2)
    }

    fn all_of(series: &Series) -> Vec<i64> {
        let (mut times_ms, mut values) = (Vec::new(), Vec::new());
        for piece in &series.sealed {
            piece.read((i64::MIN, i64::MAX), &mut times_ms, &mut values);
        }
        series
            .newest_first()
            .read((i64::MIN, i64::MAX), &mut times_ms, &mut values);
        times_ms
    }

    fn window_of(t_ms: i64) -> i64 {
        t_ms.div_euclid(WINDOW_MS)
    }

    proptest! {
        #[test]
        fn no_piece_spans_two_windows_and_the_newest_stay_fresh(
            steps_ms in proptest::collection::vec(prop_oneof![8 => Just(15_000i64), 4 => 14_990..15_010i64, 1 => 1..4_000_000i64], 1..700),
        ) {
            let (mut series, mut sealer) = (Series::new(1), Sealer::new(Arc::default(), WINDOW_MS));
            let (mut t_ms, mut sent_ms) = (0, Vec::new());
            for (n, step_ms) in steps_ms.into_iter().enumerate() {
                t_ms += step_ms;
                let judged = series.append((t_ms, noise(n as u64)), &BOUNDS, &mut sealer);
                prop_assert_eq!(judged, Judgement::InOrder);
                sent_ms.push(t_ms);
                let in_window = sent_ms.iter().filter(|t| window_of(**t) == window_of(t_ms)).count();
                prop_assert!(series.open.count() >= in_window.min(20));
            }
            prop_assert_eq!(all_of(&series), sent_ms.clone());
            for piece in &series.sealed {
                prop_assert_eq!(window_of(piece.first_t_ms()), window_of(piece.last_t_ms()));
            }
            let until_ms = window_of(t_ms) * WINDOW_MS;
            series.seal_before(until_ms, &mut sealer);
            prop_assert!(series.open.count() == 0 || series.open.first_t_ms() >= until_ms);
            prop_assert_eq!(all_of(&series), sent_ms);
        }
    }

    #[test]
    fn the_last_five_minutes_are_open_across_the_end_of_a_window() {
        let (mut series, mut sealer) = (Series::new(1), Sealer::new(Arc::default(), WINDOW_MS));
        for n in 0..1000i64 {
            series.append((n * 15_000, noise(n as u64)), &BOUNDS, &mut sealer);
            assert!(series.open.count() as i64 > 20.min(n), "{n}");
            assert!(series.open.count() <= 81, "{n}");
            assert!(series.sealed_since((n - 20) * 15_000).is_empty(), "{n}");
        }
    }

    #[test]
    fn what_a_window_leaves_behind_is_one_piece() {
        let pieces_of_two_windows = |flush: u32| {
            let (mut series, mut sealer) = (Series::new(1), Sealer::new(Arc::default(), WINDOW_MS));
            for n in 0..261 {
                if n == 230 {
                    series.sealed.iter_mut().for_each(|piece| piece.flush = flush);
                }
                series.append((n * 15_000, noise(n as u64)), &BOUNDS, &mut sealer);
            }
            let counts = series.sealed.iter().map(SealedChunk::count);
            counts.collect::<Vec<usize>>()
        };
        assert_eq!(pieces_of_two_windows(0), [120, 120]);
        assert_eq!(
            pieces_of_two_windows(1),
            [120, 60, 60],
            "what a flush copied stays as it is"
        );
    }
}
