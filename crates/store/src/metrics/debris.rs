//! Files that the manifest does not name: left by a crash, or replaced by others.

use super::blocks::block_path;
use super::checkpoint::checkpoint_path;
use super::log::replay::{segment_path, segments};
use super::manifest::Manifest;
use super::refusal::{OpenError, io_error};
use super::vfs::Vfs;
use std::path::{Path, PathBuf};

/// Removes them; returns what was removed.
pub(crate) fn remove_debris(fs: &dyn Vfs, dir: &Path, live: &Manifest) -> Result<Vec<PathBuf>, OpenError> {
    let mut removed = Vec::new();
    let log_dir = dir.join("wal");
    let mut files: Vec<PathBuf> = segments(fs, &log_dir)?
        .into_iter()
        .filter(|number| *number < live.first_segment)
        .map(|number| segment_path(&log_dir, number))
        .collect();
    let checkpoints = dir.join("checkpoint");
    let kept = live.checkpoint.map(|n| checkpoint_path(dir, n));
    let names = fs.list(&checkpoints).map_err(io_error("listing", &checkpoints))?;
    files.extend(
        names
            .iter()
            .map(|name| checkpoints.join(name))
            .filter(|path| kept.as_ref() != Some(path)),
    );
    for path in files {
        fs.remove_file(&path).map_err(io_error("removing", &path))?;
        removed.push(path);
    }
    let blocks = dir.join("blocks");
    for name in fs.list(&blocks).map_err(io_error("listing", &blocks))? {
        if !live.blocks.contains(&name) {
            let path = block_path(dir, &name);
            fs.remove_dir_all(&path).map_err(io_error("removing", &path))?;
            removed.push(path);
        }
    }
    Ok(removed)
}
