//! A checkpoint whose records are hostile but carry right checksums: chunks, late samples, histograms, exemplars.
#![no_main]

#[path = "../support/frames.rs"]
mod frames;

use frames::{Whole, hostile, live, whole};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static WHOLE: LazyLock<Whole> = LazyLock::new(|| whole(true));

fuzz_target!(|data: &[u8]| {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("checkpoint")).unwrap();
    std::fs::write(dir.path().join(&WHOLE.path), hostile(&WHOLE, data)).unwrap();
    std::fs::write(dir.path().join("MANIFEST"), WHOLE.manifest.as_deref().unwrap()).unwrap();
    live(dir.path());
});
