//! A peer that this Debian release has only in an older version, unpacked from a later suite below the target folder.
//!
//! Nothing is installed: the package is downloaded with lists of its own, and its files are used where they lie. A machine
//! that cannot have it (another system, no network) goes without, and the tests that wanted it say so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::needs::Setup;
use crate::shell;

pub(super) struct Newer {
    /// What the heads of test files call it.
    pub(super) need: &'static str,
    package: &'static str,
    program: &'static str,
    /// What `--version` of one that is new enough says.
    version_says: &'static str,
    /// Where tests find its path.
    pub(super) variable: &'static str,
}

pub(super) const NEWER: &[Newer] = &[Newer {
    need: "prometheus-3",
    package: "prometheus",
    program: "prometheus",
    version_says: "version 3.",
    variable: "LAPWING_PROMETHEUS",
}];

const SUITE: &str = "sid";

/// The program: the one that the environment names, the installed one if it is new enough, or a newer build.
pub(super) fn find(newer: &Newer, setup: Setup) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os(newer.variable) {
        return Ok(given.into());
    }
    if let Some(installed) = shell::find(newer.program).filter(|p| is_new_enough(p, newer)) {
        return Ok(installed);
    }
    let dir = shell::target_dir().join("peers").join(newer.package);
    let unpacked = dir.join("usr/bin").join(newer.program);
    if is_new_enough(&unpacked, newer) {
        return Ok(unpacked);
    }
    if setup == Setup::OnlyLook {
        bail!("--no-setup");
    }
    unpack(newer, &dir).with_context(|| format!("a newer {} from Debian's {SUITE}", newer.package))?;
    if !is_new_enough(&unpacked, newer) {
        bail!("Debian's {SUITE} has no {} that is new enough", newer.program);
    }
    Ok(unpacked)
}

fn is_new_enough(program: &Path, newer: &Newer) -> bool {
    let Ok(output) = Command::new(program).arg("--version").output() else {
        return false;
    };
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).contains(newer.version_says)
}

fn unpack(newer: &Newer, dir: &Path) -> Result<()> {
    if !shell::has("apt-get") || !shell::has("dpkg") {
        bail!("this machine has no apt-get");
    }
    println!("setting up: {} from {SUITE}, unpacked", newer.package);
    let lists = dir.join("apt/lists");
    let cache = dir.join("apt/cache");
    std::fs::create_dir_all(lists.join("partial"))?;
    std::fs::create_dir_all(cache.join("archives/partial"))?;
    let sources = dir.join("apt/sources.list");
    std::fs::write(&sources, format!("deb {} {SUITE} main\n", mirror()?))?;
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args([
                "-qq",
                "-o",
                "Dir::Etc::sourceparts=-",
                "-o",
                "APT::Sandbox::User=root",
            ])
            .arg("-o")
            .arg(format!("Dir::Etc::sourcelist={}", sources.display()))
            .arg("-o")
            .arg(format!("Dir::State::lists={}", lists.display()))
            .arg("-o")
            .arg(format!("Dir::Cache={}", cache.display()))
            .args(args)
            .current_dir(dir)
            .stdout(Stdio::null());
        shell::run(&mut command)
    };
    apt(&["update"])?;
    apt(&["download", &format!("{}/{SUITE}", newer.package)])?;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "deb") {
            shell::run(Command::new("dpkg").arg("-x").arg(&path).arg(dir))?;
            std::fs::remove_file(&path)?;
        }
    }
    std::fs::remove_dir_all(dir.join("apt")).context("tidy up behind apt-get")
}

/// The archive that this machine already takes its packages from.
fn mirror() -> Result<String> {
    let deb822 = std::fs::read_to_string("/etc/apt/sources.list.d/debian.sources").unwrap_or_default();
    let one_line = std::fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    mirror_in(&deb822, &one_line).context("no archive is named in /etc/apt")
}

fn mirror_in(deb822: &str, one_line: &str) -> Option<String> {
    let new = deb822.lines().find_map(|l| l.strip_prefix("URIs:"));
    let old = || {
        let line = one_line.lines().find(|l| l.starts_with("deb "))?;
        line.split_whitespace().find(|word| word.starts_with("http"))
    };
    let uri = new.or_else(old)?.split_whitespace().next()?;
    let signed_by = "/usr/share/keyrings/debian-archive-keyring.gpg";
    Some(match Path::new(signed_by).exists() {
        true => format!("[signed-by={signed_by}] {uri}"),
        false => uri.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_read_from_either_form() {
        let check = |deb822: &str, one_line: &str, expect: Option<&str>| {
            let found = mirror_in(deb822, one_line);
            let uri = found.as_deref().and_then(|f| f.split_whitespace().last());
            assert_eq!(uri, expect);
        };
        check("Types: deb\nURIs: http://a/debian\n", "", Some("http://a/debian"));
        check(
            "",
            "# x\ndeb [arch=amd64] http://b/debian x main\n",
            Some("http://b/debian"),
        );
        check("", "", None);
    }
}
