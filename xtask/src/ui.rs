//! `cargo xtask ui`: builds the web UI from `ui/` into `crates/ui/dist`, which is committed with a hash of its sources.
//!
//! The hash binds what is served to what was reviewed: SHA-256 over every tracked file below `ui/`, in the order of their
//! paths, each as `path`, a zero byte, the length as eight little-endian bytes, then the content. Line ends count.

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
neither. The hash of the sources stands in crates/ui/dist/sources.sha256.",
    run,
};

const SOURCES: &str = "ui";
const DIST: &str = "crates/ui/dist";
const HASH: &str = "crates/ui/dist/sources.sha256";

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
    // The UI's own build may write straight into crates/ui/dist; if it writes into ui/dist, that is moved here.
    let own = root.join(SOURCES).join("dist");
    if own.is_dir() {
        let target = root.join(DIST);
        if target.exists() {
            std::fs::remove_dir_all(&target).with_context(|| format!("clear {DIST}"))?;
        }
        shell::run(Process::new("cp").arg("-R").arg(&own).arg(&target))?;
        std::fs::remove_dir_all(&own).context("remove ui/dist")?;
    }
    if !root.join(DIST).is_dir() {
        bail!("the build wrote neither {SOURCES}/dist nor {DIST}");
    }
    std::fs::write(root.join(HASH), format!("{hash}\n")).with_context(|| format!("write {HASH}"))?;
    println!("built {DIST} from sources {hash}");
    Ok(())
}

/// Tracked and new files below `ui/`, sorted by path, with their content.
fn read_sources() -> Result<Vec<(String, Vec<u8>)>> {
    let root = shell::root();
    let mut git = Process::new("git");
    git.current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        SOURCES,
    ]);
    let list = shell::output(&mut git)?;
    let mut files = Vec::new();
    for path in list
        .split('\0')
        .filter(|p| !p.is_empty() && !p.starts_with("ui/dist/"))
    {
        if let Ok(content) = std::fs::read(root.join(path)) {
            files.push((path.to_owned(), content));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn hash_of(files: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    for (path, content) in files {
        hash.update(path.as_bytes());
        hash.update([0]);
        hash.update((content.len() as u64).to_le_bytes());
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
        assert_ne!(base, hash_of(&files(&[("ui/a", "xui/b"), ("", "y")])));
        assert_ne!(base, hash_of(&files(&[("ui/a", "x")])));
        assert_eq!(
            hash_of(&[]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
