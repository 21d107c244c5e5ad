//! Each metric of both runs gets a verdict; the gate is open when none of them fails it.

use super::noise::{Noise, NoiseModel, bootstrap, mann_whitney_p};
use super::points::{GateOptions, Missing, Points, Series};
use crate::Direction;
use crate::quantile::mean;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Same,
    Better,
    /// Worse than allowed, and surely so.
    Worse,
    /// Worse than allowed on average, and not more than noise.
    WithinNoise,
    /// It stands in this run only.
    NoBaseline,
    /// It stands in the baseline only.
    NoValue,
    /// It has values that are not finite.
    NotFinite,
    /// Shown, never judged.
    Info,
}

/// A condition over the run itself, asked of a server by whoever calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub expr: String,
    pub holds: bool,
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub metric: String,
    pub verdict: Verdict,
    /// Which way is better; absent where neither the run nor the name says so: then a change either way is worse.
    pub direction: Option<Direction>,
    pub unit: Option<String>,
    pub baseline: Option<f64>,
    pub current: Option<f64>,
    /// Relative, signed as measured; absent when the baseline is zero.
    pub change: Option<f64>,
    /// The relative worsening that is allowed.
    pub allowed: f64,
    /// The baseline is zero, so that only the absolute threshold could decide.
    pub zero_baseline: bool,
    pub noise: Option<Noise>,
    pub fails: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    pub passed: bool,
    pub baseline: String,
    pub rows: Vec<Row>,
    pub conditions: Vec<Condition>,
}

impl Row {
    /// Whether there was something on both sides to look at.
    fn was_compared(&self) -> bool {
        match self.verdict {
            Verdict::NoBaseline | Verdict::NoValue => false,
            Verdict::NotFinite => self.fails,
            _ => true,
        }
    }
}

impl GateReport {
    /// Adds what a server answered.
    pub fn with_conditions(mut self, conditions: Vec<Condition>) -> Self {
        self.conditions = conditions;
        self.decided()
    }

    /// Whether run and baseline have nothing in common: such a gate would be open whatever happened. Conditions alone are a gate as well.
    pub fn nothing_compared(&self) -> bool {
        let only_conditions = self.rows.is_empty() && !self.conditions.is_empty();
        !only_conditions && !self.rows.iter().any(Row::was_compared)
    }

    fn decided(mut self) -> Self {
        let fails = self.rows.iter().any(|r| r.fails) || self.conditions.iter().any(|c| !c.holds);
        self.passed = !fails && !self.nothing_compared();
        self
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|r| r.verdict == verdict).count()
    }
}

pub fn gate(name: &str, baseline: &Points, current: &Points, options: &GateOptions) -> GateReport {
    let names: BTreeSet<&String> = baseline.metrics.keys().chain(current.metrics.keys()).collect();
    let rows: Vec<Row> = names
        .into_iter()
        .map(|metric| {
            let sides = (baseline.metrics.get(metric), current.metrics.get(metric));
            judge(metric, sides, options)
        })
        .collect();
    GateReport {
        passed: false,
        baseline: name.to_owned(),
        rows,
        conditions: Vec::new(),
    }
    .decided()
}

