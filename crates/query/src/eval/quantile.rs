//! Quantiles of numbers, of classic buckets and of native histograms, and the fractions that are their inverse.

use lapwing_types::{Bucket, FloatHistogram};
use std::cmp::Ordering;

/// Differences of counts below this share are rounding, not data.
const SMALL_DIFFERENCE: f64 = 1e-12;

fn outside(q: f64) -> Option<f64> {
    if q.is_nan() {
        Some(f64::NAN)
    } else if q < 0.0 {
        Some(f64::NEG_INFINITY)
    } else if q > 1.0 {
        Some(f64::INFINITY)
    } else {
        None
    }
}

/// NaN sorts before every number.
pub(super) fn nan_first(a: &f64, b: &f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
    }
}

/// Sorted with NaN first.
pub(super) fn quantile_of_sorted(q: f64, sorted: &[f64]) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    if let Some(value) = outside(q) {
        return value;
    }
    let rank = q * (sorted.len() as f64 - 1.0);
    let lower = rank.floor().max(0.0);
    let upper = (sorted.len() as f64 - 1.0).min(lower + 1.0);
    let weight = rank - rank.floor();
    sorted[lower as usize] * (1.0 - weight) + sorted[upper as usize] * weight
}

/// Of numbers in any order, which are reordered; cheaper than sorting them all.
pub(super) fn quantile_of(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    if let Some(value) = outside(q) {
        return value;
    }
    let rank = q * (values.len() as f64 - 1.0);
    let lower = (rank.floor().max(0.0) as usize).min(values.len() - 1);
    let weight = rank - rank.floor();
    let (_, at, above) = values.select_nth_unstable_by(lower, nan_first);
    let at = *at;
    let next = above.iter().copied().min_by(nan_first).unwrap_or(at);
    at * (1.0 - weight) + next * weight
}

/// One cumulative bucket of a classic histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cumulative {
    pub(super) upper: f64,
    pub(super) count: f64,
}

/// Which buckets had to be raised, and by how much at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Forced {
    pub(super) bucket_min: f64,
    pub(super) bucket_max: f64,
    pub(super) difference_max: f64,
}

/// Sorts by bound, joins equal bounds, and makes counts ascend.
fn prepare(buckets: &mut Vec<Cumulative>) -> Option<Forced> {
    join(buckets);
    let mut forced: Option<Forced> = None;
    let mut previous = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        if count == previous {
            continue;
        }
        if nearly_equal(previous, count) {
            bucket.count = previous;
            continue;
        }
        if count < previous {
            bucket.count = previous;
            let difference = previous - count;
            let known = forced.get_or_insert(Forced {
                bucket_min: bucket.upper,
                bucket_max: bucket.upper,
                difference_max: difference,
            });
            known.bucket_max = bucket.upper;
            known.difference_max = known.difference_max.max(difference);
            continue;
        }
        previous = count;
    }
    forced
}

fn join(buckets: &mut Vec<Cumulative>) {
    buckets.sort_by(|a, b| a.upper.partial_cmp(&b.upper).unwrap_or(Ordering::Equal));
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
}

fn nearly_equal(a: f64, b: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < SMALL_DIFFERENCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < SMALL_DIFFERENCE
}

fn ends_in_infinity(buckets: &[Cumulative]) -> bool {
    buckets.iter().any(|b| b.upper == f64::INFINITY)
}

/// Linear within a bucket; the lowest begins at 0 when its bound is positive.
pub(super) fn bucket_quantile(q: f64, buckets: &mut Vec<Cumulative>) -> (f64, Option<Forced>) {
    if let Some(value) = outside(q) {
        return (value, None);
    }
    if !ends_in_infinity(buckets) {
        return (f64::NAN, None);
    }
    let forced = prepare(buckets);
    let Some(last) = buckets.len().checked_sub(1).filter(|l| *l > 0) else {
        return (f64::NAN, None);
    };
    let observations = buckets[last].count;
    if observations == 0.0 {
        return (f64::NAN, None);
    }
    let mut rank = q * observations;
    let at = buckets[..last].partition_point(|b| b.count < rank || b.count.is_nan());
    if at == last {
        return (buckets[last - 1].upper, forced);
    }
    if at == 0 && buckets[0].upper <= 0.0 {
        return (buckets[0].upper, forced);
    }
    let (mut start, mut count) = (0.0, buckets[at].count);
    if at > 0 {
        start = buckets[at - 1].upper;
        count -= buckets[at - 1].count;
        rank -= buckets[at - 1].count;
    }
    (start + (buckets[at].upper - start) * (rank / count), forced)
}

/// The share of observations between two values.
pub(super) fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Cumulative>) -> f64 {
    if !ends_in_infinity(buckets) {
        return f64::NAN;
    }
    join(buckets);
    let count = buckets[buckets.len() - 1].count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let (mut below, mut from) = (0.0, f64::NEG_INFINITY);
    let (mut lower_rank, mut upper_rank) = (None, None);
    for (index, bucket) in buckets.iter().enumerate() {
        if index == 0 && bucket.upper > 0.0 {
            from = 0.0;
        }
        let (start, rank) = (from, below);
        let within = |v: f64| {
            if start == f64::NEG_INFINITY {
                return bucket.count;
            }
            rank + (bucket.count - rank) * (v - start) / (bucket.upper - start)
        };
        for (value, slot) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if slot.is_none() && start >= value {
                *slot = Some(rank);
            } else if slot.is_none() && start < value && bucket.upper > value {
                *slot = Some(within(value));
            }
        }
        below = bucket.count;
        from = bucket.upper;
    }
    let lower_rank = lower_rank.map_or(count, |r| r.min(count));
    let upper_rank = upper_rank.map_or(count, |r| r.min(count));
    (upper_rank - lower_rank) / count
}

