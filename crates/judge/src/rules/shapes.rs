//! What may stand in the place of `condition`: `trend`, `anomaly`, `burn_rate`, as they are written.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A share: `10%` or `0.1`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Share(pub f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as 10% or 0.1")
            }

            fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Share, E> {
                Ok(Share(v))
            }

            fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Share, E> {
                Ok(Share(v as f64))
            }

            fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Share, E> {
                Ok(Share(v as f64))
            }

            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Share, E> {
                share(v)
                    .map(Share)
                    .ok_or_else(|| E::custom(format!("{v:?} is not a share; write 10% or 0.1")))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `80%` is 0.8, `0.8` is 0.8.
pub(super) fn share(text: &str) -> Option<f64> {
    let (digits, scale) = match text.trim().strip_suffix('%') {
        Some(digits) => (digits.trim(), 100.0),
        None => (text.trim(), 1.0),
    };
    digits
        .parse::<f64>()
        .ok()
        .filter(|n| n.is_finite())
        .map(|n| n / scale)
}

/// Where something is going. Exactly one of `rises`, `falls`, `changes` and `reaches` says what is bad.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrendShape {
    /// A condition's left side: a well-known name or PromQL.
    pub of: String,
    /// The window that the slope is fitted to (1h), or the mean is taken over (15m with `against`).
    #[serde(default)]
    pub over: Option<String>,
    /// Compares with the same time so long ago instead of fitting a slope: `1d`, `1w`.
    #[serde(default)]
    pub against: Option<String>,
    #[serde(default)]
    pub rises: Option<Share>,
    #[serde(default)]
    pub falls: Option<Share>,
    #[serde(default)]
    pub changes: Option<Share>,
    /// The limit that the fitted line must not reach `within` a time.
    #[serde(default)]
    pub reaches: Option<Share>,
    #[serde(default)]
    pub within: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyMethod {
    /// Against the median and the median absolute deviation of its own past.
    #[default]
    RobustZ,
    /// Against the same hour of the week in the weeks before.
    Seasonal,
    /// Against its peers at the same moment.
    Peers,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[default]
    Both,
    Up,
    Down,
}

/// What is unlike the rest. The score is written as a series; above 1 it is anomalous.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnomalyShape {
    pub of: String,
    #[serde(default)]
    pub method: AnomalyMethod,
    /// Robust deviations from the median that count as 1 (3.5).
    #[serde(default)]
    pub sensitivity: Option<f64>,
    #[serde(default)]
    pub direction: Direction,
    /// `robust_z`: the past that it is compared with (1d).
    #[serde(default)]
    pub over: Option<String>,
    /// `seasonal`: weeks looked back (4).
    #[serde(default)]
    pub weeks: Option<u32>,
    /// `peers`: labels that peers have in common, such as `[job]`; with none, all are peers.
    #[serde(default)]
    pub by: Vec<String>,
}

/// How fast an error budget is used up, over several windows at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurnShape {
    /// The share that has to be good: `99.5%`.
    pub objective: Option<Share>,
    /// A counter of what went wrong; Lapwing's own failed operations when neither this nor `good` is given.
    #[serde(default)]
    pub bad: Option<String>,
    /// A counter of what went well, such as the bucket of a latency histogram.
    #[serde(default)]
    pub good: Option<String>,
    #[serde(default)]
    pub total: Option<String>,
    /// In the place of counters: a gauge that is 1 while all is well and 0 while it is not, such as a probe's.
    #[serde(default)]
    pub available: Option<String>,
    /// Labels that have budgets of their own.
    #[serde(default)]
    pub by: Vec<String>,
    /// What the objective is for (30d).
    #[serde(default)]
    pub period: Option<String>,
}
