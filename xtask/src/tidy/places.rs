//! Nothing of the machine on which something was written: no folder of one person's disk, no package registry's host.
//!
//! Lock files and deny.toml name the public registries by their nature; a lock file that names another host was made
//! behind a mirror and works nowhere else.

use super::house::{File, House};
use super::{Check, Finding};

pub(super) const CHECK: Check = Check {
    name: "places",
    rule: "no path of one machine and no registry host in tracked files",
    excusable: true,
    run,
};

const PATHS: &[&str] = &["/work/", "/root/", "/home/", "/Users/"];

const HOSTS: &[&str] = &[
    "registry.npmjs.org",
    "registry.yarnpkg.com",
    "index.crates.io",
    "static.crates.io",
    "pypi.org/simple",
    "files.pythonhosted.org",
    "proxy.golang.org",
    "deb.debian.org",
];

/// Lock files: how a line that names a source begins, and the only sources allowed there.
const LOCKS: &[(&str, &str, &[&str])] = &[
    (
        "Cargo.lock",
        "source = \"",
        &["registry+https://github.com/rust-lang/crates.io-index"],
    ),
    (
        "package-lock.json",
        "\"resolved\": \"",
        &["https://registry.npmjs.org/"],
    ),
];

fn run(house: &House) -> Vec<Finding> {
    house
        .files
        .iter()
        .flat_map(|file| machine_paths(file).into_iter().chain(hosts(file)))
        .collect()
}

fn machine_paths(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in PATHS {
        for (at, _) in file.text.match_indices(path) {
            // Inside a longer path or an address it is not the machine's own folder.
            let before = file.text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "._-*/{}$)~".contains(c)) {
                continue;
            }
            let what = format!("`{path}` is a folder of one machine");
            findings.push(Finding::new(
                &file.path,
                file.line_of(at),
                what,
                "name it relative to the checkout",
            ));
        }
    }
    findings
}

fn hosts(file: &File) -> Vec<Finding> {
    let name = file.path.rsplit('/').next().unwrap_or("");
    if let Some((_, key, allowed)) = LOCKS.iter().find(|(lock, _, _)| *lock == name) {
        return foreign_sources(file, key, allowed);
    }
    let mut findings = Vec::new();
    for host in HOSTS {
        for (at, _) in file.text.match_indices(host) {
            let what = format!("names the registry host `{host}`");
            findings.push(Finding::new(
                &file.path,
                file.line_of(at),
                what,
                "leave the choice of a registry to the reader",
            ));
        }
    }
    findings
}

fn foreign_sources(file: &File, key: &str, allowed: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, line) in file.text.lines().enumerate() {
        let Some(source) = line.trim().strip_prefix(key) else {
            continue;
        };
        if !allowed.iter().any(|a| source.starts_with(a)) {
            let source = source.split('"').next().unwrap_or(source);
            let what = format!("a source that others cannot reach: {source}");
            findings.push(Finding::new(
                &file.path,
                i + 1,
                what,
                "lock again against the public registry",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, lines: &[usize]) {
        let house = House::of(&[(path, text)]);
        assert_eq!(
            run(&house).iter().map(|f| f.line).collect::<Vec<_>>(),
            lines,
            "{path}: {text}"
        );
    }

    #[test]
    fn folders_of_one_machine() {
        check("a.md", "see\n`/work/x` and (/root/y)", &[2, 2]);
        check("a.rs", "open(\"/work/x\")", &[1]);
        check(
            "a.md",
            "docs/work/x, https://example.org/work/x, ./work/x, work/x, /etc/lapwing/x",
            &[],
        );
    }

    #[test]
    fn registry_hosts() {
        check("a.md", "https://registry.npmjs.org/svelte", &[1]);
        check(
            "ui/package-lock.json",
            "  \"resolved\": \"https://registry.npmjs.org/a.tgz\",",
            &[],
        );
        check(
            "ui/package-lock.json",
            "{\n  \"resolved\": \"http://mirror:8080/a.tgz\",",
            &[2],
        );
        check(
            "Cargo.lock",
            "source = \"registry+https://github.com/rust-lang/crates.io-index\"",
            &[],
        );
        check("Cargo.lock", "source = \"git+https://example.org/a\"", &[1]);
    }
}
