//! A data directory that Prometheus 3.5.3 wrote: four series of 300 points were sent to it by remote write, a snapshot
//! was taken as a block, then a range of two series was deleted from it. `expected` repeats what was sent.

use crate::cases::chain;
use lapwing_types::{
    CUSTOM_BUCKETS_SCHEMA, Counts, Histogram, Labels, ResetHint, Sample, SeriesWrite, Span, stale_nan,
};
use lapwing_wire::chunk::{encode_histograms, encode_xor, split_histograms};
use lapwing_wire::prom_tsdb::{
    BlockIndex, BlockReader, ChunkSamples, Tombstones, TsdbError, WalReader, decode_chunk, head_chunks,
    parse_chunk,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const INDEX: &[u8] = include_bytes!("../data/prometheus_3_5/index");
const CHUNKS: &[u8] = include_bytes!("../data/prometheus_3_5/chunks_000001");
const TOMBSTONES: &[u8] = include_bytes!("../data/prometheus_3_5/tombstones");
const WAL: &[u8] = include_bytes!("../data/prometheus_3_5/wal_00000000");
const HEAD_CHUNKS: &[u8] = include_bytes!("../data/prometheus_3_5/chunks_head_000001");

const START_MS: i64 = 1_795_226_140_000;
const STEP_MS: i64 = 15_000;
const POINTS: i64 = 300;

fn t_ms(i: i64) -> i64 {
    START_MS + i * STEP_MS
}

fn labels(name: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("job", "fixture")]).unwrap()
}

fn int_histogram(i: i64, custom: bool) -> Histogram {
    if i == 50 {
        return stale_histogram();
    }
    let k = (i % 150) as u64 + 1;
    Histogram {
        reset_hint: ResetHint::Unknown,
        schema: if custom { CUSTOM_BUCKETS_SCHEMA } else { 3 },
        zero_threshold: if custom { 0.0 } else { 2f64.powi(-128) },
        sum: k as f64 * 1.5,
        positive_spans: vec![
            Span {
                offset: if custom { 0 } else { -2 },
                length: 2,
            },
            Span { offset: 1, length: 1 },
        ],
        negative_spans: if custom {
            vec![]
        } else {
            vec![Span { offset: 4, length: 1 }]
        },
        counts: Counts::Int {
            count: if custom { 6 * k } else { 8 * k },
            zero: if custom { 0 } else { k },
            positive: vec![k, 2 * k, 3 * k],
            negative: if custom { vec![] } else { vec![k] },
        },
        custom_bounds: if custom {
            Arc::from([0.25, 1.0, 1e9])
        } else {
            Arc::from([])
        },
    }
}

fn stale_histogram() -> Histogram {
    Histogram {
        reset_hint: ResetHint::Unknown,
        schema: 0,
        zero_threshold: 0.0,
        sum: stale_nan(),
        positive_spans: vec![],
        negative_spans: vec![],
        counts: Counts::Int {
            count: 0,
            zero: 0,
            positive: vec![],
            negative: vec![],
        },
        custom_bounds: Arc::from([]),
    }
}

fn float_histogram(i: i64) -> Histogram {
    let whole = int_histogram(i, false);
    let float = whole.to_float();
    let quarter = |all: &[f64]| all.iter().map(|v| v / 4.0).collect();
    Histogram {
        zero_threshold: 0.001,
        reset_hint: ResetHint::Gauge,
        counts: Counts::Float {
            count: float.count / 4.0,
            zero: float.zero_count / 4.0,
            positive: quarter(&float.positive),
            negative: quarter(&float.negative),
        },
        ..whole
    }
}

