//! `cargo xtask tidy`: the rules of the house that no compiler knows.
//!
//! 1. [`House::open`] reads the tracked and the new files once.
//! 2. Every [`Check`] in [`CHECKS`] looks at the whole house and returns findings; a new check is one file and one line.
//! 3. [`reasons`] drops the findings that have a reason on record, and reports reasons that excuse nothing any more.

mod arrows;
mod clocks;
mod heads;
mod house;
mod leftovers;
mod lengths;
mod links;
mod lints;
mod map;
mod places;
mod reasons;
mod runtimes;
mod rust;
mod unsafety;

use anyhow::{Result, bail};

use self::house::House;
use crate::Command;

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    summary: "check the rules of the house that no compiler knows",
    help: "usage: cargo xtask tidy [CHECK ...] [--list]

  CHECK    run only these checks
  --list   say what each check wants

A finding reads `path:line: what, and what to do`. Where a rule must give way, add a line to
xtask/tidy-reasons.txt: `CHECK PATH REASON`. A reason that excuses nothing any more is itself a finding.",
    run,
};

/// One rule. `excusable` says whether a reason on record can set it aside.
struct Check {
    name: &'static str,
    rule: &'static str,
    excusable: bool,
    run: fn(&House) -> Vec<Finding>,
}

const CHECKS: &[Check] = &[
    arrows::CHECK,
    runtimes::CHECK,
    lengths::CHECK,
    heads::CHECK,
    leftovers::CHECK,
    clocks::CHECK,
    unsafety::CHECK,
    lints::CHECK,
    map::CHECK,
    places::CHECK,
    links::CHECK,
];

/// Something that breaks a rule, where it stands, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
    remedy: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding {
            path: path.to_owned(),
            line,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.remedy)
    }
}

fn run(args: &[String]) -> Result<()> {
    if args.iter().any(|a| a == "--list") {
        for check in CHECKS {
            let excuse = if check.excusable {
                " (a reason on record excuses it)"
            } else {
                ""
            };
            println!("{:<10} {}{excuse}", check.name, check.rule);
        }
        return Ok(());
    }
    if let Some(unknown) = args.iter().find(|a| CHECKS.iter().all(|c| c.name != **a)) {
        bail!("no check `{unknown}`: `cargo xtask tidy --list` names them");
    }
    let house = House::open(crate::shell::root())?;
    let chosen: Vec<&Check> = CHECKS
        .iter()
        .filter(|c| args.is_empty() || args.iter().any(|a| a == c.name))
        .collect();
    let findings = judge(&house, &chosen);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings in {} files", findings.len(), house.files.len());
    }
    println!(
        "tidy: {} checks over {} files, nothing to say",
        chosen.len(),
        house.files.len()
    );
    Ok(())
}

/// All findings of the chosen checks that no reason excuses, then the reasons that excuse nothing.
fn judge(house: &House, chosen: &[&Check]) -> Vec<Finding> {
    let (mut book, mut left) = reasons::Book::read(house);
    for check in chosen {
        for finding in (check.run)(house) {
            if !(check.excusable && book.excuses(check.name, &finding.path)) {
                left.push(finding);
            }
        }
    }
    left.extend(book.unused(chosen));
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_names_are_distinct_and_sayable() {
        for (i, check) in CHECKS.iter().enumerate() {
            assert!(
                check.name.chars().all(|c| c.is_ascii_lowercase()),
                "{}",
                check.name
            );
            assert!(
                CHECKS[..i].iter().all(|c| c.name != check.name),
                "{} twice",
                check.name
            );
        }
    }

    #[test]
    fn a_reason_excuses_its_file_and_an_idle_reason_is_a_finding() {
        let long = "//! Head.\n".repeat(801);
        let house = House::of(&[
            ("crates/a/src/long.rs", &long),
            (
                "xtask/tidy-reasons.txt",
                "lengths crates/a/src/long.rs a table of names\nlengths crates/a/src/gone.rs old\n",
            ),
        ]);
        let findings = judge(&house, &[&lengths::CHECK]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].path.as_str(), findings[0].line), (reasons::FILE, 2));
    }

    #[test]
    fn the_house_itself_can_be_read() {
        let house = House::open(crate::shell::root()).expect("open the checkout");
        assert!(house.crates.iter().any(|c| c.name == "xtask"));
        assert!(house.files.iter().any(|f| f.path == "Cargo.toml"));
    }
}
