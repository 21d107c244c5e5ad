//! A manifest of any content, as it is and with its checksum put right, beside a checkpoint that it may name.
#![no_main]

#[path = "../support/frames.rs"]
mod frames;

use frames::{Whole, lay_out, live, scratch, whole};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static WHOLE: LazyLock<Whole> = LazyLock::new(|| whole(true));

fuzz_target!(|data: &[u8]| {
    let dir = scratch();
    // A manifest may name any path that it likes: nothing outside the directory may go.
    let beside = dir.path().join("beside");
    let store = dir.path().join("store");
    std::fs::create_dir_all(store.join("blocks")).unwrap();
    std::fs::write(&beside, b"mine").unwrap();
    lay_out(&WHOLE, &[], &store);
    let mut manifest = data.to_vec();
    if let Some((0, line)) = data.split_first().map(|(choice, line)| (choice % 2, line)) {
        manifest = line.iter().copied().filter(|b| *b != b'\n').collect();
        let crc = crc32fast::hash(&manifest);
        manifest.extend_from_slice(format!("\n{crc:08x}\n").as_bytes());
    }
    std::fs::write(store.join("MANIFEST"), manifest).unwrap();
    live(&store);
    assert_eq!(std::fs::read(&beside).unwrap(), b"mine");
});
