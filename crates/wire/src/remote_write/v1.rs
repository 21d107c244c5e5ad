//! `prometheus.WriteRequest`, remote write 1.0: the hot path of ingestion.
//!
//! 1. [`WriteRequest::decode`] walks the outermost fields once and learns how many series there are.
//! 2. [`WriteRequest::series`] yields one [`RawSeries`] after another: its fields are walked, nothing is copied.
//! 3. The store looks the series up by [`RawSeries::raw_labels`]; only an unknown one costs [`RawSeries::labels`].
//!
//! Invariant: two series with the same raw labels have the same labels. The bytes start with 0x0a (the tag of a label
//! field), so they share one cache with the keys that [`super::v2`] builds, and with no text format.

use super::RemoteWriteError;
use super::histogram::{self, TimedHistogram};
use super::parts::{decode_labels, kind_from_wire, label_set, readable_labels};
use crate::protobuf::{ProtobufError, Reader};
use lapwing_types::{Exemplar, Labels, Metadata, Sample, SeriesWrite, WriteBatch};
use std::borrow::Cow;

const TAG_LABEL: u8 = 0x0a;
const TAG_SAMPLE: u8 = 0x12;

/// A decompressed request whose outermost fields have been checked.
#[derive(Clone, Copy, Debug)]
pub struct WriteRequest<'a> {
    bytes: &'a [u8],
    pub series_count: usize,
    pub metadata_count: usize,
}

impl<'a> WriteRequest<'a> {
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RemoteWriteError> {
        let mut request = WriteRequest {
            bytes,
            series_count: 0,
            metadata_count: 0,
        };
        let mut looks_like_v2 = false;
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => {
                    field.bytes()?;
                    request.series_count += 1;
                }
                3 => {
                    field.bytes()?;
                    request.metadata_count += 1;
                }
                4 | 5 => looks_like_v2 = true,
                _ => {}
            }
        }
        if looks_like_v2 && request.series_count + request.metadata_count == 0 {
            return Err(RemoteWriteError::WrongVersion {
                expected: "1.0",
                got: "2.0",
            });
        }
        Ok(request)
    }

    /// The series in the order in which they were sent.
    pub fn series(&self) -> SeriesIter<'a> {
        SeriesIter {
            reader: Reader::new(self.bytes),
            number: 0,
        }
    }

    /// Metadata by metric family name; what is wrong with one leaves the others.
    pub fn metadata(&self) -> Vec<Result<(String, Metadata), RemoteWriteError>> {
        let mut all = Vec::with_capacity(self.metadata_count);
        let mut reader = Reader::new(self.bytes);
        while let Ok(Some(field)) = reader.next_field() {
            if field.number == 3 {
                let decoded = field.message().and_then(decode_metadata);
                all.push(decoded.map_err(RemoteWriteError::from));
            }
        }
        all
    }

    /// Everything at once, for callers that are not in a hurry; the first bad series fails the whole.
    pub fn to_batch(&self) -> Result<WriteBatch, RemoteWriteError> {
        let mut batch = WriteBatch {
            series: Vec::with_capacity(self.series_count),
            metadata: self.metadata().into_iter().collect::<Result<_, _>>()?,
        };
        for series in self.series() {
            batch.series.push(series?.to_write()?);
        }
        Ok(batch)
    }
}

/// An error is that of one series, and the next one follows: [`WriteRequest::decode`] has seen that the framing is whole.
#[derive(Clone, Debug)]
pub struct SeriesIter<'a> {
    reader: Reader<'a>,
    /// Of the series that was given last, from 1.
    number: usize,
}

impl<'a> Iterator for SeriesIter<'a> {
    type Item = Result<RawSeries<'a>, RemoteWriteError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next_field() {
                Ok(Some(field)) if field.number == 1 => {
                    self.number += 1;
                    let bytes = field.bytes().unwrap_or_default();
                    let parsed = RawSeries::parse(bytes, self.number);
                    return Some(parsed.map_err(|source| {
                        RemoteWriteError::from(source).at_series(self.number, readable_labels(bytes))
                    }));
                }
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => {
                    // The framing is lost: one error, then the end.
                    self.reader = Reader::new(&[]);
                    return Some(Err(error.into()));
                }
            }
        }
    }
}

/// One series of a request, its fields found but not yet read.
#[derive(Clone, Debug)]
pub struct RawSeries<'a> {
    raw_labels: Cow<'a, [u8]>,
    /// From the first field that is not a label to the end.
    rest: &'a [u8],
    /// Its place in the request, from 1.
    number: usize,
    pub samples_count: usize,
    pub exemplars_count: usize,
    pub histograms_count: usize,
}

impl<'a> RawSeries<'a> {
    fn parse(bytes: &'a [u8], number: usize) -> Result<Self, ProtobufError> {
        let mut reader = Reader::new(bytes);
        reader.skip_short_fields(TAG_LABEL);
        let mut labels_end = reader.position();
        let mut samples_count = reader.skip_short_fields(TAG_SAMPLE);
        let mut labels_open = samples_count == 0;
        let mut scattered = false;
        let (mut exemplars_count, mut histograms_count) = (0, 0);
        while let Some(field) = reader.next_field()? {
            if field.number == 1 {
                field.bytes()?;
                if labels_open {
                    labels_end = reader.position();
                } else {
                    scattered = true;
                }
                continue;
            }
            labels_open = false;
            match field.number {
                2 => samples_count += 1,
                3 => exemplars_count += 1,
                4 => histograms_count += 1,
                _ => {}
            }
        }
        let raw_labels = if scattered {
            Cow::Owned(gather_labels(bytes)?)
        } else {
            Cow::Borrowed(&bytes[..labels_end])
        };
        Ok(RawSeries {
            raw_labels,
            rest: if scattered { bytes } else { &bytes[labels_end..] },
            number,
            samples_count,
            exemplars_count,
            histograms_count,
        })
    }

