//! A folder of files that people write in the pages, dashboards or rules: `ID.yml` each.
//!
//! A file is replaced by writing a new one beside it and renaming it, so that a reader sees the old or the new one.
//! An id is made of letters, digits, `-` and `_`: it can never lead out of the folder.

use std::io;
use std::path::{Path, PathBuf};

/// More files than this are not listed.
const FILES_MAX: usize = 1000;
const ID_CHARS_MAX: usize = 80;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("no folder of dashboards is configured; add `dashboards: {{ dir: dashboards }}` to lapwing.yml")]
    NotConfigured,
    #[error("{id:?} cannot be the name of a file: letters, digits, - and _ make one")]
    BadId { id: String },
    #[error("there is already a dashboard {id:?}; choose another name, or edit that one")]
    Taken { id: String },
    #[error(
        "somebody else has changed {id:?} since it was opened here; copy what you wrote, and open it again"
    )]
    Changed { id: String },
    #[error("cannot read or write {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
}

impl Folder {
    pub(crate) fn new(dir: &Path) -> Self {
        Folder { dir: dir.to_owned() }
    }

    /// Id and text of every file, by id. A folder that is not there yet is empty.
    pub(crate) fn list(&self) -> Result<Vec<(String, String)>, FolderError> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed(&self.dir, source)),
        };
        let mut found = Vec::new();
        for entry in entries.take(FILES_MAX) {
            let path = entry.map_err(|e| self.failed(&self.dir, e))?.path();
            let id = path
                .file_name()
                .and_then(|n| n.to_str())
                .and_then(|n| n.strip_suffix(".yml"));
            let Some(id) = id.filter(|id| is_id(id)) else {
                continue;
            };
            let text = std::fs::read_to_string(&path).map_err(|e| self.failed(&path, e))?;
            found.push((id.to_owned(), text));
        }
        found.sort();
        Ok(found)
    }

    pub(crate) fn write(&self, id: &str, text: &str) -> Result<PathBuf, FolderError> {
        let path = self.path(id)?;
        std::fs::create_dir_all(&self.dir).map_err(|e| self.failed(&self.dir, e))?;
        let fresh = self.dir.join(format!(".{id}.yml.new"));
        std::fs::write(&fresh, text).map_err(|e| self.failed(&fresh, e))?;
        std::fs::rename(&fresh, &path).map_err(|e| self.failed(&path, e))?;
        Ok(path)
    }

    /// None when there is no such file.
    pub(crate) fn read(&self, id: &str) -> Result<Option<String>, FolderError> {
        let path = self.path(id)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed(&path, source)),
        }
    }

    /// As it was before: with this text, or not there.
    pub(crate) fn put_back(&self, id: &str, before: Option<&str>) -> Result<(), FolderError> {
        match before {
            Some(text) => self.write(id, text).map(|_| ()),
            None => {
                let path = self.path(id)?;
                std::fs::remove_file(&path).map_err(|e| self.failed(&path, e))
            }
        }
    }

    fn path(&self, id: &str) -> Result<PathBuf, FolderError> {
        if is_id(id) {
            Ok(self.dir.join(format!("{id}.yml")))
        } else {
            Err(FolderError::BadId { id: id.to_owned() })
        }
    }

    fn failed(&self, path: &Path, source: io::Error) -> FolderError {
        FolderError::Io {
            path: path.to_owned(),
            source,
        }
    }
}

fn is_id(id: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !id.is_empty() && id.len() <= ID_CHARS_MAX && id.chars().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_replaced_and_never_outside() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(&dir.path().join("boards"));
        assert_eq!(folder.list().unwrap(), []);
        folder.write("b", "title: b").unwrap();
        folder.write("a", "title: a").unwrap();
        folder.write("b", "title: b2").unwrap();
        let listed = folder.list().unwrap();
        assert_eq!(listed[1], ("b".to_owned(), "title: b2".to_owned()));
        assert_eq!(listed.len(), 2);
        assert_eq!(folder.read("a").unwrap().as_deref(), Some("title: a"));
        folder.put_back("a", None).unwrap();
        folder.put_back("b", Some("title: b")).unwrap();
        assert_eq!(folder.list().unwrap(), [("b".to_owned(), "title: b".to_owned())]);
        for id in ["../x", "", "a/b", ".hidden", "a.yml", "ä"] {
            assert!(
                matches!(folder.write(id, ""), Err(FolderError::BadId { .. })),
                "{id}"
            );
        }
    }
}
