//! Native histograms as remote write 1.0, 2.0 and remote read spell them: the three messages share their numbering.
//!
//! On the wire an integer histogram counts each bucket as the difference to the one before; here counts are absolute.

use super::RemoteWriteError;
use crate::protobuf::{ProtobufError, Reader, Writer, unzigzag, zigzag};
use lapwing_types::{Counts, Histogram, ResetHint, Span};
use std::sync::Arc;

/// A histogram with what its message says beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedHistogram {
    pub t_ms: i64,
    /// 2.0 only.
    pub start_ms: Option<i64>,
    pub histogram: Histogram,
}

#[derive(Default)]
struct Fields {
    count_int: Option<u64>,
    count_float: Option<f64>,
    zero_int: Option<u64>,
    zero_float: Option<f64>,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    positive: Side,
    negative: Side,
    reset_hint: i32,
    t_ms: i64,
    start_ms: i64,
    custom_bounds: Vec<f64>,
}

#[derive(Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

pub(crate) fn decode(bytes: &[u8]) -> Result<TimedHistogram, RemoteWriteError> {
    let mut f = Fields::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => f.count_int = Some(field.uint64()?),
            2 => f.count_float = Some(field.double()?),
            3 => f.sum = field.double()?,
            4 => f.schema = field.sint32()?,
            5 => f.zero_threshold = field.double()?,
            6 => f.zero_int = Some(field.uint64()?),
            7 => f.zero_float = Some(field.double()?),
            8 => f.negative.spans.push(decode_span(field.message()?)?),
            9 => field.varints(|v| f.negative.deltas.push(unzigzag(v)))?,
            10 => field.doubles(|v| f.negative.counts.push(v))?,
            11 => f.positive.spans.push(decode_span(field.message()?)?),
            12 => field.varints(|v| f.positive.deltas.push(unzigzag(v)))?,
            13 => field.doubles(|v| f.positive.counts.push(v))?,
            14 => f.reset_hint = field.int32()?,
            15 => f.t_ms = field.int64()?,
            16 => field.doubles(|v| f.custom_bounds.push(v))?,
            17 => f.start_ms = field.int64()?,
            _ => {}
        }
    }
    f.finish()
}

impl Fields {
    fn finish(self) -> Result<TimedHistogram, RemoteWriteError> {
        let is_float = self.count_float.is_some();
        let has_deltas = !self.positive.deltas.is_empty() || !self.negative.deltas.is_empty();
        let has_counts = !self.positive.counts.is_empty() || !self.negative.counts.is_empty();
        let mixed = if is_float {
            self.count_int.is_some() || has_deltas || self.zero_int.is_some_and(|z| z != 0)
        } else {
            has_counts || self.zero_float.is_some_and(|z| z != 0.0)
        };
        if mixed {
            return Err(RemoteWriteError::MixedCounts);
        }
        let counts = if is_float {
            Counts::Float {
                count: self.count_float.unwrap_or(0.0),
                zero: self.zero_float.unwrap_or(0.0),
                positive: self.positive.counts,
                negative: self.negative.counts,
            }
        } else {
            Counts::Int {
                count: self.count_int.unwrap_or(0),
                zero: self.zero_int.unwrap_or(0),
                positive: absolute("positive", &self.positive.deltas)?,
                negative: absolute("negative", &self.negative.deltas)?,
            }
        };
        let histogram = Histogram {
            reset_hint: match self.reset_hint {
                1 => ResetHint::Reset,
                2 => ResetHint::NotReset,
                3 => ResetHint::Gauge,
                _ => ResetHint::Unknown,
            },
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            positive_spans: self.positive.spans,
            negative_spans: self.negative.spans,
            counts,
            custom_bounds: Arc::from(self.custom_bounds),
        };
        Ok(TimedHistogram {
            t_ms: self.t_ms,
            start_ms: (self.start_ms != 0).then_some(self.start_ms),
            histogram,
        })
    }
}

pub(crate) fn decode_span(mut reader: Reader<'_>) -> Result<Span, ProtobufError> {
    let mut span = Span { offset: 0, length: 0 };
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => span.offset = field.sint32()?,
            2 => span.length = field.uint32()?,
            _ => {}
        }
    }
    Ok(span)
}

