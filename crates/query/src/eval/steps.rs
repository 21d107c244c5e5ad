//! The times at which an expression is evaluated.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start_ms: i64,
    pub(crate) step_ms: i64,
    pub(crate) count: usize,
    /// What was asked for as the end; the last step may lie before it.
    pub(crate) end_ms: i64,
}

impl Steps {
    /// From start to at most end; none when the end lies before the start.
    pub(crate) fn new(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let count = if end_ms < start_ms {
            0
        } else {
            (end_ms.saturating_sub(start_ms) / step_ms.max(1)) as usize + 1
        };
        Steps {
            start_ms,
            step_ms: step_ms.max(1),
            count,
            end_ms,
        }
    }

    pub(crate) fn single(at_ms: i64) -> Self {
        Steps {
            start_ms: at_ms,
            step_ms: 1,
            count: 1,
            end_ms: at_ms,
        }
    }

    #[inline]
    pub(crate) fn at(&self, step: usize) -> i64 {
        self.start_ms + step as i64 * self.step_ms
    }

    pub(crate) fn last_ms(&self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }

    pub(crate) fn times(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |step| self.at(step))
    }
}
