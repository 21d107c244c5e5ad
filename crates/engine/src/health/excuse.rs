//! Why something that fails is not blamed for it: what it depends on fails, is about to be found failing, or has only just come back.
//!
//! 1. A node below a failing one follows from it.
//! 2. While a parent's last looks fail, it is decided first (`blame`).
//! 3. A parent is found well before its children are looked at again: what failed with it is excused for as long as its own next looks
//!    need to find it well. One that fails still speaks for itself then.
//!
//! Who is excused pages nobody, and nothing is repaired for it.

use super::board::Board;
use super::spec::CheckSpec;
use lapwing_judge::health::Cause;
use lapwing_types::HealthState;
use std::collections::BTreeMap;
use std::fmt;

/// In a storm of more of them there are thousands of pages; those tell what the tick of that second found.
const JUDGED_AT_ONCE_MAX: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excuse<'b> {
    Follows { root: &'b str },
    Undecided { parent: &'b str },
    Aftermath { root: &'b str },
}

impl fmt::Display for Excuse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Excuse::Follows { root } => write!(f, "because {root} fails"),
            Excuse::Undecided { parent } => {
                write!(f, "{parent} has begun to fail as well, and is decided first")
            }
            Excuse::Aftermath { root } => {
                write!(
                    f,
                    "{root} is well again, and the next looks tell whether this is, too"
                )
            }
        }
    }
}

/// It failed with this one, which is over, and is excused until then.
#[derive(Clone, Debug)]
pub(super) struct Aftermath {
    root: String,
    until_ms: i64,
}

