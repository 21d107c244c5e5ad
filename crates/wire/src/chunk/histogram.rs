//! Native histograms in a chunk: one layout of buckets for all, then integers as differences of differences (integer
//! histograms) or XOR (float histograms).
//!
//! Layout: number of samples (u16, big-endian); flags (the top two bits tell of counter resets); zero threshold (one
//! byte for zero and powers of two, else 0xff and eight); schema; spans of both sides; custom bounds, for their schema
//! only; then the samples: time, count, zero count, sum, positive and negative buckets. The buckets of an integer
//! histogram are differences between neighbours. A sample whose sum is the staleness marker has no buckets.

use super::bits::BitReader;
use super::varbit::{read_bound, read_int, read_uint};
use super::xor::Xor;
use super::{ChunkEncoding, ChunkError};
use lapwing_types::{CUSTOM_BUCKETS_SCHEMA, Counts, Histogram, ResetHint, Span, is_stale};
use std::sync::Arc;

struct Layout {
    flags: u8,
    schema: i32,
    zero_threshold: f64,
    positive_spans: Vec<Span>,
    negative_spans: Vec<Span>,
    positive_len: usize,
    negative_len: usize,
    custom_bounds: Arc<[f64]>,
}

/// Appends the histograms of one chunk, of either encoding.
pub fn decode_histograms(
    encoding: ChunkEncoding,
    bytes: &[u8],
    out: &mut Vec<(i64, Histogram)>,
) -> Result<(), ChunkError> {
    let Some(([a, b, flags], body)) = bytes.split_first_chunk::<3>() else {
        return Err(ChunkError::Truncated { sample: 0, count: 0 });
    };
    let count = usize::from(u16::from_be_bytes([*a, *b]));
    // A histogram takes four bits at least: time, count, zero count and sum.
    if count > 1 + body.len() * 2 {
        let bytes = bytes.len();
        return Err(ChunkError::ImpossibleCount { count, bytes });
    }
    let mut r = BitReader::new(body);
    let layout =
        Layout::read(&mut r, *flags, body.len()).ok_or(ChunkError::Truncated { sample: 0, count })?;
    match encoding {
        ChunkEncoding::FloatHistogram => read_floats(&mut r, &layout, count, out),
        _ => read_ints(&mut r, &layout, count, out),
    }
}

impl Layout {
    fn read(r: &mut BitReader<'_>, flags: u8, size_bytes: usize) -> Option<Self> {
        let zero_threshold = read_zero_threshold(r)?;
        let schema = read_int(r)? as i32;
        let positive_spans = read_spans(r)?;
        let negative_spans = read_spans(r)?;
        let custom_bounds = if schema == CUSTOM_BUCKETS_SCHEMA {
            let bounds = read_uint(r)?;
            (0..bounds).map(|_| read_bound(r)).collect::<Option<_>>()?
        } else {
            Arc::from([])
        };
        // The first sample has at least a bit for each bucket. Each histogram gets its own copy of the spans, so
        // empty ones, which cost no bits per sample, must not outnumber the buckets.
        let length = |spans: &[Span]| {
            let total: u64 = spans.iter().map(|s| u64::from(s.length)).sum();
            let total = usize::try_from(total).ok().filter(|n| *n <= size_bytes * 8)?;
            (spans.len() <= total + 1).then_some(total)
        };
        Some(Layout {
            flags,
            schema,
            zero_threshold,
            positive_len: length(&positive_spans)?,
            negative_len: length(&negative_spans)?,
            positive_spans,
            negative_spans,
            custom_bounds,
        })
    }

    /// The first histogram may follow a reset; after it there is none in the same chunk.
    fn reset_hint(&self, index: usize) -> ResetHint {
        match (self.flags >> 6, index) {
            (0b11, _) => ResetHint::Gauge,
            (_, 1..) => ResetHint::NotReset,
            (0b10, _) => ResetHint::Reset,
            _ => ResetHint::Unknown,
        }
    }

    fn histogram(&self, index: usize, sum: f64, counts: Counts) -> Histogram {
        let stale = is_stale(sum);
        let spans = |spans: &Vec<Span>| if stale { Vec::new() } else { spans.clone() };
        Histogram {
            reset_hint: self.reset_hint(index),
            schema: if stale { 0 } else { self.schema },
            zero_threshold: self.zero_threshold,
            sum,
            positive_spans: spans(&self.positive_spans),
            negative_spans: spans(&self.negative_spans),
            counts,
            custom_bounds: if stale {
                Arc::from([])
            } else {
                self.custom_bounds.clone()
            },
        }
    }
}

