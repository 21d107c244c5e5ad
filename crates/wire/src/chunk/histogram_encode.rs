//! Writes native histograms as the chunks that [`super::histogram`] reads.
//!
//! All histograms of a chunk share one layout, and readers take it that none but the first follows a reset. So
//! [`split_histograms`] cuts wherever the layout changes, a count went down, or the source says that there was a reset.

use super::ChunkEncoding;
use super::bits::BitWriter;
use super::varbit::{write_bound, write_int, write_uint};
use super::xor::Xor;
use lapwing_types::{CUSTOM_BUCKETS_SCHEMA, Counts, Histogram, ResetHint, Span, is_stale};

/// Cuts a series into runs that fit into one chunk each, of at most `max` histograms.
pub fn split_histograms(all: &[(i64, Histogram)], max: usize) -> Vec<&[(i64, Histogram)]> {
    let mut runs = Vec::new();
    let mut rest = all;
    while !rest.is_empty() {
        let same = rest
            .windows(2)
            .take_while(|pair| continues(&pair[0].1, &pair[1].1));
        let length = (1 + same.count()).min(max.max(1));
        let (run, after) = rest.split_at(length);
        runs.push(run);
        rest = after;
    }
    runs
}

/// Whether `next` may stand behind `previous` in one chunk.
fn continues(previous: &Histogram, next: &Histogram) -> bool {
    // A staleness marker has no layout of its own: it ends its chunk.
    if is_stale(previous.sum) || previous.is_float() != next.is_float() {
        return false;
    }
    let gauges = (
        previous.reset_hint == ResetHint::Gauge,
        next.reset_hint == ResetHint::Gauge,
    );
    if is_stale(next.sum) {
        return gauges.0 == gauges.1;
    }
    let same_layout = previous.schema == next.schema
        && previous.zero_threshold.to_bits() == next.zero_threshold.to_bits()
        && previous.positive_spans == next.positive_spans
        && previous.negative_spans == next.negative_spans
        && previous.custom_bounds == next.custom_bounds;
    let same_kind = match (gauges, next.reset_hint) {
        ((true, true), _) | ((false, false), ResetHint::NotReset) => true,
        ((false, false), ResetHint::Unknown) => has_grown(&previous.counts, &next.counts),
        _ => false,
    };
    same_layout && same_kind
}

fn has_grown(before: &Counts, after: &Counts) -> bool {
    fn all<T: PartialOrd>(before: &[T], after: &[T]) -> bool {
        before.len() == after.len() && before.iter().zip(after).all(|(b, a)| b <= a)
    }
    match (before, after) {
        (
            Counts::Int {
                count,
                zero,
                positive,
                negative,
            },
            Counts::Int {
                count: more,
                zero: more_zero,
                positive: more_positive,
                negative: more_negative,
            },
        ) => {
            count <= more && zero <= more_zero && all(positive, more_positive) && all(negative, more_negative)
        }
        (
            Counts::Float {
                count,
                zero,
                positive,
                negative,
            },
            Counts::Float {
                count: more,
                zero: more_zero,
                positive: more_positive,
                negative: more_negative,
            },
        ) => {
            count <= more && zero <= more_zero && all(positive, more_positive) && all(negative, more_negative)
        }
        _ => false,
    }
}

/// One chunk from one run of [`split_histograms`]; what does not share the layout of the first would be lost.
pub fn encode_histograms(run: &[(i64, Histogram)]) -> (ChunkEncoding, Vec<u8>) {
    let mut w = BitWriter::default();
    w.push(run.len() as u64, 16);
    let Some((_, first)) = run.first() else {
        return (ChunkEncoding::Histogram, w.into_bytes());
    };
    let flags = match first.reset_hint {
        ResetHint::Unknown => 0b00,
        ResetHint::NotReset => 0b01,
        ResetHint::Reset => 0b10,
        ResetHint::Gauge => 0b11,
    };
    w.push(flags << 6, 8);
    write_layout(&mut w, first);
    if first.is_float() {
        write_floats(&mut w, run);
        (ChunkEncoding::FloatHistogram, w.into_bytes())
    } else {
        write_ints(&mut w, run);
        (ChunkEncoding::Histogram, w.into_bytes())
    }
}

