//! `io.prometheus.write.v2.Request` as we send it to other clusters. Uncompressed; `snappy::compress` does the rest.
//!
//! Series are encoded first, into a buffer of their own, while they fill the table of symbols; the table goes out
//! ahead of them.

use super::histogram::{self, TimedHistogram};
use super::parts::{family_name, kind_to_wire};
use crate::protobuf::Writer;
use lapwing_types::{Exemplar, Labels, Metadata, MetricKind, SeriesWrite, WriteBatch};
use std::collections::HashMap;

#[derive(Default)]
struct Symbols<'a> {
    list: Vec<&'a str>,
    index: HashMap<&'a str, u64>,
}

impl<'a> Symbols<'a> {
    fn new() -> Self {
        let mut symbols = Symbols::default();
        symbols.reference("");
        symbols
    }

    fn reference(&mut self, text: &'a str) -> u64 {
        *self.index.entry(text).or_insert_with(|| {
            self.list.push(text);
            self.list.len() as u64 - 1
        })
    }

    fn label_refs(&mut self, labels: &'a Labels) -> Vec<u64> {
        let mut refs = Vec::with_capacity(16);
        for (name, value) in labels {
            refs.push(self.reference(name));
            refs.push(self.reference(value));
        }
        refs
    }
}

/// The whole batch as one request.
pub fn encode_v2(batch: &WriteBatch) -> Vec<u8> {
    let metadata: HashMap<&str, &Metadata> = batch.metadata.iter().map(|(n, m)| (n.as_str(), m)).collect();
    let mut symbols = Symbols::new();
    let mut series_part = Writer::with_capacity(batch.series.len() * 64);
    for series in &batch.series {
        let about = find_metadata(&metadata, &series.labels);
        series_part.message(5, |w| encode_series(w, &mut symbols, series, about));
    }
    let mut w = Writer::with_capacity(series_part.as_bytes().len() + symbols.list.len() * 16);
    for symbol in &symbols.list {
        w.bytes(4, symbol.as_bytes());
    }
    let mut out = w.into_bytes();
    out.extend_from_slice(series_part.as_bytes());
    out
}

/// Metadata is kept by family; a series of a histogram or summary finds it without its suffix.
fn find_metadata<'a>(by_family: &HashMap<&str, &'a Metadata>, labels: &Labels) -> Option<&'a Metadata> {
    let name = labels.metric_name()?;
    by_family.get(name).copied().or_else(|| {
        let kinds = [MetricKind::Histogram, MetricKind::Summary];
        kinds.into_iter().find_map(|kind| {
            let about = by_family
                .get(family_name(labels.metric_name().unwrap_or(""), kind))
                .copied()?;
            let has_parts = matches!(
                about.kind,
                MetricKind::Histogram | MetricKind::GaugeHistogram | MetricKind::Summary
            );
            has_parts.then_some(about)
        })
    })
}

fn encode_series<'a>(
    w: &mut Writer,
    symbols: &mut Symbols<'a>,
    series: &'a SeriesWrite,
    about: Option<&'a Metadata>,
) {
    w.packed_varints(1, symbols.label_refs(&series.labels));
    for sample in &series.samples {
        w.message(2, |w| {
            w.double(1, sample.value);
            w.int64(2, sample.t_ms);
            w.int64(3, series.start_ms.unwrap_or(0));
        });
    }
    for (t_ms, histogram) in &series.histograms {
        let timed = TimedHistogram {
            t_ms: *t_ms,
            start_ms: series.start_ms,
            histogram: histogram.clone(),
        };
        w.message(3, |w| histogram::encode(w, &timed));
    }
    for exemplar in &series.exemplars {
        w.message(4, |w| encode_exemplar(w, symbols, exemplar));
    }
    if let Some(about) = about {
        w.message(5, |w| {
            w.uint64(1, kind_to_wire(about.kind));
            w.uint64(3, symbols.reference(&about.help));
            w.uint64(4, symbols.reference(&about.unit));
        });
    }
}

fn encode_exemplar<'a>(w: &mut Writer, symbols: &mut Symbols<'a>, exemplar: &'a Exemplar) {
    w.packed_varints(1, symbols.label_refs(&exemplar.labels));
    w.double(2, exemplar.value);
    w.int64(3, exemplar.t_ms.unwrap_or(0));
}