fn read_zero_threshold(r: &mut BitReader<'_>) -> Option<f64> {
    Some(match r.bits(8)? {
        0 => 0.0,
        255 => f64::from_bits(r.bits(64)?),
        exponent => (exponent as f64 - 244.0).exp2(),
    })
}

fn read_spans(r: &mut BitReader<'_>) -> Option<Vec<Span>> {
    let count = read_uint(r)?;
    let mut spans = Vec::new();
    for _ in 0..count {
        let length = u32::try_from(read_uint(r)?).ok()?;
        let offset = i32::try_from(read_int(r)?).ok()?;
        spans.push(Span { offset, length });
    }
    Some(spans)
}

/// A number that is written whole, then as a difference, then as differences of differences.
#[derive(Clone, Copy, Default)]
struct Second {
    value: i64,
    delta: i64,
}

impl Second {
    fn read(&mut self, r: &mut BitReader<'_>, index: usize) -> Option<i64> {
        let read = read_int(r)?;
        match index {
            0 => self.value = read,
            1 => self.delta = read,
            _ => self.delta = self.delta.wrapping_add(read),
        }
        self.value = self.value.wrapping_add(self.delta);
        Some(self.value)
    }
}

fn read_ints(
    r: &mut BitReader<'_>,
    layout: &Layout,
    count: usize,
    out: &mut Vec<(i64, Histogram)>,
) -> Result<(), ChunkError> {
    let (mut time, mut total, mut zero) = (Second::default(), Second::default(), Second::default());
    let mut sum = Xor::default();
    let mut buckets = vec![Second::default(); layout.positive_len + layout.negative_len];
    for sample in 0..count {
        let truncated = ChunkError::Truncated { sample, count };
        let t_ms = time.read(r, sample).ok_or(truncated.clone())?;
        if sample == 0 {
            total.value = read_uint(r).ok_or(truncated.clone())? as i64;
            zero.value = read_uint(r).ok_or(truncated.clone())? as i64;
            sum.previous = r.bits(64).ok_or(truncated.clone())?;
        } else {
            total.read(r, sample).ok_or(truncated.clone())?;
            zero.read(r, sample).ok_or(truncated.clone())?;
            sum.read(r, sample, count)?;
        }
        let value = f64::from_bits(sum.previous);
        let (mut positive, mut negative) = (Vec::new(), Vec::new());
        if !is_stale(value) {
            for bucket in &mut buckets {
                bucket.read(r, sample).ok_or(truncated.clone())?;
            }
            let (left, right) = buckets.split_at(layout.positive_len);
            positive = absolute(left);
            negative = absolute(right);
        }
        let counts = Counts::Int {
            count: if is_stale(value) { 0 } else { total.value as u64 },
            zero: if is_stale(value) { 0 } else { zero.value as u64 },
            positive,
            negative,
        };
        out.push((t_ms, layout.histogram(sample, value, counts)));
    }
    Ok(())
}

fn absolute(buckets: &[Second]) -> Vec<u64> {
    let mut count = 0i64;
    let sums = buckets.iter().map(|bucket| {
        count = count.wrapping_add(bucket.value);
        count as u64
    });
    sums.collect()
}

fn read_floats(
    r: &mut BitReader<'_>,
    layout: &Layout,
    count: usize,
    out: &mut Vec<(i64, Histogram)>,
) -> Result<(), ChunkError> {
    let mut time = Second::default();
    // Count, zero count, sum, then the buckets.
    const FIXED: usize = 3;
    let mut numbers = vec![Xor::default(); FIXED + layout.positive_len + layout.negative_len];
    for sample in 0..count {
        let truncated = ChunkError::Truncated { sample, count };
        let t_ms = time.read(r, sample).ok_or(truncated.clone())?;
        let mut stale = false;
        for (i, number) in numbers.iter_mut().enumerate() {
            if sample == 0 {
                number.previous = r.bits(64).ok_or(truncated.clone())?;
            } else {
                number.read(r, sample, count)?;
            }
            if i + 1 == FIXED && is_stale(f64::from_bits(number.previous)) {
                stale = true;
                break;
            }
        }
        let values: Vec<f64> = numbers.iter().map(|n| f64::from_bits(n.previous)).collect();
        let side = |from: usize, length: usize| {
            if stale {
                Vec::new()
            } else {
                values[from..from + length].to_vec()
            }
        };
        let counts = Counts::Float {
            count: values[0],
            zero: values[1],
            positive: side(FIXED, layout.positive_len),
            negative: side(FIXED + layout.positive_len, layout.negative_len),
        };
        out.push((t_ms, layout.histogram(sample, values[2], counts)));
    }
    Ok(())
}
