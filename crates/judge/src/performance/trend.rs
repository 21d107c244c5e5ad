//! Whether a quantity rises, falls or stays.
//!
//! The seed divided by the mean of the first half, which failed for a quantity that began at zero, and had a pair of its
//! arguments swapped. Here a rise from zero is a rise.

use crate::quantile::mean;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrendWord {
    Increasing,
    Decreasing,
    Stable,
    TooFewReadings,
}

impl TrendWord {
    pub fn as_str(self) -> &'static str {
        match self {
            TrendWord::Increasing => "increasing",
            TrendWord::Decreasing => "decreasing",
            TrendWord::Stable => "stable",
            TrendWord::TooFewReadings => "too_few_readings",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    pub quantity: String,
    pub word: TrendWord,
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// Relative to the first half; absent when that was zero.
    pub change: Option<f64>,
    pub readings: usize,
}

/// Compares the mean of the earlier half with that of the later; `values` in the order of time.
pub fn trend(quantity: &str, values: &[f64], (readings_min, change_min): (usize, f64)) -> Trend {
    let values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let mut found = Trend {
        quantity: quantity.to_owned(),
        word: TrendWord::TooFewReadings,
        before: None,
        after: None,
        change: None,
        readings: values.len(),
    };
    if values.len() < readings_min.max(2) {
        return found;
    }
    let (first, second) = values.split_at(values.len() / 2);
    let (Some(before), Some(after)) = (mean(first), mean(second)) else {
        return found;
    };
    found.before = Some(before);
    found.after = Some(after);
    let difference = after - before;
    if before == 0.0 {
        found.word = word(difference, 0.0);
        return found;
    }
    let change = difference / before.abs();
    found.change = Some(change);
    found.word = word(change, change_min);
    found
}

fn word(change: f64, least: f64) -> TrendWord {
    if change > least {
        TrendWord::Increasing
    } else if change < -least {
        TrendWord::Decreasing
    } else {
        TrendWord::Stable
    }
}

/// The slope of the least-squares line per reading, relative to the mean: what a monitor says beside an alert.
pub fn slope_trend(values: &[f64]) -> (TrendWord, f64) {
    let values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let Some(mean_y) = mean(&values).filter(|_| values.len() >= 3) else {
        return (TrendWord::TooFewReadings, 0.0);
    };
    let mean_x = (values.len() - 1) as f64 / 2.0;
    let (mut above, mut below) = (0.0, 0.0);
    for (i, y) in values.iter().enumerate() {
        let x = i as f64 - mean_x;
        above += x * (y - mean_y);
        below += x * x;
    }
    let slope = above / below;
    let relative = slope / (mean_y.abs() + 1e-8);
    (word(relative, 0.01), relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f64], expect: TrendWord) {
        assert_eq!(trend("x", values, (10, 0.1)).word, expect, "{values:?}");
    }

    #[test]
    fn halves_are_compared() {
        let ramp: Vec<f64> = (0..20).map(f64::from).collect();
        let fall: Vec<f64> = ramp.iter().rev().copied().collect();
        check(&ramp, TrendWord::Increasing);
        check(&fall, TrendWord::Decreasing);
        check(&[5.0; 12], TrendWord::Stable);
        check(&[1.0, 2.0, 3.0], TrendWord::TooFewReadings);
    }

    /// Seed 3 divided by the mean of the first half.
    #[test]
    fn a_quantity_that_begins_at_zero_has_a_trend() {
        let mut values = vec![0.0; 6];
        values.extend([1.0; 6]);
        let found = trend("x", &values, (10, 0.1));
        assert_eq!((found.word, found.change), (TrendWord::Increasing, None));
        check(&[0.0; 12], TrendWord::Stable);
    }

    #[test]
    fn slopes() {
        assert_eq!(slope_trend(&[1.0, 2.0, 3.0]).0, TrendWord::Increasing);
        assert_eq!(slope_trend(&[1.0, 2.0]).0, TrendWord::TooFewReadings);
        assert_eq!(slope_trend(&[-1.0, -2.0, -3.0]).0, TrendWord::Decreasing);
    }
}
