//! Points that were refused, by metric and reason, for the answer's `partial_success`.

use super::error::{OtlpError, RejectReason, Rejection};
use lapwing_types::LabelsError;

/// Metrics and reasons that are told apart when they are refused.
const REJECTIONS_MAX: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Rejections {
    pub(super) list: Vec<Rejection>,
}

impl Rejections {
    pub(super) fn add(&mut self, metric: &str, reason: &RejectReason, points_count: u64) {
        self.add_series(metric, String::new, reason, points_count);
    }

    /// `series` is asked for the first of them.
    pub(super) fn add_series(
        &mut self,
        metric: &str,
        series: impl FnOnce() -> String,
        reason: &RejectReason,
        points_count: u64,
    ) {
        if points_count == 0 {
            return;
        }
        let mut known = self
            .list
            .iter()
            .position(|r| r.metric == metric && r.reason == *reason);
        if self.list.len() > REJECTIONS_MAX {
            known = known.or(Some(REJECTIONS_MAX));
        }
        if let Some(at) = known {
            self.list[at].points_count += points_count;
            return;
        }
        let (metric, first, reason) = match self.list.len() {
            REJECTIONS_MAX => ("others", String::new(), RejectReason::TooManyReasons),
            _ => (metric, series(), reason.clone()),
        };
        self.list.push(Rejection {
            metric: metric.to_owned(),
            first,
            reason,
            points_count,
        });
    }
}

/// Why taking a point stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is refused, the rest of the request is not.
    Point(RejectReason),
    /// Its attributes are no message: nor is the request.
    Request(OtlpError),
}

impl From<RejectReason> for Stop {
    fn from(reason: RejectReason) -> Self {
        Stop::Point(reason)
    }
}

impl From<LabelsError> for Stop {
    fn from(source: LabelsError) -> Self {
        Stop::Point(RejectReason::Labels(source))
    }
}

impl From<OtlpError> for Stop {
    fn from(error: OtlpError) -> Self {
        Stop::Request(error)
    }
}