fn expected() -> Vec<SeriesWrite> {
    let histograms = |name: &str, of: &dyn Fn(i64) -> Histogram| SeriesWrite {
        labels: labels(name),
        histograms: (0..POINTS).map(|i| (t_ms(i), of(i))).collect(),
        ..SeriesWrite::default()
    };
    let value = |i: i64| {
        if i == 200 {
            stale_nan()
        } else {
            (i * i) as f64 / 8.0
        }
    };
    let floats = SeriesWrite {
        labels: labels("floats"),
        samples: (0..POINTS)
            .map(|i| Sample {
                t_ms: t_ms(i),
                value: value(i),
            })
            .collect(),
        ..SeriesWrite::default()
    };
    vec![
        histograms("customs", &|i| int_histogram(i, true)),
        floats,
        histograms("gauge_floats", &float_histogram),
        histograms("ints", &|i| int_histogram(i, false)),
    ]
}

/// What must survive: not the hints on resets, which Prometheus makes itself, nor the shape of a stale histogram.
fn essence(series: &SeriesWrite) -> String {
    let mut text = format!("{}\n", series.labels);
    for sample in &series.samples {
        text += &format!("{} {:x}\n", sample.t_ms, sample.value.to_bits());
    }
    for (t_ms, h) in &series.histograms {
        let sum = h.sum.to_bits();
        if lapwing_types::is_stale(h.sum) {
            text += &format!("{t_ms} stale\n");
        } else {
            text += &format!(
                "{t_ms} {sum:x} {} {:x} {:?} {:?} {:?} {:?}\n",
                h.schema,
                h.zero_threshold.to_bits(),
                h.positive_spans,
                h.negative_spans,
                h.counts,
                h.custom_bounds
            );
        }
    }
    text
}

fn block(tombstones: Tombstones) -> BlockReader<'static, &'static [u8]> {
    BlockReader {
        index: BlockIndex::parse(INDEX).unwrap(),
        segments: vec![CHUNKS],
        tombstones,
    }
}

fn check(found: &[SeriesWrite], expect: &[SeriesWrite]) {
    assert_eq!(found.len(), expect.len());
    for (found, expect) in found.iter().zip(expect) {
        assert_eq!(essence(found), essence(expect));
        for (_, histogram) in &found.histograms {
            assert_eq!(histogram.validate(), Ok(()));
        }
    }
}

#[test]
fn a_block_gives_back_what_was_sent() {
    let found: Vec<_> = block(Tombstones::default())
        .series()
        .collect::<Result<_, _>>()
        .unwrap();
    check(&found, &expected());
    let hints = |series: &SeriesWrite, hint| {
        series
            .histograms
            .iter()
            .filter(|(_, h)| h.reset_hint == hint)
            .count()
    };
    assert_eq!(hints(&found[2], ResetHint::Gauge), 300);
    // Within a chunk there is no reset; at the starts of the four chunks nobody can know.
    assert_eq!(hints(&found[3], ResetHint::NotReset), 296);
}

#[test]
fn what_was_deleted_stays_away() {
    let found: Vec<_> = block(Tombstones::parse(TOMBSTONES).unwrap())
        .series()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut expect = expected();
    let deleted = START_MS + 150_000..=START_MS + 300_000;
    expect[1].samples.retain(|s| !deleted.contains(&s.t_ms));
    expect[3].histograms.retain(|(t_ms, _)| !deleted.contains(t_ms));
    assert_eq!((expect[1].samples.len(), expect[3].histograms.len()), (289, 289));
    check(&found, &expect);
}

/// Samples of many records, by series.
fn merge(all: impl IntoIterator<Item = SeriesWrite>) -> Vec<SeriesWrite> {
    let mut merged: BTreeMap<Labels, SeriesWrite> = BTreeMap::new();
    for write in all {
        let series = merged.entry(write.labels.clone()).or_insert_with(|| SeriesWrite {
            labels: write.labels.clone(),
            ..SeriesWrite::default()
        });
        series.samples.extend(write.samples);
        series.histograms.extend(write.histograms);
    }
    for series in merged.values_mut() {
        series.samples.sort_by_key(|s| s.t_ms);
        series.histograms.sort_by_key(|(t_ms, _)| *t_ms);
    }
    merged.into_values().collect()
}

