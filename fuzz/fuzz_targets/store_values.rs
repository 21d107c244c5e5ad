//! A column of floats from hostile bytes, and the same bytes as floats there and back.
#![no_main]

use lapwing_store::metrics::codec::{Effort, values};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [low, high, rest @ ..] = data else { return };
    let count = usize::from(u16::from_le_bytes([*low, *high])) % 5000;
    let mut out = Vec::new();
    if let Ok(taken) = values::decode(rest, count, &mut out) {
        assert!(taken <= rest.len());
        assert_eq!(out.len(), count);
    }
    let column: Vec<f64> = rest
        .chunks_exact(8)
        .map(|c| f64::from_le_bytes(c.try_into().unwrap()))
        .collect();
    for effort in [Effort::Fast, Effort::Small] {
        let mut bytes = Vec::new();
        values::encode(&column, effort, &mut bytes);
        out.clear();
        assert_eq!(values::decode(&bytes, column.len(), &mut out), Ok(bytes.len()));
        assert!(out.iter().map(|v| v.to_bits()).eq(column.iter().map(|v| v.to_bits())));
    }
});
