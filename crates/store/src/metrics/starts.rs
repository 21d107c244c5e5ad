//! When the counter behind each sample began, as a list of changes: a start holds from the time of the sample that told it
//! until another one does. Sources tell it with every sample and change it when they start anew, so the list is short.

use crate::source::{SeriesPoints, UNKNOWN_START};

/// From a time on, the start that holds: [`UNKNOWN_START`] where nobody told one.
pub(crate) type StartChange = (i64, i64);

/// The starts of one series.
///
/// The log has what samples told, and behind a late one a mark that what held before goes on ([`UNKNOWN_START`]). What that was
/// is worked out again on replay: changes leave with a flush, and come back with their samples should its blocks not outlive a
/// crash, so whoever wrote the mark may have known less.
#[derive(Clone, Debug)]
pub(crate) struct Starts {
    /// Ascending by time, each time once.
    changes: Vec<StartChange>,
    /// The newest sample that told a start; not known after a restart.
    told_ms: Option<i64>,
    /// Before this changes may have left.
    whole_from_ms: i64,
    /// On replay: what held where the last sample told something else.
    before: i64,
}

impl Default for Starts {
    fn default() -> Self {
        Starts {
            changes: Vec::new(),
            told_ms: None,
            whole_from_ms: i64::MIN,
            before: UNKNOWN_START,
        }
    }
}

impl Starts {
    /// As a checkpoint has them: changes before the first one may have left.
    pub(crate) fn kept(changes: Vec<StartChange>) -> Self {
        let mut starts = Starts::default();
        changes.into_iter().for_each(|change| starts.put(change));
        starts.whole_from_ms = starts.changes.first().map_or(i64::MIN, |c| c.0);
        starts
    }

    pub(crate) fn changes(&self) -> &[StartChange] {
        &self.changes
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.changes.capacity() * size_of::<StartChange>()
    }

    /// Notes that the sample at `t_ms` of a series told `start_ms`; returns what the log has to say of it: nothing, or one or two
    /// changes for [`Starts::replay`].
    pub(crate) fn note(&mut self, t_ms: i64, start_ms: i64, newest_ms: i64) -> Vec<StartChange> {
        let told_ms = match self.told_ms {
            Some(told_ms) => told_ms,
            None if self.changes.is_empty() => i64::MIN,
            None => newest_ms,
        };
        self.told_ms = Some(told_ms.max(t_ms));
        let in_force = self.at(t_ms);
        if in_force == start_ms && t_ms >= self.whole_from_ms {
            return Vec::new();
        }
        let mut logged = vec![(t_ms, start_ms)];
        self.put((t_ms, start_ms));
        // What others told about the time behind a late sample stays.
        let behind_ms = t_ms.saturating_add(1);
        if t_ms < told_ms && !self.has(behind_ms) {
            logged.push((behind_ms, UNKNOWN_START));
            self.put((behind_ms, in_force));
        }
        self.changes.dedup_by_key(|c| c.1);
        logged
    }

    /// Takes up what [`Starts::note`] gave to the log.
    pub(crate) fn replay(&mut self, (from_ms, start_ms): StartChange) {
        if start_ms != UNKNOWN_START {
            self.before = self.at(from_ms);
            self.put((from_ms, start_ms));
        } else if !self.has(from_ms) {
            self.put((from_ms, self.before));
        }
    }

    /// What holds at a time.
    fn at(&self, t_ms: i64) -> i64 {
        let later = self.changes.partition_point(|(from_ms, _)| *from_ms <= t_ms);
        later
            .checked_sub(1)
            .map_or(UNKNOWN_START, |at| self.changes[at].1)
    }

    fn has(&self, t_ms: i64) -> bool {
        self.changes.binary_search_by_key(&t_ms, |c| c.0).is_ok()
    }

