//! A native histogram as bytes, for log, checkpoint and head: every field, bit for bit.
//!
//! ```text
//! flags (bit 0 float, bits 1–2 reset hint), schema, zero threshold, sum, spans twice, bounds, count, zero, buckets twice
//! ```
//!
//! Buckets of integers are differences to their neighbour, which are small; floats stand in full.

use crate::bytes::{Malformed, Reader, put_f64, put_varint, put_zigzag};
use lapwing_types::{Counts, Histogram, ResetHint, Span};
use std::sync::Arc;

pub(crate) fn put_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    let hint = match histogram.reset_hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    };
    out.push(u8::from(histogram.is_float()) | hint << 1);
    put_zigzag(out, i64::from(histogram.schema));
    put_f64(out, histogram.zero_threshold);
    put_f64(out, histogram.sum);
    for spans in [&histogram.positive_spans, &histogram.negative_spans] {
        put_varint(out, spans.len() as u64);
        for span in spans {
            put_zigzag(out, i64::from(span.offset));
            put_varint(out, u64::from(span.length));
        }
    }
    put_floats(out, &histogram.custom_bounds);
    match &histogram.counts {
        Counts::Int {
            count,
            zero,
            positive,
            negative,
        } => {
            put_varint(out, *count);
            put_varint(out, *zero);
            put_integers(out, positive);
            put_integers(out, negative);
        }
        Counts::Float {
            count,
            zero,
            positive,
            negative,
        } => {
            put_f64(out, *count);
            put_f64(out, *zero);
            put_floats(out, positive);
            put_floats(out, negative);
        }
    }
}

pub(crate) fn take_histogram(reader: &mut Reader<'_>) -> Result<Histogram, Malformed> {
    let flags = reader.u8()?;
    let reset_hint = match flags >> 1 {
        0 => ResetHint::Unknown,
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => return Err(Malformed { what: "reset hint" }),
    };
    let schema = i32::try_from(reader.zigzag()?).map_err(|_| Malformed { what: "schema" })?;
    let zero_threshold = reader.f64()?;
    let sum = reader.f64()?;
    let positive_spans = take_spans(reader)?;
    let negative_spans = take_spans(reader)?;
    let custom_bounds = Arc::from(take_floats(reader)?);
    let counts = if flags & 1 == 0 {
        Counts::Int {
            count: reader.varint()?,
            zero: reader.varint()?,
            positive: take_integers(reader)?,
            negative: take_integers(reader)?,
        }
    } else {
        Counts::Float {
            count: reader.f64()?,
            zero: reader.f64()?,
            positive: take_floats(reader)?,
            negative: take_floats(reader)?,
        }
    };
    Ok(Histogram {
        reset_hint,
        schema,
        zero_threshold,
        sum,
        positive_spans,
        negative_spans,
        counts,
        custom_bounds,
    })
}

fn put_integers(out: &mut Vec<u8>, buckets: &[u64]) {
    put_varint(out, buckets.len() as u64);
    let mut previous = 0u64;
    for bucket in buckets {
        put_zigzag(out, bucket.wrapping_sub(previous) as i64);
        previous = *bucket;
    }
}

fn take_integers(reader: &mut Reader<'_>) -> Result<Vec<u64>, Malformed> {
    let count = reader.count(1)?;
    let mut previous = 0u64;
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        previous = previous.wrapping_add(reader.zigzag()? as u64);
        out.push(previous);
    }
    Ok(out)
}

fn put_floats(out: &mut Vec<u8>, values: &[f64]) {
    put_varint(out, values.len() as u64);
    for value in values {
        put_f64(out, *value);
    }
}

fn take_floats(reader: &mut Reader<'_>) -> Result<Vec<f64>, Malformed> {
    let count = reader.count(8)?;
    (0..count).map(|_| reader.f64()).collect()
}

fn take_spans(reader: &mut Reader<'_>) -> Result<Vec<Span>, Malformed> {
    let count = reader.count(2)?;
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let offset = i32::try_from(reader.zigzag()?).map_err(|_| Malformed { what: "span offset" })?;
        out.push(Span {
            offset,
            length: reader.varint_u32()?,
        });
    }
    Ok(out)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn example(count: u64) -> Histogram {
        Histogram {
            reset_hint: ResetHint::Gauge,
            schema: 3,
            zero_threshold: 0.001,
            sum: 12.5,
            positive_spans: vec![
                Span {
                    offset: -2,
                    length: 2,
                },
                Span { offset: 1, length: 1 },
            ],
            negative_spans: vec![],
            counts: Counts::Int {
                count,
                zero: 0,
                positive: vec![count, 0, 0],
                negative: vec![],
            },
            custom_bounds: Arc::from([]),
        }
    }

    #[test]
    fn round_trips_integers_and_floats() {
        let mut float = example(9);
        float.counts = Counts::Float {
            count: 1.5,
            zero: 0.5,
            positive: vec![1.0, 0.0, 0.0],
            negative: vec![],
        };
        float.custom_bounds = Arc::from([0.1, 5.0]);
        for histogram in [example(7), example(u64::MAX), float] {
            let mut out = Vec::new();
            put_histogram(&mut out, &histogram);
            assert_eq!(take_histogram(&mut Reader::new(&out)).unwrap(), histogram);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = take_histogram(&mut Reader::new(&bytes));
        }
    }
}
