//! The one atomic pointer: which checkpoint is in force, where the log begins, which blocks are live, what was deleted.
//!
//! A line of JSON and a line with its CRC-32 in hexadecimal. It is written aside, synced, renamed over the old one, and the
//! directory synced: a crash leaves the old manifest or the new one. Everything that it does not name is debris.

use super::refusal::{OpenError, io_error};
use super::vfs::{Vfs, read_whole};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;

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
    /// A directory without a manifest is a new store, or one that crashed before its first checkpoint.
    pub(crate) fn read(fs: &dyn Vfs, dir: &Path) -> Result<Manifest, OpenError> {
        let path = dir.join(NAME);
        let bytes = match read_whole(fs, &path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Manifest::default()),
            Err(source) => {
                return Err(OpenError::Io {
                    action: "reading",
                    path,
                    source,
                });
            }
        };
        let damaged = |reason: &str| OpenError::Damaged {
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
        Ok(manifest)
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
