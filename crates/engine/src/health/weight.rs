//! Which events matter most: whose diagnosis is gathered first, and which are forgotten last.
//!
//! A storm is ten thousand changes of state in a second and one reason. So a backlog is worked off by weight (models and the
//! whole first, then root causes, then what merely follows), oldest first within a weight; and the list of events, which is
//! bounded, keeps the newest of every weight before it keeps more of a lighter one. The queue is no longer than the list: an event
//! that is forgotten before its turn leaves both, and is counted.

use super::board::Board;
use super::event::HealthEvent;
use lapwing_judge::health::Cause;

/// Changes of state kept: a bad day of a large house.
const EVENTS_MAX: usize = 1000;
/// Of each weight so many stay, whatever else happens.
const EVENTS_OF_WEIGHT_MIN: usize = EVENTS_MAX / Weight::ALL.len();
/// An event of another day that was left without a diagnosis by a crash is history.
const FRESH_MS: i64 = 3_600_000;

/// The lightest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// It fails because something else does.
    Consequence,
    /// A check is well again, or nothing is known of it.
    Over,
    /// A check of a model, which has an event of its own.
    PartOfModel,
    /// A check that stands alone, and nothing below it fails.
    Root,
    /// A model, its shards, its traffic, or all of them together.
    Whole,
}

impl Weight {
    const ALL: [Weight; 5] = [
        Weight::Consequence,
        Weight::Over,
        Weight::PartOfModel,
        Weight::Root,
        Weight::Whole,
    ];

    /// Whether the store is asked about it; of the others it says what their looks found and of whom they are a part.
    pub(super) fn is_asked_about(self) -> bool {
        self >= Weight::Root
    }
}

impl Board {
    pub(super) fn weight_of(&self, event: &HealthEvent) -> Weight {
        if let Some(Cause::ConsequenceOf { .. }) = self.causes.get(&event.subject) {
            return Weight::Consequence;
        }
        let Some(name) = event.subject.strip_prefix("check/") else {
            return Weight::Whole;
        };
        let check = self.by_name.get(name).map(|i| &self.options.checks[*i]);
        match check {
            _ if !event.is_of_trouble() => Weight::Over,
            Some(spec) if spec.model.is_some() => Weight::PartOfModel,
            _ => Weight::Root,
        }
    }

    /// The event whose diagnosis is gathered next.
    pub(super) fn next_undiagnosed(&mut self) -> Option<(HealthEvent, Weight)> {
        if self.undiagnosed.is_empty() {
            return None;
        }
        // Of what came after the last judgement nobody knows yet what caused it.
        let judged = self.events.iter().take_while(|e| e.id <= self.judged_up_to);
        let waiting = judged.filter(|e| self.undiagnosed.contains(&e.id));
        let chosen = waiting
            .map(|e| (self.weight_of(e), e))
            .max_by_key(|(weight, e)| (*weight, std::cmp::Reverse(e.id)));
        let (weight, event) = chosen.map(|(weight, e)| (weight, e.clone()))?;
        self.undiagnosed.remove(&event.id);
        Some((event, weight))
    }

    /// What a crash left without a diagnosis.
    pub(super) fn resume_diagnoses(&mut self, now_ms: i64) {
        let fresh = self
            .events
            .iter()
            .filter(|e| e.diagnosis.is_null() && now_ms - e.at_ms < FRESH_MS);
        self.undiagnosed = fresh.map(|e| e.id).collect();
        self.judged_up_to = self.next_id;
    }

