//! `io.prometheus.write.v2.Request`, remote write 2.0: labels refer to a table of symbols.
//!
//! 1. [`Request::decode`] walks the outermost fields once and collects the symbols; a symbol costs 16 bytes beside
//!    the body, at most eight times what it cost on the wire.
//! 2. [`Request::series`] yields one [`RawSeries`] after another.
//! 3. [`RawSeries::key`] spells the labels as 1.0 does, so that both versions share one cache of series.
//!
//! Start times exist per series (`created_timestamp`, drafts of 2.0) and per sample (`start_timestamp`, 2.0 final);
//! the one that belongs to the newest point is taken.

use super::RemoteWriteError;
use super::histogram::{self, TimedHistogram};
use super::parts::{family_name, kind_from_wire, push_key_label};
use crate::protobuf::{ProtobufError, Reader};
use lapwing_types::{Exemplar, Labels, METRIC_NAME, Metadata, Sample, SeriesWrite, WriteBatch};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// None where it is no text: whoever refers to it is refused, and no other series.
type Symbol<'a> = Option<&'a str>;

/// A decompressed request: its symbols, and where its series are.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    bytes: &'a [u8],
    symbols: Vec<Symbol<'a>>,
    pub series_count: usize,
}

impl<'a> Request<'a> {
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RemoteWriteError> {
        let mut symbols = Vec::new();
        let mut series_count = 0;
        let mut looks_like_v1 = false;
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                4 => symbols.push(std::str::from_utf8(field.bytes()?).ok()),
                5 => {
                    field.bytes()?;
                    series_count += 1;
                }
                1..=3 => looks_like_v1 = true,
                _ => {}
            }
        }
        if looks_like_v1 && symbols.is_empty() && series_count == 0 {
            return Err(RemoteWriteError::WrongVersion {
                expected: "2.0",
                got: "1.0",
            });
        }
        match symbols.first() {
            Some(first) if *first != Some("") => Err(RemoteWriteError::SymbolsStart {
                first: first.unwrap_or("not text").to_owned(),
            }),
            _ => Ok(Request {
                bytes,
                symbols,
                series_count,
            }),
        }
    }

    /// The series in the order in which they were sent.
    pub fn series(&self) -> SeriesIter<'_> {
        SeriesIter {
            reader: Reader::new(self.bytes),
            symbols: &self.symbols,
            number: 0,
        }
    }

    /// For [`RawSeries::new_metadata`], while the series are gone through.
    pub fn told(&self) -> Told<'_> {
        Told {
            by_name: Vec::new(),
            symbols_count: self.symbols.len(),
        }
    }

    /// Everything at once; the first bad series fails the whole.
    pub fn to_batch(&self) -> Result<WriteBatch, RemoteWriteError> {
        let mut series = Vec::with_capacity(self.series_count);
        let mut metadata = BTreeMap::new();
        let mut told = self.told();
        for raw in self.series() {
            let raw = raw?;
            let write = raw.to_write()?;
            if let Some((family, what)) = raw.new_metadata(&mut told).map_err(|e| raw.named(e))? {
                metadata.insert(family, what);
            }
            series.push(write);
        }
        Ok(WriteBatch {
            series,
            metadata: metadata.into_iter().collect(),
        })
    }
}

/// Which metadata a request has brought already, by the symbol of the metric's name: every series repeats it.
#[derive(Clone, Debug)]
pub struct Told<'r> {
    by_name: Vec<&'r [u8]>,
    symbols_count: usize,
}

impl<'r> Told<'r> {
    /// False when this was said of the name before.
    fn is_new(&mut self, name: usize, metadata: &'r [u8]) -> bool {
        if self.by_name.is_empty() {
            self.by_name = vec![&[]; self.symbols_count];
        }
        match self.by_name.get_mut(name) {
            Some(before) if *before != metadata => {
                *before = metadata;
                true
            }
            _ => false,
        }
    }
}

/// An error is that of one series, and the next one follows: [`Request::decode`] has seen that the framing is whole.
#[derive(Clone, Debug)]
pub struct SeriesIter<'r> {
    reader: Reader<'r>,
    symbols: &'r [Symbol<'r>],
    /// Of the series that was given last, from 1.
    number: usize,
}

impl<'r> Iterator for SeriesIter<'r> {
    type Item = Result<RawSeries<'r>, RemoteWriteError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next_field() {
                Ok(Some(field)) if field.number == 5 => {
                    self.number += 1;
                    let mut series = RawSeries::new(field.bytes().unwrap_or_default(), self.symbols);
                    series.number = self.number;
                    return Some(match series.parse() {
                        Ok(()) => Ok(series),
                        Err(error) => Err(series.at_place(error.into())),
                    });
                }
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => {
                    self.reader = Reader::new(&[]);
                    return Some(Err(error.into()));
                }
            }
        }
    }
}