#[test]
fn the_log_gives_back_what_was_sent() {
    let mut writes = Vec::new();
    let mut reader = WalReader::new();
    reader.segment(WAL, |batch| writes.extend(batch.series)).unwrap();
    assert_eq!(reader.orphans_count, 0);
    check(&merge(writes), &expected());
}

#[test]
fn what_blocks_have_is_left_out_of_the_log_and_late_samples_are_not() {
    let from_ms = t_ms(100);
    let mut reader = WalReader::new();
    reader.valid_from(Some(from_ms));
    assert_eq!(
        [t_ms(99), t_ms(100)].map(|t_ms| reader.is_valid(t_ms)),
        [false, true]
    );
    let mut writes = Vec::new();
    reader.segment(WAL, |batch| writes.extend(batch.series)).unwrap();
    let mut expect = expected();
    for series in &mut expect {
        series.samples.retain(|s| s.t_ms >= from_ms);
        series.histograms.retain(|h| h.0 >= from_ms);
    }
    check(&merge(writes), &expect);
    let mut late = Vec::new();
    reader.late_samples_follow();
    reader.segment(WAL, |batch| late.extend(batch.series)).unwrap();
    check(&merge(late), &expected());
}

#[test]
fn a_torn_chunk_of_the_head_costs_none_before_it() {
    let (whole, damage) = head_chunks(HEAD_CHUNKS);
    assert_eq!(damage, None);
    assert!(whole.len() > 2 && whole.iter().all(|chunk| !chunk.is_late()));
    let last = whole.last().unwrap();
    let end = HEAD_CHUNKS
        .windows(last.data.len())
        .position(|w| w == last.data)
        .unwrap()
        + last.data.len();
    // Half of it reached the file, whose rest was reserved.
    let mut torn = HEAD_CHUNKS[..end - last.data.len() / 2].to_vec();
    torn.resize(HEAD_CHUNKS.len(), 0);
    let (found, damage) = head_chunks(&torn);
    assert_eq!(found, whole[..whole.len() - 1]);
    assert!(damage.is_some());
}

#[test]
fn chunks_of_the_head_are_named_by_the_log() {
    let mut reader = WalReader::new();
    reader.segment(WAL, |_| {}).unwrap();
    let mut writes = Vec::new();
    for chunk in head_chunks(HEAD_CHUNKS).0 {
        let mut samples = ChunkSamples::default();
        decode_chunk(chunk.encoding, chunk.data, &mut samples).unwrap();
        let times = samples.floats.iter().map(|s| s.t_ms);
        let times = times.chain(samples.histograms.iter().map(|(t_ms, _)| *t_ms));
        assert!(times.eq((chunk.min_ms..=chunk.max_ms).step_by(STEP_MS as usize)));
        writes.push(SeriesWrite {
            labels: reader.labels(chunk.series_id).unwrap().clone(),
            samples: samples.floats,
            histograms: samples.histograms,
            ..SeriesWrite::default()
        });
    }
    let found = merge(writes);
    // The last, open chunk of each series is in the log only.
    let mut expect = expected();
    for (expect, found) in expect.iter_mut().zip(&found) {
        assert!(found.samples.len() + found.histograms.len() > 100);
        expect.samples.truncate(found.samples.len());
        expect.histograms.truncate(found.histograms.len());
    }
    check(&found, &expect);
}

