//! A column of native histograms; every one returns bit for bit, integer or float.
//!
//! Neighbours in time nearly always have the same layout, so histograms are cut into runs of equal layout, which is
//! written once, and each bucket becomes a column over the run: counts of integer histograms as integers (their second
//! difference is small), sums and float counts as floats.
//!
//! Layout:
//!
//! ```text
//! runs   varint, then per run:
//!   len               varint, at least 1
//!   flags             u8: bit 0 float counts
//!   schema            zigzag varint
//!   zero threshold    8 bytes
//!   positive spans    varint, then (offset zigzag varint, length varint) each; negative spans the same
//!   buckets           positive varint, negative varint
//!   custom bounds     varint, then 8 bytes each
//!   columns           reset hints as integers; sums as values; then count, zero count, positive and negative buckets as
//!                     integers, or as values with float counts
//! ```

use super::{COLUMN_LEN_MAX, Effort, ints, values};
use crate::bytes::{Reader, put_f64, put_varint, put_zigzag};
use crate::metrics::Malformed;
use lapwing_types::{Counts, Histogram, ResetHint, Span};
use std::sync::Arc;

/// Buckets of one histogram, both sides: a hundred times what the limit of client libraries allows.
pub const BUCKETS_MAX: usize = 1 << 14;
/// Numbers in one column of histograms: 128 MiB of memory once decoded.
const CELLS_MAX: usize = 1 << 24;
const FLAG_FLOAT: u8 = 1;
/// Columns of a run beside the buckets: hint, sum, count, zero count.
const FIXED_COLUMNS: usize = 4;

/// Answers an error, and writes nothing, for a histogram with more than [`BUCKETS_MAX`] buckets and for columns whose
/// decoder would refuse them as too large.
pub fn encode(histograms: &[Arc<Histogram>], effort: Effort, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let cells = |h: &Histogram| {
        let (positive, negative) = sides_len(&h.counts);
        positive + negative + FIXED_COLUMNS
    };
    if histograms.iter().any(|h| cells(h) > BUCKETS_MAX)
        || histograms.iter().map(|h| cells(h)).sum::<usize>() > CELLS_MAX
    {
        return Err(Malformed {
            what: "too many buckets",
        });
    }
    let runs: Vec<&[Arc<Histogram>]> = histograms.chunk_by(|a, b| same_layout(a, b)).collect();
    put_varint(out, runs.len() as u64);
    for run in runs {
        put_varint(out, run.len() as u64);
        put_layout(&run[0], out);
        let hints: Vec<i64> = run.iter().map(|h| hint_number(h.reset_hint)).collect();
        ints::encode(&hints, effort, out);
        let sums: Vec<f64> = run.iter().map(|h| h.sum).collect();
        values::encode(&sums, effort, out);
        put_counts(run, effort, out);
    }
    Ok(())
}

/// Appends `count` histograms to `out` and returns how many bytes of `bytes` they took.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<Arc<Histogram>>) -> Result<usize, Malformed> {
    if count > COLUMN_LEN_MAX {
        return Err(Malformed {
            what: "column length",
        });
    }
    let mut reader = Reader::new(bytes);
    let runs = reader.count(16)?;
    let (mut left, mut cells_left) = (count, CELLS_MAX);
    for _ in 0..runs {
        let len = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        if len == 0 || len > left {
            return Err(Malformed { what: "run length" });
        }
        left -= len;
        let layout = take_layout(&mut reader)?;
        let cells = len * (layout.positive_len + layout.negative_len + FIXED_COLUMNS);
        cells_left = cells_left.checked_sub(cells).ok_or(Malformed {
            what: "histogram size",
        })?;
        take_run(&mut reader, &layout, len, out)?;
    }
    if left != 0 {
        return Err(Malformed { what: "run length" });
    }
    Ok(bytes.len() - reader.remaining())
}

/// What all histograms of a run have in common.
struct Layout {
    float: bool,
    schema: i32,
    zero_threshold: f64,
    positive_spans: Vec<Span>,
    negative_spans: Vec<Span>,
    positive_len: usize,
    negative_len: usize,
    custom_bounds: Arc<[f64]>,
}

fn same_layout(a: &Histogram, b: &Histogram) -> bool {
    let bits = |bounds: &[f64]| bounds.iter().map(|b| b.to_bits()).collect::<Vec<_>>();
    a.is_float() == b.is_float()
        && a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && sides_len(&a.counts) == sides_len(&b.counts)
        && (Arc::ptr_eq(&a.custom_bounds, &b.custom_bounds)
            || bits(&a.custom_bounds) == bits(&b.custom_bounds))
}

fn sides_len(counts: &Counts) -> (usize, usize) {
    match counts {
        Counts::Int {
            positive, negative, ..
        } => (positive.len(), negative.len()),
        Counts::Float {
            positive, negative, ..
        } => (positive.len(), negative.len()),
    }
}

