//! A log whose records are hostile but carry right checksums: definitions, commits and their sections.
#![no_main]

#[path = "../support/frames.rs"]
mod frames;

use frames::{Whole, hostile, live, whole};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static WHOLE: LazyLock<Whole> = LazyLock::new(|| whole(false));

fuzz_target!(|data: &[u8]| {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("wal")).unwrap();
    std::fs::write(dir.path().join(&WHOLE.path), hostile(&WHOLE, data)).unwrap();
    live(dir.path());
});
