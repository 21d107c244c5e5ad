//! A column of timestamps from hostile bytes, and the same bytes as times there and back.
#![no_main]

use lapwing_store::metrics::codec::{Effort, times};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [low, high, rest @ ..] = data else { return };
    let count = usize::from(u16::from_le_bytes([*low, *high])) % 5000;
    let mut out = Vec::new();
    if let Ok(taken) = times::decode(rest, count, &mut out) {
        assert!(taken <= rest.len());
        assert_eq!(out.len(), count);
    }
    let mut t = 1_700_000_000_000i64;
    let column: Vec<i64> = rest
        .chunks_exact(3)
        .map(|c| {
            let step = i64::from(u16::from_le_bytes([c[0], c[1]])) << (c[2] % 48);
            t = t.wrapping_add(step);
            t
        })
        .collect();
    for effort in [Effort::Fast, Effort::Small] {
        let mut bytes = Vec::new();
        times::encode(&column, effort, &mut bytes);
        out.clear();
        assert_eq!(times::decode(&bytes, column.len(), &mut out), Ok(bytes.len()));
        assert_eq!(out, column);
    }
});