fn write_layout(w: &mut BitWriter, first: &Histogram) {
    let stale = is_stale(first.sum);
    write_zero_threshold(w, first.zero_threshold);
    write_int(w, if stale { 0 } else { i64::from(first.schema) });
    for spans in [&first.positive_spans, &first.negative_spans] {
        write_spans(w, if stale { &[] } else { spans });
    }
    if first.schema == CUSTOM_BUCKETS_SCHEMA && !stale {
        write_uint(w, first.custom_bounds.len() as u64);
        for bound in first.custom_bounds.iter() {
            write_bound(w, *bound);
        }
    }
}

fn write_spans(w: &mut BitWriter, spans: &[Span]) {
    write_uint(w, spans.len() as u64);
    for span in spans {
        write_uint(w, u64::from(span.length));
        write_int(w, i64::from(span.offset));
    }
}

fn write_zero_threshold(w: &mut BitWriter, threshold: f64) {
    let exponent = threshold.log2();
    if threshold == 0.0 {
        w.push(0, 8);
    } else if (-243.0..=10.0).contains(&exponent) && exponent.round().exp2() == threshold {
        w.push((exponent.round() + 244.0) as u64, 8);
    } else {
        w.push(255, 8);
        w.push(threshold.to_bits(), 64);
    }
}

/// Written whole, then as a difference, then as the difference of differences.
#[derive(Clone, Copy, Default)]
struct Second {
    value: i64,
    delta: i64,
}

impl Second {
    fn write(&mut self, w: &mut BitWriter, value: i64, index: usize) {
        let delta = value.wrapping_sub(self.value);
        match index {
            0 => write_int(w, value),
            1 => write_int(w, delta),
            _ => write_int(w, delta.wrapping_sub(self.delta)),
        }
        if index > 0 {
            self.delta = delta;
        }
        self.value = value;
    }

    /// The first count is unsigned.
    fn write_count(&mut self, w: &mut BitWriter, value: u64, index: usize) {
        if index == 0 {
            write_uint(w, value);
            self.value = value as i64;
        } else {
            self.write(w, value as i64, index);
        }
    }

    /// What says "as before".
    fn expected(&self) -> i64 {
        self.value.wrapping_add(self.delta)
    }
}

fn write_ints(w: &mut BitWriter, run: &[(i64, Histogram)]) {
    let (mut time, mut total, mut zeros) = (Second::default(), Second::default(), Second::default());
    let mut sum = Xor::default();
    let mut buckets: Vec<Second> = Vec::new();
    for (i, (t_ms, histogram)) in run.iter().enumerate() {
        let Counts::Int {
            count,
            zero,
            positive,
            negative,
        } = &histogram.counts
        else {
            continue;
        };
        time.write(w, *t_ms, i);
        let stale = is_stale(histogram.sum);
        let (count, zero) = match (stale, i) {
            (true, 0) => (0, 0),
            (true, _) => (total.expected() as u64, zeros.expected() as u64),
            (false, _) => (*count, *zero),
        };
        total.write_count(w, count, i);
        zeros.write_count(w, zero, i);
        sum.write_first_or_next(w, histogram.sum, i);
        if stale {
            continue;
        }
        let deltas = neighbours(positive).chain(neighbours(negative));
        for (at, delta) in deltas.enumerate() {
            if at == buckets.len() {
                buckets.push(Second::default());
            }
            buckets[at].write(w, delta, i);
        }
    }
}

/// Differences between neighbouring buckets.
fn neighbours(counts: &[u64]) -> impl Iterator<Item = i64> + '_ {
    let mut previous = 0u64;
    counts.iter().map(move |count| {
        let delta = count.wrapping_sub(previous) as i64;
        previous = *count;
        delta
    })
}