    fn put(&mut self, (from_ms, start_ms): StartChange) {
        match self.changes.binary_search_by_key(&from_ms, |c| c.0) {
            Ok(at) => self.changes[at].1 = start_ms,
            Err(at) => self.changes.insert(at, (from_ms, start_ms)),
        }
    }

    /// Leaves what holds from `t_ms` on.
    pub(crate) fn forget_before(&mut self, t_ms: i64) {
        let before = self.changes.len();
        forget_before(&mut self.changes, t_ms);
        if let Some((from_ms, _)) = self.changes.first().filter(|_| self.changes.len() < before) {
            self.whole_from_ms = self.whole_from_ms.max(*from_ms);
        }
    }
}

/// Leaves what holds from `t_ms` on.
fn forget_before(changes: &mut Vec<StartChange>, t_ms: i64) {
    let later = changes.partition_point(|(from_ms, _)| *from_ms <= t_ms);
    changes.drain(..later.saturating_sub(1));
}

/// What holds in a range (its end excluded), the first change brought to where the range begins.
pub(crate) fn cut(changes: &[StartChange], range: std::ops::Range<i64>) -> Vec<StartChange> {
    let mut kept = changes.to_vec();
    kept.retain(|(from_ms, _)| *from_ms < range.end);
    forget_before(&mut kept, range.start);
    if let Some((from_ms, _)) = kept.first_mut() {
        *from_ms = range.start.max(*from_ms);
    }
    kept
}

/// Of two stretches of one series whose samples may lie among each other: a change says nothing of the samples of the other
/// stretch, so each sample takes its start along. At equal times the newer one counts, if it tells one.
pub(crate) fn merge(
    (older, older_ms): (&[StartChange], &[i64]),
    (newer, newer_ms): (&[StartChange], &[i64]),
) -> Vec<StartChange> {
    let mut told: Vec<StartChange> = Vec::with_capacity(older_ms.len() + newer_ms.len());
    for (changes, times_ms) in [(older, older_ms), (newer, newer_ms)] {
        let mut starts_ms = Vec::with_capacity(times_ms.len());
        tell_each(changes, times_ms.iter(), 0, &mut starts_ms);
        told.extend(times_ms.iter().copied().zip(starts_ms));
    }
    told.sort_by_key(|(t_ms, _)| *t_ms);
    told.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same && next.1 != UNKNOWN_START {
            kept.1 = next.1;
        }
        same
    });
    let mut in_force = UNKNOWN_START;
    told.retain(|(_, start_ms)| std::mem::replace(&mut in_force, *start_ms) != *start_ms);
    told
}

/// Says of the floats and the histograms from the given ones on when their counters began.
pub(crate) fn tell(changes: &[StartChange], (float, histogram): (usize, usize), out: &mut SeriesPoints) {
    if changes.is_empty() {
        return;
    }
    tell_each(changes, out.times_ms[float..].iter(), float, &mut out.starts_ms);
    if out.histograms.len() > histogram {
        let times = out.histograms[histogram..].iter().map(|h| &h.0);
        tell_each(changes, times, histogram, &mut out.histogram_starts_ms);
    }
}

