//! Prometheus' chunks: nothing panics, what decodes is encoded to the same samples again.
#![no_main]

use lapwing_types::{Histogram, Sample, is_stale};
use lapwing_wire::chunk::{
    ChunkSamples, decode, decode_xor, encode_histograms, encode_xor, split_histograms,
};
use libfuzzer_sys::fuzz_target;

const RUN_MAX: usize = 120;

fuzz_target!(|bytes: &[u8]| {
    let mut samples: Vec<Sample> = Vec::new();
    if decode_xor(bytes, &mut samples).is_ok() {
        let mut again = Vec::new();
        decode_xor(&encode_xor(&samples), &mut again).expect("our own encoding");
        let bits = |s: &Sample| (s.t_ms, s.value.to_bits());
        assert!(again.iter().map(bits).eq(samples.iter().map(bits)));
    }
    for encoding in [2, 3] {
        let mut samples = ChunkSamples::default();
        if decode(encoding, bytes, &mut samples).is_ok() {
            let mut again = ChunkSamples::default();
            for run in split_histograms(&samples.histograms, RUN_MAX) {
                let (encoding, bytes) = encode_histograms(run);
                decode(encoding.code(), &bytes, &mut again).expect("our own encoding");
            }
            assert_eq!(essence(&again.histograms), essence(&samples.histograms));
        }
    }
});

/// A stale histogram keeps nothing but its sum.
fn essence(all: &[(i64, Histogram)]) -> Vec<String> {
    let one = |(t_ms, h): &(i64, Histogram)| {
        if is_stale(h.sum) {
            format!("{t_ms} stale")
        } else {
            format!(
                "{t_ms} {} {:?} {:?} {:?}",
                h.schema, h.positive_spans, h.negative_spans, h.counts
            )
        }
    };
    all.iter().map(one).collect()
}
