//! A column of native histograms from hostile bytes; what decodes is encoded and decoded again.
#![no_main]

use lapwing_store::metrics::codec::{Effort, histogram};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [low, high, rest @ ..] = data else { return };
    let count = usize::from(u16::from_le_bytes([*low, *high])) % 600;
    let mut out = Vec::new();
    let Ok(taken) = histogram::decode(rest, count, &mut out) else {
        return;
    };
    assert!(taken <= rest.len());
    assert_eq!(out.len(), count);
    let mut bytes = Vec::new();
    if histogram::encode(&out, Effort::Fast, &mut bytes).is_ok() {
        let mut again = Vec::new();
        assert_eq!(histogram::decode(&bytes, count, &mut again), Ok(bytes.len()));
        let mut second = Vec::new();
        histogram::encode(&again, Effort::Fast, &mut second).unwrap();
        assert_eq!(bytes, second);
    }
});
