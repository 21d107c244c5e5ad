//! A checkpoint whose records are hostile but carry right checksums: chunks, late samples, histograms, exemplars.
#![no_main]

#[path = "../support/frames.rs"]
mod frames;

use frames::{Whole, lay_out, live, scratch, whole};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static WHOLE: LazyLock<Whole> = LazyLock::new(|| whole(true));

fuzz_target!(|data: &[u8]| {
    let dir = scratch();
    lay_out(&WHOLE, data, dir.path());
    live(dir.path());
});