fn tell_each<'a>(
    changes: &[StartChange],
    times_ms: impl Iterator<Item = &'a i64>,
    first: usize,
    starts_ms: &mut Vec<i64>,
) {
    starts_ms.resize(first, UNKNOWN_START);
    let mut rest = changes;
    let mut in_force = UNKNOWN_START;
    for t_ms in times_ms {
        while let [(from_ms, start_ms), later @ ..] = rest
            && from_ms <= t_ms
        {
            in_force = *start_ms;
            rest = later;
        }
        starts_ms.push(in_force);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn told(changes: &[StartChange], times_ms: &[i64]) -> Vec<i64> {
        let mut points = SeriesPoints {
            times_ms: times_ms.to_vec(),
            values: vec![0.0; times_ms.len()],
            histograms: times_ms.iter().map(|t| (*t, Arc::default())).collect(),
            ..SeriesPoints::default()
        };
        tell(changes, (0, 0), &mut points);
        points.starts_ms.resize(times_ms.len(), UNKNOWN_START);
        points.histogram_starts_ms.resize(times_ms.len(), UNKNOWN_START);
        assert_eq!(points.histogram_starts_ms, points.starts_ms);
        points.starts_ms
    }

    proptest! {
        #[test]
        fn each_sample_keeps_the_start_it_told(
            samples in proptest::collection::vec((0i64..60, 1i64..4, prop::bool::weighted(0.05)), 1..40),
            range in (0i64..60, 0i64..60),
        ) {
            let mut starts = Starts::default();
            let mut log: Vec<StartChange> = Vec::new();
            let mut expect: BTreeMap<i64, i64> = BTreeMap::new();
            for (t_ms, start_ms, restart) in samples {
                expect.insert(t_ms, start_ms);
                let newest_ms = expect.keys().next_back().copied().unwrap();
                log.extend(starts.note(t_ms, start_ms, newest_ms));
                if restart {
                    starts = Starts::default();
                    log.iter().for_each(|change| starts.replay(*change));
                }
                let changes = starts.changes();
                prop_assert!(changes.is_sorted_by(|a, b| a.0 < b.0), "{:?}", changes);
                let (times_ms, starts_ms): (Vec<i64>, Vec<i64>) = expect.iter().unzip();
                prop_assert_eq!(told(changes, &times_ms), starts_ms);
            }
            let (odd, even): (Vec<(i64, i64)>, Vec<_>) = expect.clone().into_iter().partition(|(t, _)| t % 2 == 1);
            let mut parts = Vec::new();
            for part in [odd, even] {
                let mut starts = Starts::default();
                for (t_ms, start_ms) in &part {
                    starts.note(*t_ms, *start_ms, *t_ms);
                }
                parts.push((starts.changes, part.into_iter().map(|p| p.0).collect::<Vec<_>>()));
            }
            let merged = merge((&parts[0].0, &parts[0].1), (&parts[1].0, &parts[1].1));
            let (times_ms, starts_ms): (Vec<i64>, Vec<i64>) = expect.iter().unzip();
            prop_assert_eq!(told(&merged, &times_ms), starts_ms);
            let (from_ms, to_ms) = (range.0.min(range.1), range.0.max(range.1));
            let (times_ms, starts_ms): (Vec<i64>, Vec<i64>) = expect.range(from_ms..to_ms).unzip();
            prop_assert_eq!(told(&cut(starts.changes(), from_ms..to_ms), &times_ms), starts_ms);
            starts.forget_before(from_ms);
            let (times_ms, starts_ms): (Vec<i64>, Vec<i64>) = expect.range(from_ms..).unzip();
            prop_assert_eq!(told(starts.changes(), &times_ms), starts_ms);
        }

        /// What left with a flush comes back from the log, when its blocks do not outlive a crash.
        #[test]
        fn the_log_knows_more_than_who_forgot(
            samples in proptest::collection::vec((0i64..60, 1i64..4, prop::option::weighted(0.2, 0i64..60)), 1..40),
        ) {
            let (mut starts, mut replayed) = (Starts::default(), Starts::default());
            let mut expect: BTreeMap<i64, i64> = BTreeMap::new();
            for (t_ms, start_ms, forget_ms) in samples {
                expect.insert(t_ms, start_ms);
                let newest_ms = expect.keys().next_back().copied().unwrap();
                starts.note(t_ms, start_ms, newest_ms).into_iter().for_each(|change| replayed.replay(change));
                if let Some(forget_ms) = forget_ms {
                    starts.forget_before(forget_ms.min(newest_ms));
                }
            }
            let (times_ms, starts_ms): (Vec<i64>, Vec<i64>) = expect.iter().unzip();
            prop_assert_eq!(told(replayed.changes(), &times_ms), starts_ms);
        }
    }
}
