//! Downsampled data in the place of samples that are gone.
//!
//! Where no block of samples lies any more there is a gap; buckets that lie wholly in a gap are read, those of the shortest tier
//! first, and longer ones where that tier is gone, too. All buckets of a series go through one reader, because a counter is
//! only right as one row: it is counted backwards from the last bucket of a gap, whose last sample is what the samples behind the
//! gap go on from. Resets before are thereby hidden in it, and `rate` over the seam sees what really happened.

use super::block::{BlockMeta, BlockSeries};
use super::blocks::LiveBlock;
use super::columns::SeriesColumns;
use super::merged::read_error;
use super::tier::{self, TierPoint};
use crate::source::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader, TierColumn, TierHint};
use std::sync::Arc;

/// Buckets are not filled in more densely than this.
const EVERY_MIN_MS: i64 = 15_000;
/// A bucket's average is not repeated more often: a sample a second for an hour.
const AVERAGES_MAX: i64 = 3_600;

/// A tier block, and the stretches of time (both ends included) for which it stands in.
#[derive(Clone)]
pub(crate) struct TierPart {
    live: LiveBlock,
    gaps: Arc<[(i64, i64)]>,
    /// Stretches without samples: those of the shortest tier.
    without_samples: Arc<[(i64, i64)]>,
}

/// The tier blocks that a selection needs; usually none.
pub(crate) fn parts(list: &[LiveBlock], selection: &Selection) -> Vec<TierPart> {
    let mut resolutions: Vec<i64> = list.iter().map(resolution_ms).filter(|r| *r > 0).collect();
    resolutions.sort_unstable();
    resolutions.dedup();
    let Some(finest_ms) = resolutions.first().copied() else {
        return Vec::new();
    };
    let mut covered: Vec<(i64, i64)> = list
        .iter()
        .filter(|b| resolution_ms(b) == 0)
        .map(|b| (b.block.meta().min_ms, b.block.meta().max_ms))
        .collect();
    let mut parts = Vec::new();
    let without_samples: Arc<[(i64, i64)]> = gaps(&mut covered, finest_ms).into();
    for resolution_ms_now in resolutions {
        let gaps: Arc<[(i64, i64)]> = gaps(&mut covered, finest_ms).into();
        for live in list.iter().filter(|b| resolution_ms(b) == resolution_ms_now) {
            let meta = live.block.meta();
            let (start_ms, end_ms) = (meta.min_ms.saturating_sub(resolution_ms_now - 1), meta.max_ms);
            if gaps.iter().any(|gap| stands_in(meta, *gap, selection)) {
                parts.push(TierPart {
                    live: live.clone(),
                    gaps: gaps.clone(),
                    without_samples: without_samples.clone(),
                });
            }
            covered.push((start_ms, end_ms));
        }
    }
    // Of two that have the same bucket, the later one is right.
    parts.sort_by_key(|p| p.live.number());
    parts
}

/// Whether a tier block can have anything for a part of a gap: a bucket that lies wholly in it, or a histogram.
fn stands_in(meta: &BlockMeta, gap: (i64, i64), selection: &Selection) -> bool {
    let before_ms = meta.resolution_ms - 1;
    // Times at which such a bucket ends. A sample at the very end of a bucket may stand in the block behind the gap.
    let from = [
        meta.min_ms,
        gap.0.saturating_add(before_ms),
        selection.start_ms.saturating_sub(meta.resolution_ms),
    ];
    let to = [
        meta.max_ms,
        gap.1.saturating_add(1),
        selection.end_ms.saturating_add(meta.resolution_ms),
    ];
    let first_end_ms = tier::bucket_end_ms(from.into_iter().fold(i64::MIN, i64::max), meta.resolution_ms);
    let has_buckets = to.into_iter().all(|t_ms| first_end_ms <= t_ms);
    let first_ms = meta.min_ms.max(gap.0).max(selection.start_ms);
    has_buckets || (meta.histograms > 0 && first_ms <= meta.max_ms.min(gap.1).min(selection.end_ms))
}

fn resolution_ms(live: &LiveBlock) -> i64 {
    live.block.meta().resolution_ms
}

/// Stretches of at least `length_min_ms` that nothing covers.
fn gaps(covered: &mut [(i64, i64)], length_min_ms: i64) -> Vec<(i64, i64)> {
    covered.sort_unstable();
    let mut found = Vec::new();
    let mut from = i64::MIN;
    for (start, end) in covered {
        if start.saturating_sub(from) >= length_min_ms {
            found.push((from, *start - 1));
        }
        from = from.max(end.saturating_add(1));
    }
    if from < i64::MAX {
        found.push((from, i64::MAX));
    }
    found
}

/// The last gap that begins at or before a time.
fn gap_from(gaps: &[(i64, i64)], t_ms: i64) -> Option<&(i64, i64)> {
    let at = gaps.partition_point(|gap| gap.0 <= t_ms);
    gaps.get(at.checked_sub(1)?)
}

