//! Records of the log: a type, then entries up to the end.
//!
//! Read are series (1), samples (2, and 11 with start times), metadata (6), native histograms (7 and 9 with integer, 8
//! and 10 with float counts; 12 and 13 with start times), exemplars (4) and, in a pass of their own, deletions (3). The others
//! (markers of the memory map) say nothing that an import needs and are skipped, as is any type of the future.

use super::cursor::Cursor;
use super::error::TsdbError;
use lapwing_types::{
    CUSTOM_BUCKETS_SCHEMA, Counts, Exemplar, Histogram, Labels, Metadata, MetricKind, ResetHint, Sample,
    SeriesWrite, Span,
};

#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) series: Vec<(u64, Labels)>,
    /// By series id; the labels are not known yet.
    pub(super) points: Vec<(u64, SeriesWrite)>,
    pub(super) metadata: Vec<(u64, Metadata)>,
}

pub(super) fn decode(record: &[u8]) -> Result<Decoded, TsdbError> {
    let mut decoded = Decoded::default();
    let mut cursor = Cursor::new(record, "log record");
    if cursor.is_at_end() {
        return Ok(decoded);
    }
    match cursor.u8()? {
        1 => {
            while !cursor.is_at_end() {
                let id = cursor.u64()?;
                decoded.series.push((id, labels(&mut cursor)?));
            }
        }
        2 => entries(cursor, Heads::Based, &mut decoded, float)?,
        4 => entries(cursor, Heads::Based, &mut decoded, exemplar)?,
        6 => {
            while !cursor.is_at_end() {
                let id = cursor.uvarint()?;
                decoded.metadata.push((id, metadata(&mut cursor)?));
            }
        }
        7 | 9 => entries(cursor, Heads::Based, &mut decoded, int_histogram)?,
        8 | 10 => entries(cursor, Heads::Based, &mut decoded, float_histogram)?,
        11 => entries(cursor, Heads::Started, &mut decoded, float)?,
        12 => entries(cursor, Heads::Started, &mut decoded, int_histogram)?,
        13 => entries(cursor, Heads::Started, &mut decoded, float_histogram)?,
        _ => {}
    }
    Ok(decoded)
}

/// Hands over what a record deletes: series, and the first and last time. Nothing, if it is another kind of record.
pub(super) fn deletions(record: &[u8], mut take: impl FnMut(u64, (i64, i64))) -> Result<(), TsdbError> {
    let mut cursor = Cursor::new(record, "log record");
    if cursor.is_at_end() || cursor.u8()? != 3 {
        return Ok(());
    }
    while !cursor.is_at_end() {
        let id = cursor.u64()?;
        take(id, (cursor.varint()?, cursor.varint()?));
    }
    Ok(())
}

/// How the entries of a record say whom and when they mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heads {
    /// A base id and time (8 bytes each), then differences to those.
    Based,
    /// The first entry whole, then the id as a difference to the one before, the time to the first; start times.
    Started,
}

type ReadPoint = fn(&mut Cursor<'_>, i64, &mut SeriesWrite) -> Result<(), TsdbError>;

fn entries(
    mut cursor: Cursor<'_>,
    heads: Heads,
    decoded: &mut Decoded,
    read: ReadPoint,
) -> Result<(), TsdbError> {
    if cursor.is_at_end() {
        return Ok(());
    }
    let (mut id, base_ms, first_start_ms) = match heads {
        Heads::Based => (cursor.u64()?, cursor.u64()? as i64, 0),
        Heads::Started => (cursor.varint()? as u64, cursor.varint()?, cursor.varint()?),
    };
    let base_id = id;
    let mut start_ms = first_start_ms;
    let mut t_ms = base_ms;
    let mut is_first = true;
    while !cursor.is_at_end() {
        match heads {
            Heads::Based => {
                id = base_id.wrapping_add_signed(cursor.varint()?);
                t_ms = base_ms.wrapping_add(cursor.varint()?);
            }
            Heads::Started if !is_first => {
                id = id.wrapping_add_signed(cursor.varint()?);
                t_ms = base_ms.wrapping_add(cursor.varint()?);
                start_ms = match cursor.u8()? {
                    0 => 0,
                    1 => start_ms,
                    _ => first_start_ms.wrapping_add(cursor.varint()?),
                };
            }
            Heads::Started => {}
        }
        is_first = false;
        let mut write = SeriesWrite {
            start_ms: (start_ms != 0).then_some(start_ms),
            ..SeriesWrite::default()
        };
        read(&mut cursor, t_ms, &mut write)?;
        decoded.points.push((id, write));
    }
    Ok(())
}

fn float(cursor: &mut Cursor<'_>, t_ms: i64, write: &mut SeriesWrite) -> Result<(), TsdbError> {
    let value = cursor.f64()?;
    write.samples.push(Sample { t_ms, value });
    Ok(())
}

fn exemplar(cursor: &mut Cursor<'_>, t_ms: i64, write: &mut SeriesWrite) -> Result<(), TsdbError> {
    let value = cursor.f64()?;
    write.exemplars.push(Exemplar {
        labels: labels(cursor)?,
        value,
        t_ms: Some(t_ms),
    });
    Ok(())
}

fn labels(cursor: &mut Cursor<'_>) -> Result<Labels, TsdbError> {
    let count = cursor.uvarint()?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push((cursor.text()?, cursor.text()?));
    }
    Ok(Labels::from_pairs(pairs)?)
}

