//! A child that fails before its parent: what was said of it before its cause was known is put right.
//!
//! 1. While a parent's last looks fail and its streak is not long enough yet, its child pages nobody: either the parent fails in a
//!    moment and is the cause, or it passes and the child speaks for itself. That takes as long as the parent needs to be decided and no
//!    longer; a parent that is not looked at any more holds nobody back.
//! 2. When the parent is found failing, the diagnosis that its child has already is given the cause.

use super::board::Board;
use super::event::HealthEvent;
use super::spec::CheckKind;
use lapwing_judge::health::Cause;
use lapwing_types::HealthState;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

impl Board {
    /// Of what this node depends on, one that has begun to fail and has not failed yet.
    pub(super) fn wavering_parent(&self, node: &str, now_ms: i64) -> Option<&str> {
        let failing_ms = now_ms - self.state_of_node(node)?.1;
        let is_wavering = |i: &usize| self.is_wavering(*i, failing_ms, now_ms);
        self.graph
            .parents(node)
            .find(|parent| match parent.split_once('/') {
                Some(("model", name)) => {
                    let model = self.model_at(name);
                    model.is_some_and(|m| self.models[m].checks.iter().any(is_wavering))
                }
                Some((_, name)) => self.by_name.get(name).is_some_and(is_wavering),
                None => false,
            })
    }

    /// `failing_ms` is for how long its child has failed: a parent that fails now and then must not hold it back for ever.
    fn is_wavering(&self, i: usize, failing_ms: i64, now_ms: i64) -> bool {
        let (spec, live) = (&self.options.checks[i], &self.checks[i]);
        let state = &live.row.state;
        let fresh_ms = 2 * spec.interval_ms + spec.timeout_ms;
        let decided_ms = i64::from(spec.policy.failures) * spec.interval_ms + 2 * spec.timeout_ms;
        matches!(spec.what, CheckKind::Probe(_))
            && state.failing > 0
            && !state.state.is_failing()
            && now_ms - state.seen_ms <= fresh_ms
            && failing_ms <= decided_ms
    }

    /// Puts into the diagnoses what was learnt since they were made.
    pub(super) fn tell_of_causes(&mut self, before: &BTreeMap<String, Cause>) {
        let learnt: BTreeMap<&str, &str> = self
            .causes
            .iter()
            .filter(|(node, cause)| before.get(*node) != Some(cause))
            .filter_map(|(node, cause)| match cause {
                Cause::ConsequenceOf { root } => Some((node.as_str(), root.as_str())),
                Cause::Root => None,
            })
            .collect();
        if learnt.is_empty() {
            return;
        }
        // The last event of each: what it was before is another story.
        let mut newest: HashMap<&str, usize> = HashMap::new();
        for (at, event) in self.events.iter().enumerate() {
            if learnt.contains_key(event.subject.as_str()) {
                newest.insert(&event.subject, at);
            }
        }
        let found: Vec<(usize, String)> = newest
            .into_iter()
            .filter_map(|(subject, at)| Some((at, (*learnt.get(subject)?).to_owned())))
            .collect();
        for (at, root) in found {
            self.name_cause(at, root);
        }
    }

    /// A diagnosis that is still to be made finds the cause by itself.
    fn name_cause(&mut self, at: usize, root: String) {
        let event = &mut self.events[at];
        let Value::Object(diagnosis) = &mut event.diagnosis else {
            return;
        };
        if !is_failure(&event.to) {
            return;
        }
        diagnosis.insert("cause".to_owned(), Value::String(root));
        self.keep_event(at);
    }

    /// What was found out while the causes may have changed.
    pub(super) fn cause_of(&self, event: &HealthEvent) -> Option<&str> {
        match self.causes.get(&event.subject) {
            Some(Cause::ConsequenceOf { root }) if is_failure(&event.to) => Some(root),
            _ => None,
        }
    }
}

fn is_failure(state: &str) -> bool {
    [HealthState::Unhealthy, HealthState::Critical]
        .iter()
        .any(|failing| failing.as_str() == state)
}

#[cfg(test)]
mod tests {
    use super::super::spec::{CheckSpec, HealthOptions};
    use super::*;
    use lapwing_collect::probe::{Probe, TcpProbe};
    use lapwing_judge::health::CheckPolicy;
    use lapwing_types::{AlertEventKind, Labels, ProbeOutcome, ProbeReason};
    use serde_json::json;
    use std::sync::Arc;

    const T: i64 = 1_700_000_000_000;
    const CHILD: usize = 0;
    const PARENT: usize = 1;

    fn check(name: &str, (failures, address): (u32, &str), depends_on: &[&str]) -> CheckSpec {
        CheckSpec {
            what: Probe::Tcp(Box::new(TcpProbe {
                address: Some(address.to_owned()),
                ..TcpProbe::default()
            }))
            .into(),
            policy: CheckPolicy {
                failures,
                ..CheckPolicy::default()
            },
            depends_on: depends_on.iter().map(|d| (*d).to_owned()).collect(),
            ..CheckSpec::example(name)
        }
    }

    fn board_of(checks: Vec<CheckSpec>) -> Board {
        let options = HealthOptions {
            checks,
            ..HealthOptions::default()
        };
        Board::new(Arc::new(options), Vec::new(), T).0
    }

