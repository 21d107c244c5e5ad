//! `cargo xtask ui`: builds the web UI from `ui/` into `crates/ui/dist`, which is committed with a hash of its sources.
//!
//! The hash binds what is served to what was reviewed. `crates/ui/src/sources.rs` defines it, and its test fails when `dist` is
//! older than `ui/`; it is computed here a second time so that this chore links none of Lapwing's own crates.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::Command;
use crate::shell;

pub(crate) const COMMAND: Command = Command {
    name: "ui",
    summary: "build the web UI into crates/ui/dist, or check that it is up to date",
    help: "usage: cargo xtask ui [--check]

  --check   build nothing; fail if crates/ui/dist was built from other sources than ui/ holds now

Building needs Node and npm, and a network the first time. The result is committed, so that building the binary needs
neither. The hash of the sources stands in crates/ui/dist/SOURCES.sha256.",
    run,
};

const SOURCES: &str = "ui";
const DIST: &str = "crates/ui/dist";
const HASH: &str = "crates/ui/dist/SOURCES.sha256";
/// Written from Rust's sources; it vanishes in the build.
const TYPES: &str = "types.gen.ts";

fn run(args: &[String]) -> Result<()> {
    let root = shell::root();
    if !root.join(SOURCES).join("package.json").is_file() {
        bail!("there is no web UI yet: {SOURCES}/package.json is missing");
    }
    let hash = hash_of(&read_sources()?);
    match args {
        [flag] if flag == "--check" => {
            let built = std::fs::read_to_string(root.join(HASH)).unwrap_or_default();
            if built.trim() != hash {
                bail!("{DIST} was not built from these sources: run `cargo xtask ui` and commit the result");
            }
            println!("{DIST} is up to date");
            Ok(())
        }
        [] => build(&hash),
        _ => bail!("see `cargo xtask ui --help`"),
    }
}

fn build(hash: &str) -> Result<()> {
    let root = shell::root();
    if !shell::has("npm") {
        bail!("npm is not installed (Debian: apt-get install npm)");
    }
    let npm = |args: &[&str]| shell::run(Process::new("npm").current_dir(root.join(SOURCES)).args(args));
    npm(&["ci", "--no-audit", "--no-fund"])?;
    npm(&["run", "build"])?;
    if !root.join(DIST).join("index.html").is_file() {
        bail!("the build did not write {DIST}/index.html: see build.outDir in ui/vite.config.ts");
    }
    std::fs::write(root.join(HASH), format!("{hash}\n")).with_context(|| format!("write {HASH}"))?;
    println!("built {DIST} from sources {hash}");
    Ok(())
}

/// Every file below `ui/` but what npm installed and the types that Rust's sources give, sorted by its path there, with its content.
fn read_sources() -> Result<Vec<(String, Vec<u8>)>> {
    let mut paths = Vec::new();
    walk(&shell::root().join(SOURCES), "", &mut paths).context("list the sources of the web UI")?;
    paths.sort();
    let read = |(path, file): (String, PathBuf)| Ok((path, std::fs::read(file)?));
    paths.into_iter().map(read).collect()
}

fn walk(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let path = format!("{prefix}{}", name.to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() && name != "node_modules" {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() && name != TYPES {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}

fn hash_of(files: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    for (path, content) in files {
        hash.update(format!("{path}\0{}\0", content.len()));
        hash.update(content);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_sees_names_contents_and_borders() {
        let files = |list: &[(&str, &str)]| -> Vec<(String, Vec<u8>)> {
            list.iter()
                .map(|(p, c)| ((*p).to_owned(), c.as_bytes().to_vec()))
                .collect()
        };
        let base = hash_of(&files(&[("ui/a", "x"), ("ui/b", "y")]));
        assert_eq!(base, hash_of(&files(&[("ui/a", "x"), ("ui/b", "y")])));
        assert_ne!(base, hash_of(&files(&[("ui/a", "x"), ("ui/c", "y")])));
        assert_ne!(base, hash_of(&files(&[("ui/ax", "")])));
        assert_ne!(base, hash_of(&files(&[("ui/a", "x")])));
        assert_eq!(
            hash_of(&[]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