fn write_floats(w: &mut BitWriter, run: &[(i64, Histogram)]) {
    let mut time = Second::default();
    let mut numbers: Vec<Xor> = Vec::new();
    for (i, (t_ms, histogram)) in run.iter().enumerate() {
        let Counts::Float {
            count,
            zero,
            positive,
            negative,
        } = &histogram.counts
        else {
            continue;
        };
        time.write(w, *t_ms, i);
        let fixed = [*count, *zero, histogram.sum];
        let stale = is_stale(histogram.sum);
        let buckets = positive.iter().chain(negative).filter(|_| !stale);
        for (at, value) in fixed.iter().chain(buckets).enumerate() {
            if at == numbers.len() {
                numbers.push(Xor::default());
            }
            numbers[at].write_first_or_next(w, *value, i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{ChunkSamples, decode};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// Series whose layout, kind and counts change now and then.
    fn series() -> impl Strategy<Value = Vec<(i64, Histogram)>> {
        let step = (0i64..100_000, 0u8..12, vec(0u64..1000, 3), any::<u32>());
        (any::<bool>(), vec(step, 1..60)).prop_map(|(is_float, steps)| {
            let mut t_ms = 1_790_000_000_000i64;
            let mut schema = 2;
            steps
                .into_iter()
                .map(|(gap, event, buckets, sum)| {
                    t_ms += gap;
                    schema = if event == 0 { schema + 1 } else { schema };
                    (
                        t_ms,
                        histogram(schema % 8, event, &buckets, f64::from(sum), is_float),
                    )
                })
                .collect()
        })
    }

    fn histogram(schema: i32, event: u8, buckets: &[u64], sum: f64, is_float: bool) -> Histogram {
        let stale = event == 1;
        let buckets = if stale { &[] } else { buckets };
        let total: u64 = buckets.iter().sum();
        let floats: Vec<f64> = buckets.iter().map(|b| *b as f64 / 3.0).collect();
        let custom = event == 2;
        Histogram {
            reset_hint: match event {
                3 => ResetHint::Reset,
                4 | 5 => ResetHint::Gauge,
                _ => ResetHint::Unknown,
            },
            schema: match (stale, custom) {
                (true, _) => 0,
                (_, true) => CUSTOM_BUCKETS_SCHEMA,
                _ => schema,
            },
            zero_threshold: if event == 6 { 0.001 } else { 0.0 },
            sum: if stale { lapwing_types::stale_nan() } else { sum },
            positive_spans: match stale {
                true => vec![],
                false => vec![Span { offset: 0, length: 3 }],
            },
            negative_spans: vec![],
            counts: match is_float {
                true => Counts::Float {
                    count: total as f64 / 3.0,
                    zero: 0.0,
                    positive: floats,
                    negative: vec![],
                },
                false => Counts::Int {
                    count: total,
                    zero: 0,
                    positive: buckets.to_vec(),
                    negative: vec![],
                },
            },
            custom_bounds: match custom {
                true => Arc::from([0.001, 0.3, 1e12]),
                false => Arc::from([]),
            },
        }
    }

    /// Hints are the reader's own; a stale histogram keeps nothing but its sum.
    fn essence(all: &[(i64, Histogram)]) -> Vec<String> {
        let one = |(t_ms, h): &(i64, Histogram)| {
            if is_stale(h.sum) {
                return format!("{t_ms} stale");
            }
            let gauge = h.reset_hint == ResetHint::Gauge;
            let plain = Histogram {
                reset_hint: ResetHint::Unknown,
                ..h.clone()
            };
            format!("{t_ms} {gauge} {plain:?}")
        };
        all.iter().map(one).collect()
    }

    proptest! {
        #[test]
        fn round_trips(all in series()) {
            let mut samples = ChunkSamples::default();
            for run in split_histograms(&all, 20) {
                prop_assert!(run.len() <= 20);
                let (encoding, bytes) = encode_histograms(run);
                decode(encoding.code(), &bytes, &mut samples).unwrap();
            }
            prop_assert_eq!(essence(&samples.histograms), essence(&all));
        }

        #[test]
        fn a_run_never_hides_a_reset(all in series()) {
            for run in split_histograms(&all, 20) {
                for pair in run.windows(2) {
                    let gauge = pair[1].1.reset_hint == ResetHint::Gauge;
                    let stale = is_stale(pair[1].1.sum);
                    let (before, after) = (pair[0].1.to_float(), pair[1].1.to_float());
                    prop_assert!(gauge || stale || before.count <= after.count);
                    prop_assert!(pair[1].1.reset_hint != ResetHint::Reset);
                }
            }
        }
    }
}