fn metadata(cursor: &mut Cursor<'_>) -> Result<Metadata, TsdbError> {
    let kind = match cursor.u8()? {
        1 => MetricKind::Counter,
        2 => MetricKind::Gauge,
        3 => MetricKind::Histogram,
        4 => MetricKind::GaugeHistogram,
        5 => MetricKind::Summary,
        6 => MetricKind::Info,
        7 => MetricKind::StateSet,
        _ => MetricKind::Unknown,
    };
    let mut metadata = Metadata {
        kind,
        ..Metadata::default()
    };
    for _ in 0..cursor.uvarint()? {
        let (name, value) = (cursor.text()?, cursor.text()?);
        match name {
            "UNIT" => value.clone_into(&mut metadata.unit),
            "HELP" => value.clone_into(&mut metadata.help),
            _ => {}
        }
    }
    Ok(metadata)
}

fn int_histogram(cursor: &mut Cursor<'_>, t_ms: i64, write: &mut SeriesWrite) -> Result<(), TsdbError> {
    let (reset_hint, schema) = (reset_hint(cursor)?, cursor.varint()? as i32);
    let zero_threshold = cursor.f64()?;
    let (zero, count) = (cursor.uvarint()?, cursor.uvarint()?);
    let sum = cursor.f64()?;
    let (positive_spans, negative_spans) = (spans(cursor)?, spans(cursor)?);
    let (positive, negative) = (int_buckets(cursor)?, int_buckets(cursor)?);
    let histogram = Histogram {
        reset_hint,
        schema,
        zero_threshold,
        sum,
        positive_spans,
        negative_spans,
        counts: Counts::Int {
            count,
            zero,
            positive,
            negative,
        },
        custom_bounds: custom_bounds(cursor, schema)?.into(),
    };
    write.histograms.push((t_ms, histogram));
    Ok(())
}

fn float_histogram(cursor: &mut Cursor<'_>, t_ms: i64, write: &mut SeriesWrite) -> Result<(), TsdbError> {
    let (reset_hint, schema) = (reset_hint(cursor)?, cursor.varint()? as i32);
    let zero_threshold = cursor.f64()?;
    let (zero, count) = (cursor.f64()?, cursor.f64()?);
    let sum = cursor.f64()?;
    let (positive_spans, negative_spans) = (spans(cursor)?, spans(cursor)?);
    let histogram = Histogram {
        reset_hint,
        schema,
        zero_threshold,
        sum,
        positive_spans,
        negative_spans,
        counts: Counts::Float {
            count,
            zero,
            positive: list(cursor, |c| c.f64())?,
            negative: list(cursor, |c| c.f64())?,
        },
        custom_bounds: custom_bounds(cursor, schema)?.into(),
    };
    write.histograms.push((t_ms, histogram));
    Ok(())
}

/// Differences between neighbours, added up.
fn int_buckets(cursor: &mut Cursor<'_>) -> Result<Vec<u64>, TsdbError> {
    let mut total = 0i64;
    list(cursor, |c| {
        total = total.wrapping_add(c.varint()?);
        Ok(total as u64)
    })
}

fn reset_hint(cursor: &mut Cursor<'_>) -> Result<ResetHint, TsdbError> {
    Ok(match cursor.u8()? {
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    })
}

fn spans(cursor: &mut Cursor<'_>) -> Result<Vec<Span>, TsdbError> {
    list(cursor, |c| {
        Ok(Span {
            offset: c.varint()? as i32,
            length: c.uvarint()? as u32,
        })
    })
}

fn custom_bounds(cursor: &mut Cursor<'_>, schema: i32) -> Result<Vec<f64>, TsdbError> {
    if schema == CUSTOM_BUCKETS_SCHEMA {
        list(cursor, |c| c.f64())
    } else {
        Ok(Vec::new())
    }
}

/// A count and as many elements; nothing is reserved on the word of the count.
fn list<T>(
    cursor: &mut Cursor<'_>,
    mut each: impl FnMut(&mut Cursor<'_>) -> Result<T, TsdbError>,
) -> Result<Vec<T>, TsdbError> {
    let count = cursor.uvarint()?;
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(each(cursor)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_are_read_and_other_records_have_none() {
        let found = |record: &[u8]| {
            let mut found = Vec::new();
            deletions(record, |id, range| found.push((id, range))).map(|()| found)
        };
        // Series 7 from -1 to 150, series 8 at 0.
        let mut record = vec![3];
        record.extend_from_slice(&7u64.to_be_bytes());
        record.extend_from_slice(&[0x01, 0xac, 0x02]);
        record.extend_from_slice(&8u64.to_be_bytes());
        record.extend_from_slice(&[0, 0]);
        assert_eq!(found(&record).unwrap(), [(7, (-1, 150)), (8, (0, 0))]);
        assert!(found(&record[..record.len() - 1]).is_err());
        record[0] = 2;
        assert_eq!(found(&record).unwrap(), []);
        assert_eq!(found(&[]).unwrap(), []);
    }
}
