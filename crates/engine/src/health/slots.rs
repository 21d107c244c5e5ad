//! When which check is due: its slots, which follow from its name, so that a restart or a reload changes nobody's; and one look
//! soon after it is new, where its next slot may be an hour away.

use super::spec::HealthOptions;
use lapwing_collect::schedule::{Schedule, TargetId};
use lapwing_types::Labels;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// When which check of these options is due.
#[derive(Default)]
pub(super) struct Slots {
    pub(super) options: Arc<HealthOptions>,
    schedule: Schedule,
    indexes: HashMap<TargetId, usize>,
    /// Of those that are new and seldom looked at: their first look does not wait for their slot.
    first: BTreeSet<(i64, TargetId)>,
}

/// A new check is looked at within this time, however long its interval is.
const FIRST_LOOK_MS: i64 = 10_000;

/// A look whose time has come.
pub(super) struct Turn {
    pub(super) i: usize,
    pub(super) slot_ms: i64,
    pub(super) is_first: bool,
}

impl Slots {
    /// Checks that stay keep the slot they wait for.
    pub(super) fn follow(&mut self, options: Arc<HealthOptions>, now_ms: i64) {
        let before = std::mem::take(&mut self.indexes);
        for (i, spec) in options.checks.iter().enumerate() {
            let labels = Labels::from_pairs([("check", spec.name.as_str())]).unwrap_or_default();
            let id = TargetId(labels.stable_hash());
            self.schedule.insert(id, spec.interval_ms, now_ms);
            self.indexes.insert(id, i);
            let was = before.get(&id).and_then(|i| self.options.checks.get(*i));
            if spec.interval_ms > FIRST_LOOK_MS && was != Some(spec) {
                let wait_ms = (id.0 % FIRST_LOOK_MS.unsigned_abs()).cast_signed();
                self.first.insert((now_ms + wait_ms, id));
            }
        }
        for id in before.into_keys().filter(|id| !self.indexes.contains_key(id)) {
            self.schedule.remove(id);
        }
        self.options = options;
    }

    pub(super) fn due(&mut self, now_ms: i64) -> Vec<Turn> {
        let slots = self.schedule.due(now_ms).into_iter();
        let mut due: Vec<(TargetId, i64, bool)> = slots.map(|d| (d.id, d.slot_ms, false)).collect();
        while let Some((at_ms, id)) = self.first.first().copied().filter(|(at, _)| *at <= now_ms) {
            self.first.pop_first();
            due.push((id, at_ms, true));
        }
        let known = due.into_iter().filter_map(|(id, slot_ms, is_first)| {
            Some(Turn {
                i: *self.indexes.get(&id)?,
                slot_ms,
                is_first,
            })
        });
        known.collect()
    }

    /// The clock went back.
    pub(super) fn rewind(&mut self, now_ms: i64) {
        self.schedule.rewind(now_ms);
        let ids: Vec<TargetId> = self.first.iter().map(|(_, id)| *id).collect();
        self.first = ids.into_iter().map(|id| (now_ms, id)).collect();
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        let first = self.first.first().map(|(at_ms, _)| *at_ms);
        self.schedule.next_due_ms().into_iter().chain(first).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{CheckKind, CheckSpec};
    use super::*;

    fn check(name: &str, interval_ms: i64, deadline_ms: i64) -> CheckSpec {
        CheckSpec {
            what: CheckKind::CheckIn { deadline_ms },
            interval_ms,
            ..CheckSpec::example(name)
        }
    }

    fn options(checks: Vec<CheckSpec>) -> Arc<HealthOptions> {
        Arc::new(HealthOptions {
            checks,
            ..HealthOptions::default()
        })
    }

    #[test]
    fn what_is_new_does_not_wait_for_an_hour() {
        let now_ms = 1_700_000_000_000;
        let mut slots = Slots::default();
        let hourly = |deadline_ms| check("hourly", 3_600_000, deadline_ms);
        slots.follow(options(vec![hourly(1), check("often", 1000, 1)]), now_ms);
        let first = |slots: &mut Slots, now_ms: i64| {
            let due = slots.due(now_ms).into_iter().filter(|t| t.is_first);
            due.map(|t| t.i).collect::<Vec<_>>()
        };
        assert!(slots.next_ms().is_some_and(|at| at <= now_ms + 1000));
        assert_eq!(first(&mut slots, now_ms + FIRST_LOOK_MS), [0]);
        slots.follow(options(vec![hourly(1)]), now_ms + 20_000);
        assert!(
            first(&mut slots, now_ms + 40_000).is_empty(),
            "it is no longer new"
        );
        slots.follow(options(vec![hourly(2)]), now_ms + 50_000);
        assert_eq!(
            first(&mut slots, now_ms + 70_000),
            [0],
            "what asks something else is new"
        );
        slots.follow(options(vec![hourly(3)]), now_ms + 80_000);
        slots.follow(options(Vec::new()), now_ms + 80_001);
        assert!(first(&mut slots, now_ms + 99_000).is_empty());
    }
}
