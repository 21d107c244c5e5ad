//! Whether a difference is more than noise. Two models, both one-sided, and doubled where nobody says which side:
//!
//! - the rank test of Mann and Whitney, with its normal approximation corrected for ties and continuity. Ranks and not means, because
//!   latencies have tails: one slow request must not fail a gate, nor hide a shift. What is taken unless something else is said.
//! - the bootstrap of the difference of the means: for metrics whose tail is the point (cost, energy, a mean that somebody pays for), and
//!   because it tells how large the change is, as an interval, and not only that there is one. The same values give the same answer: what it
//!   draws comes from a generator that begins at the same place each time.

use serde::{Deserialize, Serialize};

/// What the noise model said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum Noise {
    /// Too few values on one side: only the thresholds decide.
    TooFewValues { least: usize },
    /// How likely so large a worsening is by chance.
    MannWhitney { p: f64 },
    /// The same of the means, and between which bounds the relative change lies (in 90 of 100 draws; absent beside a baseline of zero).
    Bootstrap { p: f64, interval: Option<(f64, f64)> },
}

impl Noise {
    pub fn p(&self) -> Option<f64> {
        match self {
            Noise::TooFewValues { .. } => None,
            Noise::MannWhitney { p } | Noise::Bootstrap { p, .. } => Some(*p),
        }
    }

    /// The same where a change either way would have been looked at.
    pub(super) fn two_sided(mut self) -> Self {
        if let Noise::MannWhitney { p } | Noise::Bootstrap { p, .. } = &mut self {
            *p = (*p * 2.0).min(1.0);
        }
        self
    }
}

/// Which of the two is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseModel {
    #[default]
    MannWhitney,
    Bootstrap,
}

impl NoiseModel {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "mann-whitney" | "mann_whitney" => Some(NoiseModel::MannWhitney),
            "bootstrap" => Some(NoiseModel::Bootstrap),
            _ => None,
        }
    }
}

const DRAWS_MAX: usize = 2_000;
const DRAWS_MIN: usize = 200;
/// Values drawn for one metric: a tenth of a second.
const DRAWN_MAX: usize = 10_000_000;

/// Draws both runs again and again with replacement. `worsening` says by how much a mean is worse than another. The p is the share of draws
/// in which nothing got worse; the interval is that of the change itself, as measured.
pub fn bootstrap(before: &[f64], now: &[f64], worsening: impl Fn(f64, f64) -> f64) -> Noise {
    let draws = (DRAWN_MAX / (before.len() + now.len()).max(1)).clamp(DRAWS_MIN, DRAWS_MAX);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut changes = Vec::with_capacity(draws);
    let mut not_worse = 0;
    for _ in 0..draws {
        let (b, n) = (random.mean_of(before), random.mean_of(now));
        if worsening(n, b) <= 0.0 {
            not_worse += 1;
        }
        if b != 0.0 {
            changes.push((n - b) / b.abs());
        }
    }
    changes.sort_by(f64::total_cmp);
    let at = |share: f64| changes[((changes.len() - 1) as f64 * share).round() as usize];
    Noise::Bootstrap {
        // One is added to both: a finite number of draws never shows that something is impossible.
        p: (not_worse + 1) as f64 / (draws + 1) as f64,
        interval: (changes.len() == draws).then(|| (at(0.05), at(0.95))),
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to draw values.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The mean of as many values as there are, drawn with replacement.
    fn mean_of(&mut self, values: &[f64]) -> f64 {
        let n = values.len() as u64;
        let sum: f64 = (0..n)
            .map(|_| values[((u128::from(self.next()) * u128::from(n)) >> 64) as usize])
            .sum();
        sum / n as f64
    }
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

    fn worse_is_higher(now: f64, before: f64) -> f64 {
        now - before
    }

    #[test]
    fn the_bootstrap_tells_a_shift_and_how_large_it_is() {
        let base: Vec<f64> = (0..30).map(|i| 100.0 + f64::from(i % 7)).collect();
        let shifted: Vec<f64> = base.iter().map(|v| v * 1.1).collect();
        let Noise::Bootstrap { p, interval } = bootstrap(&base, &shifted, worse_is_higher) else {
            panic!("not the bootstrap");
        };
        assert!(p < 0.01, "{p}");
        let (low, high) = interval.unwrap();
        assert!(low < 0.1 && 0.1 < high && high - low < 0.05, "{low} {high}");
        let same = bootstrap(&base, &base, worse_is_higher);
        assert!(same.p().unwrap() > 0.3, "{same:?}");
        // And the same again: a gate that opens at the second attempt is none.
        assert_eq!(
            bootstrap(&base, &shifted, worse_is_higher),
            bootstrap(&base, &shifted, worse_is_higher)
        );
    }

    /// Values without a shift fail at about the rate that was asked for: 5 of 100, at alpha 0.05.
    #[test]
    fn the_bootstrap_is_not_more_sure_than_it_may_be() {
        let mut random = Random(7);
        let mut sample = || -> Vec<f64> { (0..20).map(|_| (random.next() >> 40) as f64).collect() };
        let wrong = (0..200)
            .filter(|_| bootstrap(&sample(), &sample(), worse_is_higher).p().unwrap() <= 0.05)
            .count();
        assert!((2..=24).contains(&wrong), "{wrong} of 200");
    }

    #[test]
    fn a_baseline_of_zeros_has_no_relative_interval() {
        let found = bootstrap(&[0.0; 6], &[1.0; 6], worse_is_higher);
        assert!(
            matches!(found, Noise::Bootstrap { p, interval: None } if p < 0.01),
            "{found:?}"
        );
    }
}
