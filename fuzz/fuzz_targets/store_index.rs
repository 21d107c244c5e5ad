//! The index of a block alone: its pages are replaced by hostile ones of any length that carry right checksums.
#![no_main]

use lapwing_store::metrics::block::{Block, BlockOptions, BlockWriter, PageCache};
use lapwing_store::metrics::columns::SeriesColumns;
use lapwing_types::{Labels, MatchOp, Matcher};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

const HEADER: usize = 16;
/// Kinds of pages from here on are the index's: table of times, series, pairs, postings, names, description.
const INDEX_FROM: u8 = 2;

/// The pages of a whole block: heads and contents.
fn whole() -> &'static (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>) {
    static WHOLE: OnceLock<(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b");
        let mut writer = BlockWriter::create(&path, BlockOptions::hot()).unwrap();
        for number in 0..40 {
            let (name, host) = (format!("m{}", number / 10), format!("h{}", number % 10));
            let labels = Labels::from_pairs([("__name__", name.as_str()), ("host", host.as_str())]).unwrap();
            let columns = SeriesColumns {
                times_ms: vec![1_000, 2_000 + number, 3_000],
                values: vec![1.0, 2.0, 3.0],
                ..SeriesColumns::default()
            };
            writer.add_series(&labels, &columns).unwrap();
        }
        writer.finish().unwrap();
        let bytes = std::fs::read(path.join("pages")).unwrap();
        let mut pages = Vec::new();
        let mut at = 8;
        while at + HEADER < bytes.len() - 16 {
            let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            if bytes[at + 8] == 255 {
                break;
            }
            let content = bytes[at + HEADER..at + HEADER + len].to_vec();
            pages.push((bytes[at..at + HEADER].to_vec(), content));
            at += HEADER + len;
        }
        (bytes[..8].to_vec(), pages)
    })
}

/// Without directory and footer: the reader rebuilds them by walking the pages.
fn assemble(data: &[u8]) -> Vec<u8> {
    let (magic, pages) = whole();
    let mut pages = pages.clone();
    let index: Vec<usize> = (0..pages.len())
        .filter(|p| pages[*p].0[8] >= INDEX_FROM)
        .collect();
    let mut rest = data;
    while let [page, how, len, tail @ ..] = rest {
        let content = &mut pages[index[usize::from(*page) % index.len()]].1;
        let (new, after) = tail.split_at(usize::from(*len).min(tail.len()));
        match how % 3 {
            0 => *content = new.to_vec(),
            1 => content.truncate(content.len() * usize::from(*len) / 255),
            _ => {
                let at = usize::from(*how) * content.len() / 256;
                let len = new.len().min(content.len() - at);
                content[at..at + len].copy_from_slice(&new[..len]);
            }
        }
        rest = after;
    }
    let mut bytes = magic.clone();
    for (mut head, content) in pages {
        head[..4].copy_from_slice(&(content.len() as u32).to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&head[4..12]);
        crc.update(&content);
        head[12..16].copy_from_slice(&crc.finalize().to_le_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&content);
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pages"), assemble(data)).unwrap();
    let Ok(block) = Block::open(dir.path(), &PageCache::new(1 << 20)) else {
        return;
    };
    for (op, text) in [
        (MatchOp::Equal, "h3"),
        (MatchOp::NotEqual, "h3"),
        (MatchOp::Regex, "h(1|2.*)"),
        (MatchOp::NotRegex, "h.+"),
    ] {
        let matchers = vec![Matcher::new(op, "host", text).unwrap()];
        block.select(&matchers, 1_500, 2_500).ok();
        block
            .for_each_value("__name__", &matchers, (1_500, 2_500), |_| {})
            .ok();
        block.label_names(&matchers, (1_500, 2_500)).ok();
        block.exemplars(&matchers, (1_500, 2_500)).ok();
    }
    block
        .for_each_value("host", &[], (i64::MIN, i64::MAX), |_| {})
        .ok();
    for series in block.series().flatten() {
        block
            .read(&series, (i64::MIN, i64::MAX), &mut SeriesColumns::default())
            .ok();
    }
    block.verify().ok();
});
