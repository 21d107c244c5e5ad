//! The house as the checks see it: the text files that git tracks or would track, and the crates with their dependencies.
//!
//! Everything is read once. A check never touches the disk, so a test can build a house of two lines.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::rust;

/// A text file; `path` is relative to the root, with `/`.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
    /// The text with comments and literals blanked (Rust files only): same length, same lines.
    pub(super) code: String,
}

impl File {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The 1-based line on which a byte stands.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes()[..at.min(self.text.len())]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1
    }
}

/// A workspace member: its folder, and the names of what it depends on (for any purpose).
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) dir: String,
    pub(super) deps: Vec<String>,
}

impl Crate {
    pub(super) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.dir)
    }
}

pub(super) struct House {
    pub(super) files: Vec<File>,
    /// Every path, files that are not text included.
    pub(super) paths: Vec<String>,
    pub(super) crates: Vec<Crate>,
}

impl House {
    pub(super) fn open(root: &Path) -> Result<House> {
        let mut git = Command::new("git");
        git.current_dir(root)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let list = crate::shell::output(&mut git).context("list the files of the checkout")?;
        let mut house = House {
            files: Vec::new(),
            paths: Vec::new(),
            crates: Vec::new(),
        };
        for path in list.split('\0').filter(|p| !p.is_empty()) {
            // A file deleted but not yet committed is still listed.
            let Ok(bytes) = std::fs::read(root.join(path)) else {
                continue;
            };
            house.paths.push(path.to_owned());
            if let Ok(text) = String::from_utf8(bytes) {
                house.push(path, text);
            }
        }
        house.paths.sort();
        house.paths.dedup();
        let metadata = crate::shell::output(crate::shell::cargo().args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
        ]))?;
        house.crates = crates_of(&serde_json::from_str(&metadata)?)?;
        Ok(house)
    }

    fn push(&mut self, path: &str, text: String) {
        let code = if path.ends_with(".rs") {
            rust::blank(&text)
        } else {
            String::new()
        };
        self.files.push(File {
            path: path.to_owned(),
            text,
            code,
        });
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|f| f.path == path)
    }

    pub(super) fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| f.is_rust())
    }

    /// The line of a manifest that names a dependency, for findings.
    pub(super) fn dep_line(&self, krate: &Crate, dep: &str) -> usize {
        let text = self.file(&krate.manifest()).map_or("", |f| f.text.as_str());
        let names = |line: &str| {
            line.trim_start()
                .strip_prefix(dep)
                .is_some_and(|r| r.starts_with([' ', '=', '.']))
        };
        text.lines().position(names).map_or(1, |i| i + 1)
    }

    /// A house made of the given files, for tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> House {
        let mut house = House {
            files: Vec::new(),
            paths: Vec::new(),
            crates: Vec::new(),
        };
        for (path, text) in files {
            house.paths.push((*path).to_owned());
            house.push(path, (*text).to_owned());
        }
        house
    }

    #[cfg(test)]
    pub(super) fn with_crate(mut self, name: &str, dir: &str, deps: &[&str]) -> House {
        let deps = deps.iter().map(|d| (*d).to_owned()).collect();
        self.crates.push(Crate {
            name: name.to_owned(),
            dir: dir.to_owned(),
            deps,
        });
        self
    }
}

fn crates_of(metadata: &Value) -> Result<Vec<Crate>> {
    let text = |value: &Value, key: &str| -> Result<String> {
        Ok(value[key]
            .as_str()
            .ok_or_else(|| anyhow!("cargo metadata has no `{key}`"))?
            .to_owned())
    };
    let root = text(metadata, "workspace_root")?;
    let empty = Vec::new();
    let mut crates = Vec::new();
    for package in metadata["packages"].as_array().unwrap_or(&empty) {
        let manifest = text(package, "manifest_path")?;
        let dir = manifest
            .strip_prefix(&root)
            .unwrap_or(&manifest)
            .trim_start_matches('/');
        let dir = dir.strip_suffix("/Cargo.toml").unwrap_or(dir).to_owned();
        let deps = package["dependencies"].as_array().unwrap_or(&empty);
        let deps = deps.iter().map(|d| text(d, "name")).collect::<Result<Vec<_>>>()?;
        crates.push(Crate {
            name: text(package, "name")?,
            dir,
            deps,
        });
    }
    Ok(crates)
}
