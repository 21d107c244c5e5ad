//! `prometheus.WriteRequest` as we send it to other clusters. Uncompressed; `snappy::compress` does the rest.

use super::histogram::{self, TimedHistogram};
use super::parts::kind_to_wire;
use crate::protobuf::Writer;
use lapwing_types::{Exemplar, Labels, Metadata, SeriesWrite, WriteBatch};

/// The whole batch as one request. Start times have no place in 1.0 and are left out.
pub fn encode_v1(batch: &WriteBatch) -> Vec<u8> {
    let mut w = Writer::with_capacity(batch.series.len() * 256);
    for series in &batch.series {
        encode_series(&mut w, 1, series);
    }
    for (family, metadata) in &batch.metadata {
        w.message(3, |w| encode_metadata(w, family, metadata));
    }
    w.into_bytes()
}

/// One `prometheus.TimeSeries` in the field `number`; remote read answers with the same message.
pub fn encode_series(w: &mut Writer, number: u32, series: &SeriesWrite) {
    w.message(number, |w| {
        encode_labels(w, &series.labels);
        for sample in &series.samples {
            w.message(2, |w| {
                w.double(1, sample.value);
                w.int64(2, sample.t_ms);
            });
        }
        for exemplar in &series.exemplars {
            w.message(3, |w| encode_exemplar(w, exemplar));
        }
        for (t_ms, histogram) in &series.histograms {
            let timed = TimedHistogram {
                t_ms: *t_ms,
                start_ms: None,
                histogram: histogram.clone(),
            };
            w.message(4, |w| histogram::encode(w, &timed));
        }
    });
}

pub(crate) fn encode_labels(w: &mut Writer, labels: &Labels) {
    for (name, value) in labels {
        w.message(1, |w| {
            w.string(1, name);
            w.string(2, value);
        });
    }
}

fn encode_exemplar(w: &mut Writer, exemplar: &Exemplar) {
    encode_labels(w, &exemplar.labels);
    w.double(2, exemplar.value);
    w.int64(3, exemplar.t_ms.unwrap_or(0));
}

fn encode_metadata(w: &mut Writer, family: &str, metadata: &Metadata) {
    w.uint64(1, kind_to_wire(metadata.kind));
    w.string(2, family);
    w.string(4, &metadata.help);
    w.string(5, &metadata.unit);
}
