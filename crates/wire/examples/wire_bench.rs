//! Nanoseconds per sample of the decoders, on this machine, in this run:
//! `cargo run --release -p lapwing-wire --example wire_bench`
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

use lapwing_types::{Exemplar, Histogram, Labels, Sample, SeriesWrite, WriteBatch};
use lapwing_wire::otlp::{
    DeltaBook, DeltaState, OtlpOptions, SeriesSink, decode_proto, translate, translate_into,
};
use lapwing_wire::protobuf::Writer;
use lapwing_wire::remote_write::{encode_v1, encode_v2, v1, v2};
use lapwing_wire::snappy::{Decompressor, compress};
use lapwing_wire::text::{Entry, Escaping, Family, FamilySample, Format, Parser, write};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

const SERIES: usize = 2_000;
const BODY_BYTES_MAX: usize = 32 << 20;

fn main() {
    let batch = remote_write_batch();
    let body = encode_v1(&batch);
    let block = compress(&body).expect("a small body");
    println!(
        "remote write: {} B of protobuf, {} B of snappy, {SERIES} samples",
        body.len(),
        block.len()
    );
    let mut decompressor = Decompressor::new();
    measure("snappy alone", SERIES, || {
        black_box(decompressor.decompress(&block, BODY_BYTES_MAX).unwrap().len());
    });
    measure("v1 protobuf alone", SERIES, || read_v1(&body));
    measure("v1 snappy + protobuf", SERIES, || {
        read_v1(decompressor.decompress(&block, BODY_BYTES_MAX).unwrap());
    });
    measure("v1 with label sets", SERIES, || {
        black_box(v1::WriteRequest::decode(&body).unwrap().to_batch().unwrap());
    });
    let body_v2 = encode_v2(&batch);
    let block_v2 = compress(&body_v2).expect("a small body");
    measure("v2 snappy + protobuf + key", SERIES, || {
        read_v2(decompressor.decompress(&block_v2, BODY_BYTES_MAX).unwrap());
    });
    for format in [Format::Prometheus, Format::OpenMetrics] {
        measure_text(&batch, format);
    }
    let body = otlp_body();
    println!("OTLP: {} B of protobuf, {SERIES} points of a counter", body.len());
    measure("OTLP, decoded only", SERIES, || {
        black_box(decode_proto(&body).unwrap());
    });
    measure("OTLP, to series", SERIES, || {
        let request = decode_proto(&body).unwrap();
        let state = DeltaState::new(SERIES);
        black_box(translate(&request, &OtlpOptions::default(), &state).unwrap());
    });
    let mut known = Known::default();
    measure("OTLP, to series that came before", SERIES, || {
        let request = decode_proto(&body).unwrap();
        let book = || DeltaBook::new(DeltaState::new(SERIES));
        let options = OtlpOptions::default();
        black_box(translate_into(&request, &options, book, &mut known).unwrap());
    });
}

/// As cheap as a sink that knows keys can be.
#[derive(Default)]
struct Known(HashMap<Vec<u8>, usize>);

impl SeriesSink for Known {
    type Series = usize;

    fn known(&mut self, key: &[u8]) -> Option<usize> {
        self.0.get(key).copied()
    }

    fn bind(&mut self, key: &[u8], _labels: &Labels) -> Option<usize> {
        let next = self.0.len();
        Some(*self.0.entry(key.to_vec()).or_insert(next))
    }

    fn sample(&mut self, series: usize, t_ms: i64, value: f64) {
        black_box((series, t_ms, value));
    }

    fn histogram(&mut self, series: usize, t_ms: i64, histogram: Histogram) {
        black_box((series, t_ms, histogram));
    }

    fn exemplar(&mut self, series: usize, exemplar: Exemplar) {
        black_box((series, exemplar));
    }

    fn start(&mut self, series: usize, _t_ms: i64, start_ms: i64) {
        black_box((series, start_ms));
    }
}

