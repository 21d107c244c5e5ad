//! What is normal, and whether a value is worse than that.

use crate::Direction;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub metric: String,
    pub value: f64,
    #[serde(default)]
    pub direction: Option<Direction>,
}

/// What a pipeline's name may be followed by in the name of its baseline.
const SUFFIXES: &[&str] = &[
    "",
    "_latency",
    "_execution_time",
    "_time",
    "_duration",
    "_duration_seconds",
    "_latency_seconds",
    "_seconds",
];

impl Baseline {
    /// A name that says nothing is that of a pipeline or of a step, and what is measured of one is how long it takes.
    pub fn direction(&self) -> Direction {
        self.direction
            .or_else(|| Direction::of_name(&self.metric))
            .unwrap_or(Direction::Lower)
    }

    /// Whether it is about how long this pipeline takes.
    pub fn is_time_of(&self, pipeline: &str) -> bool {
        self.metric
            .strip_prefix(pipeline)
            .is_some_and(|rest| SUFFIXES.contains(&rest))
    }
}

/// A value beside its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    pub metric: String,
    pub value: f64,
    pub baseline: f64,
    pub direction: Direction,
    /// Relative; positive is worse. Absent when the baseline is zero.
    pub worsening: Option<f64>,
    pub degraded: bool,
}

/// `tolerance` is relative: 0.2 lets a value be a fifth worse. Any worsening from zero is one.
pub fn compare(baseline: &Baseline, value: f64, tolerance: f64) -> Compared {
    let direction = baseline.direction();
    let worse_by = direction.worsening(value, baseline.value);
    let worsening = (baseline.value != 0.0).then(|| worse_by / baseline.value.abs());
    Compared {
        metric: baseline.metric.clone(),
        value,
        baseline: baseline.value,
        direction,
        worsening,
        degraded: match worsening {
            Some(relative) => relative > tolerance,
            None => worse_by > 0.0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(metric: &str, (baseline, value): (f64, f64), degraded: bool) {
        let baseline = Baseline {
            metric: metric.to_owned(),
            value: baseline,
            direction: None,
        };
        assert_eq!(compare(&baseline, value, 0.2).degraded, degraded, "{metric}");
    }

    #[test]
    fn worse_has_a_direction() {
        check("inference_latency", (0.05, 0.07), true);
        check("inference_latency", (0.05, 0.04), false);
        check("throughput", (1000.0, 700.0), true);
        check("throughput", (1000.0, 2000.0), false);
        check("errors", (0.0, 1.0), true);
        check("errors", (0.0, 0.0), false);
    }

    /// Seed 4 looked its baselines up by the pipeline's bare name, so its own example never matched.
    #[test]
    fn a_baseline_finds_its_pipeline() {
        let of = |metric: &str| Baseline {
            metric: metric.to_owned(),
            value: 1.0,
            direction: None,
        };
        assert!(of("inference_latency").is_time_of("inference"));
        assert!(of("inference").is_time_of("inference"));
        assert!(!of("inference_throughput").is_time_of("inference"));
        assert!(!of("inference2").is_time_of("inference"));
    }
}
