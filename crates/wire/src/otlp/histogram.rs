//! Histograms with explicit bounds: as classic series, or as native histograms with custom buckets.

use super::delta::Total;
use super::error::RejectReason;
use super::model::HistogramPoint;
use crate::classic_buckets::custom;
use lapwing_types::{Counts, Histogram};

/// Counts per bucket between finite, ascending bounds; the last bucket reaches to +Inf.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Explicit {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) bounds: Vec<f64>,
    pub(super) buckets: Vec<u64>,
}

impl From<Explicit> for Total {
    fn from(explicit: Explicit) -> Self {
        Total::Histogram {
            count: explicit.count,
            sum: explicit.sum,
            bounds: explicit.bounds,
            buckets: explicit.buckets,
        }
    }
}

impl Explicit {
    pub(super) fn from_point(point: &HistogramPoint<'_>) -> Result<Self, RejectReason> {
        let (mut bounds, mut buckets) = (point.bounds.clone(), point.buckets.clone());
        if buckets.is_empty() && bounds.is_empty() {
            buckets.push(point.count);
        }
        if buckets.len() != bounds.len() + 1 {
            return Err(RejectReason::BucketMismatch {
                bounds: bounds.len(),
                buckets: buckets.len(),
            });
        }
        if bounds.iter().any(|b| b.is_nan()) || bounds.windows(2).any(|w| w[0] >= w[1]) {
            return Err(RejectReason::BoundsOrder);
        }
        // Some sources list +Inf itself; the bucket above it can only be empty.
        if bounds.last() == Some(&f64::INFINITY) {
            bounds.pop();
            let above = buckets.pop().unwrap_or(0);
            if let Some(last) = buckets.last_mut() {
                *last = last.wrapping_add(above);
            }
        }
        Ok(Explicit {
            count: point.count,
            sum: point.sum,
            bounds,
            buckets,
        })
    }

    /// Bound and cumulative count of each `le`, +Inf included.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut count = 0u64;
        let finite = self.bounds.iter().zip(&self.buckets).map(move |(bound, more)| {
            count = count.wrapping_add(*more);
            (*bound, count)
        });
        finite.chain([(f64::INFINITY, self.count)])
    }

    pub(super) fn to_custom(&self) -> Histogram {
        let counts = Counts::Int {
            count: self.count,
            zero: 0,
            positive: self.buckets.clone(),
            negative: Vec::new(),
        };
        custom(&self.bounds, self.sum.unwrap_or(0.0), counts)
    }
}
