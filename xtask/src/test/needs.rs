//! What tests need beyond cargo: programs from Debian's packages and Python packages in a venv below the target folder.
//!
//! A need is written down where it arises, in the head of the test's file: `//! Needs: prometheus, python:pytest`. Only what
//! some test names (and the [`TABLE`]'s baseline) is installed. Installing never starts a service: a `policy-rc.d` that
//! forbids it is put in place for the time of the installation if the machine has none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::newer::{self, NEWER};
use crate::shell;

/// A program that tests call, and the Debian package that brings it.
struct Tool {
    program: &'static str,
    package: &'static str,
    /// Tests of the peers' own behaviour are the heart of several crates, so their peers are always set up.
    baseline: bool,
}

const TABLE: &[Tool] = &[
    Tool {
        program: "prometheus",
        package: "prometheus",
        baseline: true,
    },
    Tool {
        program: "promtool",
        package: "prometheus",
        baseline: true,
    },
    Tool {
        program: "prometheus-node-exporter",
        package: "prometheus-node-exporter",
        baseline: true,
    },
    Tool {
        program: "prometheus-alertmanager",
        package: "prometheus-alertmanager",
        baseline: true,
    },
    Tool {
        program: "amtool",
        package: "prometheus-alertmanager",
        baseline: false,
    },
    Tool {
        program: "prometheus-blackbox-exporter",
        package: "prometheus-blackbox-exporter",
        baseline: false,
    },
    Tool {
        program: "redis-server",
        package: "redis-server",
        baseline: false,
    },
    Tool {
        program: "psql",
        package: "postgresql",
        baseline: false,
    },
    Tool {
        program: "dnsmasq",
        package: "dnsmasq-base",
        baseline: false,
    },
    Tool {
        program: "mariadbd",
        package: "mariadb-server-core",
        baseline: false,
    },
    // Without it `mariadb-install-db` of the package above does nothing.
    Tool {
        program: "my_print_defaults",
        package: "mariadb-client-core",
        baseline: false,
    },
    Tool {
        program: "nginx",
        package: "nginx-light",
        baseline: false,
    },
    Tool {
        program: "pdftotext",
        package: "poppler-utils",
        baseline: false,
    },
    Tool {
        program: "pdftoppm",
        package: "poppler-utils",
        baseline: false,
    },
    Tool {
        program: "chromium",
        package: "chromium",
        baseline: false,
    },
    Tool {
        program: "npm",
        package: "npm",
        baseline: false,
    },
    Tool {
        program: "python3",
        package: "python3-venv",
        baseline: false,
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    Install,
    OnlyLook,
}

/// Something that tests need and the machine has not.
pub(super) struct Lack {
    pub(super) what: String,
    pub(super) why: String,
    pub(super) needed_by: Vec<String>,
    /// The tests that want it have a weaker form without it, so a machine that cannot have it passes.
    pub(super) is_extra: bool,
}

pub(super) struct Ready {
    /// What the tests find in their environment.
    pub(super) env: Vec<(String, PathBuf)>,
    pub(super) lacks: Vec<Lack>,
}

/// Need → the files that name it.
type Needs = BTreeMap<String, Vec<String>>;

pub(super) fn prepare(setup: Setup) -> Result<Ready> {
    let needs = collect_needs()?;
    let mut ready = Ready {
        env: Vec::new(),
        lacks: Vec::new(),
    };
    let python: Vec<&str> = needs.keys().filter_map(|n| n.strip_prefix("python:")).collect();
    let wanted: Vec<&Tool> = TABLE
        .iter()
        .filter(|t| {
            t.baseline || needs.contains_key(t.program) || (t.program == "python3" && !python.is_empty())
        })
        .collect();
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|t| !shell::has(t.program))
        .map(|t| t.package)
        .collect();
    let installed = if missing.is_empty() {
        Ok(())
    } else {
        install(&missing, setup)
    };
    for tool in wanted.iter().filter(|t| !shell::has(t.program)) {
        let needed_by = needs
            .get(tool.program)
            .cloned()
            .unwrap_or_else(|| vec![format!("tests beside {}", tool.program)]);
        let why = installed
            .as_ref()
            .err()
            .map_or("its package did not bring it".to_owned(), |e| format!("{e:#}"));
        ready.lacks.push(Lack {
            what: tool.program.to_owned(),
            why,
            needed_by,
            is_extra: false,
        });
    }
    for newer in NEWER {
        let Some(files) = needs.get(newer.need) else {
            continue;
        };
        match newer::find(newer, setup) {
            Ok(program) => ready.env.push((newer.variable.to_owned(), program)),
            Err(error) => ready.lacks.push(Lack {
                what: newer.need.to_owned(),
                why: format!("{error:#}"),
                needed_by: files.clone(),
                is_extra: true,
            }),
        }
    }
    for (need, files) in needs.iter().filter(|(n, _)| !n.starts_with("python:")) {
        let is_known = TABLE.iter().any(|t| t.program == need) || NEWER.iter().any(|n| n.need == need);
        if !is_known && !shell::has(need) {
            let why = "no package is known for it: add a line in xtask/src/test/needs.rs".to_owned();
            ready.lacks.push(Lack {
                what: need.clone(),
                why,
                needed_by: files.clone(),
                is_extra: false,
            });
        }
    }
    if !python.is_empty() {
        match venv(&python, setup) {
            Ok(dir) => ready
                .env
                .push(("LAPWING_TEST_PYTHON".to_owned(), dir.join("bin/python"))),
            Err(error) => {
                let needed_by = needs
                    .iter()
                    .filter(|(n, _)| n.starts_with("python:"))
                    .flat_map(|(_, f)| f.clone());
                let lack = Lack {
                    what: python.join(", "),
                    why: format!("{error:#}"),
                    needed_by: needed_by.collect(),
                    is_extra: false,
                };
                ready.lacks.push(lack);
            }
        }
    }
    Ok(ready)
}