impl Board {
    pub(super) fn excuse(&self, node: &str, now_ms: i64) -> Option<Excuse<'_>> {
        match self.causes.get(node)? {
            Cause::ConsequenceOf { root } => Some(Excuse::Follows { root }),
            Cause::Root => {
                let undecided = self.wavering_parent(node, now_ms);
                let past = self.aftermath.get(node).filter(|a| now_ms < a.until_ms);
                undecided
                    .map(|parent| Excuse::Undecided { parent })
                    .or(past.map(|a| Excuse::Aftermath { root: &a.root }))
            }
        }
    }

    /// What has just been found failing is excused at once: its causes are looked for with the next tick, and a rule may be quicker.
    pub(super) fn excuse_at_once(&mut self, i: usize, now_ms: i64) {
        if self.fails_with_a_parent(&self.checks[i].node, now_ms) {
            self.checks[i].is_suppressed = true;
            self.has_suppressed = true;
        }
    }

    fn fails_with_a_parent(&self, node: &str, now_ms: i64) -> bool {
        let fails = |parent: &str| self.state_of_node(parent).is_some_and(|(s, _)| s.is_failing());
        self.graph.parents(node).any(fails) || self.wavering_parent(node, now_ms).is_some()
    }

    /// A page that is about to leave tells of everything that happened, and not of what the last tick knew.
    pub(super) fn judge_what_is_new(&mut self, now_ms: i64) {
        if self.judged_up_to < self.next_id && self.checks.len() <= JUDGED_AT_ONCE_MAX {
            self.find_causes(now_ms);
        }
    }

    /// The causes were looked for anew.
    pub(super) fn note_aftermath(&mut self, before: &BTreeMap<String, Cause>, now_ms: i64) {
        let is_root = |node: &String| self.causes.get(node) == Some(&Cause::Root);
        let over: Vec<(String, Aftermath)> = before
            .iter()
            .filter(|(node, _)| is_root(node))
            .filter_map(|(node, cause)| match cause {
                Cause::ConsequenceOf { root } => {
                    let until_ms = now_ms + self.time_to_be_well_ms(node);
                    let root = root.clone();
                    Some((node.clone(), Aftermath { root, until_ms }))
                }
                Cause::Root => None,
            })
            .collect();
        let causes = &self.causes;
        self.aftermath
            .retain(|node, past| now_ms < past.until_ms && causes.get(node) == Some(&Cause::Root));
        self.aftermath.extend(over);
    }

    fn time_to_be_well_ms(&self, node: &str) -> i64 {
        let of = |spec: &CheckSpec| {
            let passes = i64::from(spec.policy.passes.max(1));
            passes * spec.interval_ms + 2 * spec.timeout_ms
        };
        let checks = &self.options.checks;
        match node.split_once('/') {
            Some(("model", name)) => {
                let of_model = self.model_at(name).map(|m| &self.models[m].checks);
                let each = of_model.into_iter().flatten().map(|i| of(&checks[*i]));
                each.max().unwrap_or(0)
            }
            Some((_, name)) => self.by_name.get(name).map_or(0, |i| of(&checks[*i])),
            None => 0,
        }
    }

    /// A node's state, and since when.
    pub(super) fn state_of_node(&self, node: &str) -> Option<(HealthState, i64)> {
        let (kind, name) = node.split_once('/')?;
        if kind == "model" {
            let row = &self.models[self.model_at(name)?].row;
            return Some((row.state, row.since_ms));
        }
        let state = &self.checks[*self.by_name.get(name)?].row.state;
        Some((state.state, state.since_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::HealthOptions;
    use super::*;
    use lapwing_judge::health::CheckPolicy;
    use lapwing_types::{ProbeOutcome, ProbeReason, WriteBatch};
    use std::sync::Arc;

    const T: i64 = 1_700_000_000_000;
    const CHILD: usize = 0;
    const PARENT: usize = 1;

    /// Both fail with their second bad look; the parent is well with one good look, its child with three of them.
    fn family() -> Board {
        let check = |name: &str, passes: u32, depends_on: &[&str]| CheckSpec {
            policy: CheckPolicy {
                failures: 2,
                passes,
                ..CheckPolicy::default()
            },
            depends_on: depends_on.iter().map(|d| (*d).to_owned()).collect(),
            ..CheckSpec::example(name)
        };
        let options = HealthOptions {
            checks: vec![check("child", 3, &["parent"]), check("parent", 1, &[])],
            ..HealthOptions::default()
        };
        let mut board = Board::new(Arc::new(options), Vec::new(), T).0;
        second(&mut board, 0, &[]);
        for n in 1..=3 {
            second(&mut board, n, &[PARENT, CHILD]);
        }
        board
    }

    fn second(board: &mut Board, n: i64, failing: &[usize]) {
        for i in [PARENT, CHILD] {
            let outcome = match failing.contains(&i) {
                true => ProbeOutcome::fail(ProbeReason::Refused, "no"),
                false => ProbeOutcome::pass(),
            };
            board.finish(i, outcome, T + n * 1000);
        }
        board.tick(T + n * 1000);
    }

    fn excuse(board: &Board, n: i64) -> Option<Excuse<'_>> {
        board.excuse("check/child", T + n * 1000)
    }

    const FOLLOWS: Excuse<'_> = Excuse::Follows { root: "check/parent" };
    const AFTERMATH: Excuse<'_> = Excuse::Aftermath { root: "check/parent" };

    #[test]
    fn whose_parent_came_back_first_is_not_blamed_meanwhile() {
        let mut board = family();
        assert_eq!(excuse(&board, 3), Some(FOLLOWS));
        second(&mut board, 4, &[CHILD]);
        assert_eq!(excuse(&board, 4), Some(AFTERMATH));
        assert!(board.checks[CHILD].is_suppressed);
        for n in 5..=6 {
            second(&mut board, n, &[]);
            assert_eq!(
                excuse(&board, n),
                Some(AFTERMATH),
                "its streak is not long enough yet"
            );
        }
        second(&mut board, 7, &[]);
        assert_eq!(excuse(&board, 7), None, "it is well");
        assert!(!board.checks[CHILD].is_suppressed);
        second(&mut board, 8, &[CHILD]);
        second(&mut board, 9, &[CHILD]);
        assert_eq!(excuse(&board, 9), None, "that is another story");
        assert!(!board.checks[CHILD].is_suppressed);
    }

    #[test]
    fn who_still_fails_after_its_time_speaks_for_itself() {
        let mut board = family();
        for n in 4..=7 {
            second(&mut board, n, &[CHILD]);
            assert_eq!(excuse(&board, n), Some(AFTERMATH), "{n}");
        }
        second(&mut board, 8, &[CHILD]);
        assert_eq!(excuse(&board, 8), None);
        assert!(!board.checks[CHILD].is_suppressed);
    }

    /// A rule that looks between the look and the tick must not see a failure that nothing excuses.
    #[test]
    fn it_is_excused_before_its_failure_can_be_seen() {
        let mut board = family();
        for n in 4..=9 {
            second(&mut board, n, &[]);
        }
        let bad = || ProbeOutcome::fail(ProbeReason::Refused, "no");
        for (n, i) in [(10, PARENT), (10, CHILD), (11, CHILD)] {
            board.batch = WriteBatch::default();
            board.finish(i, bad(), T + n * 1000);
        }
        let value = |name: &str| {
            let mut all = board.batch.series.iter();
            let found = all.find(|s| s.labels.get("__name__") == Some(name));
            found.map(|s| s.samples[0].value)
        };
        assert_eq!(value("lapwing_health_state"), Some(2.0));
        assert_eq!(value("lapwing_health_suppressed"), Some(1.0));
    }
}