impl TierPart {
    pub(crate) fn live(&self) -> &LiveBlock {
        &self.live
    }

    /// The times of buckets that matter for a range.
    fn buckets(&self, (start_ms, end_ms): (i64, i64)) -> (i64, i64) {
        let length_ms = resolution_ms(&self.live);
        (
            start_ms.saturating_sub(length_ms),
            end_ms.saturating_add(length_ms),
        )
    }

    /// Where samples go on after a bucket; nothing when it does not lie wholly in a gap.
    fn seam_after(&self, end_ms: i64) -> Option<i64> {
        let first_ms = end_ms.saturating_sub(resolution_ms(&self.live)).saturating_add(1);
        // A sample at the very end of a bucket may stand in the block behind the gap.
        let holds = |gap: &&(i64, i64)| end_ms <= gap.1.saturating_add(1);
        gap_from(&self.gaps, first_ms).filter(holds)?;
        gap_from(&self.without_samples, first_ms).map(|gap| gap.1)
    }
}

/// Series with downsampled data in the gaps, ascending by labels, each once.
pub(crate) fn select(
    parts: Vec<TierPart>,
    selection: &Selection,
    hint: TierHint,
) -> Result<Vec<SelectedSeries>, ReadError> {
    let mut all = Vec::new();
    for part in parts {
        let (start_ms, end_ms) = part.buckets((selection.start_ms, selection.end_ms));
        let found = part.live.block.select(&selection.matchers, start_ms, end_ms);
        for series in found.map_err(|e| read_error(&part.live, e))? {
            all.push((series.labels.clone(), (part.clone(), series)));
        }
    }
    // Stable: the parts of one series stay in the order of their numbers.
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut selected: Vec<SelectedSeries> = Vec::new();
    let mut rest = all.into_iter().peekable();
    while let Some((labels, first)) = rest.next() {
        let mut of_series = vec![first];
        while let Some((_, same)) = rest.next_if(|(l, _)| *l == labels) {
            of_series.push(same);
        }
        let reader = Box::new(TierReader {
            parts: of_series,
            hint,
        });
        selected.push(SelectedSeries { labels, reader });
    }
    Ok(selected)
}

struct TierReader {
    parts: Vec<(TierPart, BlockSeries)>,
    hint: TierHint,
}

/// A bucket, its length, and where samples go on after it.
#[derive(Clone, Copy)]
struct Bucket {
    point: TierPoint,
    length_ms: i64,
    seam_ms: i64,
}

impl SeriesReader for TierReader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let mut buckets: Vec<Bucket> = Vec::new();
        let mut columns = SeriesColumns::default();
        let mut histograms = Vec::new();
        for (part, series) in &self.parts {
            columns.clear();
            let range = part.buckets((start_ms, end_ms));
            let read = part.live.block.salvage(series, range, &mut columns);
            read.map_err(|e| read_error(&part.live, e))?;
            let length_ms = resolution_ms(&part.live);
            buckets.extend(columns.tier.iter().filter_map(|point| {
                Some(Bucket {
                    point: *point,
                    length_ms,
                    seam_ms: part.seam_after(point.t_ms)?,
                })
            }));
            for (t_ms, histogram) in columns.histograms.drain(..) {
                let is_gone = part.gaps.iter().any(|gap| (gap.0..=gap.1).contains(&t_ms));
                if is_gone && (start_ms..=end_ms).contains(&t_ms) {
                    histograms.push((t_ms, Arc::new(histogram.to_float())));
                }
            }
        }
        histograms.sort_by_key(|h| h.0);
        histograms.dedup_by_key(|h| h.0);
        out.histograms.append(&mut histograms);
        buckets.sort_by_key(|b| b.point.t_ms);
        buckets.dedup_by(|later, kept| {
            let same = later.point.t_ms == kept.point.t_ms;
            if same {
                *kept = *later;
            }
            same
        });
        let mut emit = |t_ms: i64, value: f64| {
            if (start_ms..=end_ms).contains(&t_ms) {
                out.times_ms.push(t_ms);
                out.values.push(value);
            }
        };
        fill(&buckets, self.hint, &mut emit);
        Ok(())
    }
}

/// The points of a row of buckets, ascending.
fn fill(buckets: &[Bucket], hint: TierHint, emit: &mut impl FnMut(i64, f64)) {
    let counts = match hint.column {
        TierColumn::Counter => counted(buckets),
        _ => Vec::new(),
    };
    for (i, bucket) in buckets.iter().enumerate() {
        let Bucket { point, length_ms, .. } = *bucket;
        let begin_ms = point.t_ms - length_ms;
        let every_ms = hint.every_ms.max(EVERY_MIN_MS);
        let parts = match hint.column {
            TierColumn::Average => i64::try_from(point.count)
                .unwrap_or(i64::MAX)
                .clamp(1, AVERAGES_MAX),
            _ => (length_ms + every_ms - 1) / every_ms,
        };
        let before = i
            .checked_sub(1)
            .map(|b| buckets[b].point)
            .filter(|b| b.t_ms == begin_ms);
        for part in 1..=parts {
            let t_ms = begin_ms + length_ms * part / parts;
            let share = part as f64 / parts as f64;
            match hint.column {
                TierColumn::Last if part == parts => emit(t_ms, point.last),
                // Inside a bucket nothing is known but what was before it.
                TierColumn::Last => before.iter().for_each(|b| emit(t_ms, b.last)),
                TierColumn::Counter => emit(t_ms, counts[i] - point.increase * (1.0 - share)),
                TierColumn::Min => emit(t_ms, point.min),
                TierColumn::Max => emit(t_ms, point.max),
                TierColumn::Average => emit(t_ms, point.sum / point.count as f64),
            }
        }
    }
}

