//! Reading every checksum of a store's files, and saying what could not be read back.

use super::block::{Block, PageCache};
use super::blocks::block_path;
use super::checkpoint::checkpoint_path;
use super::log::frame::Kind;
use super::log::replay::{DamagedRange, begin_behind_blocks, read_checkpoint, read_segments, time_span};
use super::losses::{BlockLosses, losses_of};
use super::maintain::in_words;
use super::manifest::Manifest;
use super::refusal::OpenError;
use super::vfs::Vfs;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    pub files: usize,
    pub records: u64,
    pub damaged: Vec<DamagedRange>,
    /// Blocks that are not whole, and in what way.
    pub blocks_damaged: Vec<(PathBuf, String)>,
    /// What is lost with them, as far as they could be opened.
    pub lost: Vec<BlockLosses>,
}

impl VerifyReport {
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.blocks_damaged.is_empty()
    }
}

pub(crate) fn verify(fs: &dyn Vfs, dir: &Path) -> Result<VerifyReport, OpenError> {
    let manifest = Manifest::read(fs, dir)?;
    let mut report = VerifyReport::default();
    let mut records = 0;
    let mut count = |kind: Kind, payload: Vec<u8>| {
        records += 1;
        time_span(kind, &payload)
    };
    if let Some(number) = manifest.checkpoint {
        let read = read_checkpoint(fs, &checkpoint_path(dir, number), &mut count)?;
        report.files += 1;
        report.damaged.extend(read.damaged);
    }
    let first = (manifest.first_segment, manifest.checkpoint.is_some());
    let read = read_segments(fs, &dir.join("wal"), first, &mut count)?;
    report.files += read.files;
    report.damaged.extend(read.damaged);
    report.records = records;
    let cache = PageCache::new(1 << 20);
    let mut newest_ms = None;
    for name in &manifest.blocks {
        let path = block_path(dir, name);
        let verified = Block::open(&path, &cache).and_then(|block| Ok((block.verify()?, block)));
        newest_ms = newest_ms.max(verified.as_ref().ok().map(|(_, block)| block.meta().max_ms));
        match verified {
            Ok((verified, _)) if verified.is_whole() => {}
            Ok((verified, block)) => {
                let pages = verified.damaged_pages.len();
                let lost = verified.losses_count;
                report
                    .blocks_damaged
                    .push((path, format!("pages damaged: {pages}, stretches lost: {lost}")));
                report.lost.push(losses_of(&block, &verified));
            }
            Err(error) => report.blocks_damaged.push((path, in_words(&error))),
        }
        report.files += 1;
    }
    begin_behind_blocks(&mut report.damaged, newest_ms);
    Ok(report)
}