/// Running sums of deltas; a bucket below zero or above 2^64 is an error.
pub(crate) fn absolute(side: &'static str, deltas: &[i64]) -> Result<Vec<u64>, RemoteWriteError> {
    let mut count = 0u64;
    deltas
        .iter()
        .enumerate()
        .map(|(index, delta)| {
            count = count
                .checked_add_signed(*delta)
                .ok_or(RemoteWriteError::DeltaOverflow { side, index })?;
            Ok(count)
        })
        .collect()
}

pub(crate) fn encode(w: &mut Writer, timed: &TimedHistogram) {
    let h = &timed.histogram;
    match &h.counts {
        Counts::Int { count, .. } => w.present_uint64(1, *count),
        Counts::Float { count, .. } => w.present_double(2, *count),
    }
    w.double(3, h.sum);
    w.sint64(4, i64::from(h.schema));
    w.double(5, h.zero_threshold);
    match &h.counts {
        Counts::Int { zero, .. } => w.present_uint64(6, *zero),
        Counts::Float { zero, .. } => w.present_double(7, *zero),
    }
    encode_spans(w, 8, &h.negative_spans);
    match &h.counts {
        Counts::Int { negative, .. } => w.packed_varints(9, deltas(negative)),
        Counts::Float { negative, .. } => w.packed_doubles(10, negative),
    }
    encode_spans(w, 11, &h.positive_spans);
    match &h.counts {
        Counts::Int { positive, .. } => w.packed_varints(12, deltas(positive)),
        Counts::Float { positive, .. } => w.packed_doubles(13, positive),
    }
    w.uint64(
        14,
        match h.reset_hint {
            ResetHint::Unknown => 0,
            ResetHint::Reset => 1,
            ResetHint::NotReset => 2,
            ResetHint::Gauge => 3,
        },
    );
    w.int64(15, timed.t_ms);
    w.packed_doubles(16, &h.custom_bounds);
    w.int64(17, timed.start_ms.unwrap_or(0));
}

pub(crate) fn encode_spans(w: &mut Writer, number: u32, spans: &[Span]) {
    for span in spans {
        w.message(number, |w| {
            w.sint64(1, i64::from(span.offset));
            w.uint64(2, u64::from(span.length));
        });
    }
}

/// The zigzag-coded differences that [`absolute`] undoes.
pub(crate) fn deltas(counts: &[u64]) -> impl Iterator<Item = u64> + '_ {
    let mut previous = 0u64;
    counts.iter().map(move |count| {
        let delta = count.wrapping_sub(previous) as i64;
        previous = *count;
        zigzag(delta)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fill: impl FnOnce(&mut Writer), expect: RemoteWriteError) {
        let mut writer = Writer::new();
        fill(&mut writer);
        assert_eq!(decode(&writer.into_bytes()), Err(expect));
    }

    #[test]
    fn deltas_become_absolute_counts() {
        assert_eq!(absolute("positive", &[3, -1, 4]), Ok(vec![3, 2, 6]));
        check(
            |w| w.packed_varints(12, [zigzag(2), zigzag(-3)]),
            RemoteWriteError::DeltaOverflow {
                side: "positive",
                index: 1,
            },
        );
        check(
            |w| w.packed_varints(9, [zigzag(i64::MAX), zigzag(i64::MAX), zigzag(i64::MAX)]),
            RemoteWriteError::DeltaOverflow {
                side: "negative",
                index: 2,
            },
        );
    }

    #[test]
    fn integer_and_float_counts_do_not_mix() {
        let mixed = RemoteWriteError::MixedCounts;
        check(
            |w| {
                w.present_uint64(1, 1);
                w.present_double(2, 1.0);
            },
            mixed.clone(),
        );
        check(
            |w| {
                w.present_double(2, 1.0);
                w.packed_varints(12, [2]);
            },
            mixed.clone(),
        );
        check(
            |w| {
                w.present_uint64(1, 1);
                w.packed_doubles(13, &[1.0]);
            },
            mixed,
        );
    }
}