/// One series of a request, its fields found but not yet read.
#[derive(Clone, Debug)]
pub struct RawSeries<'r> {
    bytes: &'r [u8],
    symbols: &'r [Symbol<'r>],
    label_refs: Vec<u64>,
    /// What is said about its metric, not yet decoded.
    metadata: &'r [u8],
    /// Its place in the request, from 1.
    number: usize,
    created_ms: i64,
    pub samples_count: usize,
    pub exemplars_count: usize,
    pub histograms_count: usize,
}

impl<'r> RawSeries<'r> {
    fn new(bytes: &'r [u8], symbols: &'r [Symbol<'r>]) -> Self {
        RawSeries {
            bytes,
            symbols,
            label_refs: Vec::with_capacity(16),
            metadata: &[],
            number: 0,
            created_ms: 0,
            samples_count: 0,
            exemplars_count: 0,
            histograms_count: 0,
        }
    }

    fn parse(&mut self) -> Result<(), ProtobufError> {
        let mut reader = Reader::new(self.bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => field.varints(|v| self.label_refs.push(v))?,
                2 => self.samples_count += 1,
                3 => self.histograms_count += 1,
                4 => self.exemplars_count += 1,
                5 => self.metadata = field.bytes()?,
                6 => self.created_ms = field.int64()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes the labels into `key` in the spelling of [`super::v1::RawSeries::raw_labels`].
    pub fn key(&self, key: &mut Vec<u8>) -> Result<(), RemoteWriteError> {
        key.clear();
        for pair in pairs(&self.label_refs, self.symbols)? {
            let (name, value) = pair?;
            push_key_label(key, name, value);
        }
        Ok(())
    }

    pub fn labels(&self) -> Result<Labels, RemoteWriteError> {
        let labels = label_set(&self.label_refs, self.symbols).map_err(|error| self.at_place(error))?;
        if labels.metric_name().is_none() {
            return Err(RemoteWriteError::MissingName.in_series(labels));
        }
        Ok(labels)
    }

    /// The error as one of this series.
    pub fn named(&self, error: RemoteWriteError) -> RemoteWriteError {
        match label_set(&self.label_refs, self.symbols) {
            Ok(labels) => error.in_series(labels),
            Err(_) => self.at_place(error),
        }
    }

    fn at_place(&self, error: RemoteWriteError) -> RemoteWriteError {
        let text = |index: u64| match symbol(index, self.symbols) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(format!("<symbol {index}>")),
        };
        let pairs = self.label_refs.chunks(2).map(|pair| {
            let value = pair.get(1).map_or(Cow::Borrowed(""), |value| text(*value));
            (text(pair[0]), value)
        });
        error.at_series(self.number, pairs)
    }

    pub fn samples(&self) -> SampleIter<'r> {
        SampleIter {
            reader: Reader::new(self.bytes),
        }
    }

    pub fn histograms(&self) -> Result<Vec<TimedHistogram>, RemoteWriteError> {
        let mut all = Vec::with_capacity(self.histograms_count);
        if self.histograms_count == 0 {
            return Ok(all);
        }
        if self.samples_count > 0 {
            return Err(RemoteWriteError::SamplesAndHistograms);
        }
        let mut reader = Reader::new(self.bytes);
        while let Some(field) = reader.next_field()? {
            if field.number == 3 {
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
        let mut reader = Reader::new(self.bytes);
        while let Some(field) = reader.next_field()? {
            if field.number == 4 {
                all.push(decode_exemplar(field.message()?, self.symbols)?);
            }
        }
        Ok(all)
    }

    /// The family that this series belongs to, and what the sender says about it, unless the request has said so already.
    pub fn new_metadata(&self, told: &mut Told<'r>) -> Result<Option<(String, Metadata)>, RemoteWriteError> {
        if self.metadata.is_empty() {
            return Ok(None);
        }
        let (refs, _) = self.label_refs.as_chunks::<2>();
        let named = refs
            .iter()
            .find(|[name, _]| symbol(*name, self.symbols) == Ok(METRIC_NAME));
        let Some([_, name]) = named else { return Ok(None) };
        if !told.is_new(*name as usize, self.metadata) {
            return Ok(None);
        }
        let metadata = decode_metadata(Reader::new(self.metadata), self.symbols)?;
        let family = family_name(symbol(*name, self.symbols)?, metadata.kind);
        Ok((metadata != Metadata::default()).then(|| (family.to_owned(), metadata)))
    }

    /// When the counter behind all samples began that do not say it themselves, if the sender says so.
    pub fn created_ms(&self) -> Option<i64> {
        (self.created_ms != 0).then_some(self.created_ms)
    }

    /// When the counter behind the newest sample began, if the sender says so.
    fn start_ms(&self, histograms: &[TimedHistogram]) -> Result<Option<i64>, RemoteWriteError> {
        let mut start_ms = self.created_ms();
        for sample in self.samples() {
            start_ms = sample?.start_ms.or(start_ms);
        }
        Ok(histograms.last().and_then(|h| h.start_ms).or(start_ms))
    }

    /// Decodes the whole series; an error names it.
    pub fn to_write(&self) -> Result<SeriesWrite, RemoteWriteError> {
        let labels = self.labels()?;
        self.points(&labels).map_err(|error| error.in_series(&labels))
    }

    fn points(&self, labels: &Labels) -> Result<SeriesWrite, RemoteWriteError> {
        let samples = self.samples().map(|s| s.map(|s| s.sample));
        let histograms = self.histograms()?;
        Ok(SeriesWrite {
            labels: labels.clone(),
            samples: samples.collect::<Result<_, _>>()?,
            start_ms: self.start_ms(&histograms)?,
            histograms: histograms.into_iter().map(|h| (h.t_ms, h.histogram)).collect(),
            exemplars: self.exemplars()?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StartedSample {
    pub sample: Sample,
    pub start_ms: Option<i64>,
}

/// The samples of one series, in the order in which they were sent.
#[derive(Clone, Debug)]
pub struct SampleIter<'r> {
    reader: Reader<'r>,
}

impl Iterator for SampleIter<'_> {
    type Item = Result<StartedSample, ProtobufError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next_field() {
                Ok(Some(field)) if field.number == 2 => {
                    return Some(field.message().and_then(decode_sample));
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

fn decode_sample(mut reader: Reader<'_>) -> Result<StartedSample, ProtobufError> {
    let mut sample = Sample { t_ms: 0, value: 0.0 };
    let mut start_ms = None;
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => sample.value = field.double()?,
            2 => sample.t_ms = field.int64()?,
            3 => start_ms = Some(field.int64()?).filter(|t| *t != 0),
            _ => {}
        }
    }
    Ok(StartedSample { sample, start_ms })
}

fn symbol<'r>(index: u64, symbols: &[Symbol<'r>]) -> Result<&'r str, RemoteWriteError> {
    let found = usize::try_from(index).ok().and_then(|i| symbols.get(i));
    let symbol = found.ok_or(RemoteWriteError::SymbolBeyondEnd {
        index,
        count: symbols.len(),
    })?;
    symbol.ok_or(RemoteWriteError::SymbolNotText { index })
}

type Pair<'r> = Result<(&'r str, &'r str), RemoteWriteError>;

fn pairs<'r>(
    refs: &[u64],
    symbols: &'r [Symbol<'r>],
) -> Result<impl Iterator<Item = Pair<'r>>, RemoteWriteError> {
    let (pairs, rest) = refs.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(RemoteWriteError::OddReferences { count: refs.len() });
    }
    Ok(pairs
        .iter()
        .map(|[name, value]| Ok((symbol(*name, symbols)?, symbol(*value, symbols)?))))
}

