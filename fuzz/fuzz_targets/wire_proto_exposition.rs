//! The exposition format in protobuf.
#![no_main]

use lapwing_wire::proto_exposition::{ExpositionOptions, parse_to_batch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let all = ExpositionOptions {
        classic_to_custom: true,
        classic_beside_native: true,
        ..ExpositionOptions::at(0)
    };
    let _ = parse_to_batch(bytes, all);
    let _ = parse_to_batch(bytes, ExpositionOptions { native: false, ..all });
});