    /// Forgets the oldest of the lightest where there are too many events.
    pub(super) fn forget_events(&mut self) {
        let mut over = self.events.len().saturating_sub(EVENTS_MAX);
        if over == 0 {
            return;
        }
        let weights: Vec<Weight> = self.events.iter().map(|e| self.weight_of(e)).collect();
        let mut leaving = vec![0; Weight::ALL.len()];
        for (weight, leaving) in Weight::ALL.into_iter().zip(&mut leaving) {
            let count = weights.iter().filter(|w| **w == weight).count();
            *leaving = over.min(count.saturating_sub(EVENTS_OF_WEIGHT_MIN));
            over -= *leaving;
        }
        let mut weights = weights.into_iter();
        let events = std::mem::take(&mut self.events);
        for event in events {
            let weight = weights.next().unwrap_or(Weight::Whole);
            let left = &mut leaving[weight as usize];
            if *left == 0 {
                self.events.push_back(event);
                continue;
            }
            *left -= 1;
            self.rows.remove(&format!("event/{:016}", event.id));
            if self.undiagnosed.remove(&event.id) {
                self.undiagnosed_lost += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{CheckKind, CheckSpec, HealthOptions, ModelPart, ModelSpec, Role};
    use super::*;
    use lapwing_judge::health::CheckPolicy;
    use lapwing_types::{ProbeOutcome, ProbeReason};
    use std::sync::Arc;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn check(name: &str, model: Option<&str>, depends_on: &[&str]) -> CheckSpec {
        CheckSpec {
            model: model.map(|model| ModelPart {
                model: model.to_owned(),
                role: Role::Endpoint,
                part: "http://a".to_owned(),
            }),
            what: CheckKind::CheckIn { deadline_ms: 1000 },
            policy: CheckPolicy {
                failures: 1,
                passes: 1,
                ..CheckPolicy::default()
            },
            depends_on: depends_on.iter().map(|d| (*d).to_owned()).collect(),
            ..CheckSpec::example(name)
        }
    }

    /// A gateway with `children` that depend on it, a check that stands alone, and a model with one check.
    fn house(children: usize) -> Board {
        let children = (0..children).map(|n| check(&format!("child {n:05}"), None, &["gateway"]));
        let mut checks: Vec<CheckSpec> = children.collect();
        checks.push(check("gateway", None, &[]));
        checks.push(check("alone", None, &[]));
        checks.push(check("chat/probe", Some("chat"), &[]));
        let options = HealthOptions {
            checks,
            models: vec![ModelSpec {
                name: "chat".to_owned(),
                endpoints: vec!["http://a".to_owned()],
                ..ModelSpec::default()
            }],
            ..HealthOptions::default()
        };
        Board::new(Arc::new(options), Vec::new(), NOW_MS).0
    }

    /// Everything is well, and a second later everything fails, the children first.
    fn storm(children: usize) -> Board {
        let mut board = house(children);
        for i in 0..board.checks.len() {
            board.finish(i, ProbeOutcome::pass(), NOW_MS);
        }
        board.tick(NOW_MS);
        board.take_changes();
        while board.next_undiagnosed().is_some() {}
        board.undiagnosed_lost = 0;
        let at_ms = NOW_MS + 1000;
        for i in 0..board.checks.len() {
            board.finish(i, ProbeOutcome::fail(ProbeReason::Status, "no"), at_ms);
        }
        board.tick(at_ms);
        board.take_changes();
        board
    }

    #[test]
    fn in_a_storm_models_come_first_then_causes_then_what_follows() {
        let mut board = storm(3000);
        let mut order = Vec::new();
        while let Some((event, weight)) = board.next_undiagnosed() {
            order.push((weight, event.subject));
        }
        let of = |weight: Weight| -> Vec<&str> {
            let mine = order.iter().filter(|(w, _)| *w == weight);
            mine.map(|(_, subject)| subject.as_str()).collect()
        };
        assert!(order.is_sorted_by(|a, b| a.0 >= b.0), "the heaviest first");
        assert_eq!(of(Weight::Whole), ["model/chat", "system"]);
        assert_eq!(of(Weight::Root), ["check/gateway", "check/alone"]);
        assert_eq!(of(Weight::PartOfModel), ["check/chat/probe"]);
        let children = of(Weight::Consequence);
        assert!(!children.is_empty() && children.iter().all(|c| c.starts_with("check/child")));
        assert_eq!(
            children.len() as u64 + board.undiagnosed_lost,
            3000,
            "each is either diagnosed or counted"
        );
    }

    #[test]
    fn a_storm_does_not_push_out_what_it_came_from() {
        let board = storm(3000);
        assert_eq!(board.events.len(), EVENTS_MAX);
        for subject in ["check/gateway", "check/alone", "model/chat", "system"] {
            let bad = board
                .events
                .iter()
                .filter(|e| e.subject == subject && e.at_ms > NOW_MS);
            assert_eq!(bad.count(), 1, "{subject}");
        }
        let rows = board.rows.keys().filter(|k| k.starts_with("event/")).count();
        assert_eq!(rows, EVENTS_MAX, "what is forgotten leaves the disk, too");
    }

    #[test]
    fn what_a_crash_left_undiagnosed_is_gathered_afterwards() {
        let board = storm(3);
        let kept: Vec<(String, String)> = board
            .rows
            .iter()
            .map(|(key, row)| (key.to_owned(), row.to_string()))
            .collect();
        let options = board.options;
        let (mut again, _) = Board::new(options.clone(), kept.clone(), NOW_MS + 5000);
        assert_eq!(
            again.next_undiagnosed().map(|(e, _)| e.subject),
            Some("model/chat".to_owned())
        );
        let (mut later, _) = Board::new(options, kept, NOW_MS + 2 * FRESH_MS);
        assert!(later.next_undiagnosed().is_none());
    }
}
