//! A bucket group from hostile bytes, and the same bytes as buckets there and back.
#![no_main]

use lapwing_store::metrics::codec::cold;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [low, high, rest @ ..] = data else { return };
    let count = usize::from(u16::from_le_bytes([*low, *high])) % 600;
    let mut out = Vec::new();
    if cold::decode_buckets(rest, count, &mut out).is_ok() {
        assert!(count == 0 || out.len() % count == 0);
    }
    out.clear();
    if cold::decode_total(rest, count, &mut out).is_ok() {
        assert_eq!(out.len(), count);
    }
    let members = usize::from(*low % 7) + 1;
    let len = rest.len() / members;
    let column: Vec<f64> = rest.iter().map(|b| f64::from(*b) * 3.0).collect();
    let slices: Vec<&[f64]> = (0..members).map(|m| &column[m * len..][..len]).collect();
    let mut bytes = Vec::new();
    if cold::encode_buckets(&slices, &mut bytes) {
        out.clear();
        cold::decode_buckets(&bytes, len, &mut out).unwrap();
        assert_eq!(out, column[..members * len]);
    }
});
