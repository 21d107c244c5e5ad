//! Exponential histograms: OTLP's dense buckets, sums of them, and the native histograms they become.
//!
//! Bucket `i` of scale `s` holds values in (2^(i/2^s), 2^((i+1)/2^s)]; halving the resolution turns `i` into `i >> 1`.
//! Prometheus numbers buckets by their upper end, so its index is one higher, and knows scales −4 to 8 only.

use super::error::RejectReason;
use super::model::{ExponentialBuckets, ExponentialPoint};
use crate::native_buckets::spans;
use crate::protobuf::{ProtobufError, Reader, Writer, zigzag};
use lapwing_types::{Counts, Histogram, ResetHint};
use std::collections::BTreeMap;
use std::sync::Arc;

const SCALE_MAX: i32 = 8;
const SCALE_MIN: i32 = -4;
/// Native histograms call anything within this of zero zero, unless the source says otherwise.
const ZERO_THRESHOLD_DEFAULT: f64 = 1e-128;
/// Per side; SDKs send at most 160. Sums over drifting ranges lose resolution before they grow beyond.
const BUCKETS_MAX: usize = 320;
/// The numbers of f64 lie within ±2^19 at scale 8; a bucket far beyond them is a mistake, and would break the spans.
const INDEX_MAX: i64 = 1 << 20;

/// Sparse, scale within −4 ..= 8, indexes as in OTLP.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exponential {
    scale: i32,
    count: u64,
    sum: Option<f64>,
    zero: u64,
    zero_threshold: f64,
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
}

impl Exponential {
    pub(super) fn from_point(point: &ExponentialPoint<'_>) -> Result<Self, RejectReason> {
        if point.scale < SCALE_MIN {
            return Err(RejectReason::ScaleTooLow { scale: point.scale });
        }
        let mut result = Exponential {
            scale: point.scale.min(SCALE_MAX),
            count: point.count,
            sum: point.sum,
            zero: point.zero,
            zero_threshold: point.zero_threshold,
            positive: sparse(&point.positive, point.scale)?,
            negative: sparse(&point.negative, point.scale)?,
        };
        result.bound();
        Ok(result)
    }

    /// The sum of both, at the coarser of the two resolutions.
    pub(super) fn plus(&self, other: &Exponential) -> Exponential {
        let scale = self.scale.min(other.scale);
        let (mut sum, mut more) = (self.clone(), other.clone());
        sum.lower_to(scale);
        more.lower_to(scale);
        for (side, more) in [
            (&mut sum.positive, more.positive),
            (&mut sum.negative, more.negative),
        ] {
            for (index, count) in more {
                let bucket = side.entry(index).or_insert(0);
                *bucket = bucket.wrapping_add(count);
            }
        }
        sum.count = sum.count.wrapping_add(more.count);
        sum.zero = sum.zero.wrapping_add(more.zero);
        sum.sum = sum.sum.zip(more.sum).map(|(a, b)| a + b);
        sum.zero_threshold = sum.zero_threshold.max(more.zero_threshold);
        sum.bound();
        sum
    }

    pub(super) fn sum(&self) -> Option<f64> {
        self.sum
    }

    pub(super) fn to_native(&self) -> Histogram {
        let numbered = |side: &BTreeMap<i32, u64>| side.iter().map(|(i, count)| (i + 1, *count)).collect();
        let (positive_spans, positive) = spans(&numbered(&self.positive));
        let (negative_spans, negative) = spans(&numbered(&self.negative));
        Histogram {
            reset_hint: ResetHint::Unknown,
            schema: self.scale,
            zero_threshold: if self.zero_threshold > 0.0 {
                self.zero_threshold
            } else {
                ZERO_THRESHOLD_DEFAULT
            },
            sum: self.sum.unwrap_or(0.0),
            positive_spans,
            negative_spans,
            counts: Counts::Int {
                count: self.count,
                zero: self.zero,
                positive,
                negative,
            },
            custom_bounds: Arc::from([]),
        }
    }

    fn bound(&mut self) {
        while self.positive.len().max(self.negative.len()) > BUCKETS_MAX && self.scale > SCALE_MIN {
            self.lower_to(self.scale - 1);
        }
    }

    fn lower_to(&mut self, scale: i32) {
        let shift = (self.scale - scale) as u32;
        if shift == 0 {
            return;
        }
        self.scale = scale;
        for side in [&mut self.positive, &mut self.negative] {
            let mut lowered = BTreeMap::new();
            for (index, count) in &*side {
                let bucket: &mut u64 = lowered.entry(index >> shift).or_insert(0);
                *bucket = bucket.wrapping_add(*count);
            }
            *side = lowered;
        }
    }

    pub(super) fn encode(&self, w: &mut Writer) {
        w.sint64(1, i64::from(self.scale));
        w.uint64(2, self.count);
        if let Some(sum) = self.sum {
            w.present_double(3, sum);
        }
        w.uint64(4, self.zero);
        w.double(5, self.zero_threshold);
        for (number, side) in [(6, &self.positive), (8, &self.negative)] {
            w.packed_varints(number, side.keys().map(|index| zigzag(i64::from(*index))));
            w.packed_varints(number + 1, side.values().copied());
        }
    }

    pub(super) fn decode(mut reader: Reader<'_>) -> Result<Self, ProtobufError> {
        let mut result = Exponential::default();
        let mut lists: [Vec<u64>; 4] = Default::default();
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => result.scale = field.sint32()?.clamp(SCALE_MIN, SCALE_MAX),
                2 => result.count = field.uint64()?,
                3 => result.sum = Some(field.double()?),
                4 => result.zero = field.uint64()?,
                5 => result.zero_threshold = field.double()?,
                6..=9 => field.varints(|v| lists[field.number as usize - 6].push(v))?,
                _ => {}
            }
        }
        let [positive_keys, positive, negative_keys, negative] = lists;
        let join = |keys: Vec<u64>, counts: Vec<u64>| {
            let indexes = keys.into_iter().map(crate::protobuf::unzigzag);
            let sound = indexes.zip(counts).filter(|(index, _)| index.abs() <= INDEX_MAX);
            sound.map(|(index, count)| (index as i32, count)).collect()
        };
        result.positive = join(positive_keys, positive);
        result.negative = join(negative_keys, negative);
        Ok(result)
    }
}

/// The buckets that hold something, at a scale that Prometheus knows.
fn sparse(side: &ExponentialBuckets, scale: i32) -> Result<BTreeMap<i32, u64>, RejectReason> {
    let shift = (scale - scale.min(SCALE_MAX)).min(i64::BITS as i32 - 1);
    let mut sparse = BTreeMap::new();
    for (index, count) in (i64::from(side.offset)..).zip(&side.counts) {
        if *count == 0 {
            continue;
        }
        let index = index >> shift;
        if index.abs() > INDEX_MAX {
            return Err(RejectReason::BucketIndex);
        }
        let bucket = sparse.entry(index as i32).or_insert(0u64);
        *bucket = bucket.wrapping_add(*count);
    }
    Ok(sparse)
}
