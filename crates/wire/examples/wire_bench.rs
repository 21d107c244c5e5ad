//! Nanoseconds per sample of the decoders, on this machine, in this run:
//! `cargo run --release -p lapwing-wire --example wire_bench`
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

use lapwing_types::{Labels, Sample, SeriesWrite, WriteBatch};
use lapwing_wire::remote_write::{encode_v1, encode_v2, v1, v2};
use lapwing_wire::snappy::{Decompressor, compress};
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
fn measure(what: &str, samples: usize, mut run: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..30 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what:32} {:8.1} ns per sample", best * 1e9 / samples as f64);
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
