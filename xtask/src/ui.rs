//! `cargo xtask ui`: builds the web UI from `ui/` into `crates/ui/dist`, which is committed with a hash of its sources.
//!
//! The hash binds what is served to what was reviewed; a test of `crates/ui` fails when `dist` is older than `ui/`. What is
//! counted stands in that crate's file, which is taken in here by its path: this chore links none of Lapwing's own crates.

#[path = "../../crates/ui/src/sources.rs"]
#[expect(unreachable_pub, reason = "in its own crate the file offers this to others")]
mod sources;

use std::path::Path;
use std::process::Command as Process;

use anyhow::{Context, Result, bail};

use crate::Command;
use crate::shell;

pub(crate) const COMMAND: Command = Command {
    name: "ui",
    summary: "build the web UI into crates/ui/dist, or check that it is up to date",
    help: "usage: cargo xtask ui [--check]

  --check   build nothing; fail if crates/ui/dist was built from other sources than ui/ holds now

Building needs Node and npm, and a network the first time. Packages are installed again only when package-lock.json
changes: an installation pulls them from under whatever runs on them. The result is committed, so that building the
binary needs neither. The hash of the sources stands in crates/ui/dist/SOURCES.sha256.",
    run,
};

const SOURCES: &str = "ui";
const DIST: &str = "crates/ui/dist";
/// What the packages in `node_modules` were installed from.
const INSTALLED: &str = "ui/node_modules/.installed-from";
const LOCK: &str = "ui/package-lock.json";

fn run(args: &[String]) -> Result<()> {
    let root = shell::root();
    if !root.join(SOURCES).join("package.json").is_file() {
        bail!("there is no web UI yet: {SOURCES}/package.json is missing");
    }
    let hash = sources::sources_hash(&root.join(SOURCES)).context("read the sources of the web UI")?;
    let kept = root.join(DIST).join(sources::HASH_FILE);
    match args {
        [flag] if flag == "--check" => {
            let built = std::fs::read_to_string(&kept).unwrap_or_default();
            if built.trim() != hash {
                bail!("{DIST} was not built from these sources: run `cargo xtask ui` and commit the result");
            }
            println!("{DIST} is up to date");
            Ok(())
        }
        [] => build(&hash, &kept),
        _ => bail!("see `cargo xtask ui --help`"),
    }
}

fn build(hash: &str, kept: &Path) -> Result<()> {
    let root = shell::root();
    if !shell::has("npm") {
        bail!("npm is not installed (Debian: apt-get install npm)");
    }
    let npm = |args: &[&str]| shell::run(Process::new("npm").current_dir(root.join(SOURCES)).args(args));
    let lock = std::fs::read_to_string(root.join(LOCK)).with_context(|| format!("read {LOCK}"))?;
    let installed = root.join(INSTALLED);
    if std::fs::read_to_string(&installed).is_ok_and(|from| from == lock) {
        println!("the packages are those of {LOCK} already");
    } else {
        npm(&["ci", "--no-audit", "--no-fund"])?;
        std::fs::write(&installed, lock).with_context(|| format!("write {INSTALLED}"))?;
    }
    npm(&["run", "build"])?;
    if !root.join(DIST).join("index.html").is_file() {
        bail!("the build did not write {DIST}/index.html: see build.outDir in ui/vite.config.ts");
    }
    std::fs::write(kept, format!("{hash}\n")).context("write the hash of the sources")?;
    println!("built {DIST} from sources {hash}");
    Ok(())
}