fn judge(metric: &str, sides: (Option<&Series>, Option<&Series>), options: &GateOptions) -> Row {
    let special = options.metrics.get(metric);
    let of_side = |pick: fn(&Series) -> Option<Direction>| sides.1.and_then(pick).or(sides.0.and_then(pick));
    let direction = special
        .and_then(|s| s.direction)
        .or_else(|| of_side(|s| s.direction))
        .or_else(|| Direction::of_name(metric));
    let allowed = special.and_then(|s| s.relative).unwrap_or(options.relative);
    let least = special.and_then(|s| s.absolute).unwrap_or(options.absolute);
    let average = |side: Option<&Series>| side.and_then(|s| mean(&s.values));
    let mut row = Row {
        metric: metric.to_owned(),
        verdict: Verdict::Same,
        direction,
        unit: sides.1.or(sides.0).and_then(|s| s.unit.clone()),
        baseline: average(sides.0),
        current: average(sides.1),
        change: None,
        allowed,
        zero_baseline: false,
        noise: None,
        fails: false,
    };
    let missing_fails = options.missing == Missing::Fail;
    let (Some(before), Some(now)) = (row.baseline, row.current) else {
        let no_value = row.current.is_none();
        row.verdict = if no_value {
            Verdict::NoValue
        } else {
            Verdict::NoBaseline
        };
        row.fails = missing_fails && direction != Some(Direction::Info);
        return row;
    };
    row.zero_baseline = before == 0.0;
    if !row.zero_baseline && before.is_finite() && now.is_finite() {
        row.change = Some((now - before) / before.abs());
    }
    if direction == Some(Direction::Info) {
        row.verdict = Verdict::Info;
        return row;
    }
    if !before.is_finite() || !now.is_finite() {
        row.verdict = Verdict::NotFinite;
        row.fails = !now.is_finite();
        return row;
    }
    let way = direction.unwrap_or(if now > before {
        Direction::Lower
    } else {
        Direction::Higher
    });
    let worse_by = way.worsening(now, before);
    let too_much = |by: f64| by > least && (row.zero_baseline || by / before.abs() > allowed);
    let (worse, better) = (too_much(worse_by), too_much(-worse_by));
    row.verdict = match (worse, better) {
        (false, false) => Verdict::Same,
        (false, true) => Verdict::Better,
        (true, _) => {
            let noise = noise(sides, way, options);
            // A change that was not foretold has two ways to come about by chance.
            let noise = noise.map(|n| if direction.is_none() { n.two_sided() } else { n });
            row.noise = noise;
            match noise {
                Some(noise) if noise.p().is_some_and(|p| p > options.alpha) => Verdict::WithinNoise,
                _ => Verdict::Worse,
            }
        }
    };
    row.fails = row.verdict == Verdict::Worse;
    row
}

