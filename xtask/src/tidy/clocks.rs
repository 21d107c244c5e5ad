//! Nothing reads a clock but the engine: everything else takes `now`, so a test can run a month in a second.

use super::house::House;
use super::{Check, Finding, rust};

pub(super) const CHECK: Check = Check {
    name: "clocks",
    rule: "Instant::now and SystemTime::now only in the engine's clock",
    excusable: true,
    run,
};

const ENGINE_CLOCK: &str = "crates/engine/src/clock.rs";

const READS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "Utc::now",
    "Local::now",
];

fn run(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in house.rust_files().filter(|f| f.path != ENGINE_CLOCK) {
        for read in READS {
            for at in rust::places(&file.code, read) {
                let remedy = "take `now_ms` as an argument; the engine's clock passes it in";
                findings.push(Finding::new(
                    &file.path,
                    file.line_of(at),
                    format!("`{read}`"),
                    remedy,
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_engine_reads_a_clock() {
        let read = "fn f() {\n    let t = std::time::Instant::now();\n}\n";
        let house = House::of(&[
            (ENGINE_CLOCK, read),
            ("crates/a/src/b.rs", read),
            (
                "crates/a/src/c.rs",
                "// Instant::now() is forbidden\nlet s = \"SystemTime::now\"; let n = clock.now();",
            ),
        ]);
        let found = run(&house);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("crates/a/src/b.rs", 2));
    }
}