fn collect_needs() -> Result<Needs> {
    let mut git = Command::new("git");
    git.current_dir(shell::root()).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ]);
    let mut needs = Needs::new();
    for path in shell::output(&mut git)?.split('\0').filter(|p| !p.is_empty()) {
        let text = std::fs::read_to_string(shell::root().join(path)).unwrap_or_default();
        for need in needs_in(&text) {
            needs.entry(need).or_default().push(path.to_owned());
        }
    }
    Ok(needs)
}

/// The needs that a file's head names.
fn needs_in(text: &str) -> Vec<String> {
    let head = text
        .lines()
        .take_while(|l| l.starts_with("//!") || l.starts_with("#![") || l.trim().is_empty());
    let lists = head.filter_map(|l| l.strip_prefix("//! Needs:"));
    lists
        .flat_map(|l| l.split(','))
        .map(|n| n.trim().trim_end_matches('.').to_owned())
        .filter(|n| !n.is_empty())
        .collect()
}

fn install(packages: &[&str], setup: Setup) -> Result<()> {
    if setup == Setup::OnlyLook {
        anyhow::bail!("--no-setup");
    }
    if !shell::has("apt-get") {
        anyhow::bail!("this machine has no apt-get");
    }
    let me = shell::output(Command::new("id").arg("-u")).unwrap_or_default();
    if me.trim() != "0" {
        anyhow::bail!(
            "not root, so nothing can be installed: apt-get install {}",
            packages.join(" ")
        );
    }
    let mut packages = packages.to_vec();
    packages.dedup();
    println!("setting up: {}", packages.join(" "));
    let _guard = NoServices::new()?;
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"])
            .args(args);
        shell::run(
            command
                .env("DEBIAN_FRONTEND", "noninteractive")
                .env("RUNLEVEL", "1")
                .stdout(Stdio::null()),
        )
    };
    let mut get = vec!["install", "-y", "--no-install-recommends"];
    get.extend(&packages);
    // The lists of a fresh image are empty or old, so the first failure asks for new ones.
    apt(&get).or_else(|_| apt(&["update"]).and_then(|()| apt(&get)))
}

/// While it lives, packages that are installed do not start their services.
struct NoServices(Option<PathBuf>);

impl NoServices {
    fn new() -> Result<NoServices> {
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(NoServices(None));
        }
        std::fs::write(policy, "#!/bin/sh\nexit 101\n").context("forbid packages to start services")?;
        shell::run(Command::new("chmod").arg("755").arg(policy))?;
        Ok(NoServices(Some(policy.to_owned())))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.0 {
            // If it cannot be removed, services stay off: the safe side.
            let _ = std::fs::remove_file(policy);
        }
    }
}

/// A venv with the given packages, made once and reused as long as the list stays the same.
fn venv(packages: &[&str], setup: Setup) -> Result<PathBuf> {
    let dir = shell::target_dir().join("venv");
    let stamp = dir.join("packages.txt");
    let list = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == list) {
        return Ok(dir);
    }
    if setup == Setup::OnlyLook {
        anyhow::bail!("--no-setup");
    }
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
    let mut pip = Command::new(dir.join("bin/pip"));
    shell::run(
        pip.args(["install", "--quiet", "--disable-pip-version-check"])
            .args(packages),
    )?;
    std::fs::write(&stamp, list).context("note what the venv holds")?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expect: &[&str]) {
        assert_eq!(needs_in(head), expect, "{head}");
    }

    #[test]
    fn needs_stand_in_the_head_of_a_file() {
        check(
            "//! Same answers as the peer.\n//!\n//! Needs: prometheus, python:pytest.\n",
            &["prometheus", "python:pytest"],
        );
        check("//! Needs: a\n//! Needs: b\nuse x;\n", &["a", "b"]);
        check("use x;\n//! Needs: late\n", &[]);
        check("//! Needs:\n// Needs: plain comment\n", &[]);
    }

    #[test]
    fn every_tool_is_named_once() {
        for (i, tool) in TABLE.iter().enumerate() {
            assert!(
                TABLE[..i].iter().all(|t| t.program != tool.program),
                "{}",
                tool.program
            );
        }
    }
}
