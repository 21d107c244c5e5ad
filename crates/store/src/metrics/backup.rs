//! A copy of a store that `open` takes, and putting one back.
//!
//! A backup is a checkpoint, the live blocks and a manifest that names them; the log of the running store is not part of it.
//! The manifest comes last: a directory without one is no backup, so that an interrupted one is never mistaken for a whole.

use super::blocks::block_path;
use super::checkpoint::checkpoint_path;
use super::core::Core;
use super::maintain::{Disk, Upkeep};
use super::manifest::Manifest;
use super::refusal::{OpenError, io_error};
use super::verify::verify;
use super::vfs::Vfs;
use std::path::Path;

/// What is copied at a time: a file may be larger than memory.
const COPY_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    pub files: usize,
}

pub(crate) fn backup(
    core: &Core,
    disk: &Disk,
    upkeep: &mut Upkeep,
    to: &Path,
) -> Result<BackupReport, OpenError> {
    upkeep.checkpoint(core, disk)?;
    copy(&*disk.fs, &disk.dir, &upkeep.manifest, to)
}

pub(crate) fn restore(fs: &dyn Vfs, from: &Path, to: &Path) -> Result<BackupReport, OpenError> {
    let verified = verify(fs, from)?;
    let damaged = verified
        .damaged
        .iter()
        .map(|d| &d.path)
        .chain(verified.blocks_damaged.iter().map(|b| &b.0))
        .next();
    if let Some(path) = damaged {
        return Err(OpenError::Damaged {
            path: path.clone(),
            reason: format!(
                "{} files or ranges of the backup cannot be read",
                verified.damaged.len() + verified.blocks_damaged.len()
            ),
        });
    }
    let manifest = Manifest::read(fs, from)?;
    if manifest == Manifest::default() {
        return Err(OpenError::Damaged {
            path: from.to_owned(),
            reason: "no manifest: not a backup".to_owned(),
        });
    }
    copy(fs, from, &manifest, to)
}

fn copy(fs: &dyn Vfs, from: &Path, manifest: &Manifest, to: &Path) -> Result<BackupReport, OpenError> {
    let taken = fs.list(to).map_err(io_error("listing", to))?;
    if taken.iter().any(|name| name != "lock") {
        return Err(OpenError::Exists { path: to.to_owned() });
    }
    let mut report = BackupReport::default();
    if let Some(number) = manifest.checkpoint {
        link_or_copy(fs, &checkpoint_path(from, number), &checkpoint_path(to, number))?;
        report.files += 1;
    }
    for name in &manifest.blocks {
        let (source, target) = (block_path(from, name), block_path(to, name));
        for file in fs.list(&source).map_err(io_error("listing", &source))? {
            link_or_copy(fs, &source.join(&file), &target.join(&file))?;
            report.files += 1;
        }
    }
    let blocks = to.join("blocks");
    fs.create_dir_all(&blocks)
        .map_err(io_error("creating", &blocks))?;
    fs.sync_dir(&blocks).map_err(io_error("syncing", &blocks))?;
    manifest.write(fs, to)?;
    Ok(report)
}

fn copy_file(fs: &dyn Vfs, from: &Path, to: &Path) -> Result<(), OpenError> {
    let source = fs.open(from).map_err(io_error("opening", from))?;
    let target = fs.create(to).map_err(io_error("creating", to))?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    loop {
        let read = source
            .read_at(&mut buffer, offset)
            .map_err(io_error("reading", from))?;
        if read == 0 {
            break;
        }
        target
            .write_at(&buffer[..read], offset)
            .map_err(io_error("writing", to))?;
        offset += read as u64;
    }
    target.sync().map_err(io_error("syncing", to))
}

fn link_or_copy(fs: &dyn Vfs, from: &Path, to: &Path) -> Result<(), OpenError> {
    if let Some(parent) = to.parent() {
        fs.create_dir_all(parent).map_err(io_error("creating", parent))?;
    }
    if fs.hard_link(from, to).is_err() {
        copy_file(fs, from, to)?;
    }
    match to.parent() {
        Some(parent) => fs.sync_dir(parent).map_err(io_error("syncing", parent)),
        None => Ok(()),
    }
}
