//! Every module says at its head what it is for and what must never happen in it.

use super::house::House;
use super::{Check, Finding};

pub(super) const CHECK: Check = Check {
    name: "heads",
    rule: "every Rust file below src/ begins with a `//!` head",
    excusable: true,
    run,
};

fn run(house: &House) -> Vec<Finding> {
    let headless = house
        .rust_files()
        .filter(|f| f.path.contains("/src/") && !has_head(&f.text));
    headless
        .map(|f| {
            Finding::new(
                &f.path,
                1,
                "no `//!` head",
                "say what the module is for and what it must not do",
            )
        })
        .collect()
}

/// The first line that is not blank, an inner attribute or a plain comment must be a `//!` line with words.
fn has_head(text: &str) -> bool {
    let plain = |l: &str| l.starts_with("//") && !l.starts_with("//!") && !l.starts_with("///");
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with("#![") && !plain(l));
    lines
        .next()
        .and_then(|l| l.strip_prefix("//!"))
        .is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        for good in [
            "//! What.\n",
            "\n//! What.\nuse x;",
            "#![no_std]\n//! What.",
            "// licence\n//! What.",
        ] {
            assert!(has_head(good), "{good}");
        }
        for bad in ["", "use x;\n//! Late.", "//!\nuse x;", "/// A doc\nfn f() {}"] {
            assert!(!has_head(bad), "{bad}");
        }
        let house = House::of(&[
            ("a/src/b.rs", "use x;"),
            ("a/README.md", "words"),
            ("a/tests/it/x.rs", "use x;"),
        ]);
        assert_eq!(run(&house).len(), 1);
    }
}
