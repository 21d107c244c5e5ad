//! Every crate inherits the workspace's lints; one that forgets loses `unsafe_code = "forbid"` and the bans on clocks.

use super::house::House;
use super::{Check, Finding};

pub(super) const CHECK: Check = Check {
    name: "lints",
    rule: "every crate says `[lints] workspace = true`",
    excusable: true,
    run,
};

fn run(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for krate in &house.crates {
        let manifest = krate.manifest();
        let inherits = house.file(&manifest).is_some_and(|f| inherits_lints(&f.text));
        if !inherits {
            findings.push(Finding::new(
                &manifest,
                1,
                "does not inherit the lints",
                "add `[lints]` with `workspace = true`",
            ));
        }
    }
    findings
}

fn inherits_lints(toml: &str) -> bool {
    let mut inside = false;
    for line in toml.lines().map(|l| l.split('#').next().unwrap_or("").trim()) {
        if line.starts_with('[') {
            inside = line == "[lints]";
        } else if line.replace(' ', "")
            == if inside {
                "workspace=true"
            } else {
                "lints.workspace=true"
            }
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests() {
        assert!(inherits_lints(
            "[package]\nname = \"a\"\n[lints]\nworkspace = true\n"
        ));
        assert!(!inherits_lints("[package]\nname = \"a\"\n"));
        assert!(!inherits_lints(
            "[lints.rust]\nunsafe_code = \"warn\"\n[dependencies.a]\nworkspace = true\n"
        ));
        let house = House::of(&[("crates/a/Cargo.toml", "[package]")]).with_crate("a", "crates/a", &[]);
        assert_eq!(run(&house).len(), 1);
    }
}