/// One resource, twenty metrics, a hundred points each with four attributes.
fn otlp_body() -> Vec<u8> {
    let attribute = |w: &mut Writer, number: u32, key: &str, value: &str| {
        w.message(number, |w| {
            w.string(1, key);
            w.message(2, |w| w.string(1, value));
        });
    };
    let point = |w: &mut Writer, i: usize| {
        w.fixed64(2, 1_790_000_000_000_000_000);
        w.fixed64(3, 1_790_000_015_000_000_000);
        w.fixed64(6, i as u64);
        attribute(w, 7, "http.request.method", "GET");
        attribute(w, 7, "http.route", &format!("/api/v1/item/{i}"));
        attribute(w, 7, "http.response.status_code", "200");
        attribute(w, 7, "server.address", "shop.example.org");
    };
    let mut w = Writer::new();
    w.message(1, |w| {
        w.message(1, |w| {
            attribute(w, 1, "service.name", "shop");
            attribute(
                w,
                1,
                "service.instance.id",
                "627cc493-f310-47de-96bd-71410b7dec09",
            );
        });
        w.message(2, |w| {
            for metric in 0..20 {
                w.message(2, |w| {
                    w.string(1, &format!("http.server.requests.{metric}"));
                    w.message(7, |w| {
                        w.uint64(2, 2);
                        w.uint64(3, 1);
                        for i in 0..SERIES / 20 {
                            w.message(1, |w| point(w, i));
                        }
                    });
                });
            }
        });
    });
    w.into_bytes()
}

fn measure_text(batch: &WriteBatch, format: Format) {
    let page = write(&families(batch), format, Escaping::AllowUtf8);
    println!("{format:?} page: {} B, {SERIES} series", page.len());
    let best = measure("text, known series", SERIES, || {
        let mut parser = Parser::new(page.as_bytes(), format).unwrap();
        while let Some(entry) = parser.next_entry().unwrap() {
            if let Entry::Sample(sample) = entry {
                black_box((sample.series_text(), sample.value));
            }
        }
    });
    println!("{:32} {:8.0} MB/s", "", page.len() as f64 / best / 1e6);
    measure("text, with label sets", SERIES, || {
        let mut parser = Parser::new(page.as_bytes(), format).unwrap();
        while let Some(entry) = parser.next_entry().unwrap() {
            if let Entry::Sample(sample) = entry {
                black_box(sample.labels().unwrap());
            }
        }
    });
}

fn families(batch: &WriteBatch) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let mut series: Vec<&SeriesWrite> = batch.series.iter().collect();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    for one in series {
        let name = one.labels.metric_name().unwrap_or("");
        if families.last().is_none_or(|f| f.name != name) {
            families.push(Family {
                name: name.to_owned(),
                ..Family::default()
            });
        }
        if let Some(family) = families.last_mut() {
            family.samples.push(FamilySample {
                labels: one.labels.clone(),
                value: one.samples[0].value,
                t_ms: None,
                exemplar: None,
            });
        }
    }
    families
}

/// What the ingest path reads when every series is known already.
fn read_v1(body: &[u8]) {
    let request = v1::WriteRequest::decode(body).unwrap();
    for series in request.series() {
        let series = series.unwrap();
        black_box(series.raw_labels());
        for sample in series.samples() {
            black_box(sample.unwrap());
        }
    }
}

fn read_v2(body: &[u8]) {
    let request = v2::Request::decode(body).unwrap();
    let mut key = Vec::new();
    for series in request.series() {
        let series = series.unwrap();
        series.key(&mut key).unwrap();
        black_box(&key);
        for sample in series.samples() {
            black_box(sample.unwrap());
        }
    }
}

/// The best of several runs: the one least disturbed by neighbours.
fn measure(what: &str, samples: usize, mut run: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..30 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what:32} {:8.1} ns per sample", best * 1e9 / samples as f64);
    best
}

/// Eight labels per series, one sample each: what an agent sends that scrapes node exporters.
fn remote_write_batch() -> WriteBatch {
    let series = (0..SERIES).map(|i| {
        let labels = Labels::from_pairs([
            ("__name__", format!("node_metric_{}_total", i % 100)),
            ("cluster", "eu-west-1".to_owned()),
            ("cpu", (i / 100).to_string()),
            ("datacenter", "a".to_owned()),
            ("instance", format!("host-{:03}.example.org:9100", i % 37)),
            ("job", "node".to_owned()),
            ("mode", ["idle", "user", "system"][i % 3].to_owned()),
            ("team", "infrastructure".to_owned()),
        ]);
        SeriesWrite {
            labels: labels.expect("valid labels"),
            samples: vec![Sample {
                t_ms: 1_790_000_000_000 + i as i64,
                value: i as f64 * 1.25,
            }],
            ..SeriesWrite::default()
        }
    });
    WriteBatch {
        series: series.collect(),
        metadata: vec![],
    }
}
