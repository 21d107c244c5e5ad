//! A block whose pages are hostile but carry right checksums: the index and the columns behind it.
//!
//! The input chooses pages of a small whole block and replaces bytes in them; checksums are then put right, so that the
//! decoders behind them see the damage.
#![no_main]

use lapwing_store::metrics::block::{Block, BlockOptions, BlockWriter, PageCache};
use lapwing_store::metrics::columns::SeriesColumns;
use lapwing_types::{Labels, MatchOp, Matcher};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::sync::OnceLock;

const HEADER: usize = 16;

/// The bytes of a whole block, and where its pages begin.
fn whole() -> &'static (Vec<u8>, Vec<usize>) {
    static WHOLE: OnceLock<(Vec<u8>, Vec<usize>)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b");
        let mut writer = BlockWriter::create(&path, BlockOptions::cold()).unwrap();
        let mut all = BTreeSet::new();
        for (name, le) in [("a", ""), ("h", "+Inf"), ("h", "1"), ("h", "2"), ("z", "")] {
            for host in ["x", "y", "z"] {
                all.insert(Labels::from_pairs([("__name__", name), ("host", host), ("le", le)]).unwrap());
            }
        }
        for labels in all {
            let mut columns = SeriesColumns::default();
            for i in 0..100u32 {
                columns.times_ms.push(i64::from(i * 15_000 + i % 3));
                columns.values.push(f64::from(i * 7 % 31));
            }
            writer.add_series(&labels, &columns).unwrap();
        }
        writer.finish().unwrap();
        let bytes = std::fs::read(path.join("pages")).unwrap();
        let mut pages = Vec::new();
        let mut at = 8;
        while at + HEADER < bytes.len() - 16 {
            pages.push(at);
            at += HEADER + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        }
        (bytes, pages)
    })
}

fuzz_target!(|data: &[u8]| {
    let (bytes, pages) = whole();
    let mut bytes = bytes.clone();
    for edit in data.chunks_exact(4) {
        let page = pages[usize::from(edit[0]) % pages.len()];
        let len = u32::from_le_bytes(bytes[page..page + 4].try_into().unwrap()) as usize;
        let at = usize::from(u16::from_le_bytes([edit[1], edit[2]])) % len;
        bytes[page + HEADER + at] = edit[3];
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes[page + 4..page + 12]);
        crc.update(&bytes[page + HEADER..page + HEADER + len]);
        bytes[page + 12..page + 16].copy_from_slice(&crc.finalize().to_le_bytes());
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pages"), &bytes).unwrap();
    let Ok(block) = Block::open(dir.path(), &PageCache::new(1 << 20)) else {
        return;
    };
    let matchers = [
        vec![],
        vec![Matcher::equal("host", "y")],
        vec![Matcher::new(MatchOp::NotRegex, "__name__", "h.*").unwrap()],
    ];
    for matchers in matchers {
        for series in block.select(&matchers, 10_000, 900_000).unwrap_or_default() {
            let mut out = SeriesColumns::default();
            if block.read(&series, (10_000, 900_000), &mut out).is_ok() {
                assert_eq!(out.times_ms.len(), out.values.len());
            }
        }
    }
    block.label_names(&[], (i64::MIN, i64::MAX)).ok();
    block
        .for_each_value("host", &[], (i64::MIN, i64::MAX), |_| {})
        .ok();
    block.verify().ok();
});