fn noise(
    (before, now): (Option<&Series>, Option<&Series>),
    direction: Direction,
    options: &GateOptions,
) -> Option<Noise> {
    let (before, now) = (&before?.values, &now?.values);
    let least = before.len().min(now.len());
    if least < options.values_min.max(2) {
        return Some(Noise::TooFewValues { least });
    }
    if options.noise == NoiseModel::Bootstrap {
        return Some(bootstrap(before, now, |now, before| {
            direction.worsening(now, before)
        }));
    }
    let p = match direction {
        Direction::Higher => mann_whitney_p(before, now),
        _ => mann_whitney_p(now, before),
    };
    Some(Noise::MannWhitney { p })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(baseline: &str, current: &str, verdict: Verdict, passed: bool) {
        let report = gate(
            "main",
            &Points::parse(baseline).unwrap(),
            &Points::parse(current).unwrap(),
            &GateOptions::default(),
        );
        assert_eq!(report.rows[0].verdict, verdict, "{baseline} {current}");
        assert_eq!(report.passed, passed, "{baseline} {current}");
    }

    #[test]
    fn worse_has_a_direction() {
        check(r#"{"latency": 1}"#, r#"{"latency": 1.2}"#, Verdict::Worse, false);
        check(r#"{"latency": 1}"#, r#"{"latency": 0.8}"#, Verdict::Better, true);
        check(
            r#"{"throughput": 100}"#,
            r#"{"throughput": 80}"#,
            Verdict::Worse,
            false,
        );
        check(
            r#"{"throughput": 100}"#,
            r#"{"throughput": 120}"#,
            Verdict::Better,
            true,
        );
        check(r#"{"latency": 1}"#, r#"{"latency": 1.04}"#, Verdict::Same, true);
        check(r#"{"reward": -2}"#, r#"{"reward": -3}"#, Verdict::Worse, false);
    }

    /// Seed 4's gate skipped both silently.
    #[test]
    fn missing_and_zero_baselines_are_named() {
        let (a, b) = (r#"{"latency": 1, "ttft": 1}"#, r#"{"ttft": 1}"#);
        check(b, a, Verdict::NoBaseline, true);
        check(a, b, Verdict::NoValue, true);
        check(r#"{"errors": 0}"#, r#"{"errors": 1}"#, Verdict::Worse, false);
        check(r#"{"errors": 0}"#, r#"{"errors": 0}"#, Verdict::Same, true);
    }

    #[test]
    fn a_run_with_nothing_in_common_with_its_baseline_does_not_pass() {
        check("{}", r#"{"latency": 1}"#, Verdict::NoBaseline, false);
        check(r#"{"latency": 1}"#, "{}", Verdict::NoValue, false);
        check(r#"{"latency": 1}"#, r#"{"latency": []}"#, Verdict::NoValue, false);
        check(
            r#"{"latency": "NaN"}"#,
            r#"{"latency": 1}"#,
            Verdict::NotFinite,
            false,
        );
        let none = Points::default();
        let report = gate("main", &none, &none, &GateOptions::default());
        assert!(!report.passed && report.nothing_compared());
        let holds = Condition {
            expr: "up".to_owned(),
            holds: true,
            detail: String::new(),
        };
        assert!(report.with_conditions(vec![holds]).passed);
    }

    #[test]
    fn what_is_not_finite_in_a_run_fails_it_by_name() {
        check(
            r#"{"loss": 1}"#,
            r#"{"loss": [1, "NaN"]}"#,
            Verdict::NotFinite,
            false,
        );
        check(
            r#"{"loss": 1}"#,
            r#"{"loss": "Infinity"}"#,
            Verdict::NotFinite,
            false,
        );
    }

    /// Where nobody says which way is better, a fall of nine tenths must not pass as an improvement.
    #[test]
    fn a_change_of_what_nobody_knows_is_not_an_improvement() {
        check(r#"{"zorp": 0.9}"#, r#"{"zorp": 0.1}"#, Verdict::Worse, false);
        check(r#"{"zorp": 0.1}"#, r#"{"zorp": 0.9}"#, Verdict::Worse, false);
        check(r#"{"zorp": 0.9}"#, r#"{"zorp": 0.91}"#, Verdict::Same, true);
        check(
            r#"{"zorp": 0.9}"#,
            r#"{"zorp": {"value": 0.1, "direction": "lower"}}"#,
            Verdict::Better,
            true,
        );
        check(r#"{"acc": 0.9}"#, r#"{"acc": 0.1}"#, Verdict::Worse, false);
        let base = r#"{"zorp": [1, 1.1, 0.9, 1, 1.05, 0.95]}"#;
        check(
            base,
            r#"{"zorp": [1, 1.1, 0.9, 3, 1.0, 0.9]}"#,
            Verdict::WithinNoise,
            true,
        );
        check(
            base,
            r#"{"zorp": [0.5, 0.6, 0.55, 0.5, 0.6, 0.5]}"#,
            Verdict::Worse,
            false,
        );
    }

    #[test]
    fn noise_is_told_from_a_regression() {
        let base = r#"{"latency": [1, 1.1, 0.9, 1, 1.05, 0.95]}"#;
        check(
            base,
            r#"{"latency": [1, 1.1, 0.9, 3, 1.0, 0.9]}"#,
            Verdict::WithinNoise,
            true,
        );
        check(
            base,
            r#"{"latency": [1.3, 1.4, 1.2, 1.35, 1.25, 1.3]}"#,
            Verdict::Worse,
            false,
        );
    }

    /// One request of ten that takes thirty times as long: to ranks it is one of many, to whoever pays for the mean it is half of it.
    #[test]
    fn the_noise_model_can_be_chosen() {
        let before = Points::parse(r#"{"cost": [1, 1.1, 0.9, 1, 1.05, 0.95, 1, 1, 0.9, 1.1]}"#).unwrap();
        let now = Points::parse(r#"{"cost": [1, 1.1, 0.9, 1, 1.05, 0.95, 30, 31, 29, 32]}"#).unwrap();
        let verdict = |noise| {
            let options = GateOptions {
                noise,
                alpha: 0.03,
                ..GateOptions::default()
            };
            gate("main", &before, &now, &options).rows[0].verdict
        };
        assert_eq!(verdict(NoiseModel::MannWhitney), Verdict::WithinNoise);
        assert_eq!(verdict(NoiseModel::Bootstrap), Verdict::Worse);
    }

    #[test]
    fn strictness_can_be_set() {
        let mut options = GateOptions {
            missing: Missing::Fail,
            ..GateOptions::default()
        };
        let one = Points::parse(r#"{"latency": 1}"#).unwrap();
        let more = Points::parse(r#"{"latency": 1.2}"#).unwrap();
        assert!(!gate("main", &Points::default(), &one, &options).passed);
        let lenient = super::super::Override {
            relative: Some(0.5),
            ..Default::default()
        };
        options.metrics.insert("latency".to_owned(), lenient);
        assert!(gate("main", &one, &more, &options).passed);
    }
}