fn label_set(refs: &[u64], symbols: &[Symbol<'_>]) -> Result<Labels, RemoteWriteError> {
    let all: Vec<(&str, &str)> = pairs(refs, symbols)?.collect::<Result<_, _>>()?;
    Ok(Labels::from_pairs(all)?)
}

fn decode_exemplar(mut reader: Reader<'_>, symbols: &[Symbol<'_>]) -> Result<Exemplar, RemoteWriteError> {
    let mut refs = Vec::new();
    let (mut value, mut t_ms) = (0.0, None);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => field.varints(|v| refs.push(v))?,
            2 => value = field.double()?,
            3 => t_ms = Some(field.int64()?).filter(|t| *t != 0),
            _ => {}
        }
    }
    Ok(Exemplar {
        labels: label_set(&refs, symbols)?,
        value,
        t_ms,
    })
}

fn decode_metadata(mut reader: Reader<'_>, symbols: &[Symbol<'_>]) -> Result<Metadata, RemoteWriteError> {
    let mut metadata = Metadata::default();
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => metadata.kind = kind_from_wire(field.int32()?),
            3 => metadata.help = symbol(field.uint64()?, symbols)?.to_owned(),
            4 => metadata.unit = symbol(field.uint64()?, symbols)?.to_owned(),
            _ => {}
        }
    }
    Ok(metadata)
}
