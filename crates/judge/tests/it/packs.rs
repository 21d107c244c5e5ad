//! The built-in packs: every one is read, has a test file, and its tests pass.

use lapwing_judge::lint::{Facts, LintReason, lint};
use lapwing_judge::packs::{PACKS, Pack};
use lapwing_judge::rules::{NoSeries, Replay, RulesOptions};
use lapwing_judge::testing::{TestFile, run_case};
use lapwing_query::promql::parse;
use std::collections::BTreeSet;

fn groups(file: &TestFile) -> Vec<lapwing_judge::rules::RuleGroup> {
    let named = file
        .packs
        .iter()
        .map(|p| Pack::find(&p.value).expect("a pack of that name"));
    named
        .map(|p| p.group(&[], &RulesOptions::default()).unwrap())
        .collect()
}

#[test]
fn every_pack_passes_its_own_tests() {
    for pack in PACKS {
        let path = format!(
            "{}/../../packs/tests/{}.yml",
            env!("CARGO_MANIFEST_DIR"),
            pack.name
        );
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let file = TestFile::parse(&path, &text).unwrap();
        assert!(!file.tests.is_empty() && file.packs[0].value == pack.name);
        for test in &file.tests {
            let failures = run_case(&file, &test.value, (groups(&file), 0), &mut |_, _| {});
            assert_eq!(failures, [], "{path}: {}", test.value.name);
        }
    }
}

#[test]
fn packs_are_quiet_where_nothing_is_measured() {
    let groups = PACKS
        .iter()
        .map(|p| p.group(&[], &RulesOptions::default()).unwrap())
        .collect();
    let mut replay = Replay::new(groups, RulesOptions::default(), &NoSeries, 0);
    let replayed = replay.run((0, 7_200_000), &mut |_, _| {});
    assert!(replayed.evaluations > 1_000);
    assert_eq!((replayed.intervals, replayed.failures.len()), (Vec::new(), 0));
}

#[test]
fn the_linter_has_nothing_to_say_about_packs() {
    for pack in PACKS {
        for rule in pack.group(&[], &RulesOptions::default()).unwrap().rules {
            let found = lint(&parse(&rule.expr).unwrap(), &Facts::default(), &BTreeSet::new());
            // What sticks is asked for its changes beside.
            let wrong: Vec<_> = found
                .iter()
                .filter(|f| f.reason != LintReason::StickyCode)
                .collect();
            assert!(wrong.is_empty(), "{}: {wrong:?}", rule.name);
        }
    }
}

#[test]
fn a_rule_can_be_switched_off() {
    let pack = Pack::find("host").unwrap();
    let all = pack.group(&[], &RulesOptions::default()).unwrap();
    let fewer = pack
        .group(&["host_cpu_busy".to_owned()], &RulesOptions::default())
        .unwrap();
    assert_eq!(all.rules.len(), fewer.rules.len() + 1);
    assert_eq!((all.name.as_str(), all.file.as_str()), ("host", "packs/host.yml"));
}
