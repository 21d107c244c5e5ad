//! Files of at most 800 lines, functions of at most 100: beyond that a reader has to search.

use super::house::{File, House};
use super::{Check, Finding, rust};

pub(super) const CHECK: Check = Check {
    name: "lengths",
    rule: "a Rust file has at most 800 lines, a function at most 100",
    excusable: true,
    run,
};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 100;

fn run(house: &House) -> Vec<Finding> {
    house.rust_files().flat_map(too_long).collect()
}

fn too_long(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        let what = format!("{lines} lines, {FILE_LINES_MAX} are allowed");
        findings.push(Finding::new(
            &file.path,
            FILE_LINES_MAX + 1,
            what,
            "split it by what a reader would look for",
        ));
    }
    for function in rust::functions(&file.code) {
        let first = file.line_of(function.start);
        let lines = file.line_of(function.end) - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let what = format!(
                "`fn {}` has {lines} lines, {FUNCTION_LINES_MAX} are allowed",
                function.name
            );
            findings.push(Finding::new(
                &file.path,
                first,
                what,
                "give its steps names of their own",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[usize]) {
        let house = House::of(&[("crates/a/src/b.rs", text)]);
        assert_eq!(run(&house).iter().map(|f| f.line).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn files() {
        check(&"//! x\n".repeat(800), &[]);
        check(&"//! x\n".repeat(801), &[801]);
    }

    #[test]
    fn functions() {
        check(&format!("//! x\nfn a() {{\n{}}}\n", "    b();\n".repeat(98)), &[]);
        check(
            &format!("//! x\nfn a() {{\n{}}}\n", "    b();\n".repeat(99)),
            &[2],
        );
        check(
            &format!(
                "//! x\nfn a() {{\n{}}}\nfn c() {{}}\n",
                "    b(\"}\");\n".repeat(99)
            ),
            &[2],
        );
    }
}