fn put_layout(h: &Histogram, out: &mut Vec<u8>) {
    out.push(if h.is_float() { FLAG_FLOAT } else { 0 });
    put_zigzag(out, i64::from(h.schema));
    put_f64(out, h.zero_threshold);
    for spans in [&h.positive_spans, &h.negative_spans] {
        put_varint(out, spans.len() as u64);
        for span in spans {
            put_zigzag(out, i64::from(span.offset));
            put_varint(out, u64::from(span.length));
        }
    }
    let (positive, negative) = sides_len(&h.counts);
    put_varint(out, positive as u64);
    put_varint(out, negative as u64);
    put_varint(out, h.custom_bounds.len() as u64);
    for bound in h.custom_bounds.iter() {
        put_f64(out, *bound);
    }
}

fn take_layout(reader: &mut Reader<'_>) -> Result<Layout, Malformed> {
    let float = match reader.u8()? {
        0 => false,
        FLAG_FLOAT => true,
        _ => {
            return Err(Malformed {
                what: "histogram flags",
            });
        }
    };
    let schema = i32::try_from(reader.zigzag()?).map_err(|_| Malformed { what: "schema" })?;
    let zero_threshold = reader.f64()?;
    let positive_spans = take_spans(reader)?;
    let negative_spans = take_spans(reader)?;
    let (positive_len, negative_len) = (reader.varint()?, reader.varint()?);
    if positive_len.saturating_add(negative_len) > BUCKETS_MAX as u64 {
        return Err(Malformed {
            what: "too many buckets",
        });
    }
    let bounds = reader.count(8)?;
    let mut custom_bounds = Vec::with_capacity(bounds);
    for _ in 0..bounds {
        custom_bounds.push(reader.f64()?);
    }
    Ok(Layout {
        float,
        schema,
        zero_threshold,
        positive_spans,
        negative_spans,
        positive_len: positive_len as usize,
        negative_len: negative_len as usize,
        custom_bounds: Arc::from(custom_bounds),
    })
}

fn take_spans(reader: &mut Reader<'_>) -> Result<Vec<Span>, Malformed> {
    let len = reader.count(2)?;
    let mut spans = Vec::with_capacity(len);
    for _ in 0..len {
        let offset = i32::try_from(reader.zigzag()?).map_err(|_| Malformed { what: "span" })?;
        let length = reader.varint_u32()?;
        spans.push(Span { offset, length });
    }
    Ok(spans)
}

fn put_counts(run: &[Arc<Histogram>], effort: Effort, out: &mut Vec<u8>) {
    let (positive, negative) = sides_len(&run[0].counts);
    let (mut integers, mut floats) = (Vec::with_capacity(run.len()), Vec::with_capacity(run.len()));
    for column in 0..2 + positive + negative {
        integers.clear();
        floats.clear();
        for h in run {
            match &h.counts {
                Counts::Int {
                    count,
                    zero,
                    positive,
                    negative,
                } => integers.push(cell(column, (*count, *zero), positive, negative) as i64),
                Counts::Float {
                    count,
                    zero,
                    positive,
                    negative,
                } => floats.push(cell(column, (*count, *zero), positive, negative)),
            }
        }
        if floats.is_empty() {
            ints::encode(&integers, effort, out);
        } else {
            values::encode(&floats, effort, out);
        }
    }
}

fn cell<T: Copy>(column: usize, (count, zero): (T, T), positive: &[T], negative: &[T]) -> T {
    match column {
        0 => count,
        1 => zero,
        n if n - 2 < positive.len() => positive[n - 2],
        n => negative[n - 2 - positive.len()],
    }
}

fn take_run(
    reader: &mut Reader<'_>,
    layout: &Layout,
    len: usize,
    out: &mut Vec<Arc<Histogram>>,
) -> Result<(), Malformed> {
    let hints = take_ints(reader, len)?;
    let sums = take_values(reader, len)?;
    let columns = 2 + layout.positive_len + layout.negative_len;
    let (mut integers, mut floats) = (Vec::new(), Vec::new());
    for _ in 0..columns {
        if layout.float {
            floats.push(take_values(reader, len)?);
        } else {
            integers.push(take_ints(reader, len)?);
        }
    }
    let positive = 2..2 + layout.positive_len;
    let negative = positive.end..columns;
    for at in 0..len {
        let counts = if layout.float {
            Counts::Float {
                count: floats[0][at],
                zero: floats[1][at],
                positive: floats[positive.clone()].iter().map(|c| c[at]).collect(),
                negative: floats[negative.clone()].iter().map(|c| c[at]).collect(),
            }
        } else {
            Counts::Int {
                count: integers[0][at] as u64,
                zero: integers[1][at] as u64,
                positive: integers[positive.clone()].iter().map(|c| c[at] as u64).collect(),
                negative: integers[negative.clone()].iter().map(|c| c[at] as u64).collect(),
            }
        };
        out.push(Arc::new(Histogram {
            reset_hint: hint_of(hints[at])?,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            sum: sums[at],
            positive_spans: layout.positive_spans.clone(),
            negative_spans: layout.negative_spans.clone(),
            counts,
            custom_bounds: Arc::clone(&layout.custom_bounds),
        }));
    }
    Ok(())
}