/// The counter at the end of each bucket, without resets: backwards from the last bucket before samples go on.
fn counted(buckets: &[Bucket]) -> Vec<f64> {
    let mut counts = vec![0.0; buckets.len()];
    for i in (0..buckets.len()).rev() {
        let after = buckets
            .get(i + 1)
            .filter(|after| after.seam_ms == buckets[i].seam_ms);
        counts[i] = match after {
            Some(after) => counts[i + 1] - after.point.increase,
            None => buckets[i].point.last,
        };
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bucket(t_ms: i64, last: f64, increase: f64) -> Bucket {
        Bucket {
            point: TierPoint {
                t_ms,
                min: 1.0,
                max: 9.0,
                sum: 20.0,
                count: 4,
                last,
                increase,
            },
            length_ms: 60_000,
            seam_ms: 1_000_000,
        }
    }

    fn check(column: TierColumn, every_ms: i64, expect: &[(i64, f64)]) {
        let buckets = [bucket(60_000, 7.0, 3.0), bucket(120_000, 2.0, 4.0)];
        let mut found = Vec::new();
        fill(&buckets, TierHint { column, every_ms }, &mut |t, v| {
            found.push((t, v));
        });
        assert_eq!(found, expect);
    }

    #[test]
    fn columns_of_whole_buckets() {
        check(TierColumn::Last, 60_000, &[(60_000, 7.0), (120_000, 2.0)]);
        check(TierColumn::Min, 60_000, &[(60_000, 1.0), (120_000, 1.0)]);
        check(TierColumn::Max, 90_000, &[(60_000, 9.0), (120_000, 9.0)]);
        let quarters = (1..=8).map(|i| (i * 15_000, 5.0));
        check(TierColumn::Average, 60_000, &quarters.collect::<Vec<_>>());
        // Backwards from 2: the reset is hidden, the growth of 4 is there.
        check(TierColumn::Counter, 60_000, &[(60_000, -2.0), (120_000, 2.0)]);
    }

    #[test]
    fn longer_buckets_are_filled_in() {
        check(
            TierColumn::Last,
            30_000,
            &[(60_000, 7.0), (90_000, 7.0), (120_000, 2.0)],
        );
        check(
            TierColumn::Counter,
            30_000,
            &[(30_000, -3.5), (60_000, -2.0), (90_000, 0.0), (120_000, 2.0)],
        );
    }

    proptest! {
        #[test]
        fn a_tier_block_is_read_only_for_what_lies_in_a_gap(
            (first, buckets) in (-20i64..20, 0i64..6),
            (gap_from, gap_len) in (-150i64..150, 0i64..90),
            (start_ms, selected) in (-150i64..150, 0i64..90),
            has_histograms in any::<bool>(),
        ) {
            let length_ms = 7;
            let (min_ms, max_ms) = (first * length_ms, (first + buckets) * length_ms);
            let meta = BlockMeta {
                min_ms,
                max_ms,
                histograms: u64::from(has_histograms),
                resolution_ms: length_ms,
                ..BlockMeta::default()
            };
            let gap = (gap_from, gap_from + gap_len);
            let selection = Selection { matchers: Vec::new(), start_ms, end_ms: start_ms + selected, series_max: None };
            let asked = start_ms - length_ms..=selection.end_ms + length_ms;
            let wholly = |end_ms: i64| end_ms - length_ms + 1 >= gap.0 && end_ms <= gap.1 + 1;
            let mut ends = (first..=first + buckets).map(|i| i * length_ms);
            let mut times = min_ms..=max_ms;
            let expect = ends.any(|end_ms| wholly(end_ms) && asked.contains(&end_ms))
                || (has_histograms && times.any(|t| (gap.0..=gap.1).contains(&t) && (start_ms..=selection.end_ms).contains(&t)));
            prop_assert_eq!(stands_in(&meta, gap, &selection), expect);
        }
    }

    #[test]
    fn gaps_are_what_is_not_covered() {
        let mut covered = [(100, 200), (205, 300), (150, 160), (400, 500)];
        assert_eq!(
            gaps(&mut covered, 10),
            [(i64::MIN, 99), (301, 399), (501, i64::MAX)]
        );
        assert_eq!(gaps(&mut [], 10), [(i64::MIN, i64::MAX)]);
    }
}
