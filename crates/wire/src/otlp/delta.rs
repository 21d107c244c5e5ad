//! Delta temporality: the SDK sends what was added since the last time, the store keeps what was added since the start.
//!
//! The state is one running total per series. It is read while a request is translated and changed only by
//! [`DeltaState::apply`], after the translated samples are kept: a request that failed to be kept can be sent again.
//! A delta whose time is not after that of the last one is refused, so that a request that *was* kept and is sent
//! again does not count twice.
//!
//! The state survives a restart as bytes. Layout: `LDS` and a version byte, then per series one length-delimited
//! message {1: labels {1: name, 2: value}…, 2: time, 3: start, 4: total}; CRC-32C of all before it at the end.

use super::error::RejectReason;
use super::exponential::Exponential;
use super::known::KnownLabels;
use crate::crc32c::crc32c;
use crate::protobuf::{ProtobufError, Reader, Writer, push_varint, unzigzag};
use crate::remote_write::{RemoteWriteError, encode_labels, label_set};
use lapwing_types::Labels;
use std::collections::HashMap;

const MAGIC: [u8; 4] = *b"LDS\x01";

/// What has been added up for one series.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Total {
    Number(f64),
    Histogram {
        count: u64,
        sum: Option<f64>,
        bounds: Vec<f64>,
        buckets: Vec<u64>,
    },
    Exponential(Exponential),
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    t_ms: i64,
    start_ms: i64,
    total: Total,
}

/// What taking delta points needs: the totals, and the labels they are found by.
#[derive(Debug)]
pub struct DeltaBook {
    pub totals: DeltaState,
    pub known: KnownLabels,
}

impl DeltaBook {
    pub fn new(totals: DeltaState) -> Self {
        DeltaBook {
            totals,
            known: KnownLabels::default(),
        }
    }
}

impl AsMut<DeltaBook> for DeltaBook {
    fn as_mut(&mut self) -> &mut DeltaBook {
        self
    }
}

/// Running totals of all delta series.
#[derive(Clone, Debug)]
pub struct DeltaState {
    entries: HashMap<Labels, Entry>,
    series_max: usize,
}

/// What a request adds to a [`DeltaState`] once its samples are kept.
#[derive(Clone, Debug, Default)]
pub struct DeltaChanges {
    entries: HashMap<Labels, Entry>,
    new_series_count: usize,
}

/// A delta point: when it was taken, since when it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) start_ms: Option<i64>,
    pub(super) t_ms: i64,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DeltaStateError {
    #[error("the saved delta state is not one, or of another version")]
    UnknownFormat,
    #[error("the saved delta state is damaged")]
    Checksum,
    #[error("the saved delta state does not parse")]
    Protobuf {
        #[source]
        source: ProtobufError,
    },
    #[error("the saved delta state has an invalid series")]
    Labels {
        #[source]
        source: RemoteWriteError,
    },
}

impl DeltaState {
    pub fn new(series_max: usize) -> Self {
        DeltaState {
            entries: HashMap::new(),
            series_max,
        }
    }

    pub fn series_count(&self) -> usize {
        self.entries.len()
    }

    /// Call after the samples of the request are kept, and before the next request is translated.
    pub fn apply(&mut self, changes: DeltaChanges) {
        self.entries.extend(changes.entries);
    }

    /// The changed series alone, in the same bytes as the whole: for [`DeltaState::absorb`].
    pub fn changes_to_bytes(changes: &DeltaChanges) -> Vec<u8> {
        encode(&changes.entries)
    }

    /// Takes over what [`DeltaState::to_bytes`] or [`DeltaState::changes_to_bytes`] wrote, later over earlier.
    pub fn absorb(&mut self, bytes: &[u8]) -> Result<(), DeltaStateError> {
        let more = DeltaState::from_bytes(bytes, self.series_max)?;
        self.entries.extend(more.entries);
        Ok(())
    }

    /// Forgets series without a point since `oldest_ms`; one that returns starts from zero, which readers of counters
    /// take for a restart. Returns how many were forgotten.
    pub fn forget_before(&mut self, oldest_ms: i64) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, entry| entry.t_ms >= oldest_ms);
        before - self.entries.len()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&self.entries)
    }

    pub fn from_bytes(bytes: &[u8], series_max: usize) -> Result<Self, DeltaStateError> {
        let (body, checksum) = bytes
            .split_last_chunk::<4>()
            .ok_or(DeltaStateError::UnknownFormat)?;
        let rest = body.strip_prefix(&MAGIC).ok_or(DeltaStateError::UnknownFormat)?;
        if crc32c(body) != u32::from_le_bytes(*checksum) {
            return Err(DeltaStateError::Checksum);
        }
        let mut state = DeltaState::new(series_max);
        let mut reader = Reader::new(rest);
        while !reader.is_at_end() {
            let length = reader.varint()?;
            let (labels, entry) = decode_entry(Reader::new(reader.take(length)?))?;
            state.entries.insert(labels, entry);
        }
        Ok(state)
    }
}

