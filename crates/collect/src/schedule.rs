//! When is which target due? Pure: it is told the time and holds no timer.
//!
//! Each target has a slot in its interval that follows from its identity alone, so that scrapes are spread evenly, a
//! restart or a reload changes nobody's slot, and two Lapwings scrape a target at the same moment. Slots are counted
//! from 1970 rather than from the last scrape: a slow scrape shifts nothing. A slot that passes unused (the process
//! was paused, the clock jumped) is skipped and counted, never caught up.

use std::collections::{BTreeSet, HashMap};

/// Who is scraped: the same over restarts, for the hash is of what the target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId(pub u64);

/// A target whose time has come, and the moment it was meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub id: TargetId,
    pub slot_ms: i64,
}

#[derive(Debug)]
struct Entry {
    interval_ms: i64,
    next_ms: i64,
    missed: u64,
}

/// The slots of all targets.
#[derive(Debug, Default)]
pub struct Schedule {
    entries: HashMap<TargetId, Entry>,
    by_time: BTreeSet<(i64, TargetId)>,
}

impl Schedule {
    pub fn new() -> Self {
        Schedule::default()
    }

    /// Adds a target, or changes its interval; its first slot is the first one from `now_ms` on.
    /// An interval below one millisecond is taken as one.
    pub fn insert(&mut self, id: TargetId, interval_ms: i64, now_ms: i64) {
        let interval_ms = interval_ms.max(1);
        if self
            .entries
            .get(&id)
            .is_some_and(|e| e.interval_ms == interval_ms)
        {
            return;
        }
        let missed = self.remove(id).unwrap_or(0);
        let next_ms = first_slot(id, interval_ms, now_ms);
        self.by_time.insert((next_ms, id));
        let entry = Entry {
            interval_ms,
            next_ms,
            missed,
        };
        self.entries.insert(id, entry);
    }

    /// Forgets a target; gives the number of slots it missed, or `None` when it was not known.
    pub fn remove(&mut self, id: TargetId) -> Option<u64> {
        let entry = self.entries.remove(&id)?;
        self.by_time.remove(&(entry.next_ms, id));
        Some(entry.missed)
    }

    /// Targets whose slot has come, earliest first; each is then scheduled for its first slot after `now_ms`.
    pub fn due(&mut self, now_ms: i64) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(&(slot_ms, id)) = self.by_time.first() {
            if slot_ms > now_ms {
                break;
            }
            self.by_time.pop_first();
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            let skipped = (now_ms - slot_ms) / entry.interval_ms;
            entry.missed += skipped as u64;
            let slot_ms = slot_ms + skipped * entry.interval_ms;
            entry.next_ms = slot_ms + entry.interval_ms;
            self.by_time.insert((entry.next_ms, id));
            due.push(Due { id, slot_ms });
        }
        due
    }

    /// When [`Schedule::due`] will next have something to give; `None` without targets.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.by_time.first().map(|(t, _)| *t)
    }

    /// The clock went backwards: slots are chosen anew, or nothing would be due until it has caught up.
    pub fn rewind(&mut self, now_ms: i64) {
        self.by_time.clear();
        for (id, entry) in &mut self.entries {
            entry.next_ms = first_slot(*id, entry.interval_ms, now_ms);
            self.by_time.insert((entry.next_ms, *id));
        }
    }

    /// Slots of this target that passed unused.
    pub fn missed(&self, id: TargetId) -> u64 {
        self.entries.get(&id).map_or(0, |e| e.missed)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The first moment from `now_ms` on that lies at the target's offset within its interval.
fn first_slot(id: TargetId, interval_ms: i64, now_ms: i64) -> i64 {
    let offset_ms = (id.0 % interval_ms as u64) as i64;
    now_ms + (offset_ms - now_ms).rem_euclid(interval_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn due(schedule: &mut Schedule, now_ms: i64) -> Vec<(u64, i64)> {
        schedule.due(now_ms).iter().map(|d| (d.id.0, d.slot_ms)).collect()
    }

    #[test]
    fn slots_follow_from_the_identity() {
        let mut schedule = Schedule::new();
        schedule.insert(TargetId(3), 10, 100);
        schedule.insert(TargetId(27), 10, 100);
        assert_eq!(schedule.next_due_ms(), Some(103));
        assert_eq!(due(&mut schedule, 102), []);
        assert_eq!(due(&mut schedule, 108), [(3, 103), (27, 107)]);
        assert_eq!(schedule.next_due_ms(), Some(113));

        // A restart at another moment meets the same slots.
        let mut again = Schedule::new();
        again.insert(TargetId(3), 10, 111);
        assert_eq!(again.next_due_ms(), Some(113));
    }

    #[test]
    fn unused_slots_are_skipped_and_counted() {
        let mut schedule = Schedule::new();
        schedule.insert(TargetId(0), 10, 0);
        assert_eq!(due(&mut schedule, 45), [(0, 40)]);
        assert_eq!(schedule.missed(TargetId(0)), 4);
        assert_eq!(due(&mut schedule, 45), []);
        assert_eq!(schedule.next_due_ms(), Some(50), "no drift");
    }

    #[test]
    fn changes_and_clock_jumps() {
        let mut schedule = Schedule::new();
        schedule.insert(TargetId(1), 10, 0);
        schedule.insert(TargetId(1), 10, 7);
        assert_eq!(schedule.next_due_ms(), Some(1), "inserted again is the same");
        schedule.insert(TargetId(1), 100, 7);
        assert_eq!((schedule.next_due_ms(), schedule.len()), (Some(101), 1));
        schedule.rewind(-500);
        assert_eq!(schedule.next_due_ms(), Some(-499));
        assert_eq!(schedule.remove(TargetId(1)), Some(0));
        assert_eq!((schedule.next_due_ms(), schedule.is_empty()), (None, true));
    }

    proptest! {
        #[test]
        fn every_slot_is_used_or_counted(id: u64, interval in 1i64..1000, steps in proptest::collection::vec(0i64..5000, 1..50)) {
            let mut schedule = Schedule::new();
            schedule.insert(TargetId(id), interval, 0);
            let first = schedule.next_due_ms().unwrap();
            let (mut now, mut used) = (0, 0);
            for step in steps {
                now += step;
                for due in schedule.due(now) {
                    prop_assert!(due.slot_ms <= now && now - due.slot_ms < interval);
                    used += 1;
                }
                let passed = if now < first { 0 } else { (now - first) / interval + 1 };
                prop_assert_eq!(used + schedule.missed(TargetId(id)) as i64, passed);
            }
        }
    }
}
