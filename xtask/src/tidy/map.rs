//! ARCHITECTURE.md's map names every crate and no other, and the page stays short enough to be read.

use super::house::{File, House};
use super::{Check, Finding};

pub(super) const CHECK: Check = Check {
    name: "map",
    rule: "ARCHITECTURE.md lists every crate and no other, in at most 300 lines",
    excusable: true,
    run,
};

const MAP: &str = "ARCHITECTURE.md";
const LINES_MAX: usize = 300;

fn run(house: &House) -> Vec<Finding> {
    let Some(map) = house.file(MAP) else {
        return vec![Finding::new(
            MAP,
            1,
            "no map",
            "write the rooms of the house down",
        )];
    };
    let mut findings = Vec::new();
    let lines = map.text.lines().count();
    if lines > LINES_MAX {
        let what = format!("{lines} lines, {LINES_MAX} are allowed");
        findings.push(Finding::new(
            MAP,
            LINES_MAX + 1,
            what,
            "move detail into the head of the module it is about",
        ));
    }
    let rooms = rooms(map);
    for krate in &house.crates {
        if !rooms.iter().any(|(_, dir)| *dir == krate.dir) {
            let what = format!("`{}` is not on the map", krate.dir);
            findings.push(Finding::new(
                MAP,
                1,
                what,
                "give it a row: what question does it answer?",
            ));
        }
    }
    for (line, dir) in rooms.iter().filter(|(_, dir)| dir.starts_with("crates/")) {
        if !house.crates.iter().any(|c| c.dir == *dir) {
            // The path of this finding is the room, so that a room under way can be on record by its name.
            findings.push(Finding::new(
                dir,
                *line,
                format!("{MAP} lists a crate that is not there"),
                "delete its row",
            ));
        }
    }
    findings
}

/// The rooms: what stands in backquotes in the first cell of a table row.
fn rooms(map: &File) -> Vec<(usize, &str)> {
    let mut rooms = Vec::new();
    for (i, line) in map.text.lines().enumerate() {
        let Some(cell) = line
            .trim_start()
            .strip_prefix('|')
            .and_then(|row| row.split('|').next())
        else {
            continue;
        };
        if let Some(dir) = cell.split('`').nth(1) {
            rooms.push((i + 1, dir.trim_end_matches('/')));
        }
    }
    rooms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(map: &str, crates: &[&str], expect: &[&str]) {
        let house = crates
            .iter()
            .fold(House::of(&[(MAP, map)]), |h, dir| h.with_crate(dir, dir, &[]));
        let found: Vec<String> = run(&house)
            .iter()
            .map(|f| format!("{}:{}: {}", f.path, f.line, f.what))
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn map_and_crates_agree() {
        let map = "# Map\n| room | for |\n|---|---|\n| `crates/a` (`x`) | `crates/b` |\n| `xtask` | chores |\n| `ui/` | |\n";
        check(map, &["crates/a", "xtask"], &[]);
        check(
            map,
            &["crates/a", "xtask", "crates/b"],
            &["ARCHITECTURE.md:1: `crates/b` is not on the map"],
        );
        check(
            map,
            &["xtask"],
            &["crates/a:4: ARCHITECTURE.md lists a crate that is not there"],
        );
    }

    #[test]
    fn the_page_stays_short() {
        check(
            &"x\n".repeat(301),
            &[],
            &["ARCHITECTURE.md:301: 301 lines, 300 are allowed"],
        );
    }
}
