//! When a group is due: at `k · interval + phase`, for every k, each slot once and in order.

use super::group::{RuleGroup, RulesOptions};

/// The slots to evaluate now, ascending, and how many were given up for being too old.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) slots_ms: Vec<i64>,
    pub(crate) skipped: u64,
    /// More are due than one tick may take.
    pub(crate) more: bool,
}

/// The last slot at or before `now_ms`.
pub(crate) fn slot_before(group: &RuleGroup, now_ms: i64) -> i64 {
    let (interval, phase) = (group.interval_ms.max(1), group.phase_ms());
    (now_ms - phase).div_euclid(interval) * interval + phase
}

pub(crate) fn due(group: &RuleGroup, last_slot_ms: i64, now_ms: i64, options: &RulesOptions) -> Due {
    let interval = group.interval_ms.max(1);
    let newest = slot_before(group, now_ms);
    // With a new interval or phase the next slot may stand anywhere; it only has to be later than the last.
    let mut first = slot_before(group, last_slot_ms) + interval;
    let mut due = Due::default();
    let oldest = slot_before(group, now_ms - options.catch_up_max_ms) + interval;
    if first < oldest {
        due.skipped = u64::try_from((oldest - first) / interval).unwrap_or(0);
        first = oldest;
    }
    while first <= newest {
        if due.slots_ms.len() == options.slots_per_tick_max.max(1) {
            due.more = true;
            break;
        }
        due.slots_ms.push(first);
        first += interval;
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> RuleGroup {
        RuleGroup {
            file: "f".to_owned(),
            name: "g".to_owned(),
            interval_ms: 15_000,
            query_offset_ms: 0,
            limit: 0,
            phase_ms: None,
            rules: Vec::new(),
        }
    }

    #[test]
    fn every_slot_once_and_in_order() {
        let (group, options) = (group(), RulesOptions::default());
        let start = slot_before(&group, 1_000_000_000);
        let mut last = start;
        let mut seen = Vec::new();
        for now in (1_000_000_000..1_000_200_000).step_by(7_000) {
            let due = due(&group, last, now, &options);
            assert_eq!(due.skipped, 0);
            last = due.slots_ms.last().copied().unwrap_or(last);
            seen.extend(due.slots_ms);
        }
        let expect: Vec<i64> = (1..=seen.len() as i64).map(|k| start + k * 15_000).collect();
        assert_eq!(seen, expect);
        assert!(seen.len() >= 12);
    }

    #[test]
    fn missed_slots_are_caught_up_within_the_bound() {
        let (group, options) = (group(), RulesOptions::default());
        let start = slot_before(&group, 1_000_000_000);
        let due_after = |pause_ms: i64| due(&group, start, start + pause_ms, &options);
        assert_eq!(due_after(14_999).slots_ms.len(), 0);
        assert_eq!(
            due_after(60_000).slots_ms,
            [15_000, 30_000, 45_000, 60_000].map(|d| start + d)
        );
        let long = due_after(2 * 3_600_000);
        assert!(long.more);
        assert_eq!(long.skipped, 240);
        assert_eq!(long.slots_ms[0], start + 3_600_000 + 15_000);
    }

    #[test]
    fn groups_are_spread_over_the_interval_and_stand_still() {
        let phase = |name: String| RuleGroup { name, ..group() }.phase_ms();
        let phases: Vec<i64> = (0..200).map(|i| phase(format!("g{i}"))).collect();
        assert!(phases.iter().all(|p| (0..15_000).contains(p)));
        for quarter in 0..4 {
            let inside = phases.iter().filter(|p| **p / 3_750 == quarter).count();
            assert!((25..=75).contains(&inside), "quarter {quarter}: {inside} of 200");
        }
        let again: Vec<i64> = (0..200).map(|i| phase(format!("g{i}"))).collect();
        assert_eq!(phases, again, "a restart moves no group");
    }
}
