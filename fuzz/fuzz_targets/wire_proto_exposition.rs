//! The exposition format in protobuf.
#![no_main]

use lapwing_wire::proto_exposition::{ExpositionOptions, parse_to_batch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let options = ExpositionOptions {
        default_t_ms: 0,
        classic_beside_native: true,
    };
    let _ = parse_to_batch(bytes, options);
});
