//! What stands beside samples: exemplars and start times. Few per series, so they are written plainly.
//!
//! Layout: exemplars varint, then per exemplar: time zigzag varint (distance from the one before), flags u8 (bit 0: own
//! time follows), [own time zigzag varint], value 8 bytes, labels varint, then name and value texts; start times varint, then
//! (time, start) zigzag varints (distances from the pair before).

use crate::bytes::{Reader, put_f64, put_text, put_varint, put_zigzag};
use crate::metrics::Malformed;
use crate::metrics::columns::SeriesColumns;
use lapwing_types::{Exemplar, Labels};

pub(super) fn encode(columns: &SeriesColumns, out: &mut Vec<u8>) {
    put_varint(out, columns.exemplars.len() as u64);
    let mut last = 0i64;
    for (t_ms, exemplar) in &columns.exemplars {
        put_zigzag(out, t_ms.wrapping_sub(last));
        last = *t_ms;
        out.push(u8::from(exemplar.t_ms.is_some()));
        if let Some(own) = exemplar.t_ms {
            put_zigzag(out, own);
        }
        put_f64(out, exemplar.value);
        put_varint(out, exemplar.labels.len() as u64);
        for (name, value) in &exemplar.labels {
            put_text(out, name);
            put_text(out, value);
        }
    }
    put_varint(out, columns.start_times_ms.len() as u64);
    let mut last = (0i64, 0i64);
    for (t_ms, start_ms) in &columns.start_times_ms {
        put_zigzag(out, t_ms.wrapping_sub(last.0));
        put_zigzag(out, start_ms.wrapping_sub(last.1));
        last = (*t_ms, *start_ms);
    }
}

/// Appends what lies in the range; a start time counts from its time on, so the last one before the range is kept too.
pub(super) fn decode(
    bytes: &[u8],
    (start_ms, end_ms): (i64, i64),
    out: &mut SeriesColumns,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let exemplars = reader.count(11)?;
    let mut last = 0i64;
    for _ in 0..exemplars {
        let t_ms = last.wrapping_add(reader.zigzag()?);
        last = t_ms;
        let own = match reader.u8()? {
            0 => None,
            1 => Some(reader.zigzag()?),
            _ => {
                return Err(Malformed {
                    what: "exemplar flags",
                });
            }
        };
        let value = reader.f64()?;
        let labels = take_labels(&mut reader)?;
        if (start_ms..=end_ms).contains(&t_ms) {
            let exemplar = Exemplar {
                labels,
                value,
                t_ms: own,
            };
            out.exemplars.push((t_ms, exemplar));
        }
    }
    let starts = reader.count(2)?;
    let mut last = (0i64, 0i64);
    let mut before = None;
    for _ in 0..starts {
        last = (
            last.0.wrapping_add(reader.zigzag()?),
            last.1.wrapping_add(reader.zigzag()?),
        );
        if last.0 < start_ms {
            before = Some(last);
        } else if last.0 <= end_ms {
            out.start_times_ms.extend(before.take());
            out.start_times_ms.push(last);
        }
    }
    out.start_times_ms.extend(before);
    Ok(())
}

fn take_labels(reader: &mut Reader<'_>) -> Result<Labels, Malformed> {
    let count = reader.count(2)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        pairs.push((reader.text()?, reader.text()?));
    }
    Labels::from_pairs(pairs).map_err(|_| Malformed {
        what: "exemplar labels",
    })
}
