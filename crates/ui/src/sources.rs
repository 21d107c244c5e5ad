//! The hash that ties the built files to their sources.
//!
//! sha256 over every file below `ui/` in the order of its relative path (`/` between parts), each as
//! `path \0 length in decimal \0 content`. What does not reach the pages is left out: `node_modules`, the fake server in `dev`,
//! the browser's `tests`, and types written from Rust's sources, which vanish in the build. Links are not followed.
//!
//! This file stands once and is compiled twice: `cargo xtask ui`, which links no crate of Lapwing's, takes it in by its path and
//! writes the result to `crates/ui/dist/SOURCES.sha256`; a test of this crate compares.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Where the hash stands, inside `dist/`.
pub const HASH_FILE: &str = "SOURCES.sha256";

/// Folders directly below `ui/`.
const LEFT_OUT: [&str; 3] = ["node_modules", "dev", "tests"];
const TYPES: &str = "types.gen.ts";

/// The hash, in hex, of the sources below `dir`.
pub fn sources_hash(dir: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    walk(dir, "", &mut files)?;
    files.sort();
    let mut hasher = Sha256::new();
    for (path, file) in files {
        let bytes = fs::read(file)?;
        hasher.update(format!("{path}\0{}\0", bytes.len()));
        hasher.update(&bytes);
    }
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

fn walk(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let path = format!("{prefix}{}", name.to_string_lossy());
        let kind = entry.file_type()?;
        let is_left_out = prefix.is_empty() && LEFT_OUT.iter().any(|folder| name == *folder);
        if kind.is_dir() && !is_left_out {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() && name != TYPES {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_contents_and_borders_count() {
        let hash = |files: &[(&str, &str)]| {
            let dir = tempfile::tempdir().expect("a folder");
            for (name, content) in files {
                let file = dir.path().join(name);
                fs::create_dir_all(file.parent().expect("inside the folder")).expect("a folder");
                fs::write(file, content).expect("a file");
            }
            sources_hash(dir.path()).expect("readable")
        };
        let base = hash(&[("a", "1"), ("b/c", "2")]);
        assert_eq!(
            base,
            hash(&[
                ("b/c", "2"),
                ("a", "1"),
                ("node_modules/x", "3"),
                ("tests/y", "4"),
                ("dev/z", "5")
            ])
        );
        assert_ne!(base, hash(&[("a", "1"), ("b/c", "2"), ("b/tests/y", "4")]));
        assert_ne!(base, hash(&[("a", "1"), ("b/d", "2")]));
        assert_ne!(base, hash(&[("a", "2"), ("b/c", "1")]));
        assert_ne!(hash(&[("a", "xy")]), hash(&[("ax", "y")]));
    }
}
