//! Prometheus' chunks: nothing panics, what decodes is encoded to the same samples again.
#![no_main]

use lapwing_types::Sample;
use lapwing_wire::chunk::{decode_xor, encode_xor};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut samples: Vec<Sample> = Vec::new();
    if decode_xor(bytes, &mut samples).is_ok() {
        let mut again = Vec::new();
        decode_xor(&encode_xor(&samples), &mut again).expect("our own encoding");
        let bits = |s: &Sample| (s.t_ms, s.value.to_bits());
        assert!(again.iter().map(bits).eq(samples.iter().map(bits)));
    }
});
