//! What a configuration was made of, and whether that still is as it was read.
//!
//! A file's state is noted before the file is read: a change in between is seen as a change, and never missed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files, and directories that patterns look into, as they stood when they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched(BTreeMap<PathBuf, Option<Stamp>>);

/// What tells one state of a file from another, symbolic links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size_bytes: u64,
    changed_s: i64,
    changed_ns: i64,
    inode: u64,
}

impl Watched {
    /// To be called before the file is read.
    pub(crate) fn note(&mut self, path: impl Into<PathBuf>) {
        let path = path.into();
        let now = stamp(&path);
        self.0.entry(path).or_insert(now);
    }

    /// The same files as they stand now.
    pub(crate) fn now(&self) -> Watched {
        Watched(self.0.keys().map(|path| (path.clone(), stamp(path))).collect())
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp {
        // A directory's own length says nothing that its time does not.
        size_bytes: if found.is_dir() { 0 } else { found.len() },
        changed_s: found.mtime(),
        changed_ns: found.mtime_nsec(),
        inode: found.ino(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_new_and_a_vanished_file_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.yml");
        let mut before = Watched::default();
        before.note(&file);
        before.note(dir.path());
        std::fs::write(&file, "one").unwrap();
        let written = before.now();
        assert_ne!(before, written);
        std::fs::write(&file, "other").unwrap();
        let changed = before.now();
        assert_ne!(written, changed);
        assert_eq!(changed, before.now());
        std::fs::remove_file(&file).unwrap();
        assert_ne!(changed, before.now());
    }
}