#[test]
fn our_chunks_are_those_of_prometheus_bit_for_bit() {
    const FLAGS: usize = 2;
    let mut count = 0;
    for series in BlockIndex::parse(INDEX).unwrap().series() {
        for chunk in series.unwrap().chunks {
            let (encoding, data) = parse_chunk(&CHUNKS[chunk.offset as usize..], 0).unwrap();
            let mut samples = ChunkSamples::default();
            decode_chunk(encoding, data, &mut samples).unwrap();
            if samples.histograms.is_empty() {
                assert_eq!(encode_xor(&samples.floats), data);
            } else {
                assert_eq!(split_histograms(&samples.histograms, 300).len(), 1);
                let (code, mut ours) = encode_histograms(&samples.histograms);
                // That the first does not follow a reset is what a reader may not rely on.
                ours[FLAGS] = data[FLAGS];
                assert_eq!((code.code(), ours.as_slice()), (encoding, data));
            }
            count += 1;
        }
    }
    assert_eq!(count, 16);
}

#[test]
fn damage_is_named() {
    let check = |result: Result<(), TsdbError>, expect: &str| {
        assert_eq!(chain(&result.unwrap_err()), expect);
    };
    let flip = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let index = |bytes: &[u8]| BlockIndex::parse(bytes).map(|_| ());
    check(
        index(&flip(INDEX, 0)),
        "the index starts with 0xbbaad700, it should be 0xbaaad700",
    );
    check(index(&flip(INDEX, 4)), "version 3 of the index is not supported");
    check(index(&INDEX[..20]), "the index ends too early");
    check(
        index(&flip(INDEX, INDEX.len() - 1)),
        "the checksum of the table of contents at 584 is wrong",
    );
    check(
        index(&flip(INDEX, 20)),
        "the checksum of the symbol table at 5 is wrong",
    );
    check(
        parse_chunk(&flip(&CHUNKS[8..], 20), 8).map(|_| ()),
        "the checksum of the chunk at 8 is wrong",
    );
    check(
        Tombstones::parse(&flip(TOMBSTONES, 8)).map(|_| ()),
        "the checksum of the tombstones at 5 is wrong",
    );
    let head = |bytes: &[u8]| head_chunks(bytes).1.map_or(Ok(()), Err);
    check(
        head(&flip(HEAD_CHUNKS, 40)),
        "the checksum of the head chunk file at 8 is wrong",
    );
    let wal = |bytes: &[u8]| WalReader::new().segment(bytes, |_| {});
    check(
        wal(&flip(WAL, 10)),
        "the checksum of the log record at 0 is wrong",
    );
    check(wal(&WAL[..1000]), "the log ends too early");
    let missing = BlockReader::<&[u8]> {
        index: BlockIndex::parse(INDEX).unwrap(),
        segments: vec![],
        tombstones: Tombstones::default(),
    };
    check(
        missing.series().next().unwrap().map(|_| ()),
        "segment 0 is missing",
    );
}

proptest! {
    #[test]
    fn cut_and_flipped_files_never_panic(at: prop::sample::Index, mask: u8) {
        let change = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
            let cut = bytes[..at].to_vec();
            [bytes, cut]
        };
        for bytes in change(INDEX) {
            if let Ok(index) = BlockIndex::parse(&bytes) {
                let reader = BlockReader { index, segments: vec![CHUNKS], tombstones: Tombstones::default() };
                let _ = reader.series().count();
            }
        }
        for bytes in change(TOMBSTONES) {
            let _ = Tombstones::parse(&bytes);
        }
        for bytes in change(WAL) {
            let _ = WalReader::new().segment(&bytes, |_| {});
        }
        for bytes in change(HEAD_CHUNKS) {
            let _ = head_chunks(&bytes);
        }
        // Behind the checksum, which hides the decoder from damage above.
        for chunk in head_chunks(HEAD_CHUNKS).0 {
            for data in change(chunk.data) {
                let _ = decode_chunk(chunk.encoding, &data, &mut ChunkSamples::default());
            }
        }
    }

    #[test]
    fn no_bytes_panic(encoding in 0u8..5, bytes: Vec<u8>) {
        let _ = decode_chunk(encoding, &bytes, &mut ChunkSamples::default());
        let _ = BlockIndex::parse(&bytes);
        let _ = WalReader::new().segment(&bytes, |_| {});
    }
}