impl DeltaChanges {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a delta to its series and returns the total with the time at which it began to be counted.
    pub(super) fn add(
        &mut self,
        state: &DeltaState,
        labels: &Labels,
        interval: Interval,
        delta: Total,
    ) -> Result<(Total, i64), RejectReason> {
        let previous = self.entries.get(labels).or_else(|| state.entries.get(labels));
        let begin_ms = interval.start_ms.unwrap_or(interval.t_ms);
        let entry = match previous {
            None => {
                if state.entries.len() + self.new_series_count >= state.series_max {
                    let series_max = state.series_max;
                    return Err(RejectReason::DeltaStateFull { series_max });
                }
                self.new_series_count += 1;
                Entry {
                    t_ms: interval.t_ms,
                    start_ms: begin_ms,
                    total: delta,
                }
            }
            Some(previous) if interval.t_ms <= previous.t_ms => return Err(RejectReason::DeltaNotNewer),
            Some(previous) => match previous.total.plus(&delta) {
                Some(total) => Entry {
                    t_ms: interval.t_ms,
                    start_ms: previous.start_ms,
                    total,
                },
                // Other bounds or another kind: counting starts again.
                None => Entry {
                    t_ms: interval.t_ms,
                    start_ms: begin_ms.max(previous.t_ms),
                    total: delta,
                },
            },
        };
        let answer = (entry.total.clone(), entry.start_ms);
        self.entries.insert(labels.clone(), entry);
        Ok(answer)
    }
}

impl Total {
    /// `None` when the two cannot be added.
    fn plus(&self, delta: &Total) -> Option<Total> {
        match (self, delta) {
            (Total::Number(a), Total::Number(b)) => Some(Total::Number(a + b)),
            (
                Total::Histogram {
                    count,
                    sum,
                    bounds,
                    buckets,
                },
                Total::Histogram {
                    count: more,
                    sum: more_sum,
                    bounds: same_bounds,
                    buckets: more_buckets,
                },
            ) if bounds == same_bounds && buckets.len() == more_buckets.len() => Some(Total::Histogram {
                count: count.wrapping_add(*more),
                sum: sum.zip(*more_sum).map(|(a, b)| a + b),
                bounds: bounds.clone(),
                buckets: buckets
                    .iter()
                    .zip(more_buckets)
                    .map(|(a, b)| a.wrapping_add(*b))
                    .collect(),
            }),
            (Total::Exponential(a), Total::Exponential(b)) => Some(Total::Exponential(a.plus(b))),
            _ => None,
        }
    }
}

impl From<ProtobufError> for DeltaStateError {
    fn from(source: ProtobufError) -> Self {
        DeltaStateError::Protobuf { source }
    }
}

fn encode(entries: &HashMap<Labels, Entry>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for (labels, entry) in entries {
        let mut w = Writer::new();
        w.message(1, |w| encode_labels(w, labels));
        w.sint64(2, entry.t_ms);
        w.sint64(3, entry.start_ms);
        w.message(4, |w| encode_total(w, &entry.total));
        push_varint(&mut out, w.as_bytes().len() as u64);
        out.extend_from_slice(w.as_bytes());
    }
    let checksum = crc32c(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

fn encode_total(w: &mut Writer, total: &Total) {
    match total {
        Total::Number(value) => w.present_double(1, *value),
        Total::Histogram {
            count,
            sum,
            bounds,
            buckets,
        } => w.message(2, |w| {
            w.uint64(1, *count);
            if let Some(sum) = sum {
                w.present_double(2, *sum);
            }
            w.packed_doubles(3, bounds);
            w.packed_varints(4, buckets.iter().copied());
        }),
        Total::Exponential(total) => w.message(3, |w| total.encode(w)),
    }
}

fn decode_entry(mut reader: Reader<'_>) -> Result<(Labels, Entry), DeltaStateError> {
    let mut labels = Labels::empty();
    let mut entry = Entry {
        t_ms: 0,
        start_ms: 0,
        total: Total::Number(0.0),
    };
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => {
                labels =
                    label_set(field.message()?, 1).map_err(|source| DeltaStateError::Labels { source })?;
            }
            2 => entry.t_ms = unzigzag(field.uint64()?),
            3 => entry.start_ms = unzigzag(field.uint64()?),
            4 => entry.total = decode_total(field.message()?)?,
            _ => {}
        }
    }
    Ok((labels, entry))
}

fn decode_total(mut reader: Reader<'_>) -> Result<Total, ProtobufError> {
    let mut total = Total::Number(0.0);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => total = Total::Number(field.double()?),
            2 => total = decode_histogram(field.message()?)?,
            3 => total = Total::Exponential(Exponential::decode(field.message()?)?),
            _ => {}
        }
    }
    Ok(total)
}

fn decode_histogram(mut reader: Reader<'_>) -> Result<Total, ProtobufError> {
    let (mut count, mut sum) = (0, None);
    let (mut bounds, mut buckets) = (Vec::new(), Vec::new());
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => count = field.uint64()?,
            2 => sum = Some(field.double()?),
            3 => field.doubles(|v| bounds.push(v))?,
            4 => field.varints(|v| buckets.push(v))?,
            _ => {}
        }
    }
    Ok(Total::Histogram {
        count,
        sum,
        bounds,
        buckets,
    })
}
