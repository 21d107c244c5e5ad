//! Only crates that wait for the network or for time may link tokio; the rest stay synchronous and quick to test.

use super::house::House;
use super::{Check, Finding};

pub(super) const CHECK: Check = Check {
    name: "runtimes",
    rule: "tokio only in http, collect, notify, engine and server",
    excusable: true,
    run,
};

const MAY_WAIT: &[&str] = &[
    "lapwing-http",
    "lapwing-collect",
    "lapwing-notify",
    "lapwing",
    "lapwing-server",
];

/// tokio itself and what brings it along.
const RUNTIMES: &[&str] = &[
    "tokio",
    "tokio-util",
    "tokio-stream",
    "hyper",
    "hyper-util",
    "axum",
    "reqwest",
    "tower-http",
];

fn run(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for krate in house
        .crates
        .iter()
        .filter(|c| !MAY_WAIT.contains(&c.name.as_str()))
    {
        for dep in krate.deps.iter().filter(|d| RUNTIMES.contains(&d.as_str())) {
            let what = format!("{} must not depend on {dep}", krate.name);
            let remedy = "keep this crate synchronous and let the engine or the edge do the waiting";
            findings.push(Finding::new(
                &krate.manifest(),
                house.dep_line(krate, dep),
                what,
                remedy,
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokio_only_at_the_edges() {
        let house = House::of(&[])
            .with_crate("lapwing-collect", "crates/collect", &["tokio", "reqwest"])
            .with_crate("lapwing-judge", "crates/judge", &["serde", "tokio"]);
        let found: Vec<String> = run(&house).into_iter().map(|f| f.what).collect();
        assert_eq!(found, ["lapwing-judge must not depend on tokio"]);
    }
}
