//! The one atomic pointer: which checkpoint is in force, where the log begins, which blocks are live, what was deleted.
//!
//! A line of JSON and a line with its CRC-32 in hexadecimal. It is written aside, synced, renamed over the old one, and the
//! directory synced: a crash leaves the old manifest or the new one. Everything that it does not name is debris.
//!
//! A store writes its first one before any block or checkpoint. So where these lie without a manifest, it was lost, and nobody
//! knows which of them belong to the store: blocks that were merged or deleted from may lie beside those that took their place.

use super::refusal::{OpenError, io_error};
use super::vfs::{Vfs, read_whole};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const NAME: &str = "MANIFEST";
const VERSION: u32 = 1;
/// Of checkpoints, segments and blocks; at a thousand a second it lasts 8 000 years.
const NUMBER_MAX: u64 = 1 << 48;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: u32,
    /// Number of the checkpoint that stands for the log before `first_segment`.
    pub(crate) checkpoint: Option<u64>,
    pub(crate) first_segment: u64,
    /// Directories below `blocks/`.
    #[serde(default)]
    pub(crate) blocks: Vec<String>,
    /// Numbers below this were given to blocks before.
    #[serde(default)]
    pub(crate) next_block: u64,
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest {
            version: VERSION,
            checkpoint: None,
            first_segment: 0,
            blocks: Vec::new(),
            next_block: 1,
        }
    }
}

impl Manifest {
    /// A directory without a manifest is a new store, or one that crashed before it had written anything but a log.
    pub(crate) fn read(fs: &dyn Vfs, dir: &Path) -> Result<Manifest, OpenError> {
        Ok(Manifest::find(fs, dir)?.unwrap_or_default())
    }

    /// Also writes the first one.
    pub(crate) fn read_or_begin(fs: &dyn Vfs, dir: &Path) -> Result<Manifest, OpenError> {
        if let Some(manifest) = Manifest::find(fs, dir)? {
            return Ok(manifest);
        }
        let manifest = Manifest::default();
        manifest.write(fs, dir)?;
        Ok(manifest)
    }

    fn find(fs: &dyn Vfs, dir: &Path) -> Result<Option<Manifest>, OpenError> {
        let path = dir.join(NAME);
        let bytes = match read_whole(fs, &path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return none_expected(fs, dir, path).map(|()| None),
            Err(source) => {
                return Err(OpenError::Io {
                    action: "reading",
                    path,
                    source,
                });
            }
        };
        let damaged = |reason: &str| OpenError::Manifest {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("not text"))?;
        let (line, crc) = text.split_once('\n').ok_or_else(|| damaged("cut short"))?;
        if crc.trim_end() != format!("{:08x}", crc32fast::hash(line.as_bytes())) {
            return Err(damaged("its checksum does not match"));
        }
        let manifest: Manifest = serde_json::from_str(line).map_err(|e| damaged(&e.to_string()))?;
        if manifest.version > VERSION {
            return Err(OpenError::Version {
                path,
                found: manifest.version,
                known: VERSION,
            });
        }
        manifest.plausible().map_err(damaged)?;
        Ok(Some(manifest))
    }

    /// A checksum says that the line is what someone wrote, not that it was this program: names must stay inside the
    /// directory, and numbers leave room to count on.
    fn plausible(&self) -> Result<(), &'static str> {
        let numbers = [self.checkpoint.unwrap_or(0), self.first_segment, self.next_block];
        if numbers.iter().any(|n| *n > NUMBER_MAX) {
            return Err("a number in it is out of range");
        }
        let is_name = |name: &String| {
            let digits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
            digits && name.parse::<u64>().is_ok_and(|n| n <= NUMBER_MAX)
        };
        if !self.blocks.iter().all(is_name) {
            return Err("a block in it has no number for a name");
        }
        Ok(())
    }

    pub(crate) fn write(&self, fs: &dyn Vfs, dir: &Path) -> Result<(), OpenError> {
        let (path, aside) = (dir.join(NAME), dir.join("MANIFEST.new"));
        let line = serde_json::to_string(self).map_err(|e| OpenError::Io {
            action: "encoding",
            path: path.clone(),
            source: e.into(),
        })?;
        let text = format!("{line}\n{:08x}\n", crc32fast::hash(line.as_bytes()));
        let file = fs.create(&aside).map_err(io_error("creating", &aside))?;
        file.write_at(text.as_bytes(), 0)
            .map_err(io_error("writing", &aside))?;
        file.sync().map_err(io_error("syncing", &aside))?;
        fs.rename(&aside, &path).map_err(io_error("renaming to", &path))?;
        fs.sync_dir(dir).map_err(io_error("syncing", dir))
    }
}

fn none_expected(fs: &dyn Vfs, dir: &Path, path: PathBuf) -> Result<(), OpenError> {
    for part in ["blocks", "checkpoint"] {
        let part = dir.join(part);
        if !fs.list(&part).map_err(io_error("listing", &part))?.is_empty() {
            return Err(OpenError::Manifest {
                path,
                reason: format!("it is missing, and {} is not empty", part.display()),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{MetricsOptions, MetricsStore};
    use super::*;
    use lapwing_types::Labels;

    const T0: i64 = 1_700_000_000_000;

    fn open(dir: &Path) -> Result<MetricsStore, OpenError> {
        MetricsStore::open(dir, MetricsOptions::default(), T0)
    }

    fn store_with_a_sample(dir: &Path) -> MetricsStore {
        let store = open(dir).unwrap();
        let mut appender = store.appender("test", T0);
        let series = appender.series(&Labels::from_pairs([("__name__", "m")]).unwrap());
        appender.push(series.unwrap(), T0, 1.0);
        assert_eq!(appender.commit().unwrap().samples, 1);
        store
    }

    fn check_refused(dir: &Path, reason: &str) {
        for error in [open(dir).err(), MetricsStore::verify_dir(dir).err()] {
            let text = error.unwrap().to_string();
            assert!(text.contains(reason) && text.contains("backup"), "{text}");
        }
    }

    #[test]
    fn nothing_is_removed_when_the_manifest_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let store = store_with_a_sample(dir.path());
        store.checkpoint().unwrap();
        drop(store);
        let manifest = dir.path().join(NAME);
        let whole = std::fs::read(&manifest).unwrap();
        std::fs::remove_file(&manifest).unwrap();
        check_refused(dir.path(), "it is missing");
        std::fs::write(&manifest, &whole[1..]).unwrap();
        check_refused(dir.path(), "its checksum does not match");
        std::fs::write(&manifest, &whole).unwrap();
        assert_eq!(open(dir.path()).unwrap().numbers().head_series, 1);

        std::fs::remove_dir_all(dir.path().join("checkpoint")).unwrap();
        std::fs::create_dir_all(dir.path().join("blocks/1")).unwrap();
        std::fs::remove_file(&manifest).unwrap();
        check_refused(dir.path(), "it is missing");
        assert!(dir.path().join("blocks/1").exists());
    }

    #[test]
    fn a_store_that_has_only_a_log_opens_without_a_manifest() {
        let dir = tempfile::tempdir().unwrap();
        drop(store_with_a_sample(dir.path()));
        std::fs::remove_file(dir.path().join(NAME)).unwrap();
        assert!(MetricsStore::verify_dir(dir.path()).unwrap().is_whole());
        assert_eq!(open(dir.path()).unwrap().numbers().head_series, 1);
    }
}
