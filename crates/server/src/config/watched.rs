//! What a configuration was made of, and whether that still is as it was read.
//!
//! A file's state is noted before the file is read: a change in between is seen as a change, and never missed. Of a folder only the
//! files that count are looked at: what an editor or a person puts beside them changes nothing.

use lapwing_collect::glob;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files, folders of them and patterns, as they stood when they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched(BTreeMap<What, Seen>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    File(PathBuf),
    /// A folder that is read as one configuration.
    Folder(PathBuf),
    Pattern(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Stamp(Option<Stamp>),
    Names(Vec<PathBuf>),
}

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
        self.look_at(What::File(path.into()));
    }

    /// To be called before the files are.
    pub(crate) fn note_folder(&mut self, path: impl Into<PathBuf>) {
        self.look_at(What::Folder(path.into()));
    }

    pub(crate) fn note_pattern(&mut self, pattern: impl Into<PathBuf>) {
        self.look_at(What::Pattern(pattern.into()));
    }

    fn look_at(&mut self, what: What) {
        let seen = what.seen();
        self.0.entry(what).or_insert(seen);
    }

    /// The same files as they stand now.
    pub(crate) fn now(&self) -> Watched {
        Watched(self.0.keys().map(|what| (what.clone(), what.seen())).collect())
    }
}

impl What {
    fn seen(&self) -> Seen {
        match self {
            What::File(path) => Seen::Stamp(stamp(path)),
            What::Folder(path) => Seen::Names(configuration_files(path).unwrap_or_default()),
            What::Pattern(pattern) => Seen::Names(glob::expand(pattern)),
        }
    }
}

/// Every `*.yml` and `*.yaml` of a folder in the order of their names. What begins with a dot is an editor's, or the machinery of a
/// mounted volume.
pub(super) fn configuration_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        let is_hidden = file
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_yaml = file.extension().is_some_and(|e| e == "yml" || e == "yaml");
        if is_yaml && !is_hidden && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp {
        size_bytes: found.len(),
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
        before.note_folder(dir.path());
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

    #[test]
    fn what_an_editor_leaves_beside_the_files_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(dir.path().join(name), "x").unwrap();
        put("a.yml");
        let mut before = Watched::default();
        before.note_folder(dir.path());
        before.note_pattern(dir.path().join("*.yml"));
        for name in [".a.yml.swp", "a.yml~", "a.yml.bak", "4913", "README.md"] {
            put(name);
        }
        assert_eq!(before, before.now());
        let mut folder = Watched::default();
        folder.note_folder(dir.path());
        // Emacs locks a file by a link that leads nowhere; a copy of macOS begins with a dot, too.
        std::os::unix::fs::symlink("nobody@nowhere", dir.path().join(".#a.yml")).unwrap();
        put("._a.yml");
        std::fs::create_dir(dir.path().join("old.yml")).unwrap();
        assert_eq!(folder, folder.now());
        put("b.yaml");
        assert_ne!(folder, folder.now());
    }
}