    /// The label fields as they were sent, contiguous: a key to look the series up by.
    #[inline]
    pub fn raw_labels(&self) -> &[u8] {
        &self.raw_labels
    }

    pub fn labels(&self) -> Result<Labels, RemoteWriteError> {
        decode_labels(&self.raw_labels)
            .map_err(|error| error.at_series(self.number, readable_labels(&self.raw_labels)))
    }

    /// The error as one of this series.
    pub fn named(&self, error: RemoteWriteError) -> RemoteWriteError {
        match self.labels() {
            Ok(labels) => error.in_series(labels),
            Err(_) => error.at_series(self.number, readable_labels(&self.raw_labels)),
        }
    }

    pub fn samples(&self) -> SampleIter<'a> {
        SampleIter {
            reader: Reader::new(self.rest),
        }
    }

    /// Native histograms, absolute counts. Empty without any work when there are none.
    pub fn histograms(&self) -> Result<Vec<TimedHistogram>, RemoteWriteError> {
        let mut all = Vec::with_capacity(self.histograms_count);
        if self.histograms_count == 0 {
            return Ok(all);
        }
        let mut reader = Reader::new(self.rest);
        while let Some(field) = reader.next_field()? {
            if field.number == 4 {
                all.push(histogram::decode(field.bytes()?)?);
            }
        }
        Ok(all)
    }

    pub fn exemplars(&self) -> Result<Vec<Exemplar>, RemoteWriteError> {
        let mut all = Vec::with_capacity(self.exemplars_count);
        if self.exemplars_count == 0 {
            return Ok(all);
        }
        let mut reader = Reader::new(self.rest);
        while let Some(field) = reader.next_field()? {
            if field.number == 3 {
                all.push(decode_exemplar(field.message()?)?);
            }
        }
        Ok(all)
    }

    /// Decodes the whole series; an error names it.
    pub fn to_write(&self) -> Result<SeriesWrite, RemoteWriteError> {
        let labels = self.labels()?;
        self.points(&labels).map_err(|error| error.in_series(&labels))
    }

    fn points(&self, labels: &Labels) -> Result<SeriesWrite, RemoteWriteError> {
        Ok(SeriesWrite {
            labels: labels.clone(),
            samples: self.samples().collect::<Result<_, _>>()?,
            histograms: self
                .histograms()?
                .into_iter()
                .map(|timed| (timed.t_ms, timed.histogram))
                .collect(),
            exemplars: self.exemplars()?,
            start_ms: None,
        })
    }
}

/// The samples of one series, in the order in which they were sent.
#[derive(Clone, Debug)]
pub struct SampleIter<'a> {
    reader: Reader<'a>,
}

impl Iterator for SampleIter<'_> {
    type Item = Result<Sample, ProtobufError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next_field() {
                Ok(Some(field)) if field.number == 2 => {
                    return Some(field.bytes().and_then(decode_sample));
                }
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => {
                    self.reader = Reader::new(&[]);
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Value, then time: what every sender writes unless the value is zero.
#[inline]
fn decode_usual_sample(bytes: &[u8]) -> Option<Sample> {
    let (value, rest) = bytes.strip_prefix(&[0x09])?.split_first_chunk::<8>()?;
    let mut time = Reader::new(rest.strip_prefix(&[0x10])?);
    let t_ms = time.varint().ok()? as i64;
    time.is_at_end().then_some(Sample {
        t_ms,
        value: f64::from_le_bytes(*value),
    })
}

#[inline]
pub(super) fn decode_sample(bytes: &[u8]) -> Result<Sample, ProtobufError> {
    if let Some(sample) = decode_usual_sample(bytes) {
        return Ok(sample);
    }
    let mut sample = Sample { t_ms: 0, value: 0.0 };
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => sample.value = field.double()?,
            2 => sample.t_ms = field.int64()?,
            _ => {}
        }
    }
    Ok(sample)
}

fn decode_exemplar(reader: Reader<'_>) -> Result<Exemplar, RemoteWriteError> {
    let mut exemplar = Exemplar {
        labels: label_set(reader, 1)?,
        value: 0.0,
        t_ms: None,
    };
    let mut fields = reader;
    while let Some(field) = fields.next_field()? {
        match field.number {
            2 => exemplar.value = field.double()?,
            3 => exemplar.t_ms = Some(field.int64()?).filter(|t| *t != 0),
            _ => {}
        }
    }
    Ok(exemplar)
}

fn decode_metadata(mut reader: Reader<'_>) -> Result<(String, Metadata), ProtobufError> {
    let mut name = String::new();
    let mut metadata = Metadata::default();
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => metadata.kind = kind_from_wire(field.int32()?),
            2 => name = field.string()?.to_owned(),
            4 => metadata.help = field.string()?.to_owned(),
            5 => metadata.unit = field.string()?.to_owned(),
            _ => {}
        }
    }
    Ok((name, metadata))
}

/// Label fields that stand apart, copied together.
fn gather_labels(bytes: &[u8]) -> Result<Vec<u8>, ProtobufError> {
    let mut gathered = Vec::new();
    let mut reader = Reader::new(bytes);
    loop {
        let start = reader.position();
        let Some(field) = reader.next_field()? else {
            return Ok(gathered);
        };
        if field.number == 1 {
            gathered.extend_from_slice(&bytes[start..reader.position()]);
        }
    }
}
