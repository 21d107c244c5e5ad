//! Whether a difference is more than noise: the rank test of Mann and Whitney, one-sided, with its normal approximation
//! corrected for ties and continuity.
//!
//! Ranks and not means, because latencies have tails: one slow request must not fail a gate, nor hide a shift.

use serde::{Deserialize, Serialize};

/// What the noise model said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum Noise {
    /// Too few values on one side: only the thresholds decide.
    TooFewValues { least: usize },
    /// How likely so large a worsening is by chance.
    MannWhitney { p: f64 },
}

/// The probability of seeing ranks of `worse` at least this far above those of `better` if both came from one
/// distribution. Values must be free of NaN.
pub fn mann_whitney_p(worse: &[f64], better: &[f64]) -> f64 {
    let (n, m) = (worse.len() as f64, better.len() as f64);
    if worse.is_empty() || better.is_empty() {
        return 1.0;
    }
    let mut all: Vec<(f64, bool)> = worse
        .iter()
        .map(|v| (*v, true))
        .chain(better.iter().map(|v| (*v, false)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut rank_sum = 0.0;
    let mut ties = 0.0;
    let mut at = 0;
    while at < all.len() {
        let same = all[at..].iter().take_while(|v| v.0 == all[at].0).count();
        // Ranks count from 1; equals share the middle of theirs.
        let rank = at as f64 + (same as f64 + 1.0) / 2.0;
        rank_sum += rank * all[at..at + same].iter().filter(|v| v.1).count() as f64;
        let t = same as f64;
        ties += t * t * t - t;
        at += same;
    }
    let u = rank_sum - n * (n + 1.0) / 2.0;
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (u - n * m / 2.0 - 0.5) / variance.sqrt();
    upper_tail(z)
}

/// P(Z > z), by the complementary error function in Chebyshev form (relative error below 1.2e-7).
fn upper_tail(z: f64) -> f64 {
    const C: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x.abs());
    let poly = C.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let erfc = t * (-x * x + poly).exp();
    (if x >= 0.0 { erfc } else { 2.0 - erfc }) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_normal_distribution() {
        assert!((upper_tail(0.0) - 0.5).abs() < 1e-6);
        assert!((upper_tail(1.959_964) - 0.025).abs() < 1e-6);
        assert!((upper_tail(-1.644_854) - 0.95).abs() < 1e-6);
    }

    /// Against SciPy 1.x: `mannwhitneyu(x, y, alternative="greater", method="asymptotic")`.
    #[test]
    fn agrees_with_scipy() {
        let x = [5.1, 4.9, 6.2, 5.8, 6.0, 5.5];
        let y = [4.1, 4.4, 5.0, 4.2, 4.8, 4.6];
        assert!(
            (mann_whitney_p(&x, &y) - 0.004_1).abs() < 3e-4,
            "{}",
            mann_whitney_p(&x, &y)
        );
        assert!(mann_whitney_p(&y, &x) > 0.99);
        assert_eq!(mann_whitney_p(&[1.0; 5], &[1.0; 5]), 1.0);
    }

    #[test]
    fn one_outlier_is_noise_and_a_shift_is_not() {
        let base: Vec<f64> = (0..20).map(|i| 100.0 + f64::from(i % 5)).collect();
        let mut outlier = base.clone();
        outlier[0] = 10_000.0;
        let shifted: Vec<f64> = base.iter().map(|v| v + 4.0).collect();
        assert!(mann_whitney_p(&outlier, &base) > 0.05);
        assert!(mann_whitney_p(&shifted, &base) < 0.001);
    }
}
