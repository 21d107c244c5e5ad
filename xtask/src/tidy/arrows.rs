//! Dependency direction: which of our crates may depend on which, in one table.
//!
//! The table is ARCHITECTURE.md's arrows written out. A crate that is not in it may depend on none of ours, so a new crate
//! gets its line here and its row on the map in the same change.

use super::house::{Crate, House};
use super::{Check, Finding};

pub(super) const CHECK: Check = Check {
    name: "arrows",
    rule: "our crates depend on each other only as ARCHITECTURE.md draws it",
    excusable: false,
    run,
};

struct Edges {
    krate: &'static str,
    may_use: &'static [&'static str],
}

const TYPES: &str = "lapwing-types";
const STATS: &str = "lapwing-stats";
const TEMPLATE: &str = "lapwing-template";
const WIRE: &str = "lapwing-wire";
const STORE: &str = "lapwing-store";
const QUERY: &str = "lapwing-query";
const JUDGE: &str = "lapwing-judge";
const HTTP: &str = "lapwing-http";
const COLLECT: &str = "lapwing-collect";
const NOTIFY: &str = "lapwing-notify";
const CHART: &str = "lapwing-chart";
const ENGINE: &str = "lapwing";
const MACROS: &str = "lapwing-macros";
const UI: &str = "lapwing-ui";
const SERVER: &str = "lapwing-server";

/// Everything below the engine.
const BELOW_ENGINE: &[&str] = &[
    TYPES, STATS, TEMPLATE, HTTP, WIRE, STORE, QUERY, JUDGE, COLLECT, NOTIFY, CHART, MACROS,
];

const EDGES: &[Edges] = &[
    Edges {
        krate: TYPES,
        may_use: &[],
    },
    Edges {
        krate: STATS,
        may_use: &[],
    },
    Edges {
        krate: TEMPLATE,
        may_use: &[TYPES],
    },
    Edges {
        krate: WIRE,
        may_use: &[TYPES, STATS],
    },
    Edges {
        krate: STORE,
        may_use: &[TYPES, STATS],
    },
    Edges {
        krate: QUERY,
        may_use: &[TYPES, STORE],
    },
    Edges {
        krate: JUDGE,
        may_use: &[TYPES, STATS, STORE, QUERY, TEMPLATE],
    },
    Edges {
        krate: HTTP,
        may_use: &[],
    },
    Edges {
        krate: COLLECT,
        may_use: &[TYPES, HTTP, WIRE],
    },
    Edges {
        krate: NOTIFY,
        may_use: &[TYPES, CHART, HTTP, TEMPLATE],
    },
    Edges {
        krate: CHART,
        may_use: &[TYPES],
    },
    Edges {
        krate: MACROS,
        may_use: &[],
    },
    Edges {
        krate: ENGINE,
        may_use: BELOW_ENGINE,
    },
    Edges {
        krate: UI,
        may_use: &[],
    },
    Edges {
        krate: SERVER,
        may_use: &[
            ENGINE, UI, TYPES, STATS, TEMPLATE, WIRE, STORE, QUERY, JUDGE, COLLECT, NOTIFY, CHART,
        ],
    },
    Edges {
        krate: "lapwing-python",
        may_use: &[SERVER, ENGINE, TYPES, STORE, QUERY, JUDGE, COLLECT, NOTIFY, CHART],
    },
];

fn run(house: &House) -> Vec<Finding> {
    house
        .crates
        .iter()
        .flat_map(|krate| wrong_edges(house, krate))
        .collect()
}

fn wrong_edges(house: &House, krate: &Crate) -> Vec<Finding> {
    let allowed = EDGES
        .iter()
        .find(|e| e.krate == krate.name)
        .map_or(&[][..], |e| e.may_use);
    let ours = |dep: &str| EDGES.iter().any(|e| e.krate == dep) || house.crates.iter().any(|c| c.name == dep);
    let wrong = krate
        .deps
        .iter()
        .filter(|dep| ours(dep) && **dep != krate.name && !allowed.contains(&dep.as_str()));
    wrong
        .map(|dep| {
            let line = house.dep_line(krate, dep);
            let what = format!("{} must not depend on {dep}", krate.name);
            let remedy =
                "move the shared part downhill, or pass it in (the table is xtask/src/tidy/arrows.rs)";
            Finding::new(&krate.manifest(), line, what, remedy)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(krate: &str, deps: &[&str], wrong: &[&str]) {
        let house = House::of(&[]).with_crate(krate, "crates/x", deps);
        let found: Vec<String> = run(&house).into_iter().map(|f| f.what).collect();
        let expect: Vec<String> = wrong
            .iter()
            .map(|w| format!("{krate} must not depend on {w}"))
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn data_goes_only_downhill() {
        check(STORE, &[TYPES, STATS, "roaring"], &[]);
        check(STORE, &[QUERY], &[QUERY]);
        check(QUERY, &[TYPES, STORE], &[]);
        check(COLLECT, &[WIRE, NOTIFY], &[NOTIFY]);
        check(NOTIFY, &[COLLECT, STORE, TEMPLATE], &[COLLECT, STORE]);
        check(JUDGE, &[NOTIFY, QUERY], &[NOTIFY]);
        check(ENGINE, &[SERVER, UI, JUDGE, NOTIFY], &[SERVER, UI]);
        check(SERVER, &[ENGINE, UI, WIRE], &[]);
    }

    #[test]
    fn a_crate_without_a_line_may_use_none_of_ours() {
        check("lapwing-new", &[TYPES, "serde"], &[TYPES]);
        check("xtask", &["anyhow"], &[]);
    }

    #[test]
    fn a_finding_names_the_line_of_the_manifest() {
        let toml =
            "[package]\nname = \"lapwing-store\"\n[dependencies]\nlapwing-query = { workspace = true }\n";
        let house =
            House::of(&[("crates/store/Cargo.toml", toml)]).with_crate(STORE, "crates/store", &[QUERY]);
        assert_eq!(run(&house)[0].line, 4);
    }

    #[test]
    fn the_table_has_no_cycle() {
        fn visit(name: &str, trail: &mut Vec<String>) {
            assert!(
                !trail.iter().any(|t| t == name),
                "{name} is below itself: {trail:?}"
            );
            trail.push(name.to_owned());
            for edge in EDGES.iter().filter(|e| e.krate == name) {
                edge.may_use.iter().for_each(|dep| visit(dep, trail));
            }
            trail.pop();
        }
        EDGES.iter().for_each(|e| visit(e.krate, &mut Vec::new()));
    }
}