    /// The child fails with its second bad look, its parent with its fourth; a look a second.
    fn family() -> Board {
        let here = "127.0.0.1:1";
        let mut board = board_of(vec![
            check("child", (2, here), &["parent"]),
            check("parent", (4, here), &[]),
        ]);
        for i in [CHILD, PARENT] {
            board.finish(i, ProbeOutcome::pass(), T);
        }
        board.tick(T);
        board
    }

    fn second(board: &mut Board, n: i64, failing: &[usize]) {
        for i in [CHILD, PARENT] {
            let outcome = match failing.contains(&i) {
                true => ProbeOutcome::fail(ProbeReason::Refused, "no"),
                false => ProbeOutcome::pass(),
            };
            board.finish(i, outcome, T + n * 1000);
        }
        board.tick(T + n * 1000);
    }

    /// Everything that waits is diagnosed, as far as the board itself knows.
    fn diagnose(board: &mut Board) {
        while let Some((event, _)) = board.next_undiagnosed() {
            board.diagnosed(event.id, json!({ "looks": {} }));
        }
    }

    fn cause(board: &Board) -> Option<&str> {
        let mut events = board.events.iter().rev();
        let event = events.find(|e| e.subject == "check/child")?;
        event.diagnosis["cause"].as_str()
    }

    fn told(board: &Board, kind: AlertEventKind) -> String {
        let labels = Labels::from_pairs([("check", "child")]).unwrap();
        let subject = board.subject_of(&labels).unwrap();
        let told = board.tell(&subject, kind, T + 9000).into_iter();
        told.map(|(_, text)| text).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_child_that_failed_first_is_given_its_cause() {
        let mut board = family();
        for n in 1..=2 {
            second(&mut board, n, &[CHILD]);
        }
        diagnose(&mut board);
        assert_eq!(cause(&board), None);
        assert!(
            !board.checks[CHILD].is_suppressed,
            "its parent is well: it speaks for itself"
        );

        second(&mut board, 3, &[CHILD, PARENT]);
        assert!(
            board.checks[CHILD].is_suppressed,
            "held back until its parent is decided"
        );
        assert_eq!(cause(&board), None);
        for n in 4..=6 {
            second(&mut board, n, &[CHILD, PARENT]);
        }
        assert_eq!(cause(&board), Some("check/parent"));
        let kept = board
            .rows
            .iter()
            .filter(|(key, row)| key.starts_with("event/") && row["diagnosis"]["cause"] == "check/parent");
        assert_eq!(kept.count(), 1, "on the disk, too");
        assert!(board.checks[CHILD].is_suppressed && !board.checks[PARENT].is_suppressed);
        assert!(told(&board, AlertEventKind::Firing).contains("it follows from check/parent"));
        let over = told(&board, AlertEventKind::Resolved);
        assert!(
            over.contains("child still fails") && over.contains("check/parent"),
            "an alert that ends in favour of another says so: {over}"
        );
    }

    #[test]
    fn a_parent_that_only_wavered_holds_nobody_back_for_long() {
        let mut board = family();
        for n in 1..=2 {
            second(&mut board, n, &[CHILD, PARENT]);
        }
        assert!(board.checks[CHILD].is_suppressed);
        second(&mut board, 3, &[CHILD]);
        assert!(!board.checks[CHILD].is_suppressed, "its parent passed");
        second(&mut board, 4, &[CHILD, PARENT]);
        assert!(board.checks[CHILD].is_suppressed);
        board.tick(T + 7000);
        assert!(
            !board.checks[CHILD].is_suppressed,
            "its parent is looked at no more"
        );
        for n in [8, 10] {
            second(&mut board, n, &[CHILD]);
            second(&mut board, n + 1, &[CHILD, PARENT]);
            assert!(
                !board.checks[CHILD].is_suppressed,
                "it had its time to be decided"
            );
        }
    }

    /// The tick that would find that our own network is down comes a second later: too late for the streak that is long enough now.
    #[test]
    fn the_network_is_looked_at_before_anybody_is_blamed() {
        let far = |n: u32| check(&format!("c{n}"), (2, &format!("10.0.0.{n}:1")), &[]);
        let mut board = board_of((1..=3).map(far).collect());
        let silent = || ProbeOutcome::fail(ProbeReason::Timeout, "silence");
        for n in 0..2 {
            (0..3).for_each(|i| board.finish(i, silent(), T + n * 1000));
        }
        let states =
            |board: &Board| -> Vec<HealthState> { board.checks.iter().map(|c| c.row.state.state).collect() };
        assert!(board.is_network_down);
        assert_eq!(states(&board), [HealthState::Unknown; 3]);
        // An answer from one of them, and the others are to blame.
        board.finish(0, ProbeOutcome::pass(), T + 2000);
        board.tick(T + 2000);
        for n in 3..5 {
            (1..3).for_each(|i| board.finish(i, silent(), T + n * 1000));
        }
        assert_eq!(states(&board)[1..], [HealthState::Unhealthy; 2]);
    }

    #[test]
    fn a_diagnosis_that_was_under_way_knows_the_cause() {
        let mut board = family();
        for n in 1..=2 {
            second(&mut board, n, &[CHILD]);
        }
        let mut waiting = Vec::new();
        while let Some((event, _)) = board.next_undiagnosed() {
            waiting.push(event.id);
        }
        for n in 3..=6 {
            second(&mut board, n, &[CHILD, PARENT]);
        }
        for id in waiting {
            board.diagnosed(id, json!({ "looks": {} }));
        }
        assert_eq!(cause(&board), Some("check/parent"));
    }
}