fn take_ints(reader: &mut Reader<'_>, len: usize) -> Result<Vec<i64>, Malformed> {
    let mut column = Vec::new();
    let taken = ints::decode(reader.rest(), len, &mut column)?;
    reader.take(taken)?;
    Ok(column)
}

fn take_values(reader: &mut Reader<'_>, len: usize) -> Result<Vec<f64>, Malformed> {
    let mut column = Vec::new();
    let taken = values::decode(reader.rest(), len, &mut column)?;
    reader.take(taken)?;
    Ok(column)
}

fn hint_number(hint: ResetHint) -> i64 {
    match hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    }
}

fn hint_of(number: i64) -> Result<ResetHint, Malformed> {
    match number {
        0 => Ok(ResetHint::Unknown),
        1 => Ok(ResetHint::Reset),
        2 => Ok(ResetHint::NotReset),
        3 => Ok(ResetHint::Gauge),
        _ => Err(Malformed { what: "reset hint" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(lens: &[u32]) -> Vec<Span> {
        lens.iter()
            .map(|length| Span {
                offset: 1,
                length: *length,
            })
            .collect()
    }

    fn histogram() -> impl Strategy<Value = Arc<Histogram>> {
        let sides = (
            proptest::collection::vec(1u32..4, 0..3),
            proptest::collection::vec(1u32..3, 0..2),
        );
        let sum = prop_oneof![
            Just(lapwing_types::stale_nan()),
            any::<u64>().prop_map(f64::from_bits),
            (0u32..9).prop_map(f64::from)
        ];
        let counts = (
            any::<bool>(),
            proptest::collection::vec(prop_oneof![any::<u64>(), 0u64..50], 20),
        );
        (
            sides,
            sum,
            counts,
            0i64..4,
            prop_oneof![Just(0), Just(-53), Just(8)],
        )
            .prop_map(|((positive, negative), sum, (float, cells), hint, schema)| {
                let (p, n) = (
                    positive.iter().sum::<u32>() as usize,
                    negative.iter().sum::<u32>() as usize,
                );
                let f = |v: &[u64]| v.iter().map(|v| f64::from_bits(*v)).collect::<Vec<f64>>();
                let counts = if float {
                    Counts::Float {
                        count: f64::from_bits(cells[0]),
                        zero: cells[1] as f64,
                        positive: f(&cells[2..2 + p]),
                        negative: f(&cells[12..12 + n]),
                    }
                } else {
                    Counts::Int {
                        count: cells[0],
                        zero: cells[1],
                        positive: cells[2..2 + p].to_vec(),
                        negative: cells[12..12 + n].to_vec(),
                    }
                };
                Arc::new(Histogram {
                    reset_hint: hint_of(hint).unwrap(),
                    schema,
                    zero_threshold: 1e-128,
                    sum,
                    positive_spans: spans(&positive),
                    negative_spans: spans(&negative),
                    counts,
                    custom_bounds: if schema == -53 {
                        Arc::from([0.5, f64::INFINITY])
                    } else {
                        Arc::from([])
                    },
                })
            })
    }

    proptest! {
        #[test]
        fn every_histogram_returns(kinds in proptest::collection::vec((histogram(), 1usize..5), 0..8)) {
            let column: Vec<Arc<Histogram>> =
                kinds.iter().flat_map(|(h, n)| std::iter::repeat_n(Arc::clone(h), *n)).collect();
            let mut bytes = Vec::new();
            encode(&column, Effort::Fast, &mut bytes).unwrap();
            let len = bytes.len();
            bytes.push(9);
            let mut out = Vec::new();
            prop_assert_eq!(decode(&bytes, column.len(), &mut out), Ok(len));
            // NaNs differ from themselves; their text with all digits does not, and the bytes are compared on top.
            prop_assert_eq!(format!("{out:?}"), format!("{column:?}"));
            let mut again = Vec::new();
            encode(&out, Effort::Fast, &mut again).unwrap();
            prop_assert_eq!(&again[..], &bytes[..len]);
        }

        #[test]
        fn hostile_bytes_are_an_error_or_histograms(bytes in proptest::collection::vec(any::<u8>(), 0..120), count in 0usize..20) {
            let mut out = Vec::new();
            if decode(&bytes, count, &mut out).is_ok() {
                prop_assert_eq!(out.len(), count);
            }
        }
    }
}
