//! No unsafe code anywhere; the compiler's lint covers the crates, this covers build scripts, fuzz targets and exceptions.

use super::house::House;
use super::{Check, Finding, rust};

pub(super) const CHECK: Check = Check {
    name: "unsafety",
    rule: "no unsafe code",
    excusable: false,
    run,
};

fn run(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in house.rust_files() {
        for at in rust::places(&file.code, "unsafe") {
            findings.push(Finding::new(
                &file.path,
                file.line_of(at),
                "`unsafe`",
                "use a safe crate for it",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_code_is_found_and_its_name_is_not() {
        let house = House::of(&[
            ("a.rs", "#![forbid(unsafe_code)]\n// unsafe\nlet x = \"unsafe\";"),
            ("b.rs", "fn f() {\n    unsafe { g() }\n}"),
        ]);
        let found = run(&house);
        assert_eq!(
            found
                .iter()
                .map(|f| (f.path.as_str(), f.line))
                .collect::<Vec<_>>(),
            [("b.rs", 2)]
        );
    }
}