/// What is to be said about observations that are NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NanNote {
    None,
    Result,
    Skewed,
}

/// In a histogram of one sign, the zero bucket reaches to zero only.
fn clip_zero_bucket(h: &FloatHistogram, bucket: &mut Bucket) {
    if h.negative.is_empty() && !h.positive.is_empty() {
        bucket.lower = 0.0;
    } else if h.positive.is_empty() && !h.negative.is_empty() {
        bucket.upper = 0.0;
    }
}

/// Exponential buckets are interpolated on a logarithmic scale, custom ones and the zero bucket linearly.
pub(super) fn histogram_quantile(q: f64, h: &FloatHistogram) -> (f64, NanNote) {
    if let Some(value) = outside(q) {
        return (value, NanNote::None);
    }
    if h.count == 0.0 {
        return (f64::NAN, NanNote::None);
    }
    let has_nan = h.sum.is_nan();
    let forward = has_nan || q < 0.5;
    let mut rank = if forward { q * h.count } else { (1.0 - q) * h.count };
    let mut buckets = h.all_buckets();
    if !forward {
        buckets.reverse();
    }
    let mut count = 0.0;
    let mut bucket = Bucket {
        index: 0,
        lower: 0.0,
        upper: 0.0,
        count: 0.0,
        lower_inclusive: true,
        upper_inclusive: true,
    };
    for b in buckets {
        bucket = b;
        if b.count == 0.0 {
            continue;
        }
        count += b.count;
        if count >= rank {
            break;
        }
    }
    if h.uses_custom_buckets() {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return (bucket.upper, NanNote::None);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return (bucket.lower, NanNote::None);
        }
    } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
        clip_zero_bucket(h, &mut bucket);
    }
    count = count.min(h.count);
    if count < rank {
        if has_nan {
            return (f64::NAN, NanNote::Result);
        }
        return (bucket.upper, NanNote::None);
    }
    if forward {
        rank -= count - bucket.count;
    } else {
        rank = count - rank;
    }
    let note = if has_nan { NanNote::Skewed } else { NanNote::None };
    (interpolate(h, &bucket, rank / bucket.count), note)
}

fn interpolate(h: &FloatHistogram, bucket: &Bucket, fraction: f64) -> f64 {
    if h.uses_custom_buckets() || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return bucket.lower + (bucket.upper - bucket.lower) * fraction;
    }
    let (lower, upper) = (log2(bucket.lower.abs()), log2(bucket.upper.abs()));
    if bucket.lower > 0.0 {
        (lower + (upper - lower) * fraction).exp2()
    } else {
        -(upper + (lower - upper) * (1.0 - fraction)).exp2()
    }
}

/// How far `value` is into a bucket, 0 to 1.
pub(super) fn share_below(bucket: &Bucket, value: f64, linear: bool) -> f64 {
    if linear {
        return (value - bucket.lower) / (bucket.upper - bucket.lower);
    }
    let (lower, upper) = (log2(bucket.lower.abs()), log2(bucket.upper.abs()));
    let at = log2(value.abs());
    if value > 0.0 {
        (at - lower) / (upper - lower)
    } else {
        1.0 - (at - upper) / (lower - upper)
    }
}

/// The share of observations between two values.
pub(super) fn histogram_fraction(lower: f64, upper: f64, h: &FloatHistogram) -> f64 {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let custom = h.uses_custom_buckets();
    let mut below = 0.0;
    let (mut lower_rank, mut upper_rank) = (None, None);
    for mut bucket in h.all_buckets() {
        let is_zero = !custom && bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if is_zero {
            clip_zero_bucket(h, &mut bucket);
        } else if custom && bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
            bucket.lower = 0.0;
        }
        for (value, slot) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if slot.is_some() {
                continue;
            }
            if bucket.lower >= value {
                *slot = Some(below);
            } else if bucket.upper > value {
                *slot = Some(below + part_below(&bucket, value, custom || is_zero));
            }
        }
        below += bucket.count;
    }
    // Observations of NaN are counted, but lie nowhere.
    let count = if h.sum.is_nan() { below } else { h.count };
    let lower_rank = lower_rank.map_or(count, |r: f64| r.min(count));
    let upper_rank = upper_rank.map_or(count, |r: f64| r.min(count));
    (upper_rank - lower_rank) / h.count
}

/// Nothing is known of how observations spread over a bucket without an end.
fn part_below(bucket: &Bucket, value: f64, linear: bool) -> f64 {
    if bucket.lower == f64::NEG_INFINITY {
        return bucket.count;
    }
    if bucket.upper == f64::INFINITY {
        return 0.0;
    }
    bucket.count * share_below(bucket, value, linear)
}
/// The logarithm with the rounding of Prometheus, which takes the exponent apart first: exact for powers of two, else perhaps
/// one digit off.
pub(super) fn log2(value: f64) -> f64 {
    const EXPONENT_BITS: u64 = 0x7ff;
    let exponent = (value.to_bits() >> 52) & EXPONENT_BITS;
    if exponent == 0 || exponent == EXPONENT_BITS || value < 0.0 {
        return value.log2();
    }
    // Between one half and one.
    let fraction = f64::from_bits((value.to_bits() & !(EXPONENT_BITS << 52)) | (1022 << 52));
    let exponent = exponent as f64 - 1022.0;
    if fraction == 0.5 {
        return exponent - 1.0;
    }
    fraction.ln() * (1.0 / std::f64::consts::LN_2) + exponent
}
