//! Where an extended window begins and ends among the samples around it, and what the starts of a counter say about that.
//!
//! Where a counter began anew between the two samples around an end of the window, three things can be:
//!
//! 1. It began before the end: there it was zero (`anchored`), or on the line from zero at its start to the later sample
//!    (`smoothed`). Nothing of the earlier sample is left.
//! 2. It began behind the end: there it still was what the earlier sample says, and begins anew inside of the window, or not
//!    before the window is over.
//! 3. There is no earlier sample within the lookback, but the start is: as 1, and zero where it began inside of the window.
//!
//! So the increases of neighbouring windows add up to what the counter counted.

use super::Window;
use super::rate::began_anew;
use lapwing_store::UNKNOWN_START;

/// What the counter was at an end of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edge {
    /// No start lies between the samples around it: they alone tell.
    Untold,
    /// This part of the later sample.
    Begun(f64),
    /// What the earlier sample says.
    Held,
}

/// Samples of one kind: when they were taken and when their counters began.
pub(super) struct Counted<'a> {
    pub(super) time: &'a dyn Fn(usize) -> i64,
    pub(super) count: usize,
    /// Empty where starts are of no interest.
    pub(super) starts: &'a [i64],
}

impl Counted<'_> {
    pub(super) fn began_anew(&self, at: usize) -> bool {
        began_anew(self.time, self.starts, at)
    }

    /// When the counter behind a sample began, if after the sample before it; of the first one, if that can be seen.
    fn begins(&self, at: usize, seen_from_ms: i64) -> Option<i64> {
        if at > 0 {
            return self.began_anew(at).then(|| self.starts[at]);
        }
        let start = self.starts.first().copied().filter(|s| *s != UNKNOWN_START)?;
        (start > seen_from_ms && start < (self.time)(0)).then_some(start)
    }
}

/// The samples that a window is made of.
pub(super) struct Ends {
    /// The newest one at or before the window's start, or the first one of all.
    pub(super) first: usize,
    /// The first one behind the window's start.
    pub(super) next: usize,
    /// The newest one at or before the window's end; for `smoothed` the first one at or behind it, where there is one.
    pub(super) last: usize,
    /// `last` lies behind the window's end.
    pub(super) is_beyond: bool,
    pub(super) at_start: Edge,
    pub(super) at_end: Edge,
}

impl Ends {
    /// Nothing where the window is empty.
    pub(super) fn of(window: &Window<'_>, counted: &Counted<'_>) -> Option<Ends> {
        let (time, start_ms, end_ms) = (counted.time, window.start_ms, window.end_ms);
        let mut last = counted.count.checked_sub(1)?;
        let search =
            |until: usize, f: &dyn Fn(i64) -> bool| (0..until).find(|i| f(time(*i))).unwrap_or(until);
        let first = search(last, &|t| t > start_ms).saturating_sub(1);
        if window.smoothed {
            last = search(last, &|t| t >= end_ms);
        }
        let begins = |at| counted.begins(at, window.seen_from_ms);
        let only_later = time(first) > end_ms && begins(first).is_none_or(|begun| begun >= end_ms);
        if time(last) <= start_ms || only_later {
            return None;
        }
        let next = first + usize::from(time(first) <= start_ms);
        let edge = |later: usize, edge_ms: i64| match begins(later) {
            None => Edge::Untold,
            Some(begun) if begun > edge_ms && later > 0 => Edge::Held,
            Some(begun) if begun < edge_ms && window.smoothed => {
                Edge::Begun((edge_ms - begun) as f64 / (time(later) - begun) as f64)
            }
            Some(_) => Edge::Begun(0.0),
        };
        let is_beyond = time(last) > end_ms;
        Some(Ends {
            first,
            next,
            last,
            is_beyond,
            at_start: edge(next, start_ms),
            at_end: match is_beyond {
                true => edge(last, end_ms),
                false => Edge::Untold,
            },
        })
    }

    /// The samples inside of the window.
    pub(super) fn inside(&self) -> std::ops::Range<usize> {
        let behind = match self.is_beyond {
            true => self.last,
            false => self.last + 1,
        };
        self.next..behind
    }

    /// Whether a start says that the counter began anew inside of the window, between a sample in it and the one before.
    pub(super) fn begins_at(&self, at: usize, counted: &Counted<'_>) -> bool {
        match at == self.next {
            true => self.at_start == Edge::Held,
            false => counted.began_anew(at),
        }
    }

    /// Whether a start says that the counter began anew between the last sample in the window and the window's end.
    pub(super) fn begins_at_end(&self) -> bool {
        let begun_before = self.next == self.last && self.at_start != Edge::Held;
        matches!(self.at_end, Edge::Begun(_)) && !begun_before
    }
}
